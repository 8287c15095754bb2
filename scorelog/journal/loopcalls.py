"""From the writer's thread to the event loop: everything that a commit has to tell goes over in one call.

A call from another thread wakes the loop through a socket, which costs more than what it tells. So what is told
while a call is still under way rides with it: one wake-up for the new size and for the answers of a whole group.

    writer's thread: put the answer down ──> is a call under way? ──no──> call_soon_threadsafe(_deliver)
    loop:            _deliver: a later answer needs a new call from here on ──> give out all that lie there
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from scorelog.journal.jobs import Job


class LoopCalls:
    """One log's way back to the loop that uses it."""

    def __init__(self, woken: Callable[[], None]) -> None:
        self._woken = woken
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = False  # a delivery is under way and has not begun
        self._answers: deque[tuple[asyncio.Future[object], Future[object]]] = deque()

    def attach(self) -> asyncio.AbstractEventLoop:
        """The running loop is the one to call. Another one than before never hears what was told to that."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._called = loop, False
        return loop

    async def answer(self, job: Job, submit: Callable[[Job], None]) -> object:
        """Submit a job to the writer and wait for its answer. Cancelled, it gives up the answer only."""
        waiter: asyncio.Future[object] = self.attach().create_future()
        job.future.add_done_callback(lambda done: self._put(waiter, done))
        submit(job)
        try:
            return await waiter
        except asyncio.CancelledError:
            job.future.cancel()
            raise

    def tell(self) -> None:
        """From any thread: there is something new."""
        loop = self._loop
        if loop is None or self._called:
            return
        self._called = True
        try:
            loop.call_soon_threadsafe(self._deliver, loop)
        except RuntimeError:  # the loop is gone, and with it everyone who waited
            self._called = False

    def _put(self, waiter: asyncio.Future[object], done: Future[object]) -> None:
        """Runs in the writer's thread, or in the loop when the job was cancelled. First the answer, then the call."""
        self._answers.append((waiter, done))
        self.tell()

    def _deliver(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs in the loop. First open for the next call, then look: nothing can fall between."""
        if loop is self._loop:
            self._called = False
        self._woken()
        while self._answers:
            waiter, done = self._answers.popleft()
            if waiter.done():
                continue
            with contextlib.suppress(RuntimeError):  # it waited in a loop that is closed by now
                _settle(waiter, done)


def _settle(waiter: asyncio.Future[object], done: Future[object]) -> None:
    if done.cancelled():
        waiter.cancel()
        return
    error = done.exception()
    if error is None:
        waiter.set_result(done.result())
    else:
        waiter.set_exception(error)
