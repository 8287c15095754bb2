"""Threads of the simulation: greenlets of the one real thread, which take turns only where a thread would block.

The journal's writer and its second file run in threads of their own (`threading.Thread`, `queue.SimpleQueue`,
`threading.Condition`), and aiosqlite runs each connection in one. Inside `spawning(loop)` those names make simulated
ones, so the very code of the house runs, and who goes on when is the loop's order: the same in each run.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import aiosqlite.core
from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dst_loop import SimLoop


JOB_S = 0.0005


class _Green(greenlet):
    thread: SimThread


class SimThread:
    """What `threading.Thread` is here."""

    def __init__(self, loop: SimLoop, target: Callable[[], None], name: str) -> None:
        self.name = name
        self._loop = loop
        self._target = target
        self._green: _Green | None = None
        self._turn = 0  # which parking it is in: a late wake-up of an earlier one is nothing
        self._joining: list[SimThread] = []
        self._ended = False

    def start(self) -> None:
        """It begins when the loop comes to it."""
        green = self._green = _Green(self._run, parent=self._loop.hub)
        green.thread = self
        green.gr_context = contextvars.copy_context()
        self._loop.call_soon(self._go_on, self._turn, True)

    def is_alive(self) -> bool:
        return self._green is not None and not self._ended

    def join(self, timeout: float | None = None) -> None:
        if self._ended:
            return
        me = current()
        if me is None:
            raise AssertionError(f"the loop itself would block in joining {self.name}")
        self._joining.append(me)
        me.park(timeout)

    def park(self, timeout: float | None = None) -> bool:
        """Wait; False when the time is over first."""
        self._turn += 1
        timer = None if timeout is None else self._loop.call_later(timeout, self._go_on, self._turn, False)
        woken = bool(self._loop.hub.switch())
        if timer is not None:
            timer.cancel()
        return woken

    def unpark(self) -> None:
        """Let it go on when the loop comes to it."""
        self._loop.call_soon(self._go_on, self._turn, True)

    def _go_on(self, turn: int, woken: bool) -> None:
        if turn == self._turn and not self._ended and self._green is not None:
            self._turn += 1
            self._green.switch(woken)

    def _run(self, _woken: bool) -> None:
        try:
            self._target()
        finally:
            self._ended = True
            for one in self._joining:
                one.unpark()


def current() -> SimThread | None:
    """The simulated thread that runs now; None in the loop itself."""
    green = getcurrent()
    return green.thread if isinstance(green, _Green) else None


def rest(seconds: float) -> None:
    """Let virtual time pass in a simulated thread, as a slow disk does; nothing in the loop itself."""
    thread = current()
    if thread is not None and seconds > 0:
        thread.park(seconds)


class SimQueue:
    """What `queue.SimpleQueue` is here."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: deque[SimThread] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._waiting:
            self._waiting.popleft().unpark()

    put_nowait = put

    def get(self) -> Any:
        while not self._items:
            thread = current()
            if thread is None:
                raise AssertionError("the loop itself would block in an empty queue")
            self._waiting.append(thread)
            thread.park()
        return self._items.popleft()

    def get_nowait(self) -> Any:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class SlowQueue(SimQueue):
    """Of the jobs of one database connection: each takes a moment, in which its process can die."""

    def get(self) -> Any:
        job = super().get()
        rest(JOB_S)
        return job


_RealCondition = threading.Condition


class _Waiter:
    """Stands among a condition's waiters where a real one has a lock; `release` is its waking."""

    def __init__(self, thread: SimThread) -> None:
        self.release = thread.unpark


class SimCondition(_RealCondition):
    """What `threading.Condition` is here, and in `Event` and `Future`. In no simulated thread it is a real one."""

    def wait(self, timeout: float | None = None) -> bool:
        thread = current()
        if thread is None:
            return super().wait(timeout)
        waiter = _Waiter(thread)
        self._waiters.append(waiter)  # type: ignore[attr-defined]
        saved = self._release_save()  # type: ignore[attr-defined]
        try:
            woken = thread.park(timeout)
        finally:
            self._acquire_restore(saved)  # type: ignore[attr-defined]
        if not woken and waiter in self._waiters:  # type: ignore[attr-defined]
            self._waiters.remove(waiter)  # type: ignore[attr-defined]
        return woken


@contextmanager
def spawning(loop: SimLoop) -> Iterator[None]:
    """Threads, queues and conditions made inside are simulated ones of `loop`."""
    before = threading.Thread, threading.Condition, queue.SimpleQueue, aiosqlite.core.Thread, aiosqlite.core.SimpleQueue

    def thread(
        *, target: Callable[..., None], name: str = "", daemon: bool | None = None, args: tuple[Any, ...] = ()
    ) -> SimThread:
        return SimThread(loop, partial(target, *args), name)

    threading.Thread, threading.Condition, queue.SimpleQueue = thread, SimCondition, SimQueue  # type: ignore[misc,assignment]
    aiosqlite.core.Thread, aiosqlite.core.SimpleQueue = thread, SlowQueue  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        threading.Thread, threading.Condition, queue.SimpleQueue, *rest_of = before  # type: ignore[misc]
        aiosqlite.core.Thread, aiosqlite.core.SimpleQueue = rest_of  # type: ignore[misc]
