"""What somebody who holds the server's disk can do to its evidence, in plain SQL beside the running process."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.tiles import frame_entries, unframe_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# What of a table is put back afterwards: the server goes on writing its own rows meanwhile.
_PUT_BACK = {
    "bundles": "log_id = :log",
    "openings": "log_id = :log",
    "logs": "id = :log",
    "counts": "name = 'refusals'",
    "alarms": "kind = 'forged'",
}


@dataclass(frozen=True, slots=True)
class Held:
    """One log as it is stored, and a bundle of it to work on."""

    rows: sqlite3.Connection
    log: int
    origin: str
    seq: int
    start: int
    entries: list[bytes]

    def write(self, entries: list[bytes]) -> None:
        """Other entries in the same bundle."""
        self.rows.execute("UPDATE bundles SET entries = ? WHERE seq = ?", (frame_entries(entries), self.seq))

    def one(self, statement: str) -> int:
        """A number about this log or bundle."""
        names = {"log": self.log, "seq": self.seq, "start": self.start}
        return int(self.rows.execute(statement, names).fetchone()[0])

    def run(self, statement: str) -> None:
        """A change of this log or bundle."""
        names = {"log": self.log, "seq": self.seq, "start": self.start, "origin": self.origin}
        self.rows.execute(statement, names)


@contextmanager
def changed(database: Path, tamper: Callable[[Held], int | None], origin: str) -> Iterator[int | None]:
    """The database changed meanwhile; gives the index that is to be named."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as rows:
        rows.execute("PRAGMA wal_autocheckpoint = 0")
        held = _held(rows, origin)
        names = {"log": held.log}
        saved = {t: rows.execute(f"SELECT * FROM {t} WHERE {w}", names).fetchall() for t, w in _PUT_BACK.items()}  # noqa: S608
        rows.execute("BEGIN IMMEDIATE")
        index = tamper(held)
        rows.execute("COMMIT")
        try:
            yield index
        finally:
            rows.execute("BEGIN IMMEDIATE")
            for table, where in _PUT_BACK.items():
                rows.execute(f"DELETE FROM {table} WHERE {where}", names)  # noqa: S608
                for row in saved[table]:
                    rows.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            rows.execute("COMMIT")


def _held(rows: sqlite3.Connection, origin: str) -> Held:
    """The first bundle of the log that has a few entries and another bundle before it, else the first one."""
    (log,) = rows.execute("SELECT id FROM logs WHERE origin = ?", (origin,)).fetchone()
    seq, start, entries = rows.execute(
        "SELECT seq, start, entries FROM bundles WHERE log_id = ? AND stop >= start + 3"
        " ORDER BY start = 0, start LIMIT 1",
        (log,),
    ).fetchone()
    return Held(rows, log, origin, seq, start, unframe_entries(entries))


def flip(held: Held) -> int:
    """One byte of one entry."""
    changed_entry = held.entries[1][:40] + bytes([held.entries[1][40] ^ 1]) + held.entries[1][41:]
    held.write([held.entries[0], changed_entry, *held.entries[2:]])
    return held.start + 1


def drop(held: Held) -> int:
    """One entry is cut out."""
    held.write([held.entries[0], *held.entries[2:]])
    return held.start + 1


def reorder(held: Held) -> int:
    """Two entries change places."""
    held.write([held.entries[0], held.entries[2], held.entries[1], *held.entries[3:]])
    return held.start + 1


def insert(held: Held) -> int:
    """One entry is put in."""
    held.write([held.entries[0], b"{}", *held.entries[1:]])
    return held.start + 1


def drop_bundle(held: Held) -> int:
    """A whole upload goes."""
    held.run("DELETE FROM bundles WHERE seq = :seq")
    return held.start


def swap_bundles(held: Held) -> int:
    """Two uploads change places in the order of arrival."""
    other = held.one("SELECT seq FROM bundles WHERE log_id = :log AND start > :start ORDER BY start LIMIT 1")
    later = held.one("SELECT start FROM bundles WHERE log_id = :log AND start > :start ORDER BY start LIMIT 1")
    for source, target in ((held.seq, 1 << 40), (other, held.seq), (1 << 40, other)):
        held.rows.execute("UPDATE bundles SET seq = ? WHERE seq = ?", (target, source))
    return later


def leaves(held: Held) -> int:
    """A leaf hash that was stored beside the entries."""
    held.run(
        "UPDATE bundles SET leaves = CAST(substr(leaves, 1, 32) || zeroblob(32) || substr(leaves, 65) AS BLOB)"
        " WHERE seq = :seq"
    )
    return held.start + 1


def checkpoint(held: Held) -> int:
    """The signed checkpoint of another upload."""
    held.run(
        "UPDATE bundles SET checkpoint ="
        " (SELECT checkpoint FROM bundles WHERE log_id = :log AND start > :start LIMIT 1) WHERE seq = :seq"
    )
    return held.start


def received(held: Held) -> int:
    """When an upload came: dated back by an hour."""
    held.run("UPDATE bundles SET received_us = received_us - 3600000000 WHERE seq = :seq")
    return held.start


def opening(held: Held) -> int:
    """Another person's value beside an entry."""
    index = held.one("SELECT min(entry_index) FROM openings WHERE log_id = :log")
    held.run(
        "UPDATE openings SET value = x'00' WHERE log_id = :log"
        " AND entry_index = (SELECT min(entry_index) FROM openings WHERE log_id = :log)"
    )
    return index


def state_root(held: Held) -> int:
    """The root that the next upload would be compared with."""
    held.run("UPDATE logs SET root = zeroblob(32) WHERE id = :log")
    return held.one("SELECT size FROM logs WHERE id = :log")


def cosigned(held: Held) -> int:
    """The mirror's own newest note."""
    size = held.one("SELECT cosigned_size FROM logs WHERE id = :log")
    held.run("UPDATE logs SET cosigned = NULL WHERE id = :log")
    return size


def forged_alarm(held: Held) -> int:
    """An alarm that the server never raised."""
    held.run(
        "INSERT INTO alarms (identity, kind, origin, entry_index, detail, first_us, last_us, times, seal, evidence)"
        " VALUES (zeroblob(32), 'forged', :origin, 3, 'said', 1, 1, 1, zeroblob(32), x'')"
    )
    return 3


def counts(held: Held) -> None:
    """How many refused uploads there ever were: of no log, so without origin and index."""
    held.run("INSERT OR REPLACE INTO counts VALUES ('refusals', 700, zeroblob(32))")
