"""The SQL of a log: every statement that reads or writes its rows, once.

Owns no transaction and no rule; who calls these decides when a row is durable and what it must say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from scorelog.format.commitment import Opening
from scorelog.format.entry import EntryKey

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator


_ADOPTING: Final = (b"profile.adopted", b"rubric.adopted", b"plan.adopted", b"relogged")
_ADOPTIONS: Final = tuple(b'"type":"%b"' % kind for kind in _ADOPTING)


class KeyRow(NamedTuple):
    """Where the entry of one (key, content) is."""

    content: str
    generation: int
    idx: int
    leaf: bytes


class CheckpointRow(NamedTuple):
    """A signed or cosigned note and the tree size it is about."""

    size: int
    note: bytes


def get_meta(connection: sqlite3.Connection, name: str) -> str | int | bytes | None:
    """One named value, or None."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def set_meta(connection: sqlite3.Connection, name: str, value: str | int | bytes | None) -> None:
    """Set one named value."""
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def count_entries(connection: sqlite3.Connection) -> int:
    """The size, if no index is missing."""
    (last,) = connection.execute("SELECT max(idx) FROM entry").fetchone()
    return 0 if last is None else int(last) + 1


def indexes_from(connection: sqlite3.Connection, start: int) -> list[int]:
    """The indexes from `start` on that have a row."""
    return [index for (index,) in connection.execute("SELECT idx FROM entry WHERE idx >= ? ORDER BY idx", (start,))]


def indexes_below_zero(connection: sqlite3.Connection) -> list[int]:
    """Those that no entry can have."""
    return [index for (index,) in connection.execute("SELECT idx FROM entry WHERE idx < 0 ORDER BY idx")]


def insert_entries(connection: sqlite3.Connection, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Rows of (index, leaf hash, entry)."""
    connection.executemany("INSERT INTO entry (idx, leaf, bytes) VALUES (?, ?, ?)", rows)


def read_entries(connection: sqlite3.Connection, start: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Rows of (index, leaf hash, entry)."""
    yield from connection.execute(
        "SELECT idx, leaf, bytes FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, stop)
    )


def read_adoptions(connection: sqlite3.Connection, stop: int) -> Iterator[bytes]:
    """Entries below `stop` that adopt a text, or that may wrap one which does."""
    likely = " OR ".join("instr(bytes, ?)" for _ in _ADOPTIONS)
    found = connection.execute(
        f"SELECT bytes FROM entry WHERE idx < ? AND ({likely}) ORDER BY idx",  # noqa: S608  # question marks only
        (stop, *_ADOPTIONS),
    )
    for (entry,) in found:
        if isinstance(entry, bytes):
            yield entry


def read_lengths(connection: sqlite3.Connection, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Rows of (index, entry length): from the record header, without reading the entry."""
    yield from connection.execute(
        "SELECT idx, length(bytes) FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, stop)
    )


def insert_nodes(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, bytes]]) -> None:
    """Rows of (level, index, hash)."""
    connection.executemany("INSERT INTO node (level, idx, hash) VALUES (?, ?, ?)", rows)


def insert_openings(connection: sqlite3.Connection, rows: Iterable[tuple[int, str, bytes, bytes]]) -> None:
    """Rows of (index, field, blind, value)."""
    connection.executemany("INSERT INTO opening (idx, field, blind, value) VALUES (?, ?, ?, ?)", rows)


def read_openings(connection: sqlite3.Connection, start: int, stop: int) -> list[Opening]:
    """The openings of [start, stop)."""
    return [Opening(*row) for row in read_opening_rows(connection, start, stop)]


def all_opening_rows(connection: sqlite3.Connection) -> Iterator[tuple[int, str, bytes, bytes]]:
    """Every row, also under an index that no entry can have."""
    yield from connection.execute("SELECT idx, field, blind, value FROM opening ORDER BY idx, field")


def read_opening_rows(connection: sqlite3.Connection, start: int, stop: int) -> Iterator[tuple[int, str, bytes, bytes]]:
    """The rows as they are, for whoever must not trust them."""
    yield from connection.execute(
        "SELECT idx, field, blind, value FROM opening WHERE idx >= ? AND idx < ? ORDER BY idx, field", (start, stop)
    )


def insert_keys(
    connection: sqlite3.Connection,
    rows: Iterable[tuple[EntryKey, KeyRow]],
    *,
    twice: Literal["ABORT", "IGNORE"] = "ABORT",
) -> None:
    """`twice` says what a key does that is there already: ABORT, or IGNORE for what came from a damaged log."""
    connection.executemany(
        f"INSERT OR {twice} INTO entry_key (rig, epoch, seq, type, ordinal, content, generation, idx, leaf)"  # noqa: S608  # one of two words of ours
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((*key, *row) for key, row in rows),
    )


def read_key(connection: sqlite3.Connection, key: EntryKey) -> list[KeyRow]:
    """All entries of this key, the first one first."""
    found = connection.execute(
        "SELECT content, generation, idx, leaf FROM entry_key"
        " WHERE rig = ? AND epoch = ? AND seq = ? AND type = ? AND ordinal = ? ORDER BY generation, idx",
        tuple(key),
    )
    return [KeyRow(*row) for row in found]


def all_keys(connection: sqlite3.Connection) -> Iterator[tuple[EntryKey, KeyRow]]:
    """The whole key table, in the order of its primary key."""
    found = connection.execute(
        "SELECT rig, epoch, seq, type, ordinal, content, generation, idx, leaf FROM entry_key"
        " ORDER BY rig, epoch, seq, type, ordinal, content"
    )
    for row in found:
        yield EntryKey(*row[:5]), KeyRow(*row[5:])


def insert_checkpoint(connection: sqlite3.Connection, row: CheckpointRow) -> None:
    """A size is signed once."""
    connection.execute("INSERT INTO checkpoint (size, note) VALUES (?, ?)", row)


def newest_checkpoint(connection: sqlite3.Connection) -> CheckpointRow | None:
    """The one of the largest size."""
    row = connection.execute("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    return None if row is None else CheckpointRow(*row)


def checkpoint_within(connection: sqlite3.Connection, above: int, most: int) -> CheckpointRow | None:
    """The largest signed size in (above, most]."""
    row = connection.execute(
        "SELECT size, note FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size DESC LIMIT 1", (above, most)
    ).fetchone()
    return None if row is None else CheckpointRow(*row)


def insert_receipt(connection: sqlite3.Connection, row: CheckpointRow) -> None:
    """The newest cosignature of a size replaces the older one."""
    connection.execute("INSERT OR REPLACE INTO receipt (size, note) VALUES (?, ?)", row)


def newest_receipt(connection: sqlite3.Connection) -> CheckpointRow | None:
    """The one of the largest size."""
    row = connection.execute("SELECT size, note FROM receipt ORDER BY size DESC LIMIT 1").fetchone()
    return None if row is None else CheckpointRow(*row)


def receipts_downwards(connection: sqlite3.Connection) -> Iterator[CheckpointRow]:
    """All receipts, the newest first."""
    for row in connection.execute("SELECT size, note FROM receipt ORDER BY size DESC"):
        yield CheckpointRow(*row)


def checkpoints_upwards(connection: sqlite3.Connection) -> Iterator[CheckpointRow]:
    """All checkpoints, the smallest size first."""
    for row in connection.execute("SELECT size, note FROM checkpoint ORDER BY size"):
        yield CheckpointRow(*row)


def receipt_above(connection: sqlite3.Connection, index: int) -> CheckpointRow | None:
    """The oldest receipt whose tree holds the index."""
    row = connection.execute("SELECT size, note FROM receipt WHERE size > ? ORDER BY size LIMIT 1", (index,)).fetchone()
    return None if row is None else CheckpointRow(*row)
