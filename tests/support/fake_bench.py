"""The strict fake of the Bench seam: buttons of a ScriptedRig, pressed when an acceptance asks for them.

It fails when it is asked for what a bench never is: a result after the rig was taken away, a restart of none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripted_rig import ScriptedRig


class FakeBench:
    """`on_result`, `on_restart`: what the rig does wrong beside it."""

    told = "a fake"

    def __init__(self, rig: ScriptedRig, *, slots: int = 32, allows: bool | None = False, clock_s: int = 0) -> None:
        self.rig = rig
        self.results: list[int] = []
        self.restarts = 0
        self.refuses = False
        self.idle = False
        self.on_result: Callable[[], object] = lambda: None
        self.on_restart: Callable[[], object] = lambda: None
        self._slots = slots
        self._allows = allows
        self._clock_s = clock_s

    async def result(self, number: int) -> None:
        """Two events and a result."""
        assert number == len(self.results) + 1, "results are numbered"
        if self.refuses:
            raise StepFailed("拒绝", "refused")
        self.results.append(number)
        if self.idle:
            return
        now_s = int(time.time()) + self._clock_s
        self.rig.live.finished_s = now_s
        self.rig.latch(1, args=(1, 1, 0, 0))
        self.rig.latch_item(slot=number % self._slots, finished_s=now_s, exam_no=number)
        self.on_result()

    async def restart(self) -> None:
        """The boot counter rises."""
        self.restarts += 1
        assert self.restarts == 1, "one restart is enough"
        self.on_restart()
        self.rig.reboot()

    async def attempt(self) -> bool | None:
        """As the test says."""
        assert self.rig.ready[-1] == 0, "the rig was told before"
        return self._allows
