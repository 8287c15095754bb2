"""What a start finds out before a log is used: it is the one it says, whole at its end, and not older than known.

Reads only. The tail is hashed again; the rest was verified when it was the tail, and `fsck` verifies it all again.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.tree import leaf_hash, range_from, root_from
from scorelog.format.wrapped import key_of
from scorelog.journal import rows
from scorelog.journal.errors import Damaged, LogFailed, LogRefused, RolledBack, Suspected
from scorelog.journal.limits import TAIL_ENTRIES, TILE_WIDTH
from scorelog.journal.medium import ADVICE
from scorelog.journal.nodes import StoredNodes, TileEdge, fold, read_row
from scorelog.journal.schema import check_format
from scorelog.journal.writer import Head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.format.note import Verifier
    from scorelog.format.tree import CompactRange
    from scorelog.journal.identity import Identity
    from scorelog.journal.statefile import State

_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}
_PRIMARY: Final = 0xFF  # SQLite's extended codes keep the primary one in the low byte


@dataclass(frozen=True, slots=True)
class Recovered:
    """A log that may be appended to."""

    head: Head
    range: CompactRange
    edge: TileEdge
    boots: int
    clean: bool  # the previous stop was orderly


@contextmanager
def reading(origin: str, index: int | None = None) -> Iterator[None]:
    """Name what SQLite cannot read: Suspected when it may be damage, LogFailed when it is surely the disk."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY) in _DAMAGE:
            raise Suspected(origin, index, f"the database cannot be read: {error}") from error
        raise LogFailed(f"log {origin} cannot be read: {error}; {ADVICE}") from error
    except (IndexError, TypeError, ValueError, AttributeError) as error:  # a damaged row may hold anything
        raise Damaged(origin, index, str(error)) from error


@contextmanager
def writing_alone(origin: str) -> Iterator[None]:
    """A write outside the writer's thread (start and stop) fails as every write does: for good."""
    try:
        yield
    except sqlite3.Error as error:
        raise LogFailed(f"log {origin} could not be written: {error}") from error


def recover(connection: sqlite3.Connection, identity: Identity, verifier: Verifier) -> Recovered:
    """Verify the tail; raises Damaged with the first index that is wrong."""
    with reading(identity.origin):
        check_format(connection, identity.origin)
        _check_identity(connection, identity)
        size = rows.count_entries(connection)
        nodes = StoredNodes(connection, lambda: size)
        head = _verified_head(connection, identity.origin, size, verifier)
        _check_tail(connection, identity.origin, size)
        compact = range_from(size, nodes)
        if compact.root() != head.root:
            raise Damaged(identity.origin, None, f"the stored hashes do not lead to the signed root of size {size}")
        edge = TileEdge.read(connection, size)
        boots = rows.get_meta(connection, "boots")
        clean = rows.get_meta(connection, "clean") == 1
    if not isinstance(boots, int) or boots < 0:
        raise Damaged(identity.origin, None, f"the boot counter is {boots!r}")
    return Recovered(head, compact, edge, boots, clean)


def check_not_rolled_back(
    connection: sqlite3.Connection, identity: Identity, recovered: Recovered, state: State | None
) -> None:
    """Compare with the second file: it is only ever behind the log, never ahead of it."""
    if state is None or state.generation < identity.generation:
        return
    origin, size = identity.origin, recovered.head.size
    if state.origin != origin:
        raise RolledBack(origin, None, f"the second file knows {state.origin}, of which this log is not the latest")
    if state.size > size:
        raise RolledBack(origin, size, f"the second file knows size {state.size}, the log holds {size}")
    with reading(origin):
        root = root_from(state.size, StoredNodes(connection, lambda: size))
    if root != state.root:
        raise RolledBack(origin, None, f"at size {state.size} the second file knows another root than the log has")
    if state.boots > recovered.boots:
        raise RolledBack(
            origin, None, f"the second file knows start number {state.boots}, the log only {recovered.boots}"
        )


def _check_identity(connection: sqlite3.Connection, identity: Identity) -> None:
    origin, vkey = rows.get_meta(connection, "origin"), rows.get_meta(connection, "vkey")
    if origin != identity.origin or vkey != identity.vkey:
        raise Damaged(identity.origin, None, f"the database says it is {origin!r} with key {vkey!r}")


def check_key(identity: Identity, vkey: str) -> None:
    """Another key would sign a second tree under this name."""
    if vkey != identity.vkey:
        raise LogRefused(f"the key is {vkey}, the log {identity.origin} belongs to {identity.vkey}")


def _verified_head(connection: sqlite3.Connection, origin: str, size: int, verifier: Verifier) -> Head:
    row = rows.newest_checkpoint(connection)
    if row is None:
        raise Damaged(origin, None, "there is no checkpoint")
    try:
        checkpoint, _ = open_checkpoint(row.note, verifier)
    except FormatError as error:
        raise Damaged(origin, None, f"the checkpoint of size {row.size} is not one: {error}") from error
    if checkpoint.size != row.size:
        raise Damaged(origin, None, f"the checkpoint kept for size {row.size} is of size {checkpoint.size}")
    if checkpoint.size != size:
        lost = min(size, checkpoint.size)
        raise Damaged(origin, lost, f"{size} entries are stored, the newest checkpoint is of size {checkpoint.size}")
    receipt = rows.newest_receipt(connection)
    if receipt is not None and receipt.size > size:
        raise Damaged(origin, None, f"a receipt of size {receipt.size} in a log of size {size}")
    return Head(size, checkpoint.root, row.note, receipt)


def _check_tail(connection: sqlite3.Connection, origin: str, size: int) -> None:
    start = max(0, size - TAIL_ENTRIES)
    start -= start % TILE_WIDTH
    expected = start
    for index, leaf, entry in rows.read_entries(connection, start, size):
        if index != expected:
            raise Damaged(origin, expected, "the entry is missing")
        if leaf_hash(entry) != leaf:
            raise Damaged(origin, index, "the entry does not hash to its leaf")
        _check_key_row(connection, origin, index, entry)
        expected += 1
    for tile in range(start // TILE_WIDTH, size // TILE_WIDTH):
        leaves = read_row(connection, 0, tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH)
        if fold(leaves) != read_row(connection, 8, tile, tile + 1)[0]:
            raise Damaged(origin, tile * TILE_WIDTH, "the stored node over these 256 entries is another")


def _check_key_row(connection: sqlite3.Connection, origin: str, index: int, entry: bytes) -> None:
    try:
        known = key_of(parse_entry(entry))
    except FormatError:
        return  # it was signed like this; what it says is judged elsewhere
    if known is None:
        return
    key, content = known
    if all(row.idx != index or row.content != content for row in rows.read_key(connection, key)):
        raise Damaged(
            origin, index, "the entry's key is not in the key table, so a repeated record would be stored twice"
        )
