"""The strict fake of a rig's Adapter: what it is told to say, in order, and it fails the test on misuse.

    rig = FakeAdapter("LV-0001")
    rig.happen(observation)       # latched: yielded until acked
    rig.show(status)              # live: yielded once
    rig.refuse(evidence); rig.busy(0.1); rig.drop("cable pulled")
    rig.spoil(evidence)           # the record `evidence.asked` is refused once and passed over, until …
    rig.mend(seq)                 # … it can be read: then it comes late
    await rig.until_acked(42)

Misuse is an AssertionError: two reads at once, a second call of one ack, an ack of something never yielded,
reading before connect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from device_adapters.contract import (
    Ack,
    BackOff,
    BadReading,
    Evidence,
    NotConnected,
    Observation,
    Position,
    Reading,
    RigStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeAdapter:
    """One rig in memory. `position`: observations up to it are taken as stored and are never yielded."""

    def __init__(self, rig: str, position: Position | None = None) -> None:
        self.rig = rig
        self.position = position
        self.acked: list[Position] = []
        self.ready: list[bool] = []
        self.connects = 0
        self.connected = False
        self.refuse_connect: str | None = None
        self.fail_next_ack: str | None = None
        self.on_yield: Callable[[Reading], None] | None = None
        self._latched: deque[Observation] = deque()
        self._spoiled: set[int] = set()
        self._holes: set[int] = set()
        self._status = RigStatus(rig, "idle", "exam", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        self._live: deque[RigStatus | Exception] = deque()
        self._news = asyncio.Event()
        self._acks = asyncio.Condition()
        self._reading = False

    def happen(self, observation: Observation) -> None:
        """The rig latches this. What the position covers already (same epoch) is dropped, as a real rig frees it."""
        assert observation.rig == self.rig, "an observation of another rig"
        at = self.position
        if (
            at is not None
            and observation.epoch == at.epoch
            and observation.seq <= at.seq
            and observation.type != "rig.rebooted"
        ):
            return
        self._latched.append(observation)
        self._news.set()

    def show(self, status: RigStatus) -> None:
        """The rig's live state changed."""
        assert status.rig == self.rig, "a status of another rig"
        self._status = status
        self._show()

    def refuse(self, evidence: Evidence) -> None:
        """The next reading fails its checks."""
        self._tell(BadReading(evidence))

    def spoil(self, evidence: Evidence) -> None:
        """A latched record cannot be read: refused once, then passed over; nothing from it on is acknowledged."""
        assert evidence.asked is not None, "which record?"
        self._spoiled.add(evidence.asked)
        self.refuse(evidence)

    def mend(self, seq: int) -> None:
        """It can be read again."""
        self._spoiled.remove(seq)
        self._news.set()

    def busy(self, wait_s: float) -> None:
        """The rig asks for time."""
        self._tell(BackOff(wait_s))

    def drop(self, reason: str) -> None:
        """The connection breaks at the next read."""
        self._tell(NotConnected(reason))

    async def until_acked(self, seq: int, within_s: float = 5) -> None:
        """Wait until the rig was told that `seq` is stored."""
        async with asyncio.timeout(within_s), self._acks:
            await self._acks.wait_for(lambda: any(at.seq >= seq for at in self.acked))

    async def connect(self) -> None:
        """See the contract."""
        self.connects += 1
        self.connected = False
        if self.refuse_connect is not None:
            raise NotConnected(self.refuse_connect)
        self.connected = True
        self._news.set()

    async def read(self) -> tuple[Reading, Ack]:
        """See the contract."""
        assert not self._reading, "two reads at once"
        self._reading = True
        try:
            return await self._next()
        finally:
            self._reading = False

    async def set_ready(self, ready: bool) -> None:
        """See the contract."""
        self._need_connection()
        self.ready.append(ready)

    async def close(self) -> None:
        """See the contract."""
        self.connected = False
        self._news.set()

    async def _next(self) -> tuple[Reading, Ack]:
        while True:
            self._need_connection()
            if self._live:
                said = self._live.popleft()
                if isinstance(said, NotConnected):
                    self.connected = False
                if isinstance(said, BadReading) and said.evidence.asked in self._spoiled:
                    self._holes.add(said.evidence.asked)
                    self._show()
                if isinstance(said, Exception):
                    raise said
                return self._yield(said, self._ack_nothing())
            head = next((each for each in self._latched if each.seq not in self._spoiled), None)
            if head is not None:
                return self._yield(head, self._ack_of(head))
            self._news.clear()
            await self._news.wait()

    def _yield(self, reading: Reading, ack: Ack) -> tuple[Reading, Ack]:
        if self.on_yield is not None:
            self.on_yield(reading)
        return reading, ack

    def _ack_nothing(self) -> Ack:
        async def ack(entry: bytes | None = None) -> None:
            return

        return ack

    def _ack_of(self, observation: Observation) -> Ack:
        called = False

        async def ack(entry: bytes | None = None) -> None:
            nonlocal called
            assert not called, f"ack of {observation.position} called twice"
            called = True
            if observation in self._latched:
                self._latched.remove(observation)
            at = self.position
            if (
                at is None
                or observation.type == "rig.rebooted"
                or (at.epoch, at.seq) < (observation.epoch, observation.seq)
            ):
                self.position = observation.position
            if observation.seq in self._holes:
                self._holes.remove(observation.seq)
                self._show()
            failure, self.fail_next_ack = self.fail_next_ack, None
            if failure is not None:
                self.connected = False
                raise NotConnected(failure)
            self._need_connection()
            if self._holes:
                return  # remembered, not told
            async with self._acks:
                self.acked.append(self.position or observation.position)
                self._acks.notify_all()

        return ack

    def _show(self) -> None:
        self._tell(replace(self._status, unreadable=min(self._holes, default=None)))

    def _tell(self, said: RigStatus | Exception) -> None:
        self._live.append(said)
        self._news.set()

    def _need_connection(self) -> None:
        if not self.connected:
            raise NotConnected("the fake is not connected")
