"""The one thread that writes a log: group commit, and fail-stop.

    callers ──queue──> [take what waits] ──plan──> BEGIN · rows · sign · COMMIT (fsync) ──> release head ──> answers

The signature is made inside the transaction and leaves this thread only after the commit returned. When any step of a
transaction fails, what is on disk is unknown: the log is failed for good, nothing is retried, and everyone who waits
or comes later is told so (LogFailed). The process then ends and the next start finds out what was stored.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.tree import root_from
from scorelog.journal import rows
from scorelog.journal.batch import Batch
from scorelog.journal.errors import LogFailed, LogFull
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.limits import GROUP_REQUESTS_MAX, WAL_BYTES
from scorelog.journal.nodes import StoredNodes, TileEdge
from scorelog.journal.request import SigningPlan
from scorelog.journal.rows import CheckpointRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from scorelog.format.note import Signer
    from scorelog.format.tree import CompactRange
    from scorelog.journal.jobs import Job
    from scorelog.journal.room import Reserve

BEGIN = register("journal.begin", "a transaction of the log begins")
ROWS = register("journal.rows", "entries, leaf hashes, openings, keys and receipts are written into the transaction")
SIGN = register("journal.sign", "the checkpoint of the new size is signed and written into the transaction")
COMMIT = register("journal.commit", "the transaction is committed, which is its fsync")
RELEASE = register("journal.release", "the new head is released to readers; its entries are durable")
ANSWER = register("journal.answer", "the waiting appends are told their index")
FOLD = register("journal.fold", "the write-ahead log is folded into the database")


@dataclass(frozen=True, slots=True)
class Head:
    """The newest released state."""

    size: int
    root: bytes
    note: bytes
    receipt: CheckpointRow | None


@dataclass(frozen=True, slots=True)
class Writing:
    """What the writer's thread works with and nobody else touches."""

    connection: sqlite3.Connection
    signer: Signer
    generation: int
    range: CompactRange
    edge: TileEdge
    reserve: Reserve
    wal_bytes: int = WAL_BYTES


class Writer:
    """Runs the thread. `released(head)` is called in it after each commit, before the answers."""

    def __init__(self, writing: Writing, head: Head, released: Callable[[Head], None]) -> None:
        self.failed: LogFailed | None = None
        self.head = head
        self._writing = writing
        self._released = released
        self._nodes = StoredNodes(writing.connection, lambda: self.head.size)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._taken: list[Job] = []
        self._wal_estimate = 0
        self._thread = threading.Thread(target=self._run, name=f"log-{writing.signer.name}", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; its future is always settled."""
        self._queue.put(job)

    def stop(self, wait_s: float) -> bool:
        """End after what is queued; False when the disk did not let it end in time."""
        self._queue.put(None)
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """Whatever goes wrong, without memory say: the thread stays, and fails what it took and all that comes."""
        ended = False
        while not ended:
            try:
                self._serve()
                ended = True
            except BaseException as error:  # noqa: BLE001  # a thread that ends unseen would leave everybody waiting
                self._fail(error)
            self._settle_failed(self._taken)

    def _serve(self) -> None:
        while self._take():
            running = [job for job in self._taken if job.future.set_running_or_notify_cancel()]
            if self.failed is None and running:
                self._group(running)
            self._settle_failed(running)

    def _take(self) -> bool:
        """One job, and whatever else waits already, up to a group; False at the end."""
        self._taken.clear()
        job = self._queue.get()
        weight = 0
        while job is not None:
            self._taken.append(job)
            weight += job.weight
            if weight >= GROUP_REQUESTS_MAX:
                return True
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return True
        if self._taken:
            self._queue.put(None)
        return bool(self._taken)

    def _group(self, jobs: list[Job]) -> None:
        try:
            batch, planned = self._plan(jobs)
            if not batch.empty and self._has_room(batch, planned):
                head = self._transaction(batch)
                with failpoint(RELEASE):
                    self.head = head
                    self._released(head)
            with failpoint(ANSWER):
                _answer(planned)
            self._fold_when_large()
            self._writing.reserve.restore()
        except Exception as error:  # noqa: BLE001  # the edge of a thread: whatever it was, nobody may wait for ever
            self._fail(error)

    def _plan(self, jobs: list[Job]) -> tuple[Batch, list[tuple[Job, object]]]:
        batch = Batch(self._writing.connection, self._writing.range.size, self._writing.generation)
        planned: list[tuple[Job, object]] = []
        for job in jobs:
            try:
                planned.append((job, job.plan(batch)))
            except sqlite3.Error:
                raise
            except Exception as error:  # noqa: BLE001  # a builder is foreign code: its error is its caller's alone
                job.future.set_exception(error)
        return batch, planned

    def _has_room(self, batch: Batch, planned: list[tuple[Job, object]]) -> bool:
        """Ask before anything is written; LogFull then goes to everyone who would have written."""
        try:
            self._writing.reserve.make_room(batch.need)
        except LogFull as full:
            for job, answer in planned:
                if job.writes(answer):
                    job.future.set_exception(LogFull(str(full)))
            return False
        return True

    def _transaction(self, batch: Batch) -> Head:
        connection = self._writing.connection
        with failpoint(BEGIN):
            connection.execute("BEGIN IMMEDIATE")
        with failpoint(ROWS):
            signed = self._write_rows(batch)
        with failpoint(SIGN):
            notes = [CheckpointRow(one.size, sign_checkpoint(one, self._writing.signer)) for one in signed]
            for row in notes:
                rows.insert_checkpoint(connection, row)
        with failpoint(COMMIT):
            connection.execute("COMMIT")
        self._wal_estimate += batch.need
        receipt = max((*batch.receipts, *filter(None, [self.head.receipt])), key=lambda row: row.size, default=None)
        if not batch.new:
            return Head(self.head.size, self.head.root, self.head.note, receipt)
        return Head(signed[-1].size, signed[-1].root, notes[-1].note, receipt)

    def _write_rows(self, batch: Batch) -> list[Checkpoint]:
        """All rows but the checkpoints; returns those that are due, the newest last."""
        connection, origin = self._writing.connection, self._writing.signer.name
        due = [Checkpoint(origin, size, root_from(size, self._nodes)) for size in sorted(batch.sign)]
        nodes: list[tuple[int, int, bytes]] = []
        plan = SigningPlan()
        for made in batch.new:
            if plan.due_before(made.entry_frame, made.openings_frame):
                due.append(self._head_checkpoint())
            self._writing.range.append(made.leaf)
            nodes.extend(self._writing.edge.append(made.leaf))
        if batch.new:
            due.append(self._head_checkpoint())
        entries = list(enumerate(batch.new, batch.first))
        rows.insert_entries(connection, ((index, made.leaf, made.entry) for index, made in entries))
        rows.insert_openings(connection, ((index, *one) for index, made in entries for one in made.openings))
        rows.insert_keys(connection, batch.key_rows())
        rows.insert_nodes(connection, nodes)
        for receipt in batch.receipts:
            rows.insert_receipt(connection, receipt)
        return due

    def _head_checkpoint(self) -> Checkpoint:
        compact = self._writing.range
        return Checkpoint(self._writing.signer.name, compact.size, compact.root())

    def _fold_when_large(self) -> None:
        """Keep the write-ahead log bounded. A failure here is a failed write like any other."""
        if self._wal_estimate < self._writing.wal_bytes:
            return
        with failpoint(FOLD):
            self._writing.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._wal_estimate = 0

    def _fail(self, error: BaseException) -> None:
        failed = LogFailed(f"log {self._writing.signer.name} could not write: {error}; nothing more is acknowledged")
        failed.__cause__ = error
        self.failed = failed
        with contextlib.suppress(Exception):  # foreign code: its error must not leave jobs without their answer
            self._released(self.head)  # wakes who waits for growth

    def _settle_failed(self, jobs: list[Job]) -> None:
        for job in jobs:
            if not job.future.done():
                with contextlib.suppress(Exception):
                    job.future.set_exception(LogFailed(str(self.failed)))


def _answer(planned: list[tuple[Job, object]]) -> None:
    for job, answer in planned:
        if not job.future.done():
            job.future.set_result(answer)
