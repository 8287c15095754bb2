"""What somebody who holds a gateway's disk can do to its log, in plain SQL: none of the journal's code.

Every function takes a connection to a stopped log's database. `resign` also has the log key, as root on the box has.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.tree import CompactRange, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scorelog.format.note import Signer

    Tamper = Callable[[sqlite3.Connection], object]


def change(database: Path, tamper: Tamper) -> None:
    """Apply it; durable when it returns."""
    with closing(sqlite3.connect(database)) as connection:
        tamper(connection)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def read(database: Path, index: int) -> bytes:
    """One entry's bytes."""
    with closing(sqlite3.connect(database)) as connection:
        return entry_at(connection, index)


def entry_at(connection: sqlite3.Connection, index: int) -> bytes:
    """The bytes as they lie there."""
    return bytes(connection.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()[0])


def size_of(connection: sqlite3.Connection) -> int:
    """Entries stored."""
    return int(connection.execute("SELECT max(idx) + 1 FROM entry").fetchone()[0])


def flipped(entry: bytes) -> bytes:
    """One bit of a digit in the salt: the entry stays well formed JSON."""
    at = entry.index(b'"salt":"') + 8
    return entry[:at] + (b"1" if entry[at : at + 1] != b"1" else b"2") + entry[at + 1 :]


def flip(index: int) -> Tamper:
    """Another byte in one entry, nothing else."""

    def tamper(connection: sqlite3.Connection) -> None:
        changed = flipped(entry_at(connection, index))
        connection.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (changed, index))

    return tamper


def flip_with_leaf(index: int) -> Tamper:
    """Another byte, and the leaf hash made to fit."""

    def tamper(connection: sqlite3.Connection) -> None:
        changed = flipped(entry_at(connection, index))
        connection.execute("UPDATE entry SET bytes = ?, leaf = ? WHERE idx = ?", (changed, leaf_hash(changed), index))

    return tamper


def drop(index: int) -> Tamper:
    """One row goes."""
    return lambda connection: connection.execute("DELETE FROM entry WHERE idx = ?", (index,))


def drop_and_close_up(index: int) -> Tamper:
    """One row goes and the later ones move down: no hole is left."""

    def tamper(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM entry WHERE idx = ?", (index,))
        for at in range(index + 1, size_of(connection)):
            connection.execute("UPDATE entry SET idx = ? WHERE idx = ?", (at - 1, at))

    return tamper


def swap(one: int, other: int) -> Tamper:
    """Two rows change places, each with its leaf hash."""

    def tamper(connection: sqlite3.Connection) -> None:
        for source, target in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE entry SET idx = ? WHERE idx = ?", (target, source))

    return tamper


def insert(index: int) -> Tamper:
    """A well-formed entry is put in, and the later ones move up."""

    def tamper(connection: sqlite3.Connection) -> None:
        for at in range(size_of(connection) - 1, index - 1, -1):
            connection.execute("UPDATE entry SET idx = ? WHERE idx = ?", (at + 1, at))
        made = flipped(entry_at(connection, index + 1))
        connection.execute("INSERT INTO entry VALUES (?, ?, ?)", (index, leaf_hash(made), made))

    return tamper


def cut(size: int) -> Tamper:
    """Everything that was signed from `size` on goes, with its checkpoints, receipts, keys and openings."""

    def tamper(connection: sqlite3.Connection) -> None:
        for table in ("entry", "opening", "entry_key"):
            connection.execute(f"DELETE FROM {table} WHERE idx >= ?", (size,))  # noqa: S608 - names of ours
        for table in ("checkpoint", "receipt"):
            connection.execute(f"DELETE FROM {table} WHERE size > ?", (size,))  # noqa: S608 - names of ours

    return tamper


def resign(tamper: Tamper, signer: Signer) -> Tamper:
    """After the change every leaf hash and the checkpoint are made to fit, with the log's own key."""

    def again(connection: sqlite3.Connection) -> None:
        tamper(connection)
        tree = CompactRange()
        for index in range(size_of(connection)):
            tree.append(leaf_hash(entry_at(connection, index)))
            leaf = leaf_hash(entry_at(connection, index))
            connection.execute("UPDATE entry SET leaf = ? WHERE idx = ?", (leaf, index))
            connection.execute("UPDATE entry_key SET leaf = ? WHERE idx = ?", (leaf, index))
        note = sign_checkpoint(Checkpoint(signer.name, tree.size, tree.root()), signer)
        connection.execute("DELETE FROM checkpoint WHERE size > 0")
        connection.execute("INSERT INTO checkpoint VALUES (?, ?)", (tree.size, note))

    return again
