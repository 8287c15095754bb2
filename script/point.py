"""The exam point of the demo: up to four rooms, rigs on every wire under two gateways, one session and its list.

Writes what a person would write (docs/formats/plan.md): PLAN.toml and a CSV beside it. The people in it are invented;
their id numbers have a right check digit, because the server refuses others.
"""

from __future__ import annotations

import csv
import random
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from box import RUBRIC

if TYPE_CHECKING:
    from pathlib import Path

CHINA = timezone(timedelta(hours=8))
POINT = "hn-cs-01"
SESSION = "S20261123-1"
FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许"
GIVEN = ("明日", "晓峰", "志远", "丽华", "建国", "雨桐", "海燕", "文博", "秀英", "子涵", "国强")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"
ROOMS = tuple(
    (room, f'{{ zh = "{zh}号考场", en = "Room {number}" }}')
    for number, (room, zh) in enumerate(zip("ABCD", "一二三四", strict=True), 1)
)
BUS_RIGS, HTTP_RIGS = 4, 2


@dataclass(frozen=True, slots=True)
class PlannedRig:
    """One rig at a station of its own."""

    serial: str
    station: str
    wire: str
    gateway: str
    subject: str
    items: tuple[str, ...]
    kind: str  # how it is told of in the verdict: its wire, more closely


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the list."""

    ticket: str
    name: str
    id_number: str
    items: tuple[str, ...]
    places: tuple[str, ...]


class ExamPoint:
    """Who sits what where, from one seed."""

    def __init__(
        self, gateways: tuple[str, ...], *, modbus: int, mqtt: int, candidates: int, seed: int,
        others: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        rubric = tomllib.loads(RUBRIC.read_text("utf-8"))
        self.subjects = {one["code"]: tuple(item["code"] for item in one["item"]) for one in rubric["subject"]}
        self.gateways = gateways
        chance = random.Random(f"{seed}/point")  # noqa: S311 - reproducible, not secret
        self.rigs: list[PlannedRig] = []
        self._add("LV", "A", "modbus", modbus)
        self._add("LM", "B", "mqtt", mqtt)
        if "bus" in others:
            self._add("LB", "C", "modbus", BUS_RIGS, kind="bus", gateway=gateways[-1])
        if "http" in others:
            self._add("LP", "D", "http", HTTP_RIGS, kind="http", gateway=gateways[0])
        if "values" in others:
            self._one("MB-0001", "D-11", "values", "K11")
        if "sparkplug" in others:
            self._one("LS-0001", "D-12", "sparkplug", "K31")
        self.people = [self._person(number, chance) for number in range(1, candidates + 1)]

    def _one(self, serial: str, station: str, kind: str, code: str) -> None:
        """A rig of a maker's at the broker, for one item."""
        subject = next(name for name, codes in self.subjects.items() if code in codes)
        self.rigs.append(PlannedRig(serial, station, "mqtt", self.gateways[0], subject, (code,), kind))

    def _add(
        self, prefix: str, room: str, wire: str, count: int, *, kind: str = "", gateway: str | None = None
    ) -> None:
        """Subjects in turn over both rooms; of each subject's rigs every other one is the other gateway's."""
        codes = list(self.subjects)
        for number in range(1, count + 1):
            subject = codes[len(self.rigs) % len(codes)]
            turn = self.gateways[sum(rig.subject == subject for rig in self.rigs) % len(self.gateways)]
            name, station, items = f"{prefix}-{number:04d}", f"{room}-{number:02d}", self.subjects[subject]
            self.rigs.append(PlannedRig(name, station, wire, gateway or turn, subject, items, kind or wire))

    def _person(self, number: int, chance: random.Random) -> Person:
        """K1 to K4, each at one of the stations that have it, in turn."""
        rigs = []
        for at, subject in enumerate(self.subjects):
            able = [rig for rig in self.rigs if rig.subject == subject]
            rigs.append(able[(number + at) % len(able)])
        name = FAMILY[number % len(FAMILY)] + GIVEN[number % len(GIVEN)]
        places = [rig.station for rig in rigs]
        items = tuple(chance.choice(rig.items) for rig in rigs)
        return Person(f"S20261123-{number:04d}", name, _id_number(number), items, tuple(places))

    def of_gateway(self, gateway: str) -> list[PlannedRig]:
        """The rigs that it owns."""
        return [rig for rig in self.rigs if rig.gateway == gateway]

    def write(self, folder: Path) -> Path:
        """PLAN.toml and candidates.csv; the session's window is open now."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "candidates.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["准考证号", "姓名", "证件号", "考次", "题目", "工位"])
            for one in self.people:
                rows.writerow([one.ticket, one.name, one.id_number, 1, " ".join(one.items), " ".join(one.places)])
        path = folder / "plan.toml"
        path.write_text("\n".join(self._toml(datetime.now(CHINA).replace(microsecond=0))) + "\n", "utf-8")
        return path

    def _toml(self, now: datetime) -> list[str]:
        lines = [
            "plan = 1", "",
            "[point]", f'id = "{POINT}"', 'name = { zh = "长沙第一考试点", en = "Changsha exam point 1" }',
            'region = "430100"',
        ]  # fmt: skip
        for room, name in ROOMS:
            here = [rig for rig in self.rigs if rig.station.startswith(f"{room}-")]
            lines += ["", "[[room]]", f'id = "{room}"', f"name = {name}"] if here else []
            for rig in here:
                items = ", ".join(f'"{code}"' for code in rig.items)
                lines += [
                    "", "  [[room.station]]", f'  id = "{rig.station}"', "", "    [[room.station.rig]]",
                    f'    serial = "{rig.serial}"', f'    gateway = "{rig.gateway}"', '    purpose = "exam_only"',
                    f'    wire = "{rig.wire}"', f"    items = [{items}]",
                ]  # fmt: skip
        return [
            *lines, "", "[[session]]", f'id = "{SESSION}"', 'rubric = "low-voltage-electrician"',
            f'opens = "{(now - timedelta(minutes=5)).isoformat()}"',
            f'closes = "{(now + timedelta(hours=6)).isoformat()}"', 'candidates = "candidates.csv"',
        ]  # fmt: skip


def _id_number(number: int) -> str:
    """Nobody's: a day of birth and a running number, with the check digit that GB 11643 wants."""
    body = f"4301021990{1 + number % 12:02d}{1 + number % 28:02d}{number % 1000:03d}"
    return body + CHECK[sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11]
