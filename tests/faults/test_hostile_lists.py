"""O6, B9: lists of candidates that are no lists: bombs, entities, formulas. Refused soon, and in bounded memory."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from fuzz_targets_server import workbook

from server.errors import ListError
from server.plan import limits
from server.plan.lists import read_list

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = ["准考证号", "姓名", "证件号"]
GOOD = workbook([HEAD, ["T-1", "张三", "11010519491231002X"]])
SHEET = "xl/worksheets/sheet1.xml"
ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(ord("b"), ord("k")))
    + b"]>"
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


def changed(part: str, change: Callable[[bytes], bytes], *more: tuple[str, bytes]) -> bytes:
    """The good list with one part changed, and parts beside it."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
        for name, content in more:
            new.writestr(name, content)
    return target.getvalue()


def declared(prolog: bytes) -> Callable[[bytes], bytes]:
    return lambda content: (
        prolog + content.replace(b"<sheetData>", b"<sheetData><row><c t='inlineStr'><is><t>&a;</t></is></c></row>")
    )


def rows(count: int, cell: bytes = b"<c><v>1</v></c>") -> Callable[[bytes], bytes]:
    return lambda content: content.replace(b"</sheetData>", (b"<row>" + cell + b"</row>") * count + b"</sheetData>")


HOSTILE = {
    "entities that grow": changed(SHEET, declared(ENTITIES)),
    "an entity from outside": changed(SHEET, declared(OUTSIDE)),
    "an entity in UTF-16": changed(SHEET, lambda content: declared(OUTSIDE)(content).decode().encode("utf-16")),
    "a bomb beside the sheet": changed(SHEET, bytes, ("xl/media/image.png", bytes(limits.UNPACKED_BYTES_MAX + 1))),
    "many parts": changed(SHEET, bytes, *((f"xl/{n}.xml", b"") for n in range(limits.PARTS_MAX + 1))),
    "a sheet of too many rows": changed(SHEET, rows(limits.ROWS_MAX + 5, b"<c t='inlineStr'><is><t>x</t></is></c>")),
    "a row number of 2^31": changed(SHEET, lambda content: content.replace(b'r="2"', b'r="2147483648"')),
    "a cell far to the right": changed(SHEET, rows(1, b"<c r='XFE9'><v>1</v></c>")),
    "a formula for a name": workbook([HEAD, ["T-1", '=HYPERLINK("http://x","张三")', "11010519491231002X"]]),
    "no sheet": changed("xl/workbook.xml", lambda _: b"<workbook/>"),
    "a sheet that is no XML": changed(SHEET, lambda _: b"\x00" * 100),
    "cut in the middle": GOOD[: len(GOOD) // 2],
    "a zip of nothing": b"PK\x05\x06" + bytes(18),
    "a CSV of one long line": "准考证号,姓名,证件号\n".encode() + b"x" * 4_000_000,
    "a CSV of quotes": "准考证号,姓名,证件号\n".encode() + b'"' * 1_000_001,
    "a CSV with a NUL": "准考证号,姓名,证件号\nT\0-1,张三,1\n".encode(),
    "a CSV formula": "准考证号,姓名,证件号\nT-1,=1+1,11010519491231002X\n".encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_list_is_refused_soon_and_in_little_memory(name: str) -> None:
    """I16: at most a few seconds of this process and the limits' memory; the refusal quotes no cell (P7)."""
    tracemalloc.start()
    started = time.process_time()
    try:
        sheet = read_list(HOSTILE[name], "list.xlsx" if HOSTILE[name][:2] == b"PK" else "list.csv")
        flaws = [cell for row in sheet.rows for cell in row.cells.values() if not isinstance(cell, str)]
        assert flaws or len(sheet.rows) <= limits.ROWS_MAX + 1
        assert all("HYPERLINK" not in str(cell) for cell in flaws)
    except ListError as error:
        said = str(error)
        assert said
        assert "张三" not in said
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - started < 20
    assert peak < 8 * limits.UNPACKED_BYTES_MAX


@pytest.mark.parametrize(
    "name",
    [
        "entities that grow",
        "an entity from outside",
        "an entity in UTF-16",
        "a bomb beside the sheet",
        "many parts",
        "no sheet",
        "cut in the middle",
        "a zip of nothing",
    ],
)
def test_what_no_spreadsheet_program_writes_is_no_list(name: str) -> None:
    """O7: refused whole; nothing of it is read."""
    with pytest.raises(ListError):
        read_list(HOSTILE[name], "list.xlsx")
