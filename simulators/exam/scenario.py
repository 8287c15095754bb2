"""The plan of a whole fleet: which exam on which rig in which order, drawn from one seed before anything starts.

At least one veto, abort, time-out, resit, refused signature and rig reboot are promised by the plan and not left to
luck.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.errors import InputError
from simulators.exam.candidates import Course, Ending, Fate, practise, take_exam
from simulators.limits import RIGS_MAX

if TYPE_CHECKING:
    from simulators.device.rubric import Rubric

# In the order in which a short plan can afford them.
_PROMISED = (
    Fate.VETO_EXAM,
    Fate.ABORT_CANDIDATE,
    Fate.TIME_OUT,
    Fate.FAILS,
    Fate.REFUSES,
    Fate.POWER_CUT,
    Fate.VETO_ITEM,
    Fate.ABORT_EXAMINER,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One exam or practice run on one rig."""

    number: int
    ticket: str
    attempt: int
    fate: Fate
    course: Course
    after: int | None = None  # number of the run that must be over first (a resit, a repetition, an earlier item)
    order: int = 0  # of the candidate in the session's list, from 1; 0 = there is no list
    session: str = ""
    rubric: Rubric | None = None  # None: the fleet's


@dataclass(slots=True)
class Scenario:
    """One queue of runs per rig."""

    queues: list[list[Run]] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """All runs by number."""
        return sorted((run for queue in self.queues for run in queue), key=lambda run: run.number)

    def counts(self) -> Counter[str]:
        """How many of what the plan holds."""
        counts = Counter(run.fate.value for run in self.runs if run.fate is not Fate.ORDINARY)
        counts["exams"] = sum(run.course.ending is not Ending.PRACTICE for run in self.runs)
        counts["practice runs"] = sum(run.course.ending is Ending.PRACTICE for run in self.runs)
        counts["resits"] = sum(run.attempt > 1 for run in self.runs)
        return counts


def plan_fleet(
    rubric: Rubric, *, rigs: int, exams: int, seed: int, reboots: int = 1, practice: int = 1, session: str = "S20261123"
) -> Scenario:
    """First tries in turn over the rigs, then resits and repetitions where there is least to do."""
    if not 1 <= rigs <= RIGS_MAX:
        raise InputError(f"--rigs {rigs}: 1 to {RIGS_MAX} rigs fit into one process")
    if min(exams, reboots, practice) < 0:
        raise InputError("--exams, --reboots and --practice cannot be negative")
    fates = _fates(exams, reboots, random.Random(f"{seed}/fates"))  # noqa: S311 - reproducible, not secret
    scenario = Scenario([[] for _ in range(rigs)])
    number = 0
    for index, fate in enumerate(fates):
        number += 1
        ticket = f"{session}-{index + 1:04d}"
        run = Run(number, ticket, 1, fate, take_exam(rubric, ticket, fate, _rng(seed, number)))
        scenario.queues[index % rigs].append(run)
    for index in range(practice):
        number += 1
        ticket = f"P{session[1:]}-{index + 1:04d}"
        run = Run(number, ticket, 1, Fate.ORDINARY, practise(rubric, ticket, _rng(seed, number)))
        queue = scenario.queues[(index * 5 + 1) % rigs]
        queue.insert(len(queue) // 2, run)
    for run in scenario.runs:
        again = _again(rubric, run, seed, number + 1)
        if again is not None:
            number += 1
            min(scenario.queues, key=_load).append(again)
    return scenario


def ordinary_run(rubric: Rubric, *, seed: int, number: int, session: str = "S20261123") -> Run:
    """One more exam outside any plan, for a press of a button."""
    ticket = f"{session}-{number:04d}"
    return Run(number, ticket, 1, Fate.ORDINARY, take_exam(rubric, ticket, Fate.ORDINARY, _rng(seed, number)))


def _rng(seed: int, number: int) -> random.Random:
    return random.Random(f"{seed}/run/{number}")  # noqa: S311 - reproducible, not secret


def _fates(exams: int, reboots: int, rng: random.Random) -> list[Fate]:
    promised = [fate for fate in _PROMISED if fate is not Fate.POWER_CUT or reboots]
    promised = (promised + [Fate.POWER_CUT] * (reboots - 1))[:exams]
    fates = promised + [Fate.ORDINARY] * (exams - len(promised))
    rng.shuffle(fates)
    return fates


def _again(rubric: Rubric, run: Run, seed: int, number: int) -> Run | None:
    """A failed first try is resat under the same ticket; one that a power cut ended is repeated as a first try."""
    if run.fate is Fate.POWER_CUT:
        course = take_exam(rubric, run.ticket, Fate.ORDINARY, _rng(seed, number))
        return Run(number, run.ticket, run.attempt, Fate.ORDINARY, course, after=run.number)
    if run.attempt == 1 and run.course.ending is Ending.FAILED and run.fate is not Fate.REFUSES:
        course = take_exam(rubric, run.ticket, Fate.ORDINARY, _rng(seed, number), attempt=2)
        return Run(number, run.ticket, 2, Fate.ORDINARY, course, after=run.number)
    return None


def _load(queue: list[Run]) -> int:
    return sum(run.course.duration_us for run in queue)
