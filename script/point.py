"""The exam point of the demo: two rooms, rigs on both wires under two gateways, one session and its candidate list.

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


@dataclass(frozen=True, slots=True)
class PlannedRig:
    """One rig at a station of its own."""

    serial: str
    station: str
    wire: str
    gateway: str
    subject: str
    items: tuple[str, ...]


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

    def __init__(self, gateways: tuple[str, ...], *, modbus: int, mqtt: int, candidates: int, seed: int) -> None:
        rubric = tomllib.loads(RUBRIC.read_text("utf-8"))
        self.subjects = {one["code"]: tuple(item["code"] for item in one["item"]) for one in rubric["subject"]}
        self.gateways = gateways
        chance = random.Random(f"{seed}/point")  # noqa: S311 - reproducible, not secret
        self.rigs: list[PlannedRig] = []
        self._add("LV", "A", "modbus", modbus)
        self._add("LM", "B", "mqtt", mqtt)
        self.people = [self._person(number, chance) for number in range(1, candidates + 1)]

    def _add(self, prefix: str, room: str, wire: str, count: int) -> None:
        """Subjects in turn over both rooms; of each subject's rigs every other one is the other gateway's."""
        codes = list(self.subjects)
        for number in range(1, count + 1):
            subject = codes[len(self.rigs) % len(codes)]
            gateway = self.gateways[sum(rig.subject == subject for rig in self.rigs) % len(self.gateways)]
            name, station = f"{prefix}-{number:04d}", f"{room}-{number:02d}"
            self.rigs.append(PlannedRig(name, station, wire, gateway, subject, self.subjects[subject]))

    def _person(self, number: int, chance: random.Random) -> Person:
        """K1 to K4, each at one of the stations that have it, in turn."""
        places = []
        for at, subject in enumerate(self.subjects):
            able = [rig.station for rig in self.rigs if rig.subject == subject]
            places.append(able[(number + at) % len(able)])
        name = FAMILY[number % len(FAMILY)] + GIVEN[number % len(GIVEN)]
        items = tuple(chance.choice(codes) for codes in self.subjects.values())
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
        for room, name in (("A", '{ zh = "一号考场", en = "Room 1" }'), ("B", '{ zh = "二号考场", en = "Room 2" }')):
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
