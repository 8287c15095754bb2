"""Several units on one line: one queue, one transaction at a time, and silence where the protocol has no names.

    rigs ──ask──> queue (one place each) ──> quiet? ─> send ─> judge every byte ─> hold the gap ─> answer
                                               ^                 └ silence, or odd bytes
                                               └── not before a full response time of quiet <┘

Owns: the line, the order of requests, the gap between frames, the quiet after whatever went wrong. Knows no rigs and
no words. Over RTU nothing in a reply names its question, so a reply that may still be on its way is waited out: after
silence and after odd bytes nothing is sent for a full response time, and a line over TCP is opened anew as well. What
came instead of an answer may be its neighbour's: who may be asked twice is, and a unit that talks behind its answers
gets its silence there (`Trails`).

A transaction is nobody's task: who is cancelled leaves, and it goes on to its end, alone. While all is well the next
request goes out at the end of the silence behind the last answer, without a turn of any task. The bus's own task opens
the line, waits for quiet and gathers evidence.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from device_adapters.errors import NotConnected
from device_adapters.limits import (
    BUS_EARLY_S,
    BUS_NOISE_S,
    BUS_OPEN_AGAIN_S,
    BUS_SETTLE_S,
    GAP_CHARS,
    GAP_MIN_S,
)
from device_adapters.modbus.breaker import Breakers
from device_adapters.modbus.bus_counts import BusCounts
from device_adapters.modbus.exchange import LATE, ODD, Exchange
from device_adapters.modbus.pdu import EXCEPTION, TARGET_LOST, told
from device_adapters.modbus.trails import Trails
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from device_adapters.language.profile import Transport
    from device_adapters.modbus.framing import Framing
    from device_adapters.modbus.lines import Line

NOISY = "the line is never quiet"


@dataclass(frozen=True, slots=True)
class BusTimes:
    """Of one bus. `gap_s` 0: 3.5 characters; `quiet_s` 0: the response time of the unit that was asked."""

    gap_s: float = 0.0
    quiet_s: float = 0.0
    echo: bool = False


@dataclass(slots=True, eq=False)
class _Job:
    """One request that waits for its turn, or for its answer."""

    unit: int
    body: bytes
    transport: Transport
    answer: asyncio.Future[bytes] = field(repr=False)
    since: float
    again: bool  # may be asked a second time, if its neighbour talked into its turn
    began: float = 0.0
    odd_at: float = 0.0
    disturber: int | None = None  # who may have talked into its turn, and how long behind its own
    behind_s: float = 0.0
    request: bytes = field(default=b"", repr=False)


class Bus:
    """One line and its units."""

    def __init__(self, line: Line, framing: Framing, times: BusTimes) -> None:
        self._line = line
        self._framing = framing
        self._times = times
        self._gap_s = max(times.gap_s, GAP_CHARS * line.byte_s, GAP_MIN_S) if framing.nameless else times.gap_s
        self._breakers = Breakers()
        self._trails = Trails()
        self._spoke, self._spoke_at = -1, 0.0  # whose turn was the last one, and when it ended
        self._spoke_well = False  # with an answer: what is heard now is behind it
        self._exchange = Exchange(line, framing, self._gap_s, echo=times.echo)
        self._queue: deque[_Job] = deque()
        self._job: _Job | None = None  # whose turn it is
        self._pause: asyncio.TimerHandle | None = None  # until it may be sent
        self._task: asyncio.Task[None] | None = None
        self._free_at = self._quiet_until = self._open_after = float("-inf")
        self._refused_open = ""
        self.counts = BusCounts()

    @property
    def identity(self) -> int:
        """Changes when other devices may be on the line than before."""
        return self._line.identity

    @property
    def waiting(self) -> int:
        """Requests in the queue, beside the one whose turn it is."""
        return len(self._queue)

    @property
    def held(self) -> int:
        """Units that are left alone now because they did not answer."""
        return self._breakers.held(asyncio.get_running_loop().time())

    @property
    def is_open(self) -> bool:
        """Whether the line can carry anything."""
        return self._line.is_open

    async def ask(self, unit: int, body: bytes, transport: Transport, *, again: bool = False) -> bytes:
        """The PDU that answers. Raises NotConnected and OddReply; an exception of the unit is an answer.

        `again`: it may be sent a second time if a neighbour may have talked into its turn; it changes nothing there.
        """
        return await self.asked(unit, body, transport, again=again)

    def asked(self, unit: int, body: bytes, transport: Transport, *, again: bool = False) -> asyncio.Future[bytes]:
        """What `ask` waits for, for who has no task that waits."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        answer: asyncio.Future[bytes] = loop.create_future()
        held = self._breakers.left_s(unit, now)
        if held > 0:
            why = f"unit {unit} did not answer; the line is left to the others for {held:.1f} s"
            answer.set_exception(NotConnected(why, held))
            return answer
        self._queue.append(_Job(unit, body, transport, answer, now, again))
        if self._job is None:
            self._next()
        return answer

    async def close(self) -> None:
        """Give the line back."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._abandon()
        self._line.close()

    # ------------------------------------------------------------------ one turn after the other

    def _next(self) -> None:
        """The turn of the first who still waits; who left before it came is not asked for."""
        self._job = None
        if self._pause is not None:
            self._pause.cancel()
        while self._job is None and self._queue:
            job = self._first()
            if job is None:
                return
            if not job.answer.done():
                self._job = job
                self._begin(job)

    def _first(self) -> _Job | None:
        """Of those whose unit may be asked now; None: nobody's may, and a timer runs."""
        if not self._trails:
            return self._queue.popleft()
        loop = asyncio.get_running_loop()
        now = loop.time()
        first = min(self._queue, key=lambda job: max(now, self._trails.asked_from(job.unit)))
        wait_s = self._trails.asked_from(first.unit) - now
        if wait_s > BUS_EARLY_S:
            self._pause = loop.call_later(wait_s, self._next)
            return None
        self._queue.remove(first)
        return first

    def _begin(self, job: _Job) -> None:
        """Send as soon as the gap is over; whatever else must be waited for is the task's."""
        line, now = self._line, asyncio.get_running_loop().time()
        if not line.is_open or line.received or self._quiet_until - now > BUS_EARLY_S:
            self._start(self._prepare(job))
            return
        wait_s = max(self._free_at, line.last_at + self._gap_s) - now
        if wait_s > BUS_EARLY_S:
            self._pause = asyncio.get_running_loop().call_later(wait_s, self._begin, job)
        else:
            self._send(job, now)

    def _send(self, job: _Job, now: float) -> None:
        job.began = job.began or now
        job.request = self._framing.request(job.unit, job.body)
        self.counts.asked += 1
        self._exchange.begin(job.request, job.transport.timeout_ms / 1000, self._told)

    def _told(self, frame: bytes | None, why: str) -> None:
        """The request under way has its answer, or will have none."""
        job = self._job
        if job is None:
            return
        if frame is not None:
            self._answered(job, self._framing.pdu(frame))
        elif why == ODD:
            job.odd_at = asyncio.get_running_loop().time()
            self._start(self._gather(job))
        elif why == LATE:
            came = f" ({len(self._line.received)} bytes came)" if self._line.received else ""
            self._failed(job, NotConnected(f"no reply within {job.transport.timeout_ms} ms{came}, {told(job.body)}"))
        else:
            self._failed(job, NotConnected(f"{why}, {told(job.body)}"))

    def _answered(self, job: _Job, pdu: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.counts.answered += 1
        self._free_at = now + job.transport.min_gap_ms / 1000
        if job.disturber is not None:  # it answers well: what came before was not its own
            self._trails.heard(job.disturber, job.behind_s)
        if self._trails:
            self._free_at = max(self._free_at, now + self._trails.answered(job.unit, now))
        self._spoke_well = True
        if pdu[0] & EXCEPTION and pdu[1] in TARGET_LOST:
            self._breakers.failed(job.unit, now, now - job.began)
        else:
            self._breakers.good(job.unit)
        if not job.answer.done():
            job.answer.set_result(pdu)
        self._over(job, now)

    def _failed(self, job: _Job, error: NotConnected | OddReply) -> None:
        """What may still be on its way is waited out before anybody is asked."""
        now = asyncio.get_running_loop().time()
        if isinstance(error, OddReply):
            self.counts.odd += 1
        else:
            self.counts.silent += 1
        quiet_s = self._quiet_s(job)
        self._spoke_well = False
        self._quiet_until = now + quiet_s
        if self._line.renewable:
            self._line.close()
        self._breakers.failed(job.unit, now, now - job.began + quiet_s)
        _fail(job, error)
        self._over(job, now)

    def _over(self, job: _Job, now: float) -> None:
        self.counts.turn(now - job.since)
        self._spoke, self._spoke_at = job.unit, now
        self._next()

    def _abandon(self) -> None:
        """Nothing is under way any more, and nobody waits."""
        self._exchange.drop()
        if self._pause is not None:
            self._pause.cancel()
        job, self._job = self._job, None
        for left in (*((job,) if job is not None else ()), *self._queue):
            _fail(left, NotConnected("the bus was closed"))
        self._queue.clear()

    # ------------------------------------------------------------------ the one task

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work, name="bus")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """One that did not lead on, by a bug of its own, leaves nobody waiting."""
        if task is self._task:
            self._task = None
            self._abandon()

    async def _prepare(self, job: _Job) -> None:
        """Make the line ready, and send."""
        loop = asyncio.get_running_loop()
        try:
            await self._make_ready(job)
        except NotConnected as error:  # of the line: nobody's breaker
            self._task = None
            _fail(job, error)
            self._over(job, loop.time())
        else:
            self._task = None
            self._send(job, loop.time())

    async def _gather(self, job: _Job) -> None:
        """What came instead of an answer."""
        error = await self._refused(job)
        self._task = None
        if self._may_be_another(job, error.frame):
            self._repeat(job)
        else:
            self._failed(job, error)

    def _may_be_another(self, job: _Job, frame: bytes) -> bool:
        """Whether these bytes may be those of a unit that was asked before: its own begin with its number."""
        received = self._exchange.without_echo(job.request, frame)
        asked = job.again and self._framing.nameless and not job.answer.done()
        return bool(asked and received and received[0] != job.unit)

    def _repeat(self, job: _Job) -> None:
        """Once more, behind the same quiet as after any odd bytes: its neighbour may have talked into its turn."""
        job.again = False
        if self._spoke_well and self._spoke != job.unit:
            job.disturber, job.behind_s = self._spoke, job.odd_at - self._spoke_at
        self.counts.strays += 1
        self._quiet_until = asyncio.get_running_loop().time() + self._quiet_s(job)
        self._line.clear()
        if self._line.renewable:
            self._line.close()
        self._begin(job)

    async def _make_ready(self, job: _Job) -> None:
        """An open line, quiet for as long as it must be."""
        loop = asyncio.get_running_loop()
        if not self._line.is_open:
            await self._open(job)
        if self._line.received:
            self.counts.strays += 1
            self._quiet_until = max(self._quiet_until, self._line.last_at + self._stray_quiet_s(job))
            self._line.clear()
        give_up_at = max(loop.time(), self._quiet_until) + BUS_NOISE_S
        while True:
            wait_s = max(self._quiet_until, self._free_at, self._line.last_at + self._gap_s) - loop.time()
            if wait_s <= BUS_EARLY_S:
                break
            if await self._line.wait(wait_s):
                if not self._line.is_open:
                    raise NotConnected("the line was lost")
                self.counts.strays += bool(self._line.received)
                self._quiet_until = max(self._quiet_until, self._line.last_at + BUS_SETTLE_S)
                self._line.clear()
            if loop.time() > give_up_at:
                self._line.close()
                raise NotConnected(NOISY)
        self._line.clear()

    def _quiet_s(self, job: _Job) -> float:
        return self._times.quiet_s or (job.transport.timeout_ms / 1000 if self._framing.nameless else 0.0)

    def _stray_quiet_s(self, job: _Job) -> float:
        """Behind bytes that came before anything was sent. Another unit's frame is never taken for this one's."""
        habit_s = self._trails.habit_s(self._spoke) if self._spoke_well else None
        if self._spoke_well:
            self._trails.heard(self._spoke, self._line.last_at - self._spoke_at)
        return habit_s if habit_s is not None and self._spoke != job.unit else self._quiet_s(job)

    async def _open(self, job: _Job) -> None:
        """Once a second at most, however many rigs ask."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._open_after:
            raise NotConnected(self._refused_open)
        try:
            await self._line.open(job.transport.connect_timeout_ms / 1000)
        except NotConnected as error:
            self._open_after, self._refused_open = loop.time() + BUS_OPEN_AGAIN_S, error.reason
            raise
        self.counts.opened += 1
        self._free_at = max(self._free_at, loop.time() + job.transport.pause_after_connect_ms / 1000)

    async def _refused(self, job: _Job) -> OddReply:
        """What came up to the next silence, as evidence, and what it is as far as that can be told."""
        loop = asyncio.get_running_loop()
        until = loop.time() + BUS_NOISE_S
        while self._line.is_open and loop.time() < until and await self._line.wait(max(self._gap_s, BUS_SETTLE_S)):
            pass
        received = self._exchange.without_echo(job.request, self._line.received)
        why = "no echo of the own request"
        if received is not None:
            why = self._framing.fault(job.request, received) or "a damaged frame"
        return OddReply(f"{why}, {told(job.body)}", self._line.received)


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
        job.answer.exception()  # seen: nobody may be waiting
