"""When the projector lets the rest of the process run: after a slice of time, until nobody else is busy.

Ingest goes first. A slice is counted in time, not in entries, since entries differ; and giving way goes on while others
use the turns they get, within a bound, so that a busy ingest slows the projector down and never stops it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.projection import limits

if TYPE_CHECKING:
    from scorelog.journal.clock import Clock


class Turns:
    """One for a projector."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_us = 0

    @property
    def over(self) -> bool:
        """Whether it is time to give way."""
        return self._clock.mono_us() >= self._until_us

    async def give_way(self) -> None:
        """Let others run; a new slice begins after it."""
        begun = now = self._clock.mono_us()
        while now - begun < limits.GIVEN_US_MAX:
            await asyncio.sleep(0)
            before, now = now, self._clock.mono_us()
            if now - before < limits.QUIET_TURN_US:
                break
        self._until_us = now + limits.SLICE_US
