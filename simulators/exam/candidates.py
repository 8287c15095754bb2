"""Seeded candidates: what one person does in one exam, written down before it begins.

A course is a list of presses with the exam time between them. It is pure: the same random source gives the same
course, so the truth of a fleet does not depend on how fast anybody polls. Durations are log-normal with median 60 %
of the limit, sigma 0.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from simulators.device import marking
from simulators.device.codes import AbortReason, Acknowledgement, Mode, Outcome, Verdict
from simulators.device.rubric import EXAM_FAILED, ITEM_ZEROED, Item, Rubric
from simulators.exam.deeds import (
    CARE,
    PAUSE_S,
    VETO_CHANCE,
    Deed,
    Press,
    Step,
    do_item,
    item_steps,
    ruin_item,
    score_of,
    veto_item,
)
from simulators.limits import SCORE_FULL

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_US = 1_000_000
_SIGN_S = (20, 60)


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


class Ending(Enum):
    """How a course ends for the candidate."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    PRACTICE = "practice"
    SAT = "sat"  # a part of an exam, at one rig of a plan: whether it is passed, only the whole tells


@dataclass(frozen=True, slots=True)
class Course:
    """One exam, press by press."""

    steps: tuple[Step, ...]
    ending: Ending

    @property
    def duration_us(self) -> int:
        """Exam time without waiting for a gateway."""
        return sum(step.wait_us for step in self.steps)


def draw(rubric: Rubric, rng: random.Random) -> list[Item]:
    """The items of one paper: so many of each subject as the rubric draws."""
    return [item for subject in rubric.subjects for item in rng.sample(subject.items, subject.draws)]


def take_exam(rubric: Rubric, ticket: str, fate: Fate, rng: random.Random, attempt: int = 1) -> Course:
    """One candidate's exam with the fate that the scenario promises."""
    paper = draw(rubric, rng)
    care = rng.uniform(*CARE)
    forced: dict[int, Callable[[Item], Deed]] = {}
    if fate in {Fate.VETO_EXAM, Fate.VETO_ITEM}:
        forced = _forced_veto(rubric, paper, EXAM_FAILED if fate is Fate.VETO_EXAM else ITEM_ZEROED, rng, care)
    elif fate is Fate.TIME_OUT:
        forced = {rng.randrange(len(paper)): lambda item: do_item(item, rng, care, factor=2.0, veto_chance=0.0)}
    elif fate is Fate.FAILS:
        forced = _forced_fail(rubric, paper, rng)
    lucky = fate is not Fate.ORDINARY  # a promised course is not overtaken by another misfortune
    veto_chance = 0.0 if lucky else VETO_CHANCE
    deeds = [
        forced[i](item) if i in forced else do_item(item, rng, care, veto_chance=veto_chance)
        for i, item in enumerate(paper)
    ]
    breaks = fate in {Fate.ABORT_CANDIDATE, Fate.ABORT_EXAMINER, Fate.POWER_CUT}
    verdict = Verdict.MATCH if rng.random() < 0.97 else Verdict.NOT_CHECKED  # noqa: PLR2004 - a reader that sometimes fails
    opening = Step(rng.randint(*PAUSE_S) * _US, Press.OPEN, ticket, (attempt, verdict))
    if breaks and len(deeds) > 1:
        return Course((opening, *broken_off(deeds, fate, rng)), Ending.ABORTED)
    return whole(
        rubric, opening, deeds, Acknowledgement.REFUSED if fate is Fate.REFUSES else Acknowledgement.SIGNED, rng
    )


def practise(rubric: Rubric, ticket: str, rng: random.Random, items: int = 2) -> Course:
    """A practice run on the exam rig: mode switch, one or two items, mode switch back (K9)."""
    steps = [
        Step(rng.randint(*PAUSE_S) * _US, Press.MODE, numbers=(Mode.PRACTICE,)),
        Step(rng.randint(*PAUSE_S) * _US, Press.OPEN, ticket, (1, Verdict.NOT_CHECKED)),
    ]
    for item in draw(rubric, rng)[:items]:
        steps += item_steps(do_item(item, rng, CARE[1], veto_chance=0.0), rng)
    steps += [Step(_US, Press.CLOSE), Step(rng.randint(*PAUSE_S) * _US, Press.MODE, numbers=(Mode.EXAM,))]
    return Course(tuple(steps), Ending.PRACTICE)


def whole(rubric: Rubric, opening: Step, deeds: Sequence[Deed], answer: Acknowledgement, rng: random.Random) -> Course:
    """All items, unless a veto ends the exam; then the sheet is shown, and the exam closed."""
    steps, scores, failed = [opening], [], False
    for deed in deeds:
        steps += item_steps(deed, rng)
        scores.append((deed.item.code, score_of(deed)))
        failed = deed.outcome is Outcome.VETO and deed.item.veto_effect == EXAM_FAILED
        if failed:
            break
    steps += [Step(rng.randint(*_SIGN_S) * _US, Press.ACKNOWLEDGE, numbers=(answer,)), Step(2 * _US, Press.CLOSE)]
    passed = not failed and answer is not Acknowledgement.REFUSED and marking.total(rubric, scores) >= rubric.pass_mark
    return Course(tuple(steps), Ending.PASSED if passed else Ending.FAILED)


def broken_off(deeds: Sequence[Deed], fate: Fate, rng: random.Random) -> list[Step]:
    """The second item or a later one is begun and not ended, except that an examiner breaks off between two items."""
    last = rng.randrange(min(1, len(deeds) - 1), len(deeds))
    steps = [step for deed in deeds[:last] for step in item_steps(deed, rng)]
    if fate is Fate.ABORT_EXAMINER:
        return [*steps, Step(rng.randint(*PAUSE_S) * _US, Press.ABORT, numbers=(AbortReason.EXAMINER,))]
    begun = item_steps(deeds[last], rng)
    steps += begun[: max(1, len(begun) // 2)]
    wait_us = rng.randint(5, 30) * _US
    if fate is Fate.POWER_CUT:
        return [*steps, Step(wait_us, Press.POWER_CUT)]
    return [*steps, Step(wait_us, Press.ABORT, numbers=(AbortReason.CANDIDATE,))]


def _forced_veto(
    rubric: Rubric, paper: list[Item], effect: str, rng: random.Random, care: float
) -> dict[int, Callable[[Item], Deed]]:
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

    def fail(item: Item) -> Deed:
        plain = do_item(item, rng, care, veto_chance=0.0)
        return veto_item(item, plain.faults, rng.choice(item.veto_lines).number, max(2, plain.duration_us // _US // 2))

    return {place: fail}


def _forced_fail(rubric: Rubric, paper: list[Item], rng: random.Random) -> dict[int, Callable[[Item], Deed]]:
    """In the heaviest subjects every plain line loses its maximum, until the pass mark is out of reach."""

    def ruin(item: Item) -> Deed:
        return ruin_item(item, rng)

    scores = dict.fromkeys(range(len(paper)), SCORE_FULL)
    forced: dict[int, Callable[[Item], Deed]] = {}
    by_weight = sorted(range(len(paper)), key=lambda i: -rubric.subject_of(paper[i].code).weight)
    for index in by_weight:
        if marking.total(rubric, [(paper[i].code, score) for i, score in scores.items()]) < rubric.pass_mark:
            break
        forced[index] = ruin
        scores[index] = score_of(ruin(paper[index]))
    return forced
