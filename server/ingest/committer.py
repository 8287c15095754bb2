"""Group commit: uploads of different logs that wait at the same time share one transaction; then each is cosigned.

    upload A ─┐
    upload B ─┼─▶ queue ─▶ one transaction, one fsync ─▶ cosign A, B, C ─▶ answers
    upload C ─┘                                   the notes are kept with the next transaction

Owns the mirror key's time, which never goes back: every batch takes one time, not below any earlier one of this process
or of its logs, and stores it with the entries before a signature with it exists. A failed SQLite transaction is final
(StoreFailed): nobody waiting gets an answer that says stored, and `run` ends with it. A lost PostgreSQL connection
(Unsettled) ends only its batch. One damaged log does not stop the others of its batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from scorelog.format.cosignature import merge
from scorelog.format.keys import CosignatureVerifier
from scorelog.journal.failpoints import failpoint
from server import limits
from server.errors import Busy, Damaged, StoreFailed
from server.evidence.store import Bundle, Cosigned
from server.failpoints import COSIGN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scorelog.format.checkpoint import Checkpoint
    from scorelog.format.cosignature import CosignatureSigner
    from scorelog.journal.clock import Clock
    from server.evidence.store import EntryStore

T = TypeVar("T")
_LOST = None


@dataclass(slots=True)
class _Waiting:
    """One upload that waits: a bundle to store, or a held checkpoint that needs a fresh cosignature."""

    checkpoint: Checkpoint
    note: bytes
    bundle: Bundle | None
    not_before_s: int = 0  # the latest time that a cosignature of this log carries
    answer: asyncio.Future[bytes | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Committer:
    """The one writer of uploads of this process."""

    def __init__(
        self,
        store: EntryStore,
        mirror: CosignatureSigner,
        clock: Clock,
        *,
        stored: Callable[[str, int], None] = lambda _origin, _size: None,
        cosigned: Callable[[str, int], None] = lambda _origin, _size: None,
    ) -> None:
        self._store = store
        self._mirror = mirror
        self._mark = f"\N{EM DASH} {mirror.name} ".encode()
        self._clock = clock
        self._stored = stored
        self._cosigned = cosigned
        self._waiting: deque[_Waiting] = deque()
        self._notes: dict[str, Cosigned] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._last_s = 0
        self.commits = 0

    @property
    def verifier(self) -> CosignatureVerifier:
        """Of the receipts that this committer makes."""
        return CosignatureVerifier(self._mirror.name, self._mirror.public_key)

    async def recover(self) -> None:
        """Before `run`: take up the time; cosign what was stored but whose note was not kept (same time, same line)."""
        for state in await self._store.logs():
            self._last_s = max(self._last_s, state.cosigned_s)
            if state.cosigned_size < state.size:
                note = self._note(state.origin, state.size, state.checkpoint, state.cosigned_s)
                await self._store.append_many((), [note])

    async def store(self, bundle: Bundle, checkpoint: Checkpoint, not_before_s: int = 0) -> bytes | None:
        """The cosignature line of a stored bundle; None when the log had moved on meanwhile, and nothing was stored."""
        return await self._submit(_Waiting(checkpoint, bundle.checkpoint, bundle, not_before_s))

    async def cosign(self, checkpoint: Checkpoint, note: bytes, not_before_s: int = 0) -> bytes | None:
        """A fresh cosignature line of a tree that is already stored; None when the log has moved on meanwhile."""
        return await self._submit(_Waiting(checkpoint, note, None, not_before_s))

    async def run(self) -> None:
        """Until `stop`: then whatever waits is still stored."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._round()
                if self._notes and not self._stopping and await self._more_soon():
                    continue
                await self._keep_notes()
                if self._stopping and not self._waiting:
                    return
        except StoreFailed as error:
            self._refuse_all(error)
            raise

    async def while_running(self, work: Awaitable[T]) -> T:
        """For a command: run beside `work`, and store everything before the answer comes back."""
        running = asyncio.ensure_future(self.run())
        try:
            return await work
        finally:
            self.stop()
            await running
            self._stopping = False

    async def _more_soon(self) -> bool:
        """Under load the notes go with the next uploads, and cost no transaction of their own."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.NOTES_WAIT_S):
                await self._wake.wait()
        return bool(self._waiting)

    def stop(self) -> None:
        """Let `run` end when nothing waits any more."""
        self._stopping = True
        self._wake.set()

    def now_s(self, not_before_s: int = 0) -> int:
        """The time of the next cosignature."""
        self._last_s = max(self._last_s, not_before_s, self._clock.now_us() // 1_000_000)
        return self._last_s

    async def _submit(self, waiting: _Waiting) -> bytes | None:
        if self._stopping:
            raise Busy("the server is stopping", limits.RETRY_AFTER_S)
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    async def _round(self) -> None:
        count = min(len(self._waiting), limits.BATCH_UPLOADS_MAX)
        batch = [self._waiting.popleft() for _ in range(count)]
        try:
            await self._commit_or_part(batch, self.now_s(max(each.not_before_s for each in batch)))
        except StoreFailed as error:
            _fail(batch, error)
            raise
        except Busy as error:
            _fail(batch, error)

    async def _commit_or_part(self, batch: list[_Waiting], time_s: int) -> None:
        try:
            await self._commit(batch, time_s)
        except Damaged as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for each in batch:
                await self._commit_or_part([each], time_s)

    async def _commit(self, batch: list[_Waiting], time_s: int) -> None:
        bundles = [replace(each.bundle, cosigned_s=time_s) for each in batch if each.bundle is not None]
        again = [self._note_of(each, time_s) for each in batch if each.bundle is None]
        found = await self._store.append_many(bundles, list(self._notes.values()), again)
        stored, held = iter(found[: len(bundles)]), iter(found[len(bundles) :])
        self.commits += 1
        self._kept(self._notes)
        for each in batch:
            self._answer(each, time_s, stored=next(stored if each.bundle is not None else held))

    def _answer(self, waiting: _Waiting, time_s: int, *, stored: bool) -> None:
        """Only here, after the transaction is on the disk, does a cosignature of new entries come into being."""
        if not stored:
            _settle(waiting, _LOST)
            return
        checkpoint = waiting.checkpoint
        try:
            with failpoint(COSIGN):
                line = self._mirror.cosign(checkpoint.body(), time_s)
        except OSError as error:
            _fail([waiting], error)
            return
        if waiting.bundle is not None:
            self._notes[checkpoint.origin] = Cosigned(
                checkpoint.origin, checkpoint.size, self._receipt(waiting.note, line), time_s
            )
            self._stored(checkpoint.origin, checkpoint.size)
        elif checkpoint.size:
            self._cosigned(checkpoint.origin, checkpoint.size)
        _settle(waiting, line)

    async def _keep_notes(self) -> None:
        if not self._notes:
            return
        try:
            await self._store.append_many((), list(self._notes.values()))
        except Busy:
            # The database is away: the notes follow from what is stored, and go with the next round or recovery.
            asyncio.get_running_loop().call_later(limits.NOTES_AGAIN_S, self._wake.set)
            return
        self._kept(self._notes)

    def _kept(self, notes: dict[str, Cosigned]) -> None:
        self._notes = {}
        for note in notes.values():
            self._cosigned(note.origin, note.size)

    def _receipt(self, note: bytes, line: bytes) -> bytes:
        """The note with the mirror's line behind the others; read again only when it may have one already."""
        return merge(note, line) if self._mark in note else note + line

    def _note_of(self, waiting: _Waiting, time_s: int) -> Cosigned:
        return self._note(waiting.checkpoint.origin, waiting.checkpoint.size, waiting.note, time_s)

    def _note(self, origin: str, size: int, checkpoint_note: bytes, time_s: int) -> Cosigned:
        line = self._mirror.cosign(checkpoint_note.decode().rsplit("\n\n", 1)[0] + "\n", time_s)
        return Cosigned(origin, size, merge(checkpoint_note, line), time_s)

    def _refuse_all(self, error: StoreFailed) -> None:
        self._stopping = True
        _fail(list(self._waiting), error)
        self._waiting.clear()


def _settle(waiting: _Waiting, line: bytes | None) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(line)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
