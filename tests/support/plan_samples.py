"""A small plan that is always the same, and its openings. Nothing in it is secret or about anybody."""

from __future__ import annotations

import hashlib
from typing import Any

from scorelog.format.plan import PlanOpening

ATTEMPTS = ("9f1c2b7d0a5e4c3389d1f0b2a4c6e811", "0a0b0c0d0e0f01020304050607080910")
PERSONS = (
    {"masked_id": "430***********1234", "name": "欧阳明日", "ticket": "S20261123-0001"},
    {"ticket": "S20261123-0002"},
)


def plan_openings() -> tuple[PlanOpening, ...]:
    """The openings of every commitment."""
    return tuple(
        PlanOpening(attempt, field, hashlib.sha256(f"blind {attempt} {field}".encode()).digest(), value)
        for attempt, person in zip(ATTEMPTS, PERSONS, strict=True)
        for field, value in person.items()
    )


def _commitments(attempt: str) -> list[dict[str, str]]:
    return [{"field": one.field, "sha256": one.sha256} for one in plan_openings() if one.attempt == attempt]


def _rig(serial: str, gateway: str, purpose: str, wire: str, items: list[str]) -> dict[str, Any]:
    return {"gateway": gateway, "items": items, "purpose": purpose, "serial": serial, "wire": wire}


def plan_document() -> dict[str, Any]:
    """The plan as an object, new each time."""
    first = [
        _rig("LV-0001", "gw-01", "exam_only", "modbus", ["K21", "K22"]),
        _rig("LV-0002", "gw-02", "training_only", "mqtt", ["K11"]),
    ]
    second = [_rig("LV-0003", "gw-02", "dual_use_declared", "mqtt", ["K12"])]
    candidates: list[dict[str, Any]] = [
        {"attempt": ATTEMPTS[0], "items": ["K12", "K21"], "places": ["A-02", "A-01"], "try": 1},
        {"attempt": ATTEMPTS[1], "items": ["K22"], "places": [], "try": 2},
    ]
    for one in candidates:
        one["commitments"] = _commitments(one["attempt"])
    return {
        "point": {
            "gateways": ["gw-01", "gw-02"],
            "id": "hn-cs-01",
            "name": {"en": "Changsha exam point 1", "zh": "长沙第一考试点"},
            "region": "430100",
        },
        "published": "2026-11-22T09:00:00Z",
        "rooms": [
            {
                "id": "A",
                "name": {"en": "Room 1", "zh": "一号考场"},
                "stations": [{"id": "A-01", "rigs": first}, {"id": "A-02", "rigs": second}],
            }
        ],
        "sessions": [
            {
                "candidates": candidates,
                "closes": "2026-11-23T04:00:00Z",
                "id": "S20261123-1",
                "occupation": "low-voltage-electrician",
                "opens": "2026-11-23T00:30:00Z",
                "rubric": "5c" * 32,
            }
        ],
        "v": 1,
        "version": 7,
    }
