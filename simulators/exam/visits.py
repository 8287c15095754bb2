"""One candidate at one rig of a plan: the items to do there, and the course that this makes. Pure.

A candidate of a plan sits every item at its own place, so an exam at a rig is a part of the whole: it is opened,
done, signed and closed like any other, and the rig knows nothing of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.device.codes import Acknowledgement, Outcome, Verdict
from simulators.device.rubric import EXAM_FAILED, ITEM_ZEROED, Item, Rubric
from simulators.exam.candidates import Course, Ending, Fate, broken_off, whole
from simulators.exam.deeds import PAUSE_S, VETO_CHANCE, Deed, Press, Step, do_item, ruin_item, veto_item

if TYPE_CHECKING:
    import random

    from simulators.exam.exam_plan import PlanCandidate, PlanRig

_US = 1_000_000
_BREAKS = frozenset({Fate.ABORT_CANDIDATE, Fate.POWER_CUT})
_MATCHES = 0.97  # a reader that sometimes fails
_VETO_OF = {Fate.VETO_EXAM: EXAM_FAILED, Fate.VETO_ITEM: ITEM_ZEROED}


@dataclass(frozen=True, slots=True)
class Visit:
    """Items that a candidate does in one go, and the rigs that can take them. `mute`: a rig there tells no ticket."""

    items: tuple[Item, ...]
    rigs: tuple[PlanRig, ...]
    mute: bool

    def suits(self, fate: Fate, later: tuple[Visit, ...]) -> bool:
        """Whether that can happen here. Who leaves early would confuse rigs that know candidates by their order."""
        if fate in _VETO_OF:
            here = any(item.veto_lines and item.veto_effect == _VETO_OF[fate] for item in self.items)
            return here and (fate is Fate.VETO_ITEM or not any(visit.mute for visit in later))
        if fate is Fate.ABORT_CANDIDATE:
            return not self.mute and not any(visit.mute for visit in later)
        return fate is not Fate.POWER_CUT or not self.mute


@dataclass(frozen=True, slots=True)
class Sat:
    """What comes of a visit; `leaves`: the candidate's exam is over."""

    course: Course
    leaves: bool


def sit(
    rubric: Rubric,
    visit: Visit,
    candidate: PlanCandidate,
    fate: Fate,
    rng: random.Random,
    *,
    care: float,
    must_stay: bool,
) -> Sat:
    """The course of this candidate at this rig."""
    deeds = _deeds(visit.items, fate, rng, care, must_stay=must_stay)
    ticket, verdict = candidate.ticket, Verdict.MATCH if rng.random() < _MATCHES else Verdict.NOT_CHECKED
    if visit.mute:
        ticket, verdict = "", Verdict.NOT_CHECKED
    opening = Step(rng.randint(*PAUSE_S) * _US, Press.OPEN, ticket, (candidate.attempt, verdict))
    if fate in _BREAKS:
        steps = (opening, *broken_off(deeds, fate, rng))
        return Sat(Course(steps, Ending.ABORTED), leaves=fate is Fate.ABORT_CANDIDATE)
    answer = Acknowledgement.REFUSED if fate is Fate.REFUSES else Acknowledgement.SIGNED
    course = whole(rubric, opening, deeds, answer, rng)
    failed = any(deed.outcome is Outcome.VETO and deed.item.veto_effect == EXAM_FAILED for deed in deeds)
    return Sat(Course(course.steps, Ending.SAT), leaves=failed)


def _deeds(items: tuple[Item, ...], fate: Fate, rng: random.Random, care: float, *, must_stay: bool) -> list[Deed]:
    deeds: list[Deed] = []
    forced = fate
    for item in items:
        if forced in _VETO_OF and item.veto_lines and item.veto_effect == _VETO_OF[forced]:
            deeds.append(_vetoed(item, rng, care))
            forced = Fate.ORDINARY
        elif forced is Fate.TIME_OUT:
            deeds.append(do_item(item, rng, care, factor=2.0, veto_chance=0.0))
            forced = Fate.ORDINARY
        elif forced is Fate.FAILS:
            deeds.append(ruin_item(item, rng))
        else:
            lucky = fate is not Fate.ORDINARY or (must_stay and item.veto_effect == EXAM_FAILED)
            deeds.append(do_item(item, rng, care, veto_chance=0.0 if lucky else VETO_CHANCE))
    return deeds


def _vetoed(item: Item, rng: random.Random, care: float) -> Deed:
    plain = do_item(item, rng, care, veto_chance=0.0)
    return veto_item(item, plain.faults, rng.choice(item.veto_lines).number, max(2, plain.duration_us // _US // 2))
