"""A scenario file: which rigs, how many candidates, who behaves how, and what goes wrong (docs/simulators.md).

Owns: reading it, strictly, and making a line-up of it. The same scenario, seed and strength give the same truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.device.rubric import find_rubric_of, load_rubric
from simulators.errors import InputError
from simulators.exam.lineup import LineUp, line_up_of
from simulators.exam.scenario import Scenario
from simulators.faults import parse_fault
from simulators.faults.catalogue import known_fault
from simulators.limits import RIGS_MAX
from simulators.scenes.behaviours import STRENGTHS
from simulators.scenes.catalogue import BEHAVIOURS
from simulators.scenes.drafts import honest_day, queues_of
from simulators.toml_file import Table, table_of, toml_table

if TYPE_CHECKING:
    from simulators.faults import FaultSpec

_FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
_CANDIDATES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Acting:
    """One behaviour of a scenario."""

    behaviour: str
    strength: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One scenario."""

    id: str
    what: str
    rubric: str
    rigs: int
    candidates: int
    session: str
    acting: tuple[Acting, ...]
    faults: tuple[FaultSpec, ...]

    def faults_of(self, strength: str | None = None) -> tuple[FaultSpec, ...]:
        """Those that it names, and those of its behaviours."""
        if strength is not None and strength not in STRENGTHS:
            raise InputError(f"--strength {strength!r}: one of {', '.join(STRENGTHS)}")
        by_behaviour = (
            parse_fault(text)
            for each in self.acting
            for text in BEHAVIOURS[each.behaviour].faults[STRENGTHS.index(strength or each.strength)].split()
        )
        return (*self.faults, *by_behaviour)


def shipped_scenes() -> tuple[str, ...]:
    """Those that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def find_scene(name: str) -> Scene:
    """By name, or from a file whose name ends in .toml."""
    if name.endswith(".toml"):
        return _scene(toml_table(Path(name)))
    if name not in shipped_scenes():
        raise InputError(f"there is no scenario {name!r}; kaofen-simulate --list names them, or name a .toml file")
    return _scene(toml_table(_FOLDER / f"{name}.toml"))


def parse_scene(data: bytes) -> Scene:
    """From bytes."""
    return _scene(table_of(data, "scenario"))


def _scene(top: Table) -> Scene:
    top.number("scenario", low=1, high=1)
    scene = Scene(
        id=top.text("id"),
        what=top.text("what"),
        rubric=top.text("rubric", "low-voltage-electrician"),
        rigs=top.number("rigs", low=1, high=RIGS_MAX),
        candidates=top.number("candidates", low=1, high=_CANDIDATES_MAX),
        session=top.text("session", "S20261123"),
        acting=tuple(_acting(table) for table in top.tables("behaviour")),
        faults=tuple(_fault(top, text) for text in top.texts("faults", ())),
    )
    top.done()
    return scene


def _acting(table: Table) -> Acting:
    acting = Acting(table.text("kind", one_of=tuple(BEHAVIOURS)), table.text("strength", "plain", one_of=STRENGTHS))
    table.done()
    return acting


def _fault(table: Table, text: str) -> FaultSpec:
    try:
        spec = parse_fault(text)
        known_fault(spec.name)
    except InputError as error:
        raise table.wrong("faults", str(error)) from None
    return spec


def play(
    scene: Scene, *, seed: int = 7, strength: str | None = None, wire: str = "modbus", prefix: str = "LV"
) -> LineUp:
    """Who comes to which rig. `strength` stands for that of every behaviour of the scenario."""
    if strength is not None and strength not in STRENGTHS:
        raise InputError(f"--strength {strength!r}: one of {', '.join(STRENGTHS)}")
    rubric = load_rubric(find_rubric_of(scene.rubric, Path()))
    day = honest_day(rubric, rigs=scene.rigs, candidates=scene.candidates, seed=f"{seed}", session=scene.session)
    for index, each in enumerate(scene.acting):
        behaviour = BEHAVIOURS[each.behaviour]
        force = behaviour.forces[STRENGTHS.index(strength or each.strength)]
        behaviour.change(day, f"{index}/{each.behaviour}", force)
    return line_up_of(Scenario(queues_of(day)), rubric, prefix, wire)
