"""Candidates and plans: deterministic for a seed, plausible, and with everything that the scenario promises."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_parts import RUBRIC_FILE, ManualTime, rubric

from simulators.device.codes import Outcome
from simulators.device.marking import total
from simulators.device.rig import Latched, Rig
from simulators.device.rubric import load_rubric
from simulators.errors import InputError, RubricError
from simulators.exam.candidates import Course, Ending, Fate, take_exam
from simulators.exam.deeds import Press
from simulators.exam.pressing import press
from simulators.exam.scenario import Scenario, plan_fleet

if TYPE_CHECKING:
    from pathlib import Path

RUBRIC = rubric()


def perform(course: Course) -> list[Latched]:
    """What a rig makes of a course when every press comes at its time."""
    latched: list[Latched] = []
    rig = Rig("LV-0001", RUBRIC, ManualTime(), on_latch=latched.append)
    rig.power_up()
    rig.write_ready(1)
    at = 0
    for step in course.steps:
        at += step.wait_us
        if step.press is Press.POWER_CUT:
            rig.power_cut(at)
            rig.power_up(at)
        else:
            press(rig, step, at)
    return latched


@given(seed=st.integers(0, 10_000), fate=st.sampled_from(list(Fate)))
@settings(max_examples=150, deadline=None)
def test_every_course_can_be_performed_and_keeps_its_promise(seed: int, fate: Fate) -> None:
    """A course never asks a rig for what it refuses, and its fate and ending are what the rig's records say."""
    course = take_exam(RUBRIC, "S20261123-0001", fate, random.Random(seed))
    latched = perform(course)
    ends = [entry.result for entry in latched if entry.result]
    outcomes = [end.outcome for end in ends]
    names = [entry.event.type.name for entry in latched]
    args = latched[-1].event.args
    promised = {
        Fate.VETO_EXAM: args[2] == 1 and outcomes[-1] is Outcome.VETO,
        Fate.VETO_ITEM: Outcome.VETO in outcomes and args[2] == 0 and len(ends) == 4,
        Fate.TIME_OUT: Outcome.TIMEOUT in outcomes,
        Fate.ABORT_CANDIDATE: names[-2:] == ["ITEM_FINISHED", "EXAM_ABORTED"] and args[0] == 1,
        Fate.ABORT_EXAMINER: names[-1] == "EXAM_ABORTED" and args[0] == 2,
        Fate.POWER_CUT: names[-2:] == ["ITEM_FINISHED", "EXAM_ABORTED"] and args[0] == 4,
        Fate.REFUSES: latched[-2].event.args[0] == 2,
        Fate.FAILS: args[0] < RUBRIC.pass_mark and args[2] == 0,
    }
    assert promised.get(fate, True), (fate, names)
    if names[-1] == "EXAM_CLOSED":
        claimed = total(RUBRIC, [(end.item, end.score) for end in ends])
        assert args[0] == claimed
        passed = claimed >= RUBRIC.pass_mark and not args[2] and latched[-2].event.args[0] == 1
        assert course.ending is (Ending.PASSED if passed else Ending.FAILED)
    else:
        assert course.ending is Ending.ABORTED
    for end in ends:
        assert end.elapsed_s <= end.limit_s
        assert len(end.deductions) <= 27
        for line in {d.line for d in end.deductions}:
            taken = sum(d.points for d in end.deductions if d.line == line)
            assert taken <= RUBRIC.item(end.item).lines[line].max_points


def test_durations_are_log_normal_around_sixty_percent() -> None:
    """Median 60 % of the limit, sigma 0.3 (domain notes, R1): too fast is as rare as with people."""
    shares = []
    for seed in range(400):
        for entry in perform(take_exam(RUBRIC, "T", Fate.ORDINARY, random.Random(seed))):
            if entry.result and entry.result.outcome is Outcome.FINISHED:
                shares += [entry.result.elapsed_s / entry.result.limit_s]
    assert 0.56 < statistics.median(shares) < 0.64
    assert sum(share < 0.2 for share in shares) <= 4
    assert 0.8 < len(shares) / 1600 < 0.99


def counted(scenario: Scenario) -> tuple[int, int]:
    runs = [run for run in scenario.runs if run.course.ending is not Ending.PRACTICE]
    return len(runs), sum(step.press is Press.START for run in runs for step in run.course.steps)


@pytest.mark.parametrize("seed", [*range(15), 2026])
def test_the_demo_plan_holds_everything_for_any_seed(seed: int) -> None:
    """12 rigs, 28 exams: each promised fate, a resit, at least 100 items, and little enough for one round."""
    scenario = plan_fleet(RUBRIC, rigs=12, exams=28, seed=seed)
    fates = {run.fate for run in scenario.runs}
    assert fates == set(Fate)
    assert counted(scenario)[1] >= 100
    assert any(run.attempt == 2 for run in scenario.runs)
    assert all(scenario.queues)
    longest_s = max(sum(run.course.duration_us for run in queue) for queue in scenario.queues) / 1e6
    assert longest_s / 150 < 80


def test_resits_keep_the_ticket_and_come_after_the_first_try() -> None:
    """A resit has the same ticket, try 2, and waits for a run that never waits for it."""
    scenario = plan_fleet(RUBRIC, rigs=12, exams=60, seed=3)
    runs = {run.number: run for run in scenario.runs}
    for run in scenario.runs:
        if run.after is not None:
            first = runs[run.after]
            assert first.ticket == run.ticket
            assert first.after is None
            assert run.attempt == (1 if first.fate is Fate.POWER_CUT else 2)
    for queue in scenario.queues:
        waits = [run.after is not None for run in queue]
        assert waits == sorted(waits), "no first try queues behind a run that waits: nothing can lock up"


def test_the_same_seed_gives_the_same_plan() -> None:
    """Deterministic for a seed; another seed, another plan; more rigs do not change what a candidate does."""
    assert plan_fleet(RUBRIC, rigs=5, exams=20, seed=9) == plan_fleet(RUBRIC, rigs=5, exams=20, seed=9)
    assert plan_fleet(RUBRIC, rigs=5, exams=20, seed=9) != plan_fleet(RUBRIC, rigs=5, exams=20, seed=10)
    wide = {run.number: run for run in plan_fleet(RUBRIC, rigs=20, exams=20, seed=9).runs}
    assert all(wide[run.number] == run for run in plan_fleet(RUBRIC, rigs=5, exams=20, seed=9).runs)


def test_short_plans_promise_what_they_can() -> None:
    """Fewer exams than fates: as many promises as exams; no exams is a plan too; nonsense is refused."""
    assert len({run.fate for run in plan_fleet(RUBRIC, rigs=2, exams=3, seed=1, practice=0).runs if not run.after}) == 3
    assert plan_fleet(RUBRIC, rigs=2, exams=0, seed=1, practice=0).runs == []
    assert sum(run.fate is Fate.POWER_CUT for run in plan_fleet(RUBRIC, rigs=9, exams=30, seed=1, reboots=4).runs) == 4
    for wrong in ({"rigs": 0, "exams": 1}, {"rigs": 2001, "exams": 1}, {"rigs": 1, "exams": -1}):
        with pytest.raises(InputError):
            plan_fleet(RUBRIC, seed=1, **wrong)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rubric = 1", "rubric = 2", "version 1"),
        ("weight = 4000", "weight = 4001", "sum to 10001"),
        ('veto_effect = "exam_failed"', 'veto_effect = "maybe"', "maybe"),
        ("max = 2500", "max = 2501", "do not sum"),
        ('code = "K21"', 'code = "K2100"', "characters"),
        ("pass_mark = 8000", "", "pass_mark"),
        ("rubric = 1", "rubric = [", "not TOML"),
    ],
)
def test_a_wrong_rubric_is_refused_with_its_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The rubric is data from elsewhere: a mistake is named, with the file."""
    file = tmp_path / "rubric.toml"
    file.write_text(RUBRIC_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RubricError, match=message) as refusal:
        load_rubric(file)
    assert str(file) in str(refusal.value)
