"""Plans for the gateway's tests, as the server sends them: who sits what where, small enough to read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorelog.format.plan import PlanOpening, encode_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUBRIC = (Path(__file__).parents[2] / "server" / "rubrics" / "low-voltage-electrician.toml").read_text()
RUBRIC_SHA256 = hashlib.sha256(RUBRIC.encode()).hexdigest()
OPENS, CLOSES = "2026-11-23T06:30:00Z", "2026-11-23T10:00:00Z"  # the fake clock starts at 06:42:05
SESSION = "S20261123-1"


@dataclass(frozen=True)
class Seat:
    """One candidate of a session."""

    ticket: str
    items: Sequence[str] = ("K11", "K21")
    places: Sequence[str] = ()
    try_no: int = 1

    @property
    def attempt(self) -> str:
        """Always the same for the same ticket and try."""
        return hashlib.sha256(f"{self.ticket}/{self.try_no}".encode()).hexdigest()[:32]

    def openings(self) -> list[PlanOpening]:
        """Ticket and name."""
        values = {"ticket": self.ticket, "name": f"名{self.ticket}"}
        return [
            PlanOpening(self.attempt, name, hashlib.sha256(f"{self.attempt}{name}".encode()).digest(), value)
            for name, value in values.items()
        ]


@dataclass(frozen=True)
class Sitting:
    """One session."""

    seats: Sequence[Seat]
    id: str = SESSION
    opens: str = OPENS
    closes: str = CLOSES
    rubric: str = RUBRIC_SHA256


@dataclass(frozen=True)
class PlanDraft:
    """A plan of two stations; `rigs` maps serial to (station, gateway, items, purpose)."""

    sittings: Sequence[Sitting] = (Sitting((Seat("T1"), Seat("T2"))),)
    version: int = 7
    point: str = "hn-cs-01"
    gateways: Sequence[str] = ("gw-01", "gw-02")
    rigs: Mapping[str, tuple[str, str, Sequence[str], str]] = field(
        default_factory=lambda: {
            "LV-0001": ("A-01", "gw-01", ("K11", "K12"), "exam_only"),
            "LV-0002": ("A-02", "gw-01", ("K21",), "exam_only"),
            "LV-0003": ("A-03", "gw-02", ("K31",), "exam_only"),
        }
    )
    published: str = "2026-11-22T09:00:00Z"

    @cached_property
    def text(self) -> bytes:
        """The public text."""
        return encode_plan(
            {
                "point": {
                    "gateways": list(self.gateways),
                    "id": self.point,
                    "name": {"en": "Point", "zh": "考试点"},
                    "region": "430100",
                },
                "published": self.published,
                "rooms": [{"id": "A", "name": {"en": "Room", "zh": "考场"}, "stations": self._stations()}],
                "sessions": [_session(one) for one in self.sittings],
                "v": 1,
                "version": self.version,
            }
        )

    @cached_property
    def sha256(self) -> str:
        """Its name."""
        return hashlib.sha256(self.text).hexdigest()

    @cached_property
    def openings(self) -> list[PlanOpening]:
        """Of every candidate."""
        return [one for sitting in self.sittings for seat in sitting.seats for one in seat.openings()]

    def answer(self, **other: Any) -> bytes:
        """The body of `GET /gateway/v1/plan`; `other` replaces parts of it."""
        return json.dumps(
            {
                "v": 1,
                "version": self.version,
                "sha256": self.sha256,
                "plan": self.text.decode(),
                "openings": [one.to_json() for one in self.openings],
                "rubrics": [RUBRIC],
                **other,
            },
            ensure_ascii=False,
        ).encode()

    def _stations(self) -> list[dict[str, Any]]:
        stations: dict[str, list[dict[str, Any]]] = {}
        for serial, (station, gateway, items, purpose) in self.rigs.items():
            rig = {"gateway": gateway, "items": list(items), "purpose": purpose, "serial": serial, "wire": "modbus"}
            stations.setdefault(station, []).append(rig)
        return [{"id": station, "rigs": rigs} for station, rigs in stations.items()]


def plan_answer(**other: Any) -> bytes:
    """The answer of a small plan, version 7."""
    return PlanDraft().answer(**other)


def _session(sitting: Sitting) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "attempt": seat.attempt,
                "commitments": [{"field": one.field, "sha256": one.sha256} for one in seat.openings()],
                "items": list(seat.items),
                "places": list(seat.places),
                "try": seat.try_no,
            }
            for seat in sitting.seats
        ],
        "closes": sitting.closes,
        "id": sitting.id,
        "occupation": "low-voltage-electrician",
        "opens": sitting.opens,
        "rubric": sitting.rubric,
    }
