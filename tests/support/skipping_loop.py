"""An event loop whose clock a test moves: timers of the loop (deadlines of connections) come due, sockets stay real."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class SkippingLoop(asyncio.SelectorEventLoop):
    """`skip` lets time pass for everything that was asked to happen later."""

    skipped = 0.0

    def time(self) -> float:
        """The machine's monotonic clock, and what was skipped."""
        return super().time() + self.skipped

    def skip(self, seconds: float) -> None:
        """From now on it is so much later."""
        self.skipped += seconds


def skip(seconds: float) -> None:
    """In the running SkippingLoop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SkippingLoop)
    loop.skip(seconds)


def run_skipping(work: Coroutine[Any, Any, T]) -> T:
    """Run on such a loop."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(work)
