"""An open log in SQLite: the real form of the disk seam (docs/formats/journal.md).

    event loop ──append──> Writer (its own thread, the one writing connection) ──fsynced──> released head
        └──reads, bounded by the released head──> a read-only connection

Owns reading, waiting and closing; `sqlite.open_log` makes it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar, cast

from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.errors import FormatError
from scorelog.format.tree import leaf_hash, root_from
from scorelog.journal import rows
from scorelog.journal.errors import Damaged, LogClosed, LogFailed, LogRefused
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.jobs import AppendJob, ReceiptJob, SignJob
from scorelog.journal.limits import CLOSE_WAIT_S, QUEUE_REQUESTS_MAX
from scorelog.journal.loopcalls import LoopCalls
from scorelog.journal.medium import confirmed
from scorelog.journal.nodes import StoredNodes
from scorelog.journal.recovery import reading, writing_alone
from scorelog.journal.request import entry_frame, opening_frame, piece_stop
from scorelog.journal.rows import CheckpointRow
from scorelog.journal.statefile import State, StateWriter
from scorelog.journal.store import Appended, AppendRequest, Piece, Receipt
from scorelog.journal.writer import Head, Writer, Writing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scorelog.format.commitment import Opening
    from scorelog.format.entry import EntryKey
    from scorelog.journal.files import DirectoryLock
    from scorelog.journal.identity import Identity
    from scorelog.journal.jobs import Job
    from scorelog.journal.recovery import Recovered
    from scorelog.journal.store import NewOpening, Room

T = TypeVar("T")

CLOSE = register("journal.close", "the orderly stop is noted and the write-ahead log emptied")


class SqliteLog:
    """An open log. Use it from one event loop; made by `sqlite.open_log`."""

    def __init__(
        self,
        identity: Identity,
        writing: Writing,
        recovered: Recovered,
        *,
        directory: Path,
        reader: sqlite3.Connection,
        boots: int,
        lock: DirectoryLock,
        state: StateWriter | None,
    ) -> None:
        self.directory = directory
        self.clean = recovered.clean  # the stop before this start was orderly
        self.boots = boots
        self.close_wait_s = CLOSE_WAIT_S
        self._identity = identity
        self._writing = writing
        self._lock = lock
        self._state = state
        self._reader = reader
        self._reader_lock = threading.Lock()
        self._nodes = StoredNodes(self._reader, lambda: self.size)
        self._calls = LoopCalls(self._wake)
        self._waiters: set[asyncio.Future[None]] = set()
        self._slots = asyncio.Semaphore(QUEUE_REQUESTS_MAX)
        self._closed = False
        self._writer = Writer(writing, recovered.head, self._released)
        self._released(recovered.head)

    @property
    def origin(self) -> str:
        """Name of the log and of its key."""
        return self._identity.origin

    @property
    def generation(self) -> int:
        """The last part of the origin."""
        return self._identity.generation

    @property
    def vkey(self) -> str:
        """Its public key."""
        return self._identity.vkey

    @property
    def size(self) -> int:
        """Released entries."""
        return self._writer.head.size

    @property
    def receipted_size(self) -> int:
        """Size of the newest receipt, 0 without one."""
        receipt = self._writer.head.receipt
        return 0 if receipt is None else receipt.size

    @property
    def failed(self) -> BaseException | None:
        """Set for good by the first failed write."""
        return self._writer.failed

    @property
    def state_failed(self) -> OSError | None:
        """The last error of the second small file, until it is written again."""
        return None if self._state is None else self._state.failed

    # --- writing

    async def append(
        self,
        build: Callable[[int | None], bytes],
        key: EntryKey | None = None,
        content: str | None = None,
        openings: Sequence[NewOpening] = (),
    ) -> Appended:
        """One entry; returns after its fsync (P1)."""
        return (await self.append_many([AppendRequest(build, key, content, openings)]))[0]

    async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
        """All in one transaction, or none."""
        return cast("list[Appended]", await self._submit(AppendJob(tuple(requests))))

    async def save_receipt(self, note: bytes) -> None:
        """Keep a cosigned checkpoint of this very tree."""
        try:
            checkpoint, _ = parse_checkpoint(note)
        except FormatError as error:
            raise LogRefused(f"not a cosigned checkpoint: {error}") from error
        if checkpoint.origin != self.origin or checkpoint.size > self.size:
            raise LogRefused(
                f"a receipt of {checkpoint.origin}, size {checkpoint.size}; this is {self.origin}, size {self.size}"
            )
        if checkpoint.root != self._root(checkpoint.size):
            raise LogRefused(f"a receipt of another tree of size {checkpoint.size}")
        await self._submit(ReceiptJob(CheckpointRow(checkpoint.size, note)))

    async def _submit(self, job: Job) -> object:
        self._check_usable()
        async with self._slots:
            self._check_usable()
            return await self._calls.answer(job, self._writer.submit)

    def _released(self, head: Head) -> None:
        """Runs in the writer's thread."""
        if self._state is not None:
            receipt = None if head.receipt is None else head.receipt.note
            self._state.offer(State(self.origin, self.generation, head.size, head.root, self.boots, receipt))
        if self.failed is not None:
            self._calls.tell()  # after a commit the answers of its jobs do; there may be none left to fail

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    # --- reading

    def checkpoint(self) -> bytes:
        """The newest released one."""
        return self._writer.head.note

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Verified against their leaf hashes (P5)."""
        self._check_range(start, stop)
        found = self._read(start, lambda: list(rows.read_entries(self._reader, start, stop)))
        for expected, (index, leaf, entry) in enumerate(found, start):
            if index != expected:
                raise Damaged(self.origin, expected, "the entry is missing")
            if not isinstance(entry, bytes) or leaf_hash(entry) != leaf:
                raise Damaged(self.origin, index, "the entry does not hash to its leaf")
        if len(found) != stop - start:
            raise Damaged(self.origin, start + len(found), "the entry is missing")
        return [entry for _, _, entry in found]

    def openings(self, start: int, stop: int) -> list[Opening]:
        """By index and field; erased ones are not there."""
        self._check_range(start, stop)
        return self._read(start, lambda: rows.read_openings(self._reader, start, stop))

    def node(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree."""
        self._check_open()
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise IndexError(f"no complete subtree at level {level}, index {index} in size {self.size}")
        return self._read(index << level, lambda: self._nodes(level, index))

    def find(self, key: EntryKey) -> int | None:
        """First index of a key in this generation."""
        self._check_open()
        size = self.size
        found = self._read(None, lambda: rows.read_key(self._reader, key))
        here = (row.idx for row in found if row.generation == self.generation and row.idx < size)
        return min(here, default=None)

    async def piece(self, start: int, max_entries: int = 256, max_bytes: int = 1 << 20) -> Piece:
        """What an upload may carry from `start` on."""
        size = self.size
        if not 0 <= start <= size:
            raise IndexError(f"a piece from {start} of a log of size {size}")
        if start == size:
            return Piece(start, (), (), self._writer.head.note)
        stop = self._piece_stop(start, min(size, start + max(1, max_entries)), max_bytes)
        row = self._signed(start, stop)
        if row is None:
            await self._submit(SignJob(stop))
            row = self._signed(start, stop)
        if row is None:
            raise Damaged(self.origin, stop, "no checkpoint though it was just signed")
        if not isinstance(row.note, bytes):
            raise Damaged(self.origin, row.size, "the checkpoint of this size is not one")
        entries, openings = self.entries(start, row.size), self.openings(start, row.size)
        return Piece(start, tuple(entries), tuple(openings), row.note)

    def _piece_stop(self, start: int, most: int, max_bytes: int) -> int:
        self._check_range(start, most)
        lengths = self._read(start, lambda: list(rows.read_lengths(self._reader, start, most)))
        openings: dict[int, int] = {}
        for one in self._read(start, lambda: rows.read_openings(self._reader, start, most)):
            openings[one.index] = openings.get(one.index, 0) + opening_frame(one.field, len(one.value))
        frames = ((entry_frame(length), openings.get(index, 0)) for index, length in lengths)
        return piece_stop(start, frames, most - start, max_bytes)

    def _signed(self, start: int, stop: int) -> CheckpointRow | None:
        return self._read(start, lambda: rows.checkpoint_within(self._reader, start, stop))

    def receipt(self) -> Receipt | None:
        """The newest one."""
        row = self._writer.head.receipt
        return None if row is None else Receipt(*row)

    def receipt_covering(self, index: int) -> Receipt | None:
        """The oldest one that holds the index."""
        self._check_open()
        row = self._read(None, lambda: rows.receipt_above(self._reader, index))
        return None if row is None or row.size > self.receipted_size else Receipt(*row)

    def room(self) -> Room:
        """How the disk stands now."""
        return self._writing.reserve.room()

    async def wait_grown(self, size: int) -> None:
        """Return when there is more than `size`."""
        loop = self._calls.attach()
        while self.size <= size:
            self._check_usable()
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            if self.size > size or self.failed is not None:  # it grew between the check and the waiting
                self._waiters.discard(waiter)
                continue
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def _root(self, size: int) -> bytes:
        return self._read(None, lambda: root_from(size, self._nodes))

    def _read(self, index: int | None, work: Callable[[], T]) -> T:
        """One reader at a time; a disk that does not answer is no damage."""

        def once() -> T:
            with reading(self.origin, index):
                return work()

        with self._reader_lock:
            return confirmed(self.directory, once)

    def _check_range(self, start: int, stop: int) -> None:
        self._check_open()
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"entries [{start}, {stop}) of a log of size {self.size}")

    def _check_open(self) -> None:
        if self._closed:
            raise LogClosed(f"log {self.origin} is closed")

    def _check_usable(self) -> None:
        self._check_open()
        if self.failed is not None:
            raise LogFailed(f"log {self.origin} failed before and takes nothing more") from self.failed

    # --- the end

    async def close(self) -> None:
        """Finish what waits, note the orderly stop, give the lock free."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close)
        self._wake()

    def _close(self) -> None:
        stopped = self._writer.stop(self.close_wait_s)
        if self._state is not None:
            self._state.close()
        self._reader.close()
        if not stopped:
            raise LogFailed(f"the disk under log {self.origin} did not answer within {self.close_wait_s:g} s")
        try:
            if self.failed is None:
                self._note_orderly_stop()
        finally:
            self._writing.connection.close()
            self._lock.release()

    def _note_orderly_stop(self) -> None:
        connection = self._writing.connection
        with failpoint(CLOSE), writing_alone(self.origin):
            rows.set_meta(connection, "clean", 1)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
