"""A line-up played without gateway, wire or waiting: only the truth of it, at once (`kaofen-simulate rehearse`).

Every record is acknowledged when it is latched. Faults do not happen here: they are of wires and of real seconds.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

from simulators.device.rig import Rig
from simulators.exam.deeds import Press
from simulators.exam.pressing import press
from simulators.mqtt.payloads import MessageWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulators.device.latched import Latched
    from simulators.device.rubric import Rubric
    from simulators.exam.deeds import Step
    from simulators.exam.lineup import LineUp, RigPlace
    from simulators.exam.scenario import Run

_POWER_OFF_US = 1_500_000
_LOOK_US = 1_000_000


class Instant:
    """A clock that stands where it is put."""

    def __init__(self, start_us: int) -> None:
        self.at = 0
        self._start_us = start_us

    def bus_us(self) -> int:
        """As the exam."""
        return self.at

    def wall_us(self) -> int:
        """As a right clock."""
        return self._start_us + self.at

    def exam_us(self) -> int:
        """Where it was put."""
        return self.at

    def utc_us(self, exam_us: int) -> int:
        """A right clock."""
        return self._start_us + exam_us

    async def sleep_until(self, exam_us: int) -> None:
        """Nobody sleeps at a rehearsal."""
        raise NotImplementedError

    async def sleep_bus(self, seconds: float) -> None:
        """Nobody sleeps at a rehearsal."""
        raise NotImplementedError


class Stage:
    """What all benches share."""

    def __init__(self, rubric: Rubric, time: Instant, on_latch: Callable[[Latched, RigPlace, Run], None]) -> None:
        self.time = time
        self._rubric = rubric
        self._on_latch = on_latch
        self._over: set[int] = set()

    def bench(self, place: RigPlace, queue: list[Run]) -> Iterator[int]:
        """One rig; yields the moment of its next press."""
        serving: list[Run] = []
        rig = Rig(
            place.serial,
            self._rubric,
            self.time,
            wire=MessageWire(),  # the half that has room for all that a rig takes
            on_latch=lambda one: self._on_latch(one, place, serving[-1]),
        )
        rig.needs_gateway = False
        rig.power_up(0)
        for run in queue:
            serving.append(run)
            while run.after is not None and run.after not in self._over:
                yield self.time.at + _LOOK_US
            at = self.time.at
            for step in run.course.steps:
                at += step.wait_us
                yield at
                _do(rig, step, at)
            self._over.add(run.number)


def _do(rig: Rig, step: Step, at: int) -> None:
    if step.press is Press.POWER_CUT:
        rig.power_cut(at)
        rig.power_up(at + _POWER_OFF_US)
    else:
        press(rig, step, at)
    rig.write_ack(rig.memory.last_seq)


def rehearse(line_up: LineUp, start_us: int, on_latch: Callable[[Latched, RigPlace, Run], None]) -> None:
    """Every press of every candidate in the order of time."""
    stage = Stage(line_up.rubric, Instant(start_us), on_latch)
    time, order = stage.time, itertools.count()
    waiting: list[tuple[int, int, Iterator[int]]] = []
    for place, queue in zip(line_up.rigs, line_up.scenario.queues, strict=True):
        heapq.heappush(waiting, (0, next(order), stage.bench(place, queue)))
    while waiting:
        time.at, _, bench = heapq.heappop(waiting)
        following = next(bench, None)
        if following is not None:
            heapq.heappush(waiting, (max(following, time.at), next(order), bench))
