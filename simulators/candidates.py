"""Seeded candidates: what one person does in one exam, written down before it begins.

A course is a list of presses with the exam time between them. It is pure: the same random source gives the same
course, so the truth of a fleet does not depend on how fast anybody polls. Durations are log-normal with median 60 %
of the limit, sigma 0.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from simulators import marking
from simulators.codes import AbortReason, Acknowledgement, Mode, Outcome, Verdict
from simulators.limits import DEDUCTIONS_MAX, SCORE_FULL
from simulators.rubric import EXAM_FAILED, ITEM_ZEROED, Item, Rubric

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_US = 1_000_000
_DURATION_MEDIAN = 0.60
_DURATION_SIGMA = 0.3
_DURATION_FLOOR = 0.15
_VETO_CHANCE = 0.012
_REPEAT_CHANCE = 0.3
_POINTS = (50, 100, 100, 200, 200, 300, 400, 400, 500, 500, 1000, 2000)
_PAUSE_S = (15, 60)
_SIGN_S = (20, 60)
_CARE = (0.08, 0.5)  # chance that a line of the sheet costs anything, by candidate


class Fate(Enum):
    """What the scenario promises of an exam. ORDINARY leaves it to the candidate's luck."""

    ORDINARY = "ordinary"
    VETO_EXAM = "veto, exam failed"
    VETO_ITEM = "veto, item zeroed"
    TIME_OUT = "time-out"
    ABORT_CANDIDATE = "abort by candidate"
    ABORT_EXAMINER = "abort by examiner"
    FAILS = "fails, resit"
    REFUSES = "refused signature"
    POWER_CUT = "rig reboot"


class Press(Enum):
    """What is pressed on the rig."""

    MODE = "mode"
    OPEN = "open"
    START = "start"
    DEDUCT = "deduct"
    FINISH = "finish"
    TIME_OUT = "time_out"
    ABORT = "abort"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    POWER_CUT = "power_cut"


@dataclass(frozen=True, slots=True)
class Step:
    """One press, `wait_us` of exam time after the one before."""

    wait_us: int
    press: Press
    text: str = ""  # ticket or item code
    numbers: tuple[int, ...] = ()


class Ending(Enum):
    """How a course ends for the candidate."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    PRACTICE = "practice"


@dataclass(frozen=True, slots=True)
class Course:
    """One exam, press by press."""

    steps: tuple[Step, ...]
    ending: Ending

    @property
    def duration_us(self) -> int:
        """Exam time without waiting for a gateway."""
        return sum(step.wait_us for step in self.steps)


@dataclass(frozen=True, slots=True)
class _Deed:
    """What happens in one item: (second, line, points) in order, and the end."""

    item: Item
    faults: tuple[tuple[int, int, int], ...]
    outcome: Outcome
    duration_us: int


def draw(rubric: Rubric, rng: random.Random) -> list[Item]:
    """The items of one paper: so many of each subject as the rubric draws."""
    return [item for subject in rubric.subjects for item in rng.sample(subject.items, subject.draws)]


def take_exam(rubric: Rubric, ticket: str, fate: Fate, rng: random.Random, attempt: int = 1) -> Course:
    """One candidate's exam with the fate that the scenario promises."""
    paper = draw(rubric, rng)
    care = rng.uniform(*_CARE)
    forced: dict[int, Callable[[Item], _Deed]] = {}
    if fate in {Fate.VETO_EXAM, Fate.VETO_ITEM}:
        forced = _forced_veto(rubric, paper, EXAM_FAILED if fate is Fate.VETO_EXAM else ITEM_ZEROED, rng, care)
    elif fate is Fate.TIME_OUT:
        forced = {rng.randrange(len(paper)): lambda item: _deed(item, rng, care, factor=2.0, veto_chance=0.0)}
    elif fate is Fate.FAILS:
        forced = _forced_fail(rubric, paper, rng)
    lucky = fate is not Fate.ORDINARY  # a promised course is not overtaken by another misfortune
    veto_chance = 0.0 if lucky else _VETO_CHANCE
    deeds = [
        forced[i](item) if i in forced else _deed(item, rng, care, veto_chance=veto_chance)
        for i, item in enumerate(paper)
    ]
    breaks = fate in {Fate.ABORT_CANDIDATE, Fate.ABORT_EXAMINER, Fate.POWER_CUT}
    verdict = Verdict.MATCH if rng.random() < 0.97 else Verdict.NOT_CHECKED  # noqa: PLR2004 - a reader that sometimes fails
    opening = Step(rng.randint(*_PAUSE_S) * _US, Press.OPEN, ticket, (attempt, verdict))
    if breaks and len(deeds) > 1:
        return Course((opening, *_broken_off(deeds, fate, rng)), Ending.ABORTED)
    return _whole(
        rubric, opening, deeds, Acknowledgement.REFUSED if fate is Fate.REFUSES else Acknowledgement.SIGNED, rng
    )


def practise(rubric: Rubric, ticket: str, rng: random.Random, items: int = 2) -> Course:
    """A practice run on the exam rig: mode switch, one or two items, mode switch back (K9)."""
    steps = [
        Step(rng.randint(*_PAUSE_S) * _US, Press.MODE, numbers=(Mode.PRACTICE,)),
        Step(rng.randint(*_PAUSE_S) * _US, Press.OPEN, ticket, (1, Verdict.NOT_CHECKED)),
    ]
    for item in draw(rubric, rng)[:items]:
        steps += _item_steps(_deed(item, rng, _CARE[1], veto_chance=0.0), rng)
    steps += [Step(_US, Press.CLOSE), Step(rng.randint(*_PAUSE_S) * _US, Press.MODE, numbers=(Mode.EXAM,))]
    return Course(tuple(steps), Ending.PRACTICE)


def _whole(
    rubric: Rubric, opening: Step, deeds: Sequence[_Deed], answer: Acknowledgement, rng: random.Random
) -> Course:
    """All items, unless a veto ends the exam; then the sheet is shown, and the exam closed."""
    steps, scores, failed = [opening], [], False
    for deed in deeds:
        steps += _item_steps(deed, rng)
        scores.append((deed.item.code, _score(deed)))
        failed = deed.outcome is Outcome.VETO and deed.item.veto_effect == EXAM_FAILED
        if failed:
            break
    steps += [Step(rng.randint(*_SIGN_S) * _US, Press.ACKNOWLEDGE, numbers=(answer,)), Step(2 * _US, Press.CLOSE)]
    passed = not failed and answer is not Acknowledgement.REFUSED and marking.total(rubric, scores) >= rubric.pass_mark
    return Course(tuple(steps), Ending.PASSED if passed else Ending.FAILED)


def _broken_off(deeds: Sequence[_Deed], fate: Fate, rng: random.Random) -> list[Step]:
    """The second item or a later one is begun and not ended, except that an examiner breaks off between two items."""
    last = rng.randrange(1, len(deeds))
    steps = [step for deed in deeds[:last] for step in _item_steps(deed, rng)]
    if fate is Fate.ABORT_EXAMINER:
        return [*steps, Step(rng.randint(*_PAUSE_S) * _US, Press.ABORT, numbers=(AbortReason.EXAMINER,))]
    begun = _item_steps(deeds[last], rng)
    steps += begun[: max(1, len(begun) // 2)]
    wait_us = rng.randint(5, 30) * _US
    if fate is Fate.POWER_CUT:
        return [*steps, Step(wait_us, Press.POWER_CUT)]
    return [*steps, Step(wait_us, Press.ABORT, numbers=(AbortReason.CANDIDATE,))]


def _item_steps(deed: _Deed, rng: random.Random) -> list[Step]:
    """Start, deductions, end."""
    steps = [Step(rng.randint(*_PAUSE_S) * _US, Press.START, deed.item.code)]
    done_us = 0
    for second, line, points in deed.faults:
        steps.append(Step(second * _US - done_us, Press.DEDUCT, numbers=(line, points)))
        done_us = second * _US
    if deed.outcome is not Outcome.VETO:  # a veto ends the item by itself
        end = Press.TIME_OUT if deed.outcome is Outcome.TIMEOUT else Press.FINISH
        steps.append(Step(deed.duration_us - done_us, end))
    return steps


def _deed(
    item: Item, rng: random.Random, care: float, *, factor: float | None = None, veto_chance: float = _VETO_CHANCE
) -> _Deed:
    """One item by one candidate; `factor` is the duration in limits when it is not left to chance."""
    drawn = _DURATION_MEDIAN * math.exp(_DURATION_SIGMA * rng.gauss(0, 1))
    share = max(_DURATION_FLOOR, drawn) if factor is None else factor
    late = share >= 1
    duration_us = item.limit_s * _US if late else int(share * item.limit_s * 1000) * 1000
    vetoes = [line for line in item.veto_lines if rng.random() < veto_chance]
    last_s = max(2, duration_us // _US - 1)
    faults = sorted((rng.randint(1, last_s), line, points) for line, points in _mistakes(item, rng, care))
    if not vetoes:
        return _Deed(item, tuple(faults), Outcome.TIMEOUT if late else Outcome.FINISHED, duration_us)
    return _vetoed(item, faults, vetoes[0].number, rng.randint(1, last_s))


def _mistakes(item: Item, rng: random.Random, care: float) -> list[tuple[int, int]]:
    """(line, points): a careless line may cost several times, until its maximum is gone."""
    mistakes = []
    for line in item.plain_lines:
        left = line.max_points
        chance = care
        while left > 0 and rng.random() < chance:
            points = rng.choice([p for p in _POINTS if p <= line.max_points] or [line.max_points])
            mistakes.append((line.number, points))
            left -= points
            chance = _REPEAT_CHANCE
    return mistakes[: DEDUCTIONS_MAX - 1]  # room for a veto line


def _vetoed(item: Item, faults: Sequence[tuple[int, int, int]], line: int, second: int) -> _Deed:
    """The veto line ends the item; what would have come later does not happen."""
    before = tuple(fault for fault in faults if fault[0] <= second)
    return _Deed(item, (*before, (second, line, item.lines[line].max_points)), Outcome.VETO, second * _US)


def _forced_veto(
    rubric: Rubric, paper: list[Item], effect: str, rng: random.Random, care: float
) -> dict[int, Callable[[Item], _Deed]]:
    """Put an item with such a veto into the paper; none in the rubric, then the other effect, then nothing."""
    places = [
        (index, item)
        for index, drawn in enumerate(paper)
        for item in rubric.subject_of(drawn.code).items
        if item.veto_lines and item.veto_effect == effect and item not in paper[:index] + paper[index + 1 :]
    ]
    if not places:
        return {}
    place, chosen = rng.choice(places)
    paper[place] = chosen

    def fail(item: Item) -> _Deed:
        plain = _deed(item, rng, care, veto_chance=0.0)
        return _vetoed(item, plain.faults, rng.choice(item.veto_lines).number, max(2, plain.duration_us // _US // 2))

    return {place: fail}


def _forced_fail(rubric: Rubric, paper: list[Item], rng: random.Random) -> dict[int, Callable[[Item], _Deed]]:
    """In the heaviest subjects every plain line loses its maximum, until the pass mark is out of reach."""

    def ruin(item: Item) -> _Deed:
        plain = _deed(item, rng, 0.0, factor=0.8, veto_chance=0.0)
        last_s = max(2, plain.duration_us // _US - 1)
        faults = sorted((rng.randint(1, last_s), line.number, line.max_points) for line in item.plain_lines)
        return _Deed(item, tuple(faults), Outcome.FINISHED, plain.duration_us)

    scores = dict.fromkeys(range(len(paper)), SCORE_FULL)
    forced: dict[int, Callable[[Item], _Deed]] = {}
    by_weight = sorted(range(len(paper)), key=lambda i: -rubric.subject_of(paper[i].code).weight)
    for index in by_weight:
        if marking.total(rubric, [(paper[i].code, score) for i, score in scores.items()]) < rubric.pass_mark:
            break
        forced[index] = ruin
        scores[index] = _score(ruin(paper[index]))
    return forced


def _score(deed: _Deed) -> int:
    """What the rig will make of it."""
    sheet = marking.Sheet(deed.item)
    for second, line, points in deed.faults:
        sheet.take(line, points, second)
    return sheet.score(deed.outcome)
