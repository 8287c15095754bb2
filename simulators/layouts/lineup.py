"""A fleet of makers' rigs: which model stands where, and who comes to it, each by the rubric of its own trade."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.device.rubric import find_rubric_of, load_rubric
from simulators.errors import InputError
from simulators.exam.lineup import LineUp, RigPlace
from simulators.exam.scenario import Scenario, plan_fleet
from simulators.limits import WEIGHT_WHOLE
from simulators.talk.find import find_model
from simulators.talk.model import MessageModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.device.rubric import Rubric
    from simulators.exam.scenario import Run
    from simulators.fleet import FleetSettings
    from simulators.layouts.model_rig import Model
    from simulators.talk.find import AnyModel

_PUBLISHED, _PUSHED = "mqtt", "http"


def makers_line_up(names: Sequence[str], settings: FleetSettings, wire: str) -> LineUp:
    """Without a plan: the models in turn; exams are shared out evenly, each model marks by its own rubric."""
    layouts = [find_model(name) for name in names]
    if len(layouts) > settings.rigs:
        raise InputError(f"--layout: {len(layouts)} models and {settings.rigs} rigs")
    places: list[RigPlace] = []
    queues: list[list[Run]] = []
    used = 0
    for index, layout in enumerate(layouts):
        rigs = len(range(index, settings.rigs, len(layouts)))
        scenario = _exams_of(layout, settings, rigs, share=len(range(index, settings.exams, len(layouts))))
        moved = [[_moved(run, used) for run in queue] for queue in scenario.queues]
        used += len(scenario.runs)
        for number, queue in enumerate(moved, 1):
            serial = f"{layout.serial}-{number:04d}"
            places.append(RigPlace(serial, f"{layout.serial}-{number:02d}", _wire_of(layout, wire), layout=layout))
            queues.append(queue)
    return LineUp(tuple(places), Scenario(queues), rubric_of(layouts[0]))


def with_makers(line_up: LineUp, asked: Sequence[str]) -> LineUp:
    """With a plan: `PATTERN=MODEL` says which of its rigs are of which model."""
    rules = [_rule(text) for text in asked]
    places = []
    for place in line_up.rigs:
        found = next((layout for pattern, layout in rules if fnmatch.fnmatchcase(place.serial, pattern)), None)
        places.append(replace(place, layout=found))
    return replace(line_up, rigs=tuple(places))


def rubric_of(layout: Model) -> Rubric:
    """What its candidates sit: the items that stand there, the weights of their subjects made whole."""
    whole = load_rubric(find_rubric_of(layout.rubric, Path()))
    if not layout.items:
        return whole
    here = [
        replace(subject, items=items, draws=min(subject.draws, len(items)))
        for subject in whole.subjects
        if (items := tuple(item for item in subject.items if item.code in layout.items))
    ]
    for code in layout.items:
        whole.item(code)
    weights = sum(subject.weight for subject in here)
    scaled = [replace(subject, weight=subject.weight * WEIGHT_WHOLE // weights) for subject in here]
    rest = WEIGHT_WHOLE - sum(subject.weight for subject in scaled)
    return replace(whole, subjects=(replace(scaled[0], weight=scaled[0].weight + rest), *scaled[1:]))


def _rule(text: str) -> tuple[str, AnyModel]:
    pattern, equals, name = text.partition("=")
    if not equals:
        raise InputError(
            f"--layout {text!r}: with a plan, PATTERN=MODEL, such as 'HV-*=high-voltage-electrician-typical'"
        )
    return pattern, find_model(name)


def _wire_of(model: AnyModel, usual: str) -> str:
    """Messages have their own; registers hang where the command line says."""
    return (_PUSHED if model.kind == "json" else _PUBLISHED) if isinstance(model, MessageModel) else usual


def _exams_of(layout: Model, settings: FleetSettings, rigs: int, share: int) -> Scenario:
    rubric = rubric_of(layout)
    scenario = plan_fleet(
        rubric,
        rigs=rigs,
        exams=share,
        seed=settings.seed,
        reboots=min(settings.reboots, share),
        practice=settings.practice,
        session=f"{layout.serial[:4]}{settings.session[-8:]}",
    )
    return Scenario([[replace(run, rubric=rubric) for run in queue] for queue in scenario.queues])


def _moved(run: Run, by: int) -> Run:
    """Numbers are the fleet's."""
    return replace(run, number=run.number + by, after=None if run.after is None else run.after + by)
