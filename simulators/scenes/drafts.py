"""One candidate's exam as it would go if nobody meddled, and how a draft becomes presses on a rig. Pure.

honest day ─▶ drafts ─▶ [behaviours change them] ─▶ runs in the queues of the rigs
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.device.codes import Acknowledgement, Mode, Verdict
from simulators.exam.candidates import Course, Ending, Fate, draw, whole
from simulators.exam.deeds import PAUSE_S, Deed, Press, Step, do_item, item_steps
from simulators.exam.scenario import Run

if TYPE_CHECKING:
    from simulators.device.rubric import Rubric

_US = 1_000_000
_MATCHES = 0.97  # a reader that sometimes fails
_CARE = (0.1, 0.9)  # chance that a line costs anything: some are ready for the exam, some are not


@dataclass(slots=True, eq=False)
class Draft:
    """What will happen, until a behaviour changes it. Steps of the waits are exam time."""

    ticket: str
    rig: int
    deeds: list[Deed]
    verdict: Verdict = Verdict.MATCH
    attempt: int = 1
    pause_us: int = 30 * _US  # between the candidate before and this one
    item_pause_us: int | None = None  # between items; None: as people are
    practice: bool = False
    after: Draft | None = None  # who must be done first, on whichever rig
    answer: Acknowledgement = Acknowledgement.SIGNED


@dataclass(slots=True)
class Day:
    """All drafts of one day, in the order in which the candidates are called."""

    rubric: Rubric
    seed: str
    rigs: int
    drafts: list[Draft] = field(default_factory=list)

    def rng(self, use: str) -> random.Random:
        """A source of its own for every use: another behaviour does not move its draws."""
        return random.Random(f"{self.seed}/{use}")  # noqa: S311 - reproducible, not secret

    def some(self, use: str, share: float) -> list[Draft]:
        """That share of the exams; a greater share holds the smaller one."""
        exams = [draft for draft in self.drafts if not draft.practice]
        order = list(range(len(exams)))
        self.rng(f"{use}/who").shuffle(order)
        return [exams[index] for index in sorted(order[: round(share * len(exams))])]


def honest_day(rubric: Rubric, *, rigs: int, candidates: int, seed: str, session: str) -> Day:
    """Everybody comes, is looked at, does the work, and is marked as it was."""
    day = Day(rubric, seed, rigs)
    for index in range(candidates):
        rng = day.rng(f"candidate/{index}")
        care = rng.uniform(*_CARE)
        verdict = Verdict.MATCH if rng.random() < _MATCHES else Verdict.NOT_CHECKED
        deeds = [do_item(item, rng, care) for item in draw(rubric, rng)]
        pause_us = rng.randint(*PAUSE_S) * _US
        day.drafts.append(Draft(f"{session}-{index + 1:04d}", index % rigs, deeds, verdict, pause_us=pause_us))
    return day


def queues_of(day: Day) -> list[list[Run]]:
    """The runs of every rig, numbered through the day."""
    queues: list[list[Run]] = [[] for _ in range(day.rigs)]
    numbers = {id(draft): number for number, draft in enumerate(day.drafts, 1)}
    for number, draft in enumerate(day.drafts, 1):
        course = _course(day, draft, day.rng(f"presses/{number}"))
        after = None if draft.after is None else numbers[id(draft.after)]
        queues[draft.rig].append(Run(number, draft.ticket, draft.attempt, Fate.ORDINARY, course, after))
    return queues


def _course(day: Day, draft: Draft, rng: random.Random) -> Course:
    opening = Step(draft.pause_us, Press.OPEN, draft.ticket, (draft.attempt, draft.verdict))
    if draft.practice:
        steps = [Step(draft.pause_us, Press.MODE, numbers=(Mode.PRACTICE,)), _at_once(opening)]
        for deed in draft.deeds:
            steps += item_steps(deed, rng)
        steps += [Step(_US, Press.CLOSE), Step(10 * _US, Press.MODE, numbers=(Mode.EXAM,))]
        return Course(tuple(steps), Ending.PRACTICE)
    course = whole(day.rubric, opening, draft.deeds, draft.answer, rng)
    if draft.item_pause_us is None:
        return course
    hurried = (Press.START, Press.ACKNOWLEDGE, Press.CLOSE)
    steps = [_after(step, draft.item_pause_us) if step.press in hurried else step for step in course.steps]
    return Course(tuple(steps), course.ending)


def _at_once(step: Step) -> Step:
    return _after(step, 5 * _US)


def _after(step: Step, wait_us: int) -> Step:
    return Step(wait_us, step.press, step.text, step.numbers, step.measures)
