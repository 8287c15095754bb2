"""Candidate lists as files: encodings, headers, what a spreadsheet does to a value."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from server.errors import ListError
from server.plan import limits
from server.plan.findings import Flaw
from server.plan.lists import Sheet, read_list

HEAD = "准考证号,姓名,证件号,考次,题目,工位"
NAMES = ["欧阳明日", "买买提·吐尔逊", "㐂龙", "䶮生", "𠮷野"]


def book(*rows: list[object]) -> bytes:
    work = Workbook()
    for row in rows:
        work.active.append(row)
    out = io.BytesIO()
    work.save(out)
    return out.getvalue()


def _whole(error: ListError) -> None:
    assert error.findings
    assert error.__cause__ is None


def refused(data: bytes, name: str = "list.csv") -> ListError:
    with pytest.raises(ListError) as caught:
        read_list(data, name)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_gives_the_same_rows_in_every_encoding(encoding: str) -> None:
    """Rare characters and the middle dot come through whole; blank rows count and give nothing."""
    text = HEAD + "\r\n\r\n" + "".join(f"T{n},{name},X,1,,\r\n" for n, name in enumerate(NAMES))
    sheet = read_list(text.encode(encoding), "list.csv")
    assert [row.get("name") for row in sheet.rows] == NAMES
    assert [row.number for row in sheet.rows] == [3, 4, 5, 6, 7]


def test_a_workbook_is_read_by_value() -> None:
    """Title row, blank row, small numbers, English headers; what is lost or computed is a flaw of its cell."""
    data = book(
        ["一号考场考生名单"],
        [],
        ["Ticket No.", "Name", "ID number", "Remark"],
        [17, "𠮷野", "430102199001011234", "x"],
        ["T2", "=A1", 430102199001011234, None],
        ["T3", "䶮生", 4.30102199001011e17, None],
    )
    rows = read_list(data, "list.xlsx").rows
    assert [row.number for row in rows] == [4, 5, 6]
    assert (rows[0].get("ticket"), rows[0].get("name"), rows[0].get("items")) == ("17", "𠮷野", "")
    assert isinstance(rows[1].get("name"), Flaw)
    for row in rows[1:]:
        flaw = row.get("id_number")
        assert isinstance(flaw, Flaw)
        assert "15 digits" in flaw.problem


def test_cells_merged_over_rows_are_refused() -> None:
    """An empty cell means that the server draws: a merge must not make one."""
    work = Workbook()
    for row in (["准考证号", "姓名", "证件号", "题目"], ["T1", "甲", "x", "K12"], ["T2", "乙", "y", None]):
        work.active.append(row)
    work.active.merge_cells("D2:D3")
    out = io.BytesIO()
    work.save(out)
    (finding,) = refused(out.getvalue(), "list.xlsx").findings
    assert finding.row == 2


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """A few kilobytes that unpack to more than the limit."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(limits.UNPACKED_BYTES_MAX + 1))
    assert "too much" in str(refused(out.getvalue(), "list.xlsx"))


def test_the_limits_of_a_list() -> None:
    """Rows and bytes at the limit pass, one more is refused."""
    text = HEAD + "\n" + "T,N,X,1,,\n" * (limits.ROWS_MAX - 1)
    assert len(read_list(text.encode(), "list.csv").rows) == limits.ROWS_MAX - 1
    assert "too many rows" in str(refused((text + "T,N,X,1,,\n").encode()))
    assert "too many bytes" in str(refused(bytes(limits.LIST_BYTES_MAX + 1)))


def test_headers_that_are_missing_or_twice_are_all_named() -> None:
    """One round mends the header."""
    found = refused("姓名,考生姓名,考次\n甲,乙,1\n".encode()).findings
    assert [finding.column for finding in found] == ["准考证号", "证件号", "姓名"]


def test_an_encoding_that_cannot_be_told_is_refused() -> None:
    """Two-byte UTF-8 is Chinese in GB18030 as well: nobody is renamed in silence."""
    assert "encoding" in str(refused("ticket,name,id\nT1,Æßé,x\n".encode()))
    assert read_list("ticket,name,id\nT1,Æßé,x\n".encode("utf-8-sig"), "a.csv").rows[0].get("name") == "Æßé"


@given(st.binary(max_size=300), st.sampled_from(["a.csv", "a.xlsx", ""]), st.booleans(), st.booleans())
def test_any_bytes_give_a_sheet_or_a_list_error(data: bytes, name: str, zipped: bool, headed: bool) -> None:
    """Nothing else comes out, whatever goes in."""
    data = (b"PK\x03\x04" if zipped else HEAD.encode() + b"\n" if headed else b"") + data
    try:
        assert isinstance(read_list(data, name), Sheet)
    except ListError as error:
        _whole(error)


BOOK = book(["准考证号", "姓名", "证件号"], ["T1", "甲", "x"])


@given(st.integers(0, len(BOOK) - 1), st.integers(0, 255))
def test_a_damaged_workbook_gives_a_sheet_or_a_list_error(at: int, byte: int) -> None:
    """One byte changed anywhere in a real file."""
    try:
        assert isinstance(read_list(BOOK[:at] + bytes([byte]) + BOOK[at + 1 :], "a.xlsx"), Sheet)
    except ListError as error:
        _whole(error)
