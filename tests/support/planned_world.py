"""An exam point with a plan, for the tests of composition: two gateways, four stations, logs that adopt and bind.

The plan's text is made here from plain values, so that the tests do not rest on the code that publishes plans.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from people_world import ROOT, RUBRIC, Log, Rig, attempt_id

from scorelog.format.plan import encode_plan, parts
from server.evidence.database import open_registry
from server.plan.schema import plan_openings

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

RUBRIC_SHA = hashlib.sha256(RUBRIC).hexdigest()
HEIGHT = (ROOT / "server" / "rubrics" / "height-work.toml").read_bytes()
SESSION = "S20261123-1"
A, B, RESIT = attempt_id(101), attempt_id(102), attempt_id(103)
STATIONS = {"A-01": ("LV-0001", "gw-01", ["K11", "K12"]), "A-02": ("LV-0002", "gw-01", ["K21"]),
            "B-01": ("LV-0003", "gw-02", ["K31"]), "B-02": ("LV-0004", "gw-02", ["K42", "K21"])}  # fmt: skip
PAPER = ("K11", "K21", "K31", "K42")
PLACES = ("A-01", "A-02", "B-01", "B-02")


def candidate(attempt: str, items: tuple[str, ...] = PAPER, places: tuple[str, ...] = PLACES, try_no: int = 1) -> Any:
    commitments = [{"field": "ticket", "sha256": hashlib.sha256(attempt.encode()).hexdigest()}]
    return {
        "attempt": attempt,
        "commitments": commitments,
        "items": list(items),
        "places": list(places),
        "try": try_no,
    }


def document(version: int = 1, rubric: str = RUBRIC_SHA) -> dict[str, Any]:
    """The plan as an object, new each time. The window holds the worlds' clock (2026-11-23T06:42:05Z)."""
    stations = [
        {
            "id": station,
            "rigs": [
                {"gateway": gateway, "items": items, "purpose": "exam_only", "serial": serial, "wire": "modbus"},
            ],
        }
        for station, (serial, gateway, items) in STATIONS.items()
    ]
    return {
        "point": {
            "gateways": ["gw-01", "gw-02"],
            "id": "hn-cs-01",
            "name": {"en": "Changsha exam point 1", "zh": "长沙第一考试点"},
            "region": "430100",
        },
        "published": "2026-11-22T09:00:00Z",
        "rooms": [{"id": "A", "name": {"en": "Room 1", "zh": "一号考场"}, "stations": stations}],
        "sessions": [
            {
                "candidates": [candidate(A), candidate(B), candidate(RESIT, ("K21",), (), 2)],
                "closes": "2026-11-23T09:00:00Z",
                "id": SESSION,
                "occupation": "low-voltage-electrician",
                "opens": "2026-11-23T06:00:00Z",
                "rubric": rubric,
            }
        ],
        "v": 1,
        "version": version,
    }


def text_of(plan: dict[str, Any] | None = None) -> bytes:
    return encode_plan(deepcopy(plan or document()))


def adopt_plan(log: Log, text: bytes, max_bytes: int = 40_000) -> str:
    """The whole plan in parts; its hash."""
    sha256, pieces = hashlib.sha256(text).hexdigest(), parts(text.decode(), max_bytes)
    for number, piece in enumerate(pieces, 1):
        log.add("plan.adopted", sha256=sha256, version=1, part=number, of=len(pieces), text=piece)
    return sha256


def adopt_rubric(log: Log, data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    log.add("rubric.adopted", sha256=sha256, text=data.decode())
    return sha256


@dataclass
class BoundRig(Rig):
    """A rig whose records the gateway binds to a session, or to none when `session` is empty."""

    session: str = ""
    plan: str = ""

    def _record(self, kind: str, code: int, args: Any, fields: dict[str, Any], **more: Any) -> int:
        bound = {"session": self.session, "plan": self.plan} if self.session else {}
        return super()._record(kind, code, args, fields, **more, **bound)

    def run(self, item: str, *cuts: tuple[int, int], **more: Any) -> int:
        self.start(item)
        for line, points in cuts:
            self.deduct(line, points)
        return self.finish(**more)

    def part(self, attempt: str, item: str, total: int, *cuts: tuple[int, int], ticket: str = "T-1") -> None:
        """One item of an attempt at this rig, from the identity check to the closing claim."""
        self.open_exam(ticket, attempt)
        self.run(item, *cuts)
        self.close(total)


@dataclass
class Point:
    """Two gateways that adopted the plan, and their rigs by station."""

    logs: dict[str, Log]
    rigs: dict[str, BoundRig]
    plan: str

    def whole(self, attempt: str, ticket: str = "T-1") -> None:
        """All four items, each at its place: 20, 40, 20, 20 parts of a hundred."""
        self.rigs["A-01"].part(attempt, "K11", 1900, (2, 500), ticket=ticket)
        self.rigs["A-02"].part(attempt, "K21", 3400, (2, 1250), (3, 250), ticket=ticket)
        self.rigs["B-01"].part(attempt, "K31", 2000, ticket=ticket)
        self.rigs["B-02"].part(attempt, "K42", 1800, (3, 1000), ticket=ticket)


def point(rng: Random, text: bytes | None = None, *, max_bytes: int = 40_000, bound: bool = True) -> Point:
    logs = {name: Log(name, rng).adopt() for name in ("gw-01", "gw-02")}
    text = text or text_of()
    for log in logs.values():
        sha256 = adopt_plan(log, text, max_bytes)
        opened = {"session": SESSION, "opens": "2026-11-23T06:00:00Z", "closes": "2026-11-23T09:00:00Z"}
        log.add("session.opened", fields=opened | {"nonce": "ab" * 16, "plan": sha256})
    rigs = {
        station: BoundRig(
            serial, station, logs[gateway], session=SESSION if bound else "", plan=sha256 if bound else ""
        )
        for station, (serial, gateway, _) in STATIONS.items()
    }
    return Point(logs, rigs, sha256)


NAMES = {A: ("S20261123-0001", "欧阳明日"), B: ("S20261123-0002", "慕容晓")}


async def candidate_names(folder: Path) -> None:
    """Openings of two candidates, as the server keeps them beside a plan that it published."""
    registry = open_registry(folder)
    rows = [
        {"attempt": attempt, "field": field, "sha256": "00" * 32, "session_id": SESSION, "try_no": 1, "version": 1,
         "blind": bytes(32), "value": value.encode()}
        for attempt, names in NAMES.items()
        for field, value in zip(("ticket", "name"), names, strict=True)
    ]  # fmt: skip
    try:
        await registry.write(lambda connection: connection.execute(sa.insert(plan_openings), rows))
    finally:
        await registry.close()
