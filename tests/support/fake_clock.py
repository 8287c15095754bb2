"""The strict fake of the Clock seam: time passes only when a test says so, and sleepers wake in order."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scorelog.journal.clock import SyncState

START_US = 1_795_416_125_000_000  # 2026-11-23T06:42:05Z
_SETTLE_TURNS = 50  # turns of the loop that woken tasks get to act before the next sleeper wakes


class FakeClock:
    """Wall and monotonic clock in one; `step_wall` makes them part."""

    def __init__(self, now_us: int = START_US, boot_id: str = "6d" * 16, sync: SyncState = "synced") -> None:
        self._now_us = now_us
        self._mono_us = 1_000_000
        self._boot_id = boot_id
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.sync: SyncState = sync

    def now_us(self) -> int:
        return self._now_us

    def mono_us(self) -> int:
        return self._mono_us

    def boot_id(self) -> str:
        return self._boot_id

    def sync_state(self) -> SyncState:
        return self.sync

    @property
    def sleepers(self) -> int:
        """How many tasks sleep now: a test waits for it before it advances."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise AssertionError(f"sleep of {seconds} s")
        if seconds == 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._mono_us + round(seconds * 1e6), next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass; whoever is due wakes at its own instant, in order, and acts before the next one wakes."""
        until = self._mono_us + round(seconds * 1e6)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, future = heapq.heappop(self._sleepers)
            self._move(max(due, self._mono_us))
            if not future.done():
                future.set_result(None)
                await self._settle()
        self._move(until)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does."""
        self._now_us += round(seconds * 1e6)

    def reboot(self, boot_id: str) -> None:
        """A new boot: other id, monotonic clock from near zero. Nobody may still be sleeping."""
        if self.sleepers:
            raise AssertionError("a machine cannot reboot under a sleeping task of the test")
        self._boot_id = boot_id
        self._mono_us = 1_000_000

    def _move(self, mono_us: int) -> None:
        self._now_us += mono_us - self._mono_us
        self._mono_us = mono_us

    @staticmethod
    async def _settle() -> None:
        for _ in range(_SETTLE_TURNS):
            await asyncio.sleep(0)
