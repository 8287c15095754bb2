"""The rounds of a plan: every candidate walks through the items in order, and waits where a rig is busy. Pure.

The whole day is played once in advance, in exam time, from one seed. What comes of it is a queue for each rig, so that
who is where in which order does not depend on how fast a machine or a gateway is.

    plan ─▶ visits of each candidate ─▶ fates ─▶ events in the order of their times ─▶ queues (Scenario)
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict, deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from simulators.errors import InputError
from simulators.exam.candidates import Fate
from simulators.exam.deeds import CARE
from simulators.exam.exam_plan import TRAINING_ONLY, ExamPlan, PlanCandidate, PlanRig, PlanSession
from simulators.exam.lineup import LineUp, RigPlace
from simulators.exam.scenario import Run, Scenario
from simulators.exam.visits import Visit, sit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.exam.candidates import Course

_US = 1_000_000
_CALL_S = 4  # one candidate of the list is called after the other
_WALK_S = (20, 90)
_PROMISED = (
    Fate.VETO_EXAM,
    Fate.ABORT_CANDIDATE,
    Fate.TIME_OUT,
    Fate.VETO_ITEM,
    Fate.REFUSES,
    Fate.FAILS,
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of a plan."""

    seed: int = 7
    reboots: int = 1
    gateways: tuple[str, ...] = ()  # only their rigs; () = all
    sessions: tuple[str, ...] = ()  # only these; () = all
    mute: tuple[str, ...] = ()  # patterns of serials: rigs that do not know whom they examine
    on_bus: tuple[str, ...] = ()  # patterns of serials: rigs of `wire = "modbus"` that share lines


@dataclass(slots=True)
class _Way:
    """One candidate's way."""

    session: PlanSession
    candidate: PlanCandidate
    visits: tuple[Visit, ...]
    fates: dict[int, Fate] = field(default_factory=dict)
    last_run: int | None = None


def play(plan: ExamPlan, wishes: Wishes) -> LineUp:
    """The queues of all rigs."""
    rigs = tuple(rig for rig in plan.rigs if not wishes.gateways or rig.gateway in wishes.gateways)
    sessions = [session for session in plan.sessions if not wishes.sessions or session.id in wishes.sessions]
    if not rigs or not sessions:
        raise InputError(f"the plan of {plan.point} has no rig or no session that fits --gateway and --session")
    day = _Day(rigs, wishes)
    for session in sessions:
        day.hold([_way(plan, rigs, session, one, wishes) for one in session.candidates])
    places = tuple(RigPlace(rig.serial, rig.station, _wire_of(rig, wishes), rig.gateway) for rig in rigs)
    return LineUp(places, Scenario([day.queues[rig.serial] for rig in rigs]), sessions[0].rubric)


def _way(
    plan: ExamPlan, rigs: tuple[PlanRig, ...], session: PlanSession, candidate: PlanCandidate, wishes: Wishes
) -> _Way:
    """Items next to each other at one place are done in one go; what only other gateways' rigs can take is left out."""
    groups: list[tuple[str, list[str]]] = []
    places = candidate.places or ("",) * len(candidate.items)
    for code, place in zip(candidate.items, places, strict=True):
        if groups and place and groups[-1][0] == place and _able(plan.rigs, place, [*groups[-1][1], code]):
            groups[-1][1].append(code)
        else:
            groups.append((place, [code]))
    visits: list[Visit] = []
    for place, codes in groups:
        if not _able(plan.rigs, place, codes):
            where = f"at {place}" if place else "of the plan"
            raise InputError(f"session {session.id}, candidate {candidate.order}: no rig {where} examines {codes[0]}")
        able = _able(rigs, place, codes)
        if able:
            mute = tuple(rig for rig in able if any(fnmatchcase(rig.serial, pattern) for pattern in wishes.mute))
            items = tuple(session.rubric.item(code) for code in codes)
            visits.append(Visit(items, mute[:1] or able, mute=bool(mute)))
    return _Way(session, candidate, tuple(visits))


def _wire_of(rig: PlanRig, wishes: Wishes) -> str:
    shares = rig.wire == "modbus" and any(fnmatchcase(rig.serial, pattern) for pattern in wishes.on_bus)
    return "rtu" if shares else rig.wire


def _able(rigs: Sequence[PlanRig], place: str, codes: Sequence[str]) -> tuple[PlanRig, ...]:
    return tuple(
        rig
        for rig in rigs
        if rig.purpose != TRAINING_ONLY and place in {"", rig.station} and rig.items.issuperset(codes)
    )


class _Day:
    """Sessions, one after the other, on the same rigs."""

    def __init__(self, rigs: tuple[PlanRig, ...], wishes: Wishes) -> None:
        self.queues: dict[str, list[Run]] = {rig.serial: [] for rig in rigs}
        self._free = dict.fromkeys(self.queues, 0)
        self._wishes = wishes
        self._number = 0

    def hold(self, ways: list[_Way]) -> None:
        """One session: the earliest event first. A mute rig takes candidates in the order of the list only."""
        _promise(ways, self._wishes)
        begin = max(self._free.values())
        events = [(begin + at * _CALL_S * _US, at, 0) for at, way in enumerate(ways) if way.visits]
        heapq.heapify(events)
        turns = _turns(ways)
        early: dict[tuple[int, int], int] = {}
        while events:
            ready, at, index = heapq.heappop(events)
            turn = turns.get(ways[at].visits[index].rigs[0].serial) if ways[at].visits[index].mute else None
            if turn is not None and turn[0] != (at, index):
                early[at, index] = ready
                continue
            done, leaves = self._sit(ways[at], index, ready)
            if turn is not None:
                turn.popleft()
                if turn and turn[0] in early:
                    heapq.heappush(events, (max(ready, early.pop(turn[0])), *turn[0]))
            if not leaves and index + 1 < len(ways[at].visits):
                heapq.heappush(events, (done, at, index + 1))

    def _sit(self, way: _Way, index: int, ready: int) -> tuple[int, bool]:
        """One visit, twice if the rig loses power; when the next one can begin, and whether there is one."""
        visit, fate = way.visits[index], way.fates.get(index, Fate.ORDINARY)
        serial = min((rig.serial for rig in visit.rigs), key=lambda s: (max(ready, self._free[s]), s))
        name = f"{way.session.id}/{way.candidate.order}"
        care = self._random(f"{name}/care").uniform(*CARE)
        rng = self._random(f"{name}/{index}")
        must_stay = any(later.mute for later in way.visits[index + 1 :]) or any(at > index for at in way.fates)
        at = max(ready, self._free[serial])
        leaves = False
        for turn in (fate, Fate.ORDINARY) if fate is Fate.POWER_CUT else (fate,):
            sat = sit(way.session.rubric, visit, way.candidate, turn, rng, care=care, must_stay=must_stay)
            self._number += 1
            self.queues[serial].append(self._run(way, turn, sat.course))
            way.last_run = self._number
            at += sat.course.duration_us
            leaves = sat.leaves
        self._free[serial] = at
        return at + rng.randint(*_WALK_S) * _US, leaves

    def _run(self, way: _Way, fate: Fate, course: Course) -> Run:
        candidate, session = way.candidate, way.session
        return Run(
            self._number,
            candidate.ticket,
            candidate.attempt,
            fate,
            course,
            after=way.last_run,
            order=candidate.order,
            session=session.id,
            rubric=session.rubric,
        )

    def _random(self, use: str) -> random.Random:
        return random.Random(f"{self._wishes.seed}/{use}")  # noqa: S311 - reproducible, not secret


def _promise(ways: list[_Way], wishes: Wishes) -> None:
    """One candidate each for what must happen at least once, as far as items and rigs allow."""
    rng = random.Random(f"{wishes.seed}/{ways[0].session.id if ways else ''}/fates")  # noqa: S311 - reproducible
    left = list(ways)
    for fate in (*_PROMISED, *(Fate.POWER_CUT,) * wishes.reboots):
        chances = [
            (way, index)
            for way in left
            for index, visit in enumerate(way.visits)
            if visit.suits(fate, way.visits[index + 1 :])
        ]
        if chances:
            way, index = rng.choice(chances)
            way.fates[index] = fate
            left.remove(way)


def _turns(ways: list[_Way]) -> dict[str, deque[tuple[int, int]]]:
    """Who comes to each mute rig, in the order of the list."""
    turns: dict[str, deque[tuple[int, int]]] = defaultdict(deque)
    for at, way in enumerate(ways):
        for index, visit in enumerate(way.visits):
            if visit.mute:
                turns[visit.rigs[0].serial].append((at, index))
    return turns
