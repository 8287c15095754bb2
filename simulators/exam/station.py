"""One station at work: candidates come to the rig one after the other and press its buttons at their times.

A press happens at its planned exam time even when the process is late, so that what is latched does not depend on
the machine's load. A rig that may not start (K3, K5) makes its candidate wait; an exam that a power cut ended is
begun again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING

from simulators.errors import RigRefuses
from simulators.exam.deeds import Press
from simulators.exam.pressing import press

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulators.device.plug import Host
    from simulators.exam.candidates import Course, Ending
    from simulators.exam.scenario import Run

_PAUSE_AFTER_LOSS_S = 0.5


class Turnstile:
    """Which runs of the fleet are over: a resit waits for its first try, wherever that is."""

    def __init__(self) -> None:
        self._over: dict[int, asyncio.Event] = {}

    def event(self, number: int) -> asyncio.Event:
        """Set once that run is over."""
        return self._over.setdefault(number, asyncio.Event())


class Station:
    """A rig with its queue of candidates."""

    def __init__(
        self,
        host: Host,
        runs: Iterable[Run],
        turnstile: Turnstile,
        say: Callable[[str, str], None] = lambda _rig, _text: None,
    ) -> None:
        self.host = host
        self.queue = deque(runs)
        self.waiting: str | None = None
        self.endings: Counter[Ending] = Counter()
        self.repeated = 0
        self.serving: Run | None = None
        self._turnstile = turnstile
        self._say = say
        self._more = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Candidates are there or still to come."""
        return bool(self.queue)

    def add(self, run: Run) -> None:
        """One more candidate."""
        self.queue.append(run)
        self._more.set()

    async def work(self) -> None:
        """Serve the queue, for ever."""
        while True:
            while self.queue:
                if await self._serve(self.queue[0]):
                    self.queue.popleft()
            self._more.clear()
            await self._more.wait()

    async def _serve(self, run: Run) -> bool:
        if run.after is not None:
            await self._wait(f"run {run.after} of the same candidate", self._turnstile.event(run.after))
        self.serving = run
        if run.rubric is not None:
            self.host.rig.rubric = run.rubric
        try:
            await self._perform(run.course)
        except RigRefuses as refusal:
            self.repeated += 1
            self._say(self.host.rig.serial, f"exam lost ({refusal}), to be repeated")
            await self.host.rig.time.sleep_bus(_PAUSE_AFTER_LOSS_S)
            return False
        self.serving = None
        self.endings[run.course.ending] += 1
        self._turnstile.event(run.number).set()
        return True

    async def _perform(self, course: Course) -> None:
        time = self.host.rig.time
        at = time.exam_us()
        for step in course.steps:
            at += step.wait_us
            await time.sleep_until(at)
            if await self._made_wait(step.press):
                at = max(at, time.exam_us())
            if step.press is Press.POWER_CUT:
                await self.host.power_cycle(at=at)
            else:
                press(self.host.rig, step, at)

    async def _made_wait(self, button: Press) -> bool:
        """Wait for power, room and gateway as this button needs them; whether there was anything to wait for."""
        rig = self.host.rig
        gate = {Press.START: rig.no_start, Press.OPEN: rig.no_room, Press.MODE: rig.no_room}.get(button)
        waited = False
        while gate is not None:
            if not rig.powered:
                await self._wait("power", self.host.power)
            reason = gate()
            if reason is None:
                break
            waited = True
            rig.control_written.clear()
            await self._wait(reason, rig.control_written)
        return waited

    async def _wait(self, reason: str, event: asyncio.Event) -> None:
        if self.waiting != reason and not event.is_set():
            self._say(self.host.rig.serial, f"waits: {reason}")
        self.waiting = reason
        await event.wait()
        self.waiting = None
