"""Which rigs a fleet has, where they stand, and who comes to each of them in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulators.device.rubric import Rubric
    from simulators.exam.scenario import Scenario
    from simulators.talk.find import AnyModel


@dataclass(frozen=True, slots=True)
class RigPlace:
    """One rig."""

    serial: str
    station: str
    wire: str = "modbus"
    gateway: str = ""  # its owner by the plan
    layout: AnyModel | None = None  # None: rig interface v1


@dataclass(frozen=True, slots=True)
class LineUp:
    """The queues of the scenario stand in the order of the rigs."""

    rigs: tuple[RigPlace, ...]
    scenario: Scenario
    rubric: Rubric  # what a rig marks by until a run brings its own


def line_up_of(scenario: Scenario, rubric: Rubric, prefix: str, wire: str) -> LineUp:
    """A fleet without a plan: one station a rig, numbered through."""
    count = len(scenario.queues)
    rigs = (RigPlace(f"{prefix}-{n:04d}", f"A-{n:02d}", wire) for n in range(1, count + 1))
    return LineUp(tuple(rigs), scenario, rubric)
