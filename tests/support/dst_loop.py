"""An event loop in which no time passes but by jumping: the heart of the simulation (docs/simulation.md).

    ready callbacks ─> run ─> nothing ready ─> the clock jumps to the next timer ─> run …

Owns virtual time, and where the code of an executor runs: in a simulated thread (dst_threads.py), one after the other
per executor. It has no sockets, no signals and no threads, so the same callbacks run in the same order in each run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from dst_threads import SimThread, spawning
from greenlet import getcurrent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Stalled(Exception):  # noqa: N818  # a finding of the simulation, no error of the house
    """Nothing is ready and no timer runs: whoever waits now waits for ever."""


class SimLoop(asyncio.BaseEventLoop):
    """`loop.time()` starts at 0 and is the only time there is."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self  # asked to wait for events; there are none, so it jumps
        self.hub = getcurrent()
        self.jumps = 0
        self._lanes: WeakKeyDictionary[Any, _Lane] = WeakKeyDictionary()

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Called when nothing is ready."""
        if timeout is None:
            raise Stalled("nothing is ready and nobody sleeps")
        if timeout > 0:
            self.jumps += 1
            self._now = max(self._now, self._scheduled[0].when() if self._scheduled else self._now + timeout)
        return []

    def threads(self) -> AbstractContextManager[None]:
        """Inside the block every thread that is made is a simulated one of this loop."""
        return spawning(self)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """In a simulated thread. An executor is one worker here: what it was given runs in order."""
        future = self.create_future()
        if executor is None:
            SimThread(self, _settling(future, func, args), "to_thread").start()
        else:
            self._lanes.setdefault(executor, _Lane(self)).put(_settling(future, func, args))
        return future

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """There is only one real thread."""
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, _events: list[object]) -> None:
        return

    def _write_to_self(self) -> None:
        return


class _Lane:
    """The jobs of one executor."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._jobs: deque[Callable[[], None]] = deque()
        self._busy = False

    def put(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        if not self._busy:
            self._busy = True
            SimThread(self._loop, self._work, "worker").start()

    def _work(self) -> None:
        for job in self._taken():
            job()
        self._busy = False

    def _taken(self) -> Iterator[Callable[[], None]]:
        while self._jobs:
            yield self._jobs.popleft()


def _settling(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[], None]:
    """The job that runs `func` and tells the future."""

    def job() -> None:
        if future.cancelled():
            return
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001  # it is the awaiting caller's
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)

    return job
