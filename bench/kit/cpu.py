"""CPU time and memory: of this process, and of others by their pid (/proc; Linux only, as the benchmarks are)."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system seconds that a running process has used so far, its threads and its children included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS + sum(map(_child_s, _children(pid)))


def _child_s(pid: int) -> float:
    """Of one that may have ended: then it is among its parent's."""
    try:
        return cpu_s(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found += map(int, (task / "children").read_text("ascii").split())
    return found


def rss_mb(pid: int) -> float:
    """Resident memory of a running process, MiB."""
    for each in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if each.startswith("VmRSS:"):
            return int(each.split()[1]) / 1024
    raise ProcessLookupError(pid)


def descriptors(pid: int) -> int:
    """How many files and sockets a running process holds open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@dataclass(slots=True)
class Span:
    """Wall and CPU seconds between `begin` and `end`, of this process or of others."""

    pids: tuple[int, ...]
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @classmethod
    def begin(cls, pids: Iterable[int] = ()) -> Span:
        """Start the span; without pids it is this process's."""
        span = cls(tuple(pids))
        span.wall_s, span.cpu_s = -time.perf_counter(), -span._used()
        return span

    def end(self) -> Span:
        """Stop it; the same span."""
        self.wall_s += time.perf_counter()
        self.cpu_s += self._used()
        return self

    def rate(self, count: float) -> float:
        """Per second."""
        return count / self.wall_s

    def cpu_us(self, count: float) -> float:
        """CPU microseconds per operation."""
        return 1e6 * self.cpu_s / count

    def _used(self) -> float:
        return sum(cpu_s(pid) for pid in self.pids) if self.pids else time.process_time()


def repeated(step: Callable[[], object], seconds: float) -> tuple[int, Span]:
    """Call `step` until the time is over; how often, and what it took."""
    span = Span.begin()
    stop = time.perf_counter() + seconds
    for done in itertools.count(1):
        step()
        if time.perf_counter() > stop:
            return done, span.end()
    raise AssertionError("count ends")
