"""The cells of a maker's table: CSV in UTF-8 or GB 18030 (GBK is a part of it), or one sheet of an XLSX file.

Owns: what stands in which cell, by its name (B7), merged cells included. Never says what it means. Raises ConfigError
for a file that is no table.
"""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.rig.limits import COLUMNS_MAX, ROWS_MAX, TABLE_BYTES_MAX, UNPACKED_BYTES_MAX

if TYPE_CHECKING:
    from openpyxl import Workbook


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell. `merged`: its text was written once, for several cells."""

    ref: str
    text: str
    merged: bool = False


Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table; `others` are the sheets of the same file that were not read."""

    rows: tuple[Row, ...]
    coding: str
    others: tuple[str, ...] = ()


def read_sheet(data: bytes, wanted: str | None = None) -> Sheet:
    """A file's cells. Of several sheets the one of this name, or the first."""
    if len(data) > TABLE_BYTES_MAX:
        raise ConfigError(f"{len(data)} bytes; a register table has at most {TABLE_BYTES_MAX}")
    if data[:4] == b"PK\3\4":
        return _workbook(data, wanted)
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise ConfigError("this is an .xls file of before 2007; save it as .xlsx or as CSV")
    return _csv(data)


def column_name(number: int) -> str:
    """0 is A, 26 is AA."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _csv(data: bytes) -> Sheet:
    for coding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(coding)
        except UnicodeDecodeError:
            continue
        break
    else:
        raise ConfigError("neither UTF-8 nor GBK; save the table as CSV UTF-8 or as .xlsx")
    if "\0" in text:
        raise ConfigError("holds zero bytes: this is no table")
    mark = max(",;\t", key=text.count)
    try:
        found = list(csv.reader(io.StringIO(text), delimiter=mark))
    except csv.Error as error:
        raise ConfigError(f"no CSV: {error}") from None
    _check_size(len(found), max(map(len, found), default=0))
    rows = tuple(
        tuple(Cell(f"{column_name(column)}{line}", text.strip()) for column, text in enumerate(row))
        for line, row in enumerate(found, start=1)
    )
    return Sheet(rows, "UTF-8" if coding == "utf-8-sig" else "GB 18030")


def _workbook(data: bytes, wanted: str | None) -> Sheet:
    try:
        book = _opened(data)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001  # a foreign parser on foreign bytes raises anything
        raise ConfigError(f"no .xlsx that can be read: {type(error).__name__}") from None
    if wanted is not None and wanted not in book.sheetnames:
        raise ConfigError(f"no sheet {wanted!r}; there are {', '.join(book.sheetnames)}")
    sheet = book[wanted] if wanted is not None else book.worksheets[0]
    _check_size(sheet.max_row, sheet.max_column)
    merged = {
        (row, column): (area.min_row, area.min_col)
        for area in sheet.merged_cells.ranges
        for row in range(area.min_row, area.max_row + 1)
        for column in range(area.min_col, area.max_col + 1)
    }
    rows = []
    for line in range(1, sheet.max_row + 1):
        cells = []
        for column in range(1, sheet.max_column + 1):
            home = merged.get((line, column), (line, column))
            text = _shown(sheet.cell(*home).value)
            cells.append(Cell(f"{column_name(column - 1)}{line}", text, (line, column) in merged))
        rows.append(tuple(cells))
    return Sheet(tuple(rows), "XLSX", tuple(name for name in book.sheetnames if name != sheet.title))


def _opened(data: bytes) -> Workbook:
    from openpyxl import load_workbook  # noqa: PLC0415  (heavy, and only a table of this kind needs it)

    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if sum(one.file_size for one in packed.infolist()) > UNPACKED_BYTES_MAX:
            raise ConfigError(f"unpacks to more than {UNPACKED_BYTES_MAX} bytes")
    return load_workbook(io.BytesIO(data))


def _check_size(rows: int, columns: int) -> None:
    if rows > ROWS_MAX or columns > COLUMNS_MAX:
        raise ConfigError(f"{rows} rows and {columns} columns; at most {ROWS_MAX} and {COLUMNS_MAX}")


def _shown(value: object) -> str:
    """As it is seen: a spreadsheet holds 40001 as 40001.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
