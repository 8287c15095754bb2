"""Reading a log that may be damaged: whatever can be read is read, row by row where a page is broken."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scorelog.journal import rows
from scorelog.journal.schema import DATABASE, WAL, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 256


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it lies on the disk. `error`: it cannot be read; `missing` says that there is no such row."""

    index: int
    leaf: bytes = b""
    entry: bytes = b""
    error: str | None = None
    missing: bool = False


@contextmanager
def reader(directory: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a log, running or not; one in a directory that cannot be written is copied first."""
    with tempfile.TemporaryDirectory(prefix="kaofen-log-") as scratch:
        connection = _connect(directory, Path(scratch))
        try:
            yield connection
        finally:
            connection.close()


def _connect(directory: Path, scratch: Path) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        connection = open_reader(directory / DATABASE)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, UnicodeDecodeError):  # a schema so damaged that SQLite's own words about it are no text
            raise sqlite3.DatabaseError("the schema cannot be read") from error
        if not isinstance(error, sqlite3.OperationalError):
            raise
    else:
        return connection  # otherwise SQLite needs to make its scratch index beside a write-ahead log
    for name in (DATABASE, WAL):
        if (directory / name).exists():
            shutil.copyfile(directory / name, scratch / name)
    return open_reader(scratch / DATABASE)


def each_entry(connection: sqlite3.Connection, start: int, stop: int) -> Iterator[Row]:
    """Every index of [start, stop), in order, whatever state its row is in."""
    for first in range(start, stop, _CHUNK):
        last = min(stop, first + _CHUNK)
        try:
            found = {index: Row(index, leaf, entry) for index, leaf, entry in _checked(connection, first, last)}
        except (sqlite3.DatabaseError, TypeError):
            yield from (_one(connection, index) for index in range(first, last))
        else:
            yield from (found.get(index, Row(index, missing=True)) for index in range(first, last))


def kept_entries(connection: sqlite3.Connection, start: int, stop: int) -> Iterator[Row]:
    """The rows of [start, stop) that are there, in order. A row under a wild index makes no walk through the void."""
    first = start
    while first < stop:
        last = min(stop, first + _CHUNK)
        found = [row for row in each_entry(connection, first, last) if not row.missing]
        yield from found
        first = last if found else max(last, _following(connection, last, stop))


def _following(connection: sqlite3.Connection, start: int, stop: int) -> int:
    """The next index from `start` on that has a row; `start` where the pages do not say."""
    try:
        (found,) = connection.execute("SELECT min(idx) FROM entry WHERE idx >= ?", (start,)).fetchone()
    except sqlite3.DatabaseError:
        return start
    return stop if found is None else int(found)


def _one(connection: sqlite3.Connection, index: int) -> Row:
    try:
        found = [Row(*row) for row in _checked(connection, index, index + 1)]
    except (sqlite3.DatabaseError, TypeError) as error:
        return Row(index, error=str(error))
    return found[0] if found else Row(index, missing=True)


def _checked(connection: sqlite3.Connection, start: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
    for index, leaf, entry in rows.read_entries(connection, start, stop):
        if not (isinstance(leaf, bytes) and isinstance(entry, bytes)):
            raise TypeError(f"entry {index} is stored as {type(leaf).__name__} and {type(entry).__name__}")
        yield index, leaf, entry
