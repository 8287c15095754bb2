"""One scheduler for the polls of all rigs of a process: turns that are due together are taken together, by one timer.

Owns: when a turn is taken. A turn is a plain call, no task and no timer of its own; five hundred rigs that are read
every 100 ms are 5,000 of them a second. Knows neither rigs nor wires.

    at(when, due) ──> slot of STEP_S ──the loop's one timer──> due(), due(), due() …

A turn that raises is reported by the loop and stays alone: the ones behind it are taken next (P8).
"""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from device_adapters.limits import POLL_STEP_S

if TYPE_CHECKING:
    from collections.abc import Callable

_EARLY_S: Final = 0.001  # a loop's timer may fire so much too soon


class Turn:
    """One call to come."""

    __slots__ = ("due",)

    def __init__(self, due: Callable[[], None]) -> None:
        self.due: Callable[[], None] | None = due

    def cancel(self) -> None:
        """It is not taken any more; it may have been already."""
        self.due = None


class Polls:
    """Turns in the order of their times, to half a step. Used from one loop; another loop begins anew."""

    __slots__ = ("_loop", "_ready", "_slots", "_timer", "_timer_slot", "_turns")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin_anew(None)

    def at(self, when: float, due: Callable[[], None]) -> Turn:
        """Call `due` at this time of the running loop. One that is over is taken at the loop's next turn."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._begin_anew(loop)
        turn = Turn(due)
        slot = round(max(when, 0.0) / POLL_STEP_S)
        turns = self._turns.get(slot)
        if turns is not None:
            turns.append(turn)
            return turn
        self._turns[slot] = [turn]
        heappush(self._slots, slot)
        if self._timer is None or slot < self._timer_slot:
            self._set_timer(loop)
        return turn

    def _begin_anew(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._ready: deque[Turn] = deque()
        self._slots: list[int] = []
        self._turns: dict[int, list[Turn]] = {}
        self._timer: asyncio.Handle | None = None
        self._timer_slot = 0

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take what is due. What a turn raises leaves here, after those behind it have got their time."""
        if loop is not self._loop:
            return
        self._timer = None
        ready, latest = self._ready, (loop.time() + _EARLY_S) / POLL_STEP_S
        while self._slots and self._slots[0] <= latest:
            ready.extend(self._turns.pop(heappop(self._slots)))
        try:
            while ready:
                due = ready.popleft().due
                if due is not None:
                    due()
        finally:
            self._set_timer(loop)  # also for those behind one that raised

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ready:
            self._timer, self._timer_slot = loop.call_soon(self._run, loop), -1
        elif self._slots:
            self._timer_slot = self._slots[0]
            self._timer = loop.call_at(self._timer_slot * POLL_STEP_S, self._run, loop)
