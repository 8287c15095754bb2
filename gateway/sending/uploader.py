"""Sends whatever is pending as soon as the last answer is in, and believes only a verified cosignature (P2).

    position = newest receipt
    ┌─> piece(position) ─> upload ─> 200: verify ─> save receipt (fsync) ─> position moves ─┐
    │      409 size: go on from there · 422: another history · else: wait, ask again         │
    └───────────────────────────────────────────────────────────────────────────────────────┘

There is no "sent" flag: where the server stands is what its receipts and its 409 say. No answer, however often it
comes, makes this task drop an entry or stop the recording.
Protocol: docs/formats/upload.md; the table of forks: docs/gateway.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import structlog

from gateway import limits
from gateway.backoff import Backoff
from gateway.errors import BadAnswer, GenerationFrozen, ReceiptRefused, Retry, StorageFailed
from gateway.sending.carriage import receipt_in
from scorelog.format.checkpoint import open_checkpoint, parse_checkpoint
from scorelog.format.cosignature import merge
from scorelog.format.errors import FormatError
from scorelog.format.keys import parse_vkey
from scorelog.format.text import utc_us
from scorelog.format.tree import root_from
from scorelog.format.upload import Upload, encode_upload, parse_size_answer
from scorelog.journal.errors import JournalError, LogFailed, LogRefused
from scorelog.journal.failpoints import failpoint, register

if TYPE_CHECKING:
    from random import Random

    from gateway.meters import Meters
    from gateway.recording.freeze import Freezer
    from gateway.sending.transport import ServerClient, UploadAnswer
    from scorelog.format.keys import CosignatureVerifier
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import LogStore, Piece

_SEND = register("gateway.send", "an upload body leaves for the server")
_ANSWER = register("gateway.answer", "an answer of the server was read and is not yet acted on")
_RECEIPT = register("gateway.receipt", "a verified receipt is persisted")

_Ready: TypeAlias = "tuple[Piece, bytes]"  # a piece and its body

_log = structlog.get_logger("gateway.upload")


class Uploader:
    """One ordered stream of entries to one server."""

    def __init__(
        self,
        log: LogStore,
        client: ServerClient,
        mirror: CosignatureVerifier,
        *,
        clock: Clock,
        rng: Random,
        freezer: Freezer,
        meters: Meters,
        backoff_cap_s: float,
        young_until_us: int = 0,
    ) -> None:
        self._log = log
        self._client = client
        self._mirror = mirror
        self._clock = clock
        self._freezer = freezer
        self._meters = meters
        self._backoff = Backoff(rng, limits.UPLOAD_BACKOFF_BASE_S, backoff_cap_s, budget=True)
        self._rng = rng
        self._young_until_us = (
            young_until_us  # monotonic: before this a generation made by a freeze is not frozen again
        )
        self._position = log.receipted_size
        self._entries_max = limits.PIECE_ENTRIES_MAX
        self._work = asyncio.Event()
        self._settled = asyncio.Event()  # set while there is nothing to do, or nothing that can be done now
        self._ahead: _Ready | None = None  # the piece after the one that is on its way
        self._back = asyncio.Event()  # the server answers again
        self._ask = False  # one request although everything has its receipt
        self.trouble: str | None = None  # the last failure, None after a receipt
        self.trouble_code = 0

    @property
    def position(self) -> int:
        """Where the server stands, as far as it told us."""
        return self._position

    @property
    def done(self) -> bool:
        """Everything in the log has its receipt."""
        return self._position >= self._log.size and self._log.receipted_size >= self._log.size

    async def settled(self) -> None:
        """Wait until everything has its receipt, or the server gives no good answer."""
        while not self.done and self.trouble is None:
            self._settled.clear()
            await self._settled.wait()

    def wake(self) -> None:
        """The log has grown, or something was learnt about the server."""
        self._work.set()

    def server_is_back(self) -> None:
        """A heartbeat was answered after one that was not."""
        self._back.set()

    async def watch_log(self) -> NoReturn:
        """Beside `run`: wakes it whenever the log has grown."""
        while True:
            await self._log.wait_grown(self._log.size)
            self.wake()

    async def run(self) -> NoReturn:
        """Until cancelled. Raises GenerationFrozen, StorageFailed."""
        while True:
            if self.done and not self._ask:
                self._work.clear()
                self._settled.set()
                await self._work.wait()
                continue
            self._ask = False
            wait_s = await self.step()
            self._settled.set()
            if wait_s > 0:
                await self._rest(wait_s)

    async def _rest(self, wait_s: float) -> None:
        """A back-off from a silent server ends when a heartbeat finds it again; what a server asked for is kept."""
        self._back.clear()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._clock.sleep(wait_s))]
        if self.trouble_code == 0:
            waits.append(asyncio.ensure_future(self._back.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def step(self) -> float:
        """One request and what follows from its answer; returns how long to wait before the next."""
        piece, body = await self._next()
        began_us = self._clock.mono_us()
        try:
            with failpoint(_SEND):
                answer = await self._send(piece, body)
            with failpoint(_ANSWER):
                pass
            self._meters.answers.labels(str(answer.status)).inc()
            wait_s = await self._act(piece, body, answer)
        except Retry as error:
            self._meters.answers.labels("none").inc()
            wait_s = self._later(0, str(error))
        self._fit(piece, began_us, good=not wait_s)
        return wait_s

    async def _next(self) -> _Ready:
        """The piece from the position on: the one made ready during the last request, if it still fits."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0].start == self._position and len(ahead[0].entries) <= self._entries_max:
            return ahead
        return await self._ready(self._position)

    async def _ready(self, start: int) -> _Ready:
        piece = await self._log.piece(start, self._entries_max, limits.PIECE_BYTES_MAX)
        return piece, encode_upload(Upload(piece.start, piece.entries, piece.openings, piece.checkpoint))

    async def _send(self, piece: Piece, body: bytes) -> UploadAnswer:
        """One request at a time, in order. Of a backlog the next piece is read and framed while the server works.

        What was made ready is never sent before this answer, and only if the position is then its very beginning.
        """
        if self._log.size - piece.stop < self._entries_max:
            return await self._client.upload(body)
        ahead = asyncio.create_task(self._look_ahead(piece.stop))
        try:
            return await self._client.upload(body)
        finally:
            if not ahead.done():
                ahead.cancel()  # the answer came first

    async def _look_ahead(self, start: int) -> None:
        await self._clock.sleep(limits.LOOK_AHEAD_S)  # the request leaves first
        with contextlib.suppress(JournalError):  # whoever wants the piece in earnest meets the same, and deals with it
            self._ahead = await self._ready(start)

    async def take_receipt(self, data: bytes) -> int:
        """A receipt that came as a file; the size it confirms. Raises ReceiptRefused, StorageFailed."""
        piece = None if self.done else await self._log.piece(self._log.receipted_size)
        waiting = [self._log.checkpoint(), *([piece.checkpoint] if piece else [])]
        receipt = receipt_in(data, waiting, self._mirror)
        size = parse_checkpoint(receipt)[0].size
        try:
            await self._log.save_receipt(receipt)
        except LogRefused as error:
            raise ReceiptRefused(str(error)) from None
        except (LogFailed, OSError) as error:
            raise StorageFailed(f"log {self._log.origin}: {error}") from error
        self._position = max(self._position, size)
        self.wake()
        return size

    async def server_holds(self, size: int, receipted_before: int) -> None:
        """What a heartbeat's answer says; `receipted_before` is our newest receipt before that heartbeat left."""
        if size > self._log.size:
            # Not judged here: an upload shows the server what this log signed, so that it too has the evidence.
            self._ask = True
            self.wake()
        elif size < receipted_before and self._position > size:
            self._server_restored(size)
            self.wake()

    async def _act(self, piece: Piece, body: bytes, answer: UploadAnswer) -> float:  # noqa: PLR0911 - one row, one line
        status = answer.status
        if status == 200:  # noqa: PLR2004 - the status table of docs/formats/upload.md, here and below
            return await self._stored(piece, answer.body)
        if status == 409:  # noqa: PLR2004
            return await self._moved(piece, answer.body)
        if status == 422:  # noqa: PLR2004
            return self._contradicted(piece, body, answer.body)
        if status in (400, 413):
            return self._smaller(piece, status)
        if status == 403 and (newest := self._later_generation(answer.body)) is not None:  # noqa: PLR2004
            return self._overtaken(body, newest)
        if status in (403, 404):
            return self._later(status, "the server does not accept this gateway", at_least=limits.SLOW_RETRY_S)
        if status in (429, 503) and answer.retry_after is not None:
            return self._later(status, "the server is busy", at_least=answer.retry_after)
        return self._later(status, f"unexpected answer {status}")

    async def _stored(self, piece: Piece, lines: bytes) -> float:
        """Only a cosignature that verifies counts; a captive portal says 200 too."""
        try:
            receipt = merge(piece.checkpoint, lines, self._mirror)
        except FormatError as error:
            return self._later(200, f"an answer without our server's cosignature: {error}")
        if piece.stop > self._log.receipted_size or self._log.receipt() is None:
            try:
                with failpoint(_RECEIPT):
                    await self._log.save_receipt(receipt)
            except (LogFailed, OSError) as error:
                raise StorageFailed(f"log {self._log.origin}: {error}") from error
        self._position = piece.stop
        self._meters.journey.receipted(piece.stop, self._clock.mono_us())
        self._meters.receipts.inc()
        self._backoff.reset()
        if self.trouble is not None:
            _log.info("server accepts again", size=piece.stop)
            self.trouble = None
        return 0.0

    async def _moved(self, piece: Piece, body: bytes) -> float:
        try:
            size = parse_size_answer(body)
        except FormatError as error:
            return self._later(409, f"a 409 without a size: {error}")
        if size > self._log.size:
            return await self._compare()
        if size == piece.start:
            return self._later(409, "the server refuses the very size it names")
        if size < self._log.receipted_size and size < self._position:
            self._server_restored(size)
        self._position = size
        return 0.0

    def _server_restored(self, size: int) -> None:
        """It confirmed more than it holds now: put back from a backup. We still have it all."""
        _log.error("server lost entries", receipted=self._log.receipted_size, server=size)
        self._position = size

    async def _compare(self) -> float:
        """The server claims more than this log ever held: believe our own signature, and nothing else."""
        note = await self._client.checkpoint(self._log.origin)
        if note is None or len(note) > limits.CHECKPOINT_BYTES_MAX:
            raise BadAnswer("the server names a size and has no checkpoint for it")
        try:
            held, _ = open_checkpoint(note, parse_vkey(self._log.vkey))
        except FormatError as error:
            return self._later(
                409, f"the server's checkpoint is not of this log: {error}", at_least=limits.SLOW_RETRY_S
            )
        if held.size <= self._log.size and root_from(held.size, self._log.node) == held.root:
            self._position = held.size
            return 0.0
        evidence = self._freezer.keep_evidence("checkpoint", note, self._clock.now_us())
        reason = (
            f"the server holds {held.size} entries signed with this log's key, the log here has {self._log.size}: "
            "it was rolled back or cloned"
            if held.size > self._log.size
            else f"the server holds another tree of size {held.size}, signed with this log's key: it was cloned"
        )
        return self._freeze(reason, evidence, status=409)

    def _contradicted(self, piece: Piece, body: bytes, answer: bytes) -> float:
        now_us = self._clock.now_us()
        evidence = self._freezer.keep_evidence("422.kaofen-upload", body, now_us)
        self._freezer.keep_evidence("422-answer", answer, now_us)
        reason = (
            f"the server holds another history below size {piece.stop}: this log was rolled back, cloned or changed"
        )
        return self._freeze(reason, evidence, status=422)

    def _later_generation(self, answer: bytes) -> int | None:
        """The generation that is open at the server, if that is why it takes nothing more of this one."""
        try:
            newest = json.loads(answer)["newest_generation"]
        except (ValueError, KeyError, TypeError):
            return None
        mine = self._log.generation
        known = type(newest) is int and mine < newest <= mine + limits.GENERATIONS_AHEAD_MAX
        return newest if known else None

    def _overtaken(self, body: bytes, newest: int) -> float:
        """Another box has this log too, or this one was put back by generations: what it holds must not stay unsent."""
        reason = f"the server holds generation {newest} of this log: it was rolled back or cloned"
        if self._log.generation and self._age_s() < limits.FREEZE_AGAIN_AFTER_S:  # two boxes would take turns
            return self._later(403, f"{reason} (generation too young to give up)", at_least=limits.SLOW_RETRY_S)
        evidence = self._freezer.keep_evidence("403.kaofen-upload", body, self._clock.now_us())
        return self._freeze(reason, evidence, status=403, newest=newest)

    def _age_s(self) -> float:
        """Since this generation was opened, by the wall clock."""
        opened = json.loads(self._log.entries(0, 1)[0])["read"]["utc"]
        return (self._clock.now_us() - utc_us(opened)) / 1e6

    def _freeze(self, reason: str, evidence: str, *, status: int, newest: int = 0) -> float:
        if self._clock.mono_us() < self._young_until_us:
            return self._later(status, f"{reason} (generation too young to give up)", at_least=limits.SLOW_RETRY_S)
        _log.error("generation frozen", origin=self._log.origin, reason=reason, evidence=evidence)
        self._freezer.freeze(self._log.origin, self._log.size, reason, self._clock.now_us(), newest)
        raise GenerationFrozen(reason)

    def _smaller(self, piece: Piece, status: int) -> float:
        """A limit on the way that is below ours: send less at a time. One entry alone is never skipped."""
        if len(piece.entries) > 1:
            self._entries_max = max(1, len(piece.entries) // 2)
            return self._later(status, f"{status} for {len(piece.entries)} entries")
        return self._later(status, f"{status} for entry {piece.start} alone", at_least=limits.SLOW_RETRY_S)

    def _fit(self, piece: Piece, began_us: int, *, good: bool) -> None:
        """Pieces as large as the line carries in time: one that never arrives whole would be sent for ever (N2)."""
        slow = self._clock.mono_us() - began_us > limits.PIECE_SLOW_US
        if good and not slow:
            self._entries_max = min(limits.PIECE_ENTRIES_MAX, self._entries_max * 2)
        elif slow and not good:
            self._entries_max = max(1, len(piece.entries) // 2)

    def _later(self, status: int, reason: str, *, at_least: float = 0.0) -> float:
        """Said once per kind of trouble, not once per try."""
        if self.trouble is None or self.trouble_code != status:
            _log.warning(
                "upload delayed", status=status, reason=reason, unsent=self._log.size - self._log.receipted_size
            )
        self.trouble, self.trouble_code = reason, status
        return self._backoff.after(at_least) if at_least else self._backoff.next()
