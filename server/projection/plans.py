"""What judging and composing need of an adopted plan, and the rows that keep it. Pure.

    parts of plan.adopted ─ join, parse ─▶ Plan ─▶ rows of adopted_plans and planned_attempts ─▶ PlanFacts

Owns reading a plan for the projections (docs/formats/plan.md). The plan of another room, server/plan, is what *this
server* published; here it is what a *log* adopted, and nothing else counts for its entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from scorelog.format.errors import FormatError
from scorelog.format.plan import join, parse_plan
from scorelog.format.plan_model import TRAINING_ONLY
from server.projection import limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scorelog.format.plan import Plan, Session, Station


@dataclass(frozen=True, slots=True)
class RigFacts:
    """Where the plan has a rig, whose it is and what for."""

    gateway: str
    station: str
    purpose: str


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A window with its rubric and the stations at which something of it can happen."""

    id: str
    rubric: str
    opens_us: int
    closes_us: int
    stations: frozenset[str]

    def overlaps(self, first_us: int, last_us: int) -> bool:
        """Whether something that went on from `first_us` to `last_us` was inside the window for a moment."""
        return first_us < self.closes_us and last_us >= self.opens_us


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """A plan without its candidates: those are rows."""

    sha256: str
    point: str
    version: int
    gateways: frozenset[str]
    rigs: Mapping[str, RigFacts]
    sessions: Mapping[str, SessionFacts]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> PlanFacts:
        """From a row of adopted_plans."""
        rigs = {
            rig["serial"]: RigFacts(rig["gateway"], station["id"], rig["purpose"])
            for room in row["rooms"]
            for station in room["stations"]
            for rig in station["rigs"]
        }
        sessions = {
            one["id"]: SessionFacts(
                one["id"], one["rubric"], one["opens_us"], one["closes_us"], frozenset(one["stations"])
            )
            for one in row["sessions"]
        }
        return cls(row["sha256"], row["point"], row["version"], frozenset(row["gateways"]), rigs, sessions)

    def training(self, rig: str | None) -> bool:
        """Whether this rig is there for training only."""
        found = self.rigs.get(rig or "")
        return found is not None and found.purpose == TRAINING_ONLY

    def station_of(self, rig: str | None, told: str | None) -> str | None:
        """Where the plan has the rig; the gateway's own word where the plan does not know it."""
        found = self.rigs.get(rig or "")
        return found.station if found else told

    def sessions_at(self, station: str | None, first_us: int, last_us: int) -> list[SessionFacts]:
        """The sessions that have this station and were open in that time."""
        return [one for one in self.sessions.values() if station in one.stations and one.overlaps(first_us, last_us)]


def read_plan(pieces: Sequence[str], sha256: str, gateway: str) -> tuple[Plan | None, str | None]:
    """The plan of these parts, or why it cannot be used by this gateway."""
    try:
        plan = _parsed(join(pieces, sha256))
    except FormatError as error:
        return None, str(error)
    if gateway not in plan.gateways:
        return None, f"the plan of {plan.point} does not name gateway {gateway}"
    return plan, None


@lru_cache(maxsize=limits.PLANS_KEPT)
def _parsed(text: bytes) -> Plan:
    """The same text is the same plan for ever."""
    return parse_plan(text)


def plan_row(plan: Plan) -> dict[str, Any]:
    """The row of adopted_plans."""
    return {
        "sha256": plan.sha256,
        "point": plan.point,
        "version": plan.version,
        "published": plan.published,
        "region": plan.region,
        "name": {"zh": plan.name.zh, "en": plan.name.en},
        "gateways": list(plan.gateways),
        "rooms": rooms_of(plan),
        "sessions": [_session(plan, session) for session in plan.sessions],
    }


def rooms_of(plan: Plan) -> list[dict[str, Any]]:
    """Rooms, stations and rigs, as rows and the API have them."""
    return [
        {
            "id": room.id,
            "name": {"zh": room.name.zh, "en": room.name.en},
            "stations": [_station(station) for station in room.stations],
        }
        for room in plan.rooms
    ]


def _station(station: Station) -> dict[str, Any]:
    rigs = [
        {
            "serial": rig.serial,
            "gateway": rig.gateway,
            "purpose": rig.purpose,
            "wire": rig.wire,
            "items": list(rig.items),
        }
        for rig in station.rigs
    ]
    return {"id": station.id, "rigs": rigs}


def _session(plan: Plan, session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "occupation": session.occupation,
        "rubric": session.rubric,
        "opens_us": session.opens_us,
        "closes_us": session.closes_us,
        "stations": sorted(set(_stations(plan, session))),
    }


def _stations(plan: Plan, session: Session) -> Iterator[str]:
    """The places of its candidates; where one has none, every station that examines one of the items."""
    anywhere: set[str] = set()
    for one in session.candidates:
        yield from one.places
        if not one.places:
            anywhere.update(one.items)
    for station in plan.stations:
        if any(station.examines(item) for item in anywhere):
            yield station.id


def candidate_rows(plan: Plan) -> Iterable[dict[str, Any]]:
    """The rows of planned_attempts."""
    for session in plan.sessions:
        for position, one in enumerate(session.candidates):
            yield {
                "sha256": plan.sha256,
                "attempt": one.attempt,
                "point": plan.point,
                "version": plan.version,
                "session": session.id,
                "position": position,
                "try_no": one.try_no,
                "rubric": session.rubric,
                "items": list(one.items),
                "places": list(one.places),
            }
