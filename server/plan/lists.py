"""Candidate lists as files: CSV in UTF-8 or GB18030, or the first sheet of an XLSX, to rows of named columns.

Owns encodings, header names and what a spreadsheet does to a value. What the values must be is judged in
`candidates`. Any bytes give a `Sheet` or a `ListError`; no error text holds a value of the list (P7).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from server.errors import ListError
from server.plan import limits
from server.plan.findings import Finding, Flaw
from server.plan.workbook import read_workbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Cell = str | Flaw
    Grid = Iterable[tuple[int, list[Cell]]]

TICKET: Final = "ticket"
NAME: Final = "name"
ID_NUMBER: Final = "id_number"
TRY: Final = "try"
ITEMS: Final = "items"
PLACES: Final = "places"

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    TICKET: ("准考证号", "准考证", "准考证号码", "考号", "考生号", "ticket", "ticketno", "ticketnumber"),
    NAME: ("姓名", "考生姓名", "name", "fullname", "candidate", "candidatename"),
    ID_NUMBER: (
        *("证件号", "证件号码", "身份证", "身份证号", "身份证号码", "公民身份号码"),
        *("id", "idnumber", "idno", "idcard", "idcardnumber"),
    ),
    TRY: ("考次", "考试次数", "try", "tryno", "attempt"),
    ITEMS: ("题目", "考题", "试题", "考试题目", "item", "items"),
    PLACES: ("工位", "工位号", "考位", "place", "places", "station", "stations"),
}
"""Header names by column, the first for messages and examples. Spaces, case, `_`, `-`, `.` and `*` do not count."""

_COLUMN = {alias: column for column, aliases in NAMES.items() for alias in aliases}
_REQUIRED = (TICKET, NAME, ID_NUMBER)
_AS_TEXT = re.compile(r'="([^"]*)"\Z')
_OLE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK"
_UTF8_ONLY_FROM = 0x800
_SAVE = "save the list as XLSX or as CSV UTF-8"


@dataclass(frozen=True, slots=True)
class Row:
    """One row that is not blank, by column; its number is the one that a spreadsheet shows. Personal."""

    number: int
    cells: Mapping[str, Cell] = field(repr=False)

    def get(self, column: str) -> Cell:
        """The cell; empty where the list has no such column."""
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole list. `labels` are the headers as they were written, for messages."""

    rows: tuple[Row, ...]
    labels: Mapping[str, str]

    def label(self, column: str) -> str:
        """What the list calls a column."""
        return self.labels.get(column, NAMES[column][0])


def read_list(data: bytes, file_name: str) -> Sheet:
    """The rows of a list file; ListError where it is no list at all."""
    if len(data) > limits.LIST_BYTES_MAX:
        raise _no_list("too many bytes", f"at most {limits.LIST_BYTES_MAX}")
    if data.startswith(_OLE):
        raise _no_list("an old or encrypted Excel file", "save it as XLSX without a password")
    if data.startswith(_ZIP):
        return _sheet(read_workbook(data))
    if file_name.lower().endswith(".xlsx"):
        raise _no_list("named .xlsx and is none", _SAVE)
    return _sheet(_csv(_text(data)))


def _no_list(problem: str, remedy: str, row: int = 0) -> ListError:
    return ListError([Finding(row, "", problem, remedy)])


def _text(data: bytes) -> str:
    """Decoded. The byte order mark settles it; else UTF-8 if it holds, else GB18030."""
    marked = data.startswith(b"\xef\xbb\xbf")
    for encoding in ("utf-8-sig",) if marked else ("utf-8", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue  # the error would carry the bytes
        if encoding == "utf-8" and _could_be_gb18030(data, text):
            raise _no_list("the encoding cannot be told for sure", "save it as CSV UTF-8 with a byte order mark")
        return text
    raise _no_list("neither UTF-8 nor GB18030", _SAVE)


def _could_be_gb18030(data: bytes, text: str) -> bool:
    """Two-byte UTF-8 alone can be Chinese in GB18030 as well: a wrong name would go through unseen."""
    if text.isascii() or max(map(ord, text)) >= _UTF8_ONLY_FROM:
        return False
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def _csv(text: str) -> Iterator[tuple[int, list[Cell]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    number = 0
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            yield number, [_of_csv(cell) for cell in cells]
    except csv.Error:
        raise _no_list("not CSV: quotes or line ends do not match", _SAVE, number + 1) from None


def _of_csv(cell: str) -> Cell:
    """`="…"` is how a CSV keeps Excel from making a number; any other formula is refused."""
    value = cell.strip()
    if forced := _AS_TEXT.match(value):
        return forced[1].strip()
    return Flaw("a formula", "write the value itself") if value.startswith("=") else value


def _sheet(grid: Grid) -> Sheet:
    columns: dict[int, str] | None = None
    labels: dict[str, str] = {}
    rows: list[Row] = []
    for number, cells in grid:
        if number > limits.ROWS_MAX:
            raise _no_list("too many rows", f"at most {limits.ROWS_MAX} in one list", number)
        filled = sum(1 for cell in cells if cell)
        if filled == 0 or (columns is None and filled == 1 and number <= limits.TITLE_ROWS_MAX):
            continue  # blank, or a title over the headers
        if len(cells) > limits.COLUMNS_MAX:
            raise _no_list("too many columns", f"at most {limits.COLUMNS_MAX}", number)
        if columns is None:
            columns = _header(number, cells)
            labels = {column: str(cells[at]).strip() for at, column in columns.items()}
            continue
        rows.append(Row(number, {column: _short(cells[at]) for at, column in columns.items() if at < len(cells)}))
    if columns is None:
        raise _no_list("no row names the columns", f"begin with a row {_wanted(NAMES)}")
    return Sheet(tuple(rows), labels)


def _short(cell: Cell) -> Cell:
    too_long = isinstance(cell, str) and len(cell) > limits.CELL_CHARS_MAX
    return Flaw("too long", f"at most {limits.CELL_CHARS_MAX} characters") if too_long else cell


def _header(number: int, cells: list[Cell]) -> dict[int, str]:
    named = [(at, column) for at, cell in enumerate(cells) if (column := _column(cell))]
    found = [column for _, column in named]
    wrong = [
        Finding(number, NAMES[column][0], "no column of this name", f"the first row must name {_wanted(_REQUIRED)}")
        for column in _REQUIRED
        if column not in found
    ] + [
        Finding(number, NAMES[column][0], "two columns of this meaning", "keep one")
        for column in NAMES
        if found.count(column) > 1
    ]
    if wrong:
        raise ListError(wrong)
    return dict(named)


def _column(cell: Cell) -> str | None:
    if not isinstance(cell, str):
        return None
    return _COLUMN.get(re.sub(r"[\s_\-.*]", "", unicodedata.normalize("NFKC", cell)).casefold())


def _wanted(columns: Iterable[str]) -> str:
    return ",".join(NAMES[column][0] for column in columns)
