"""Several units on one line: one queue, one transaction at a time, and silence where the protocol has no names.

    rigs ──ask──> queue (one place each) ──> worker: quiet? ─> send ─> judge every byte ─> hold the gap ─> answer
                                               ^                     └ silence, or odd bytes
                                               └────── not before a full response time of quiet <┘

Owns: the line, the order of requests, the gap between frames, the quiet after whatever went wrong. Knows no rigs and
no words. Over RTU nothing in a reply names its question, so a reply that may still be on its way is waited out: after
silence and after odd bytes nothing is sent for a full response time, and a line over TCP is opened anew as well.

A transaction runs in the bus's own task. Who is cancelled leaves; the transaction goes on to its end, alone.
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
from device_adapters.modbus.pdu import EXCEPTION, TARGET_LOST, told
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
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


@dataclass(slots=True)
class _Job:
    """One request that waits for its turn, or for its answer."""

    unit: int
    body: bytes
    transport: Transport
    answer: asyncio.Future[bytes] = field(repr=False)
    since: float


class Bus:
    """One line and its units."""

    def __init__(self, line: Line, framing: Framing, times: BusTimes) -> None:
        self._line = line
        self._framing = framing
        self._times = times
        self._gap_s = max(times.gap_s, GAP_CHARS * line.byte_s, GAP_MIN_S) if framing.nameless else times.gap_s
        self._breakers = Breakers()
        self._queue: deque[_Job] = deque()
        self._worker: asyncio.Task[None] | None = None
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

    async def ask(self, unit: int, body: bytes, transport: Transport) -> bytes:
        """The PDU that answers. Raises NotConnected and OddReply; an exception of the unit is an answer."""
        loop = asyncio.get_running_loop()
        held = self._breakers.left_s(unit, loop.time())
        if held > 0:
            raise NotConnected(f"unit {unit} did not answer; the line is left to the others for {held:.1f} s", held)
        job = _Job(unit, body, transport, loop.create_future(), loop.time())
        self._queue.append(job)
        if self._worker is None:
            self._worker = loop.create_task(self._work(), name="bus")
        return await job.answer

    async def close(self) -> None:
        """Give the line back."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        self._line.close()

    # ------------------------------------------------------------------ the one task

    async def _work(self) -> None:
        """Until nobody waits."""
        job: _Job | None = None
        try:
            while self._queue:
                job = self._queue.popleft()
                if not job.answer.done():  # who left before the turn came is not asked for
                    await self._serve(job)
                    self.counts.turn(asyncio.get_running_loop().time() - job.since)
        finally:
            self._worker = None
            for left in (*((job,) if job is not None else ()), *self._queue):
                _fail(left, NotConnected("the bus was closed"))
            self._queue.clear()

    async def _serve(self, job: _Job) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._make_ready(job)
        except NotConnected as error:  # of the line: nobody's breaker
            _fail(job, error)
            return
        began = loop.time()
        self.counts.asked += 1
        try:
            pdu = self._framing.pdu(await self._exchange(job))
        except (NotConnected, OddReply) as error:
            self._count(error)
            quiet_s = self._quiet_s(job)
            self._quiet_until = loop.time() + quiet_s
            if self._line.renewable:
                self._line.close()
            self._breakers.failed(job.unit, loop.time(), loop.time() - began + quiet_s)
            _fail(job, error)
            return
        self.counts.answered += 1
        self._free_at = loop.time() + job.transport.min_gap_ms / 1000
        if pdu[0] & EXCEPTION and pdu[1] in TARGET_LOST:
            self._breakers.failed(job.unit, loop.time(), loop.time() - began)
        else:
            self._breakers.good(job.unit)
        if not job.answer.done():
            job.answer.set_result(pdu)

    def _count(self, error: Exception) -> None:
        if isinstance(error, OddReply):
            self.counts.odd += 1
        else:
            self.counts.silent += 1

    async def _make_ready(self, job: _Job) -> None:
        """An open line, quiet for as long as it must be."""
        loop = asyncio.get_running_loop()
        if not self._line.is_open:
            await self._open(job)
        if self._line.received:
            self.counts.strays += 1
            self._quiet_until = max(self._quiet_until, self._line.last_at + self._quiet_s(job))
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

    async def _exchange(self, job: _Job) -> bytes:
        """The one frame that answers. Raises NotConnected after silence, OddReply for anything else."""
        line, framing, loop = self._line, self._framing, asyncio.get_running_loop()
        request = framing.request(job.unit, job.body)
        travel_s = line.byte_s * (len(request) * (1 + self._times.echo) + framing.expected(request))
        deadline = loop.time() + job.transport.timeout_ms / 1000 + travel_s
        line.write(request)
        while True:
            received = self._without_echo(request, line.received)
            if received is None or framing.fault(request, received) is not None:
                raise await self._refused(request, job)
            whole = bool(received) and framing.whole(request, received)
            if whole and not (self._gap_s and await line.wait(self._gap_s)):
                line.clear()
                return received
            if not line.is_open:
                raise NotConnected(f"the line was lost, {told(job.body)}")
            left = deadline - loop.time()
            if left <= BUS_EARLY_S:
                came = f" ({len(line.received)} bytes came)" if line.received else ""
                raise NotConnected(f"no reply within {job.transport.timeout_ms} ms{came}, {told(job.body)}")
            if not whole:
                await line.wait(left)

    def _without_echo(self, request: bytes, received: bytes) -> bytes | None:
        """What came behind the echo, where one is expected; None when something else came in its place."""
        if not self._times.echo:
            return received
        if received[: len(request)] != request[: len(received)]:
            return None
        return received[len(request) :]

    async def _refused(self, request: bytes, job: _Job) -> OddReply:
        """What came up to the next silence, as evidence, and what it is as far as that can be told."""
        loop = asyncio.get_running_loop()
        until = loop.time() + BUS_NOISE_S
        while self._line.is_open and loop.time() < until and await self._line.wait(max(self._gap_s, BUS_SETTLE_S)):
            pass
        received = self._without_echo(request, self._line.received)
        why = "no echo of the own request"
        if received is not None:
            why = self._framing.fault(request, received) or "a damaged frame"
        return OddReply(f"{why}, {told(job.body)}", self._line.received)


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
        job.answer.exception()  # seen: nobody may be waiting
