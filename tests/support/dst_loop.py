"""An event loop in which no time passes but by jumping: the heart of the simulation (docs/simulation.md).

    ready callbacks ─> run ─> nothing ready ─> the clock jumps to the next timer ─> run …

Owns virtual time, and where the code of an executor runs: in a simulated thread (dst_threads.py), one after the other
per executor. It has no sockets, no signals and no threads, so the same callbacks run in the same order in each run;
and none of what a loop does for those, which is most of what a loop costs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import copy_context
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from dst_threads import SimThread, spawning
from greenlet import getcurrent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from contextvars import Context


class Stalled(Exception):  # noqa: N818  # a finding of the simulation, no error of the house
    """Nothing is ready and no timer runs: whoever waits now waits for ever."""


class _Call:
    """What `asyncio.Handle` and `asyncio.TimerHandle` are here: a callback that is due, now or at `at`."""

    __slots__ = ("_args", "_at", "_callback", "_context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None) -> None:
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._context = context if context is not None else copy_context()
        self._at = 0.0

    def cancel(self) -> None:
        self._callback = None
        self._args = ()  # what it would have touched is free from now on, though it still stands in the heap

    def cancelled(self) -> bool:
        return self._callback is None

    def when(self) -> float:
        return self._at


class SimLoop(asyncio.BaseEventLoop):
    """`loop.time()` starts at 0 and is the only time there is."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._soon: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._made = 0  # timers of one instant go in the order in which they were set
        self.hub = getcurrent()
        self.jumps = 0
        self._lanes: WeakKeyDictionary[Any, _Lane] = WeakKeyDictionary()

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        """In this instant, after what is ready already."""
        call = _Call(callback, args, context)
        self._soon.append(call)
        return call

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """After so many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        """At that virtual time."""
        call = _Call(callback, args, context)
        call._at = when
        self._made += 1
        heappush(self._timers, (when, self._made, call))
        return call

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

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        """There is only one real thread."""
        return self.call_soon(callback, *args, context=context)

    def _run_once(self) -> None:
        """All that is ready now; before it the clock jumps, if nothing is."""
        soon, timers = self._soon, self._timers
        while timers and timers[0][2]._callback is None:
            heappop(timers)
        if not soon and not self._stopping:  # type: ignore[attr-defined]
            if not timers:
                raise Stalled("nothing is ready and nobody sleeps")
            if timers[0][0] > self._now:
                self.jumps += 1
                self._now = timers[0][0]
        while timers and timers[0][0] <= self._now:
            soon.append(heappop(timers)[2])
        for _ in range(len(soon)):
            call = soon.popleft()
            if call._callback is not None:
                try:
                    call._context.run(call._callback, *call._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001  # as asyncio's own loop does: told, and the loop goes on
                    self.call_exception_handler({"message": f"in {call._callback!r}", "exception": error})

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
