"""Scenarios: honest days and every formality as behaviour, in three strengths, on a clock that nobody waits for."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import TYPE_CHECKING

import pytest
from scene_signs import SIGNS, Lines, day_of
from typer.testing import CliRunner

from simulators.cli import app
from simulators.errors import InputError
from simulators.faults.catalogue import make_fault
from simulators.scenes.behaviours import STRENGTHS
from simulators.scenes.catalogue import BEHAVIOURS
from simulators.scenes.scene import find_scene, parse_scene, play, shipped_scenes

if TYPE_CHECKING:
    from pathlib import Path

ACTED = sorted(SIGNS)
BY_FAULTS = {"cable-pulled", "clock-turned", "memory-wiped"}
FILE = b"""scenario = 1
id = "mine"
what = "A day"
rigs = 2
candidates = 4
faults = ["drip:0.1@5-20"]

[[behaviour]]
kind = "hurried"

[[behaviour]]
kind = "unchecked"
strength = "gross"
"""


@cache
def honest() -> Lines:
    return day_of("honest-day")


@pytest.mark.parametrize("name", ACTED)
def test_a_formality_shows_in_the_truth_of_its_day(name: str) -> None:
    """Issue 5, 4: the same house on the same day shows more of it than when everybody is honest."""
    sign = SIGNS[name]
    assert sign(day_of(name, "gross")) > sign(honest())


@pytest.mark.long
@pytest.mark.parametrize("name", ACTED)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_formality_grows_with_its_strength(name: str, seed: int) -> None:
    """Issue 5, 4: honest, faint, plain, gross, never less than the one before, and more in the end."""
    sign = SIGNS[name]
    values = [sign(day_of("honest-day", seed=seed)), *(sign(day_of(name, each, seed=seed)) for each in STRENGTHS)]
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_every_behaviour_has_a_scenario_a_rule_and_a_sign() -> None:
    """Domain section 4: nothing is left out that a rig can show; what only a wire or a clock shows is a fault."""
    assert set(BEHAVIOURS) == set(SIGNS) | BY_FAULTS
    assert set(BEHAVIOURS) <= set(shipped_scenes())
    rules = {rule for each in BEHAVIOURS.values() for rule in each.rules.split()}
    assert {f"R{n}" for n in range(1, 23)} - rules == {"R8"}, "R8 needs to know examiners; no rig does"


def test_every_scenario_can_be_played_with_faults_that_exist() -> None:
    """What a file promises, a fleet can do."""
    for name in shipped_scenes():
        scene = find_scene(name)
        assert scene.id == name
        for strength in (None, *STRENGTHS):
            for spec in scene.faults_of(strength):
                make_fault(spec, random.Random(0))


@pytest.mark.parametrize("name", sorted(BY_FAULTS))
def test_what_is_done_to_the_wire_grows_with_its_strength(name: str) -> None:
    """R10, R19, R21: longer windows, or a worse fault."""
    scene = find_scene(name)
    faults = [scene.faults_of(strength) for strength in STRENGTHS]
    assert len({str(each) for each in faults}) == 3
    spans = [sum(spec.stop_s - spec.start_s for spec in each) for each in faults]
    assert spans == sorted(spans)


def test_the_same_seed_gives_the_same_day_and_another_another() -> None:
    """Seeded: a bench can be repeated press by press."""
    assert day_of("sham-point") == day_of("sham-point")
    assert day_of("sham-point") != day_of("sham-point", seed=8)


def test_a_greater_strength_holds_the_people_of_the_smaller_one() -> None:
    """Only more take part; nobody is exchanged."""
    touched = []
    for strength in STRENGTHS:
        line_up = play(find_scene("unchecked"), strength=strength)
        touched.append({run.ticket for run in line_up.scenario.runs if run.course.steps[0].numbers[1] != 1})
    assert touched[0] < touched[1] < touched[2]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (b"rigs = 2", b"rigs = 0", 4, "from 1 to 2000"),
        (b'kind = "hurried"', b'kind = "worried"', 9, "one of hurried"),
        (b'strength = "gross"', b'strength = "great"', 13, "one of faint, plain, gross"),
        (b'strength = "gross"', b"threshold = 3", 13, "no key 'threshold'"),
        (b"drip:0.1@5-20", b"drop:0.1", 6, "no fault 'drop'"),
        (b"drip:0.1@5-20", b"drip@@", 6, "is not a fault"),
        (b"candidates = 4\n", b"", 1, "'candidates' is missing"),
    ],
)
def test_a_wrong_scenario_is_told_by_line(old: bytes, new: bytes, line: int, said: str) -> None:
    """What, where, what to do."""
    with pytest.raises(InputError, match=rf"\Ascenario:{line}: .*{said}"):
        parse_scene(FILE.replace(old, new, 1))


def test_scenarios_are_listed_and_rehearsed_from_the_command_line(tmp_path: Path) -> None:
    """`--list` names them; `rehearse` writes the truth of a day at once."""
    listed = CliRunner().invoke(app, ["--list"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in shipped_scenes())
    path = tmp_path / "mine.toml"
    path.write_bytes(FILE)
    done = CliRunner().invoke(app, ["rehearse", str(path), "--truth", str(tmp_path / "truth.jsonl")])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text("utf-8").splitlines()]
    assert sum(line["type"] == "identity.checked" for line in lines) == 4
    wrong = CliRunner().invoke(app, ["rehearse", "yesterday", "--truth", str(tmp_path / "truth.jsonl")])
    assert wrong.exit_code == 2
    assert "no scenario 'yesterday'" in wrong.output
