"""A log read while another process may be writing it, or after it was put aside: proofs, exports, status, the past.

Never takes the log's lock and never writes. What it reads was committed; entries beyond the last signed size are left
out.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.errors import Refuse
from scorelog.format.limits import UPLOAD_ENTRIES_MAX
from scorelog.format.proof import TlogProof, make_proof
from scorelog.format.tree import leaf_hash
from scorelog.format.upload import Upload
from scorelog.journal import rows
from scorelog.journal.creation import quarantined_beside
from scorelog.journal.errors import LogRefused
from scorelog.journal.identity import find_identity, read_identity
from scorelog.journal.nodes import StoredNodes
from scorelog.journal.salvage import each_entry, reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scorelog.format.commitment import Opening
    from scorelog.journal.rows import CheckpointRow
    from scorelog.journal.salvage import Row

_PIECE = 256


class ReadOnlyLog:
    """One log directory; see `open_read_only`."""

    def __init__(self, connection: sqlite3.Connection, origin: str, vkey: str) -> None:
        self._connection = connection
        self.origin = origin
        self.vkey = vkey
        newest = rows.newest_checkpoint(connection)
        self.size = 0 if newest is None else newest.size
        self.node = StoredNodes(connection, lambda: self.size)

    @property
    def receipt(self) -> CheckpointRow | None:
        """The newest one."""
        return rows.newest_receipt(self._connection)

    @property
    def receipted_size(self) -> int:
        """Entries that the server has confirmed."""
        receipt = self.receipt
        return 0 if receipt is None else receipt.size

    def entries(self, start: int, stop: int) -> list[bytes]:
        """In order. A row that cannot be read stands as an empty object: it tells nothing and shifts nothing."""
        return [b"{}" if row.missing or row.error else row.entry for row in each_entry(self._connection, start, stop)]

    def openings(self, start: int, stop: int) -> list[Opening]:
        """Personal: for uploads and the fold, never for a screen."""
        return rows.read_openings(self._connection, start, stop)

    def proof(self, index: int) -> TlogProof | None:
        """With the earliest receipt that covers the entry: the tightest bound in time."""
        receipt = rows.receipt_above(self._connection, index)
        return None if receipt is None else make_proof(index, receipt.note, self.node)

    def uploads(self, start: int) -> Iterator[Upload]:
        """Everything from `start` on, as upload bodies that end on signed sizes."""
        while start < self.size:
            row = rows.checkpoint_within(self._connection, start, min(self.size, start + _PIECE))
            if row is None:
                return
            entries, openings = self.entries(start, row.size), self.openings(start, row.size)
            yield Upload(start, tuple(entries), tuple(openings), row.note)
            start = row.size

    def receipted_uploads(self, start: int) -> Iterator[Upload]:
        """What the server confirmed from `start` on, each body with the receipt itself as its checkpoint.

        Raises Refuse at an entry that is damaged: nothing after it in its upload can be proven any more.
        """
        while start < self.receipted_size:
            row = rows.receipt_above(self._connection, start)
            if row is None:
                return
            if row.size - start > UPLOAD_ENTRIES_MAX:
                raise Refuse(f"{self.origin}: no receipt between {start} and {row.size}; one file cannot hold as many")
            entries = [self._whole(one) for one in each_entry(self._connection, start, row.size)]
            yield Upload(start, tuple(entries), tuple(self.openings(start, row.size)), row.note)
            start = row.size

    def _whole(self, row: Row) -> bytes:
        if row.missing or row.error or leaf_hash(row.entry) != row.leaf:
            raise Refuse(
                f"{self.origin}: entry {row.index} is damaged; what the server lacks from there on is lost to it"
            )
        return row.entry

    def checkpoints_above(self, size: int) -> Iterator[CheckpointRow]:
        """Signed sizes that have no receipt yet, the smallest first."""
        for row in rows.checkpoints_upwards(self._connection):
            if row.size > size:
                yield row


@contextmanager
def open_read_only(directory: Path) -> Iterator[ReadOnlyLog]:
    """Raises LogMissing when there is none."""
    identity = read_identity(directory)
    with reader(directory) as connection:
        yield ReadOnlyLog(connection, identity.origin, identity.vkey)


class OlderGeneration:
    """The receipted part of a log that was put aside; what was stranded in it is in the next one as `relogged`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with reader(path) as connection:
            receipt = rows.newest_receipt(connection)
        self.size = 0 if receipt is None else receipt.size

    def entries(self, start: int, stop: int) -> list[bytes]:
        """In order."""
        with self._open() as log:
            return log.entries(start, stop)

    def openings(self, start: int, stop: int) -> list[Opening]:
        """Of those entries."""
        with self._open() as log:
            return log.openings(start, stop)

    @contextmanager
    def _open(self) -> Iterator[ReadOnlyLog]:
        identity = find_identity(self._path)
        with reader(self._path) as connection:
            yield ReadOnlyLog(connection, identity.origin, identity.vkey)


@contextmanager
def open_generation(directory: Path, generation: int) -> Iterator[ReadOnlyLog]:
    """The log of that generation, in use or put aside. Raises Refuse when there is none, or several copies of it."""
    found = [directory] if directory.exists() and find_identity(directory).generation == generation else []
    found += [path for path in quarantined_beside(directory) if _generation_in(path) == generation]
    if len(found) != 1:
        copies = f"{len(found)} copies" if found else "nothing"
        raise Refuse(f"generation {generation}: there is {copies} of it beside {directory}")
    identity = find_identity(found[0])
    with reader(found[0]) as connection:
        yield ReadOnlyLog(connection, identity.origin, identity.vkey)


def _generation_in(path: Path) -> int | None:
    try:
        return find_identity(path).generation
    except (LogRefused, OSError):
        return None


def older_generations(directory: Path) -> Iterator[OlderGeneration]:
    """Newest first; one that cannot be read at all is passed over: recording goes on without its past."""
    for path in reversed(quarantined_beside(directory)):
        try:
            yield OlderGeneration(path)
        except (sqlite3.DatabaseError, LogRefused, OSError):
            continue
