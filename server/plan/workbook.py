"""The first sheet of an XLSX as rows of text. Hostile files are bounded before the library sees them.

Values only: a formula is refused, and so is a number that Excel can no longer tell exactly.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Final

from openpyxl import load_workbook

from server.errors import ListError
from server.plan import limits
from server.plan.findings import Finding, Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

_ZEROS: Final = re.compile(r"0{2,}\Z")
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="[A-Z]+(\d+):[A-Z]+(\d+)"')
_UNREADABLE: Final = Finding(0, "", "not a readable XLSX", "save the list as XLSX again, without a password")
_BROKEN_ZIP: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError),
    *(LookupError, RuntimeError, OverflowError, MemoryError),
)
_DOCTYPES: Final = tuple("<!DOCTYPE".encode(code) for code in ("ascii", "utf-16-le", "utf-16-be"))


def read_workbook(data: bytes) -> list[tuple[int, list[str | Flaw]]]:
    """The rows of the first sheet, with the numbers that Excel shows."""
    _check_parts(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of styles that it leaves out
            return list(_rows(data))
    except ListError:
        raise
    except Exception:  # noqa: BLE001  # a foreign parser on foreign bytes raises anything; its text may hold a value
        raise ListError([_UNREADABLE]) from None


def _check_parts(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if len(parts) > limits.PARTS_MAX or sum(part.file_size for part in parts) > limits.UNPACKED_BYTES_MAX:
                raise ListError([Finding(0, "", "unpacks to too much", "keep only the list in the file")])
            for part in parts:
                content = archive.read(part)
                if any(word in content for word in _DOCTYPES):
                    raise ListError([_UNREADABLE])  # entities: no Excel writes them
    except _BROKEN_ZIP:
        raise ListError([_UNREADABLE]) from None


def _check_merges(content: bytes) -> None:
    """The cells under a merge are empty, and empty means something: one row each, or refused."""
    tall = sorted(int(found[1]) for found in _MERGED.finditer(content) if found[1] != found[2])
    if tall:
        remedy = "unmerge them and fill in every row"
        raise ListError([Finding(row, "", "cells are merged over several rows", remedy) for row in tall])


def _rows(data: bytes) -> Iterator[tuple[int, list[str | Flaw]]]:
    book = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
    try:
        sheet: Any = book.worksheets[0]
        with sheet._get_source() as part:  # noqa: SLF001  # a read-only sheet tells nothing of its merges
            _check_merges(part.read())
        sheet.reset_dimensions()  # what a file says of its size may hide rows
        for number, cells in enumerate(sheet.iter_rows(max_col=limits.COLUMNS_MAX), 1):
            yield number, [_value(cell) for cell in cells]
            if number > limits.ROWS_MAX:
                return
    finally:
        book.close()


def _value(cell: Any) -> str | Flaw:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return Flaw("a formula", "paste its value instead")
    if cell.data_type == "e":
        return Flaw("an error of the spreadsheet", "write the value itself")
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Flaw("a date or a truth value", "format the column as text and write the value again")
    return _number(value, str(cell.number_format))


def _number(value: float, shown_as: str) -> str | Flaw:
    if abs(value) >= 10**limits.NUMBER_DIGITS_MAX or value != value:  # noqa: PLR0124  # not a number
        return Flaw(
            f"a number of more than {limits.NUMBER_DIGITS_MAX} digits: Excel has lost some",
            "format the column as text and write the value again from its source",
        )
    if value < 0 or value != int(value):
        return Flaw("a number that is not whole", "format the column as text and write the value again")
    text = str(int(value))
    return text.zfill(len(shown_as)) if _ZEROS.match(shown_as) else text
