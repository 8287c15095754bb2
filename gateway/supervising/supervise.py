"""One rig: connect, read, append, acknowledge, and start again after whatever went wrong (P8).

    connect ─> read ─> recorder (fsync) ─> ack ─> read …        reading, record or refusal: at once, no fixed waits
       ^                                      │
       └── left alone for a while: breaker.py <┘                any fault of this rig stays in this task

Retry lives here and nowhere else. A storage error is no rig's fault: it leaves this task and ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from device_adapters.contract import AdapterError, BackOff, BadReading, NotConnected, Observation
from gateway import limits
from gateway.backoff import Backoff
from gateway.errors import Fatal
from gateway.resources import lacking
from gateway.supervising.breaker import Breaker
from scorelog.format import types
from scorelog.journal.errors import JournalError, LogFull
from scorelog.journal.failpoints import failpoint, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from device_adapters.contract import Ack, Adapter, Position, RigStatus
    from gateway.meters import Meters
    from gateway.recording.documents import Subject
    from gateway.recording.recorder import Recorder
    from gateway.supervising.board import Board
    from scorelog.journal.clock import Clock

_READ = register("gateway.read", "a record was read from a rig and is not yet appended")
_ACK = register("gateway.ack", "a stored record is acknowledged to its rig")

_log = structlog.get_logger("gateway.rig")


class RigSupervisor:
    """Runs one adapter for as long as the process lives."""

    def __init__(
        self,
        subject: Subject,
        adapter: Callable[[Position | None], Adapter],
        recorder: Recorder,
        *,
        board: Board,
        clock: Clock,
        rng: Random,
        meters: Meters,
        accepts_exams: Callable[[], bool],
    ) -> None:
        self.subject = subject
        self._open = adapter
        self._recorder = recorder
        self._board = board
        self._clock = clock
        self._meters = meters
        self._unreadable_seq = meters.rig_unreadable.labels(subject.serial)
        self._kept_records = meters.rig_kept.labels(subject.serial)
        self._accepts_exams = accepts_exams
        self._breaker = Breaker(rng, asks=not subject.transport)
        self._asked_rarely = meters.rig_asked_rarely.labels(subject.serial)
        self._full_pause = Backoff(rng, limits.RIG_BACKOFF_BASE_S, limits.RIG_BACKOFF_CAP_S)
        self._adapter: Adapter | None = None
        self._full = False
        self._halted = False
        self._read_us = 0  # when the rig gave a reading, or was connected
        self._mute = False  # it was silent for too long: a reading comes before it is said to be online again
        self._unreadable: int | None = None
        self._gauged: tuple[int | None, int] = (None, 0)  # what the gauges say
        self._online: bool | None = None  # None: nothing was said about this rig yet

    async def run(self) -> None:
        """Until cancelled, or until the storage fails."""
        await self._recorder.resume(self.subject)
        adapter = self._adapter = self._open(self._recorder.position(self.subject))
        while True:
            on_trial = self._breaker.trial() or self._mute
            self._show_breaker()
            broke = await self._until_it_breaks(adapter, on_trial=on_trial)
            pause_s = self._breaker.failed(broke.held_s)
            self._show_breaker(pause_s)
            await self._down(broke.reason)
            await self._clock.sleep(pause_s)

    async def close(self) -> None:
        """Drop the connection; after `run` has ended, and after the rig was told that nobody records."""
        if self._adapter is not None:
            await self._adapter.close()

    async def retire(self, why: str) -> None:
        """The configuration has this rig no more, or otherwise; after `run` has ended."""
        if self._online:
            await self._down(why)
        await self.close()
        self._meters.forget(self.subject.serial)

    async def keep_ready(self) -> None:
        """Beside `run`: tells the rig every few seconds whether an exam can be recorded (K5, G4)."""
        while True:
            await self._clock.sleep(limits.READY_EVERY_S)
            if self._online and self._adapter is not None:
                with contextlib.suppress(AdapterError):  # the reading side sees the same fault and deals with it
                    await self._adapter.set_ready(self._accepts_exams())

    def halt(self) -> None:
        """The storage failed: from this instant on nothing is acknowledged."""
        self._halted = True

    async def say_not_ready(self) -> None:
        """The last act: no exam may start that nobody records."""
        if self._online and self._adapter is not None:
            with contextlib.suppress(AdapterError):
                await self._adapter.set_ready(False)

    async def _until_it_breaks(self, adapter: Adapter, *, on_trial: bool) -> NotConnected:
        """Why the connection ended. On trial a rig that only takes connections is not said to be online."""
        try:
            async with asyncio.timeout(limits.CONNECT_RIG_TIMEOUT_S):
                await adapter.connect()
            self._read_us = self._clock.mono_us()
            if not on_trial:
                await self._up(adapter)
            while True:
                await self._one_reading(adapter)
        except NotConnected as error:
            return error
        except TimeoutError:
            self._mute = True
            return NotConnected("silent")
        except (Fatal, JournalError, MemoryError):  # without memory half a step may be done: the log knows the rest
            raise
        except Exception as error:  # noqa: BLE001 - the supervisor: an adapter's own bug stops one rig only (P8)
            if (words := lacking(error)) is not None:
                return NotConnected(words)
            _log.exception("adapter broken", rig=self.subject.serial, error=type(error).__name__)
            return NotConnected(f"adapter broken: {type(error).__name__}")

    async def _one_reading(self, adapter: Adapter) -> None:
        try:
            async with asyncio.timeout(limits.READ_SILENCE_S):
                reading, ack = await adapter.read()
        except BackOff as busy:
            await self._clock.sleep(min(busy.wait_s, limits.RIG_BACKOFF_CAP_S))
            if self._clock.mono_us() - self._read_us > limits.READ_SILENCE_S * 1_000_000:
                self._mute = True
                raise NotConnected(f"no reading: {busy.reason}") from None
            return
        except BadReading as bad:
            self._meters.refusals.labels(self.subject.serial, bad.evidence.reason).inc()
            self._board.refused(self.subject.serial, bad.evidence.reason)
            _log.warning("reading refused", rig=self.subject.serial, reason=bad.evidence.reason)
            with contextlib.suppress(LogFull):
                await self._recorder.refuse(self.subject, bad.evidence)
            return
        self._read_us, self._mute = self._clock.mono_us(), False
        if not self._online:
            await self._up(adapter)
        self._answered()
        if isinstance(reading, Observation):
            await self._record(reading, ack)
        else:
            self._show(reading)

    def _answered(self, *, stored: bool = False) -> None:
        before = self._breaker.state
        self._breaker.answered(self._clock.mono_us(), stored=stored)
        if self._breaker.state != before:
            self._show_breaker()

    def _show_breaker(self, pause_s: float | None = None) -> None:
        """On the board and for /metrics; `pause_s`: how long the rig is left alone from now on."""
        state = self._breaker.state
        self._asked_rarely.set(state != "closed")
        again_us = self._clock.now_us() + round(pause_s * 1e6) if pause_s is not None and state == "open" else None
        self._board.asked(self.subject.serial, state, again_us)

    def _show(self, status: RigStatus) -> None:
        """On the board; a record that holds the rig up is said once, and once when it is over (K3: it may fill up)."""
        self._board.show(status)
        serial, seq, before = status.rig, status.unreadable, self._unreadable
        kept = max(0, status.last_seq - status.acked_seq)
        if (seq, kept) != self._gauged:
            self._gauged = seq, kept
            self._unreadable_seq.set(seq or 0)
            self._kept_records.set(kept)
        self._unreadable = seq
        if seq is not None and before is None:
            _log.warning("rig held by unreadable record", rig=serial, seq=seq, kept=kept)
        elif seq is None and before is not None:
            _log.info("rig held no longer", rig=serial, seq=before)

    async def _record(self, observation: Observation, ack: Ack) -> None:
        began = self._clock.mono_us()
        with failpoint(_READ):
            pass
        try:
            entry = await self._recorder.observe(self.subject, observation)
        except LogFull:
            # Not stored, so not acknowledged: the rig keeps it and gives it again.
            if not self._full:
                self._full_pause.reset()
                _log.error("log full", rig=self.subject.serial, seq=observation.seq)
            self._full = True
            await self._clock.sleep(self._full_pause.next())
            return
        self._full = False
        if self._halted:
            # An adapter gives what nobody acknowledged again at once. The process, which ends, cancels this task.
            await asyncio.get_running_loop().create_future()
        with failpoint(_ACK), contextlib.suppress(BackOff):
            await ack(entry)
        self._answered(stored=True)
        self._meters.records.labels(self.subject.serial).inc()
        self._meters.score_seconds.observe((self._clock.mono_us() - began) / 1e6)

    async def _up(self, adapter: Adapter) -> None:
        self._board.online(self.subject.serial)
        if not self._online:
            self._online = True
            self._meters.rig_up.labels(self.subject.serial).set(1)
            _log.info("rig online", rig=self.subject.serial, station=self.subject.station)
            await self._tell(types.RIG_ONLINE, "connected")
        await adapter.set_ready(self._accepts_exams())

    async def _down(self, reason: str) -> None:
        """Said once when it goes down, however often the next connections fail."""
        self._board.offline(self.subject.serial, reason)
        if self._online is False:
            return
        self._online = False
        self._meters.rig_up.labels(self.subject.serial).set(0)
        _log.warning("rig offline", rig=self.subject.serial, station=self.subject.station, reason=reason)
        await self._tell(types.RIG_OFFLINE, reason)

    async def _tell(self, kind: str, reason: str) -> None:
        position = self._recorder.position(self.subject)
        with contextlib.suppress(LogFull):
            await self._recorder.note(
                kind,
                rig=self.subject.serial,
                station=self.subject.station,
                reason=reason[:200],
                last_seq=position.seq if position else None,
                last_epoch=position.epoch if position else None,
            )
