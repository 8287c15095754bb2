"""The clocks of one simulated machine: monotonic time is the loop's, the wall clock may stand anywhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fake_clock import START_US

if TYPE_CHECKING:
    from random import Random

    from dst_loop import SimLoop

    from scorelog.journal.clock import SyncState


class SimClock:
    """See `scorelog.journal.clock.Clock`. One per machine; it outlives the processes on it."""

    def __init__(self, loop: SimLoop, rng: Random) -> None:
        self._loop = loop
        self._rng = rng
        self._shift_us = rng.randrange(-400_000, 400_000)  # no two machines agree
        self._booted_us = -rng.randrange(1_000_000, 10**12)
        self._boot_id = rng.randbytes(16).hex()
        self.sync: SyncState = "synced"

    def now_us(self) -> int:
        return START_US + self._loop_us() + self._shift_us

    def mono_us(self) -> int:
        return self._loop_us() - self._booted_us

    def boot_id(self) -> str:
        return self._boot_id

    def sync_state(self) -> SyncState:
        return self.sync

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def step(self, seconds: float) -> None:
        """The wall clock is set forward or back."""
        self._shift_us += round(seconds * 1e6)

    def lose(self) -> None:
        """A dead battery: 1970, until something says otherwise."""
        self._shift_us = 3_600_000_000 - START_US - self._loop_us()
        self.sync = "unsynced"

    def mend(self) -> None:
        """NTP answered."""
        self._shift_us = self._rng.randrange(-50_000, 50_000)
        self.sync = "synced"

    def reboot(self) -> None:
        """The machine was switched off and on: another boot, monotonic time from near zero."""
        self._boot_id = self._rng.randbytes(16).hex()
        self._booted_us = self._loop_us() - 1_000_000

    def _loop_us(self) -> int:
        return round(self._loop.time() * 1e6)
