"""The tables of a log, and how a connection to them is opened.

Exactly one connection writes and folds the write-ahead log; every other one is read-only (SQLite before 3.51.3 can
corrupt a database in WAL mode when two connections write or fold at once). Format: docs/formats/journal.md.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from scorelog.journal.errors import Damaged, LogFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASE: Final = "log.db"
WAL: Final = "log.db-wal"
SHM: Final = "log.db-shm"
LOCK: Final = "lock"
IDENTITY: Final = "identity.json"
RESERVE: Final = "reserve"

APPLICATION_ID: Final = 0x6B616F66  # "kaof"
FORMAT_VERSION: Final = 1
_SYNCHRONOUS_FULL: Final = 2
_VERSIONS_AT: Final = 18  # in the header of the file: who may write it, who may read it (SQLite file format, 1.3)
_WAL_VERSIONS: Final = b"\x02\x02"
_BUSY_MS: Final = 100  # only a reader of fsck can be in the way, and only of folding

_TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entry (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE node (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;
CREATE TABLE opening (
  idx INTEGER, field TEXT, blind BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (idx, field)
) WITHOUT ROWID;
CREATE TABLE entry_key (
  rig TEXT, epoch INTEGER, seq INTEGER, type TEXT, ordinal INTEGER, content TEXT,
  generation INTEGER NOT NULL, idx INTEGER NOT NULL, leaf BLOB NOT NULL,
  PRIMARY KEY (rig, epoch, seq, type, ordinal, content)
) WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE receipt (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
"""


def create_tables(writer: sqlite3.Connection) -> None:
    """An empty log's tables, inside the caller's transaction."""
    for statement in filter(str.strip, _TABLES.split(";")):
        writer.execute(statement)


def open_writer(directory: Path) -> sqlite3.Connection:
    """The one connection that writes. Asserts that a commit means an fsync."""
    with _closed_on_error(
        sqlite3.connect(directory / DATABASE, isolation_level=None, check_same_thread=False)
    ) as connection:
        _pragma(connection, f"busy_timeout={_BUSY_MS}")
        _pragma(connection, "mmap_size=0")
        _expect(connection, "journal_mode=WAL", "journal_mode", "wal")
        _expect(connection, "synchronous=FULL", "synchronous", _SYNCHRONOUS_FULL)
        _expect(connection, "wal_autocheckpoint=0", "wal_autocheckpoint", 0)
        _expect(connection, "secure_delete=ON", "secure_delete", 1)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for whoever reads beside the writer."""
    with _closed_on_error(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    ) as connection:
        _pragma(connection, f"busy_timeout={_BUSY_MS}")
        _pragma(connection, "mmap_size=0")
        _pragma(connection, "query_only=ON")
    return connection


def mark_format(writer: sqlite3.Connection) -> None:
    """Write what kind of file this is into its header."""
    _pragma(writer, f"application_id={APPLICATION_ID}")
    _pragma(writer, f"user_version={FORMAT_VERSION}")


def check_format(connection: sqlite3.Connection, origin: str) -> None:
    """Refuse a file of another kind, or of a version that this code does not know."""
    kind, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if kind != APPLICATION_ID:
        raise Damaged(origin, None, f"{DATABASE} is not a log (application id {kind})")
    if version != FORMAT_VERSION:
        raise Damaged(origin, None, f"{DATABASE} has format version {version}, this program knows {FORMAT_VERSION}")


def header_damage(database: Path) -> str | None:
    """What is wrong with the two bytes by which SQLite would silently read only, or write another kind of journal.

    A file too short to have them is SQLite's to refuse. Raises OSError.
    """
    with database.open("rb") as file:
        found = file.read(_VERSIONS_AT + len(_WAL_VERSIONS))[_VERSIONS_AT:]
    if len(found) < len(_WAL_VERSIONS) or found == _WAL_VERSIONS:
        return None
    return f"the header of {DATABASE} says versions {found[0]} and {found[1]}; a log has 2 and 2"


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Files of a log that is put aside must not stay open for as long as somebody keeps the error."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _pragma(connection: sqlite3.Connection, text: str) -> object:
    row = connection.execute(f"PRAGMA {text}").fetchone()
    return None if row is None else row[0]


def _expect(connection: sqlite3.Connection, setting: str, name: str, wanted: object) -> None:
    _pragma(connection, setting)
    found = _pragma(connection, name)
    if found != wanted:
        raise LogFailed(f"SQLite did not take PRAGMA {setting}: {name} is {found!r}; a commit would not be durable")
