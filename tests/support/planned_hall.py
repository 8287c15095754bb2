"""An exam point with a published plan for the tests of the pages: rooms, stations, a session, candidates with names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from people_world import RUBRIC, START_S, rfc
from planned_world import BoundRig, adopt_plan

from scorelog.format.plan import PlanOpening, encode_plan, parse_plan
from server.plan.publication import AttemptOpening, Publication

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Log

SESSION = "S20261123-1"
NAMES = ("欧阳明日", "李晓岚", "王建国", "赵敏", "陈思远", "刘洋", "周静", "吴昊")


@dataclass(frozen=True)
class Sitter:
    """One candidate: what they sit, and where."""

    number: int
    items: tuple[str, ...] = ("K11", "K21", "K31", "K42")
    places: tuple[str, ...] = ()
    try_no: int = 1

    @property
    def attempt(self) -> str:
        return hashlib.sha256(f"planned {self.number}".encode()).hexdigest()[:32]

    @property
    def ticket(self) -> str:
        return f"S20261123-{self.number:04d}"

    @property
    def name(self) -> str:
        return NAMES[self.number % len(NAMES)]

    def openings(self) -> list[PlanOpening]:
        values = {"ticket": self.ticket, "name": self.name, "masked_id": f"430***********{self.number:04d}"}
        return [
            PlanOpening(self.attempt, name, hashlib.sha256(f"{self.attempt} {name}".encode()).digest(), value)
            for name, value in values.items()
        ]


@dataclass(frozen=True)
class Hall:
    """`rigs`: serial → (room, station, gateway, items, purpose). Times are of the fake clock by default."""

    rigs: dict[str, tuple[str, str, str, tuple[str, ...], str]]
    sitters: tuple[Sitter, ...]
    point: str = "hn-cs-01"
    names: dict[str, tuple[str, str]] = field(default_factory=lambda: {"A": ("一号考场", "Room 1")})
    now_s: int = START_S

    def document(self, version: int) -> dict[str, Any]:
        stations: dict[str, dict[str, list[dict[str, Any]]]] = {room: {} for room in self.names}
        for serial, (room, station, gateway, items, purpose) in self.rigs.items():
            rig = {"gateway": gateway, "items": list(items), "purpose": purpose, "serial": serial, "wire": "modbus"}
            stations[room].setdefault(station, []).append(rig)
        return {
            "point": {
                "gateways": sorted({gateway for _, _, gateway, _, _ in self.rigs.values()}),
                "id": self.point,
                "name": {"en": "Changsha exam point 1", "zh": "长沙第一考试点"},
                "region": "430100",
            },
            "published": rfc(self.now_s - 3600),
            "rooms": [
                {
                    "id": room,
                    "name": {"en": en, "zh": zh},
                    "stations": [{"id": name, "rigs": rigs} for name, rigs in stations[room].items()],
                }
                for room, (zh, en) in self.names.items()
            ],
            "sessions": [
                {
                    "candidates": [self._candidate(one) for one in self.sitters],
                    "closes": rfc(self.now_s + 3 * 3600),
                    "id": SESSION,
                    "occupation": "low-voltage-electrician",
                    "opens": rfc(self.now_s - 900),
                    "rubric": hashlib.sha256(RUBRIC).hexdigest(),
                }
            ],
            "v": 1,
            "version": version,
        }

    @staticmethod
    def _candidate(one: Sitter) -> dict[str, Any]:
        return {
            "attempt": one.attempt,
            "commitments": [{"field": opening.field, "sha256": opening.sha256} for opening in one.openings()],
            "items": list(one.items),
            "places": list(one.places),
            "try": one.try_no,
        }

    def text(self, version: int = 1) -> bytes:
        """The public text, as gateways adopt it."""
        return encode_plan(self.document(version))

    def open_at(self, log: Log, version: int = 1) -> str:
        """A gateway adopts the plan and opens the session; the plan's hash."""
        sha256 = adopt_plan(log, self.text(version))
        opens, closes = rfc(self.now_s - 900), rfc(self.now_s + 3 * 3600)
        fields = {"session": SESSION, "opens": opens, "closes": closes, "nonce": "ab" * 16, "plan": sha256}
        log.add("session.opened", fields=fields)
        return sha256

    def rig(self, serial: str, log: Log) -> BoundRig:
        """A rig whose records the gateway binds to the session."""
        sha256 = hashlib.sha256(self.text()).hexdigest()
        return BoundRig(serial, self.rigs[serial][1], log, session=SESSION, plan=sha256)

    async def publish(self, site: Site, version: int = 1) -> None:
        """As the server's command does, without reading tables of candidates."""
        plan = parse_plan(self.text(version))
        kept = tuple(AttemptOpening(opening, SESSION, one.try_no) for one in self.sitters for opening in one.openings())
        persons = {one.attempt: hashlib.sha256(one.ticket.encode()).hexdigest() for one in self.sitters}
        await site.plans.publish(
            Publication(
                plan, site.clock.now_us() + version, {hashlib.sha256(RUBRIC).hexdigest(): RUBRIC}, kept, persons
            )
        )


ITEMS = {
    "LV-K1": ("K11", "K12", "K13"),
    "LV-K2": ("K21", "K22", "K23", "K24"),
    "LV-K3": ("K31", "K32"),
    "LV-K4": ("K41", "K42", "K43"),
}


def small_hall(**changes: Any) -> Hall:
    """Two rooms, four stations, two gateways; two candidates, the second without places."""
    rigs = {
        "LV-K1": ("A", "A-01", "gw-01", ITEMS["LV-K1"], "exam_only"),
        "LV-K2": ("A", "A-02", "gw-01", ITEMS["LV-K2"], "exam_only"),
        "LV-K3": ("B", "B-01", "gw-02", ITEMS["LV-K3"], "exam_only"),
        "LV-K4": ("B", "B-02", "gw-02", ITEMS["LV-K4"], "training_only"),
        "LV-K5": ("B", "B-02", "gw-02", ITEMS["LV-K4"], "dual_use_declared"),
    }
    sitters = (Sitter(1, places=("A-01", "A-02", "B-01", "B-02")), Sitter(2))
    names = {"A": ("一号考场", "Room 1"), "B": ("二号考场", "Room 2")}
    return Hall(rigs, sitters, names=names, **changes)
