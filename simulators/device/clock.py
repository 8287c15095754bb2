"""Two times in one rig: the bus runs in real time, the exam may run faster.

A fast-forwarded exam must still meet a gateway that polls and writes `gateway_ready` in real seconds, so K5, the
heartbeat and every fault window count *bus* time, and everything the candidate does counts *exam* time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class RigTime(Protocol):
    """Where a rig's times come from."""

    def bus_us(self) -> int:
        """Real monotonic time, from 0 at the start of the fleet."""
        ...

    def wall_us(self) -> int:
        """Real UTC, for the truth file."""
        ...

    def exam_us(self) -> int:
        """Monotonic exam time, from 0 at the start of the fleet."""
        ...

    def utc_us(self, exam_us: int) -> int:
        """What a right rig clock shows at that exam time."""
        ...

    async def sleep_until(self, exam_us: int) -> None:
        """Return once exam time has reached `exam_us`."""
        ...

    async def sleep_bus(self, seconds: float) -> None:
        """Return after that much real time."""
        ...


class FleetTime:
    """The machine's clock, with exam time `speed` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._mono_start_ns = time.monotonic_ns()
        self._utc_start_us = time.time_ns() // 1000

    def bus_us(self) -> int:
        """Real microseconds since the start."""
        return (time.monotonic_ns() - self._mono_start_ns) // 1000

    def wall_us(self) -> int:
        """UTC now."""
        return time.time_ns() // 1000

    def exam_us(self) -> int:
        """Exam microseconds since the start."""
        return int(self.bus_us() * self._speed)

    def utc_us(self, exam_us: int) -> int:
        """The rig clock started right and runs with the exam."""
        return self._utc_start_us + exam_us

    async def sleep_until(self, exam_us: int) -> None:
        """Sleep the real time that is left, if any."""
        left_us = exam_us - self.exam_us()
        if left_us > 0:
            await asyncio.sleep(left_us / self._speed / 1_000_000)

    async def sleep_bus(self, seconds: float) -> None:
        """Sleep real time."""
        await asyncio.sleep(seconds)
