"""Time comes in here and nowhere else: wall clock, monotonic clock, boot id, and whether the wall clock is disciplined.

Owns the `Clock` seam and its real form. It never corrects a clock: a wrong time is recorded with its sync state
and judged later (design: order is the index, never a time).
"""

from __future__ import annotations

import asyncio
import ctypes
import secrets
import time
from pathlib import Path
from typing import Literal, Protocol

from scorelog.format.entry import ReadTime

SyncState = Literal["synced", "unsynced", "unknown"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEX_BYTES = 208  # struct timex on 64-bit Linux; smaller on 32-bit, where the rest is slack
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Clock(Protocol):
    """The time seam: the fake in the tests drives every time-out in the house."""

    def now_us(self) -> int:
        """Wall clock, µs since 1970 UTC. May jump in either direction."""
        ...

    def mono_us(self) -> int:
        """Monotonic clock, µs since an arbitrary point; never goes back within one boot."""
        ...

    def boot_id(self) -> str:
        """Random id of this boot of the machine, 32 hex characters."""
        ...

    def sync_state(self) -> SyncState:
        """Whether the wall clock is disciplined by a time source."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that much monotonic time."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ("_adjtimex", "_boot_id")

    def __init__(self) -> None:
        self._boot_id = _read_boot_id()
        self._adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)

    def now_us(self) -> int:
        """Wall clock."""
        return time.time_ns() // 1000

    def mono_us(self) -> int:
        """Monotonic clock."""
        return time.monotonic_ns() // 1000

    def boot_id(self) -> str:
        """The kernel's boot id."""
        return self._boot_id

    def sync_state(self) -> SyncState:
        """What the kernel says of its clock; unknown where it may not be asked."""
        if self._adjtimex is None:
            return "unknown"
        state = self._adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))  # modes = 0: reads only
        if state < 0:
            return "unknown"
        return "unsynced" if state == _TIME_ERROR else "synced"

    async def sleep(self, seconds: float) -> None:
        """Real time."""
        await asyncio.sleep(seconds)


def _read_boot_id(path: Path = _BOOT_ID) -> str:
    """The kernel's boot id, or a random one per process where there is none to read."""
    try:
        return path.read_text("ascii").strip().replace("-", "")
    except OSError:
        return secrets.token_hex(16)


def read_time(clock: Clock) -> ReadTime:
    """The `read` field of an entry made now."""
    return ReadTime.at(clock.now_us(), clock.mono_us(), clock.boot_id(), clock.sync_state())
