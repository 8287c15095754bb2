"""A round of exams pressed by hand: every latch time is known, no score equals another.

No deduction equals another either. The buttons are those of the rigs' control socket (docs/simulators.md). The round
waits until the page shows a deduction, then a random while, so that no press keeps step with the gateway's polling.
"""

from __future__ import annotations

import time
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from world import RUBRIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from world import World

RIGS = 3
SPEED = 20  # exam seconds per second: no item comes near its limit
PAUSE_S = (0.02, 0.25)
POINTS = (50, 950)  # hundredths; the smallest line of the rubric holds 1000


@dataclass(frozen=True, slots=True)
class Taken:
    """A deduction as the rig latched it."""

    rig: str
    item: str
    points: int
    latched_at_us: int

    @property
    def text(self) -> str:
        """As the page writes it."""
        return f"−{self.points / 100:.2f}"


@dataclass(frozen=True, slots=True)
class Latched:
    """A score as the rig latched it."""

    rig: str
    station: str
    ticket: str
    item: str
    score: int
    latched_at_us: int

    @property
    def text(self) -> str:
        """As the page writes it."""
        return f"{self.score / 100:.2f}"


class Bench:
    """One rig, its drawn items and its present candidate."""

    def __init__(self, world: World, serial: str, station: str, chance: Random) -> None:
        self.world, self.serial, self.station, self.chance = world, serial, station, chance
        self.ticket = ""
        self.left: list[dict[str, Any]] = []
        self.exams = 0

    def press(self, cmd: str, **more: Any) -> dict[str, Any]:
        """One button of this rig."""
        return self.world.press(cmd=cmd, rig=self.serial, **more)

    def next_item(self, subjects: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The next item of the open exam, started; a finished exam is closed and another candidate comes."""
        if not self.left:
            if self.ticket:
                self.press("acknowledge")
                self.press("close")
            self.exams += 1
            self.ticket = f"{self.station}-{self.exams:04d}"
            self.press("open", ticket=self.ticket)
            self.left = [self.chance.choice(subject["item"]) for subject in subjects]
        item = self.left.pop(0)
        self.press("start", item=item["code"])
        return item


class Round:
    """Scores latched one after another on several rigs, at irregular moments."""

    def __init__(self, world: World, chance: Random) -> None:
        self.chance = chance
        self.subjects = tomllib.loads(RUBRIC.read_text("utf-8"))["subject"]
        rigs = world.press(cmd="rigs")["rigs"]
        self.benches = [Bench(world, rig["serial"], rig["station"], chance) for rig in rigs]
        self.scores: list[Latched] = []
        self.deductions: list[Taken] = []

    def run(self, count: int, seen: Callable[[str, str, int], None]) -> None:
        """Latch ``count`` scores; ``seen`` waits until the page shows a deduction (rig, item, points)."""
        for taken in self._points(count):
            bench = self.chance.choice(self.benches)
            item = bench.next_item(self.subjects)
            lines = self.chance.sample([line["line"] for line in item["line"] if not line["veto"]], len(taken))
            for line, points in zip(lines, taken, strict=True):
                self._pause()
                answer = bench.press("deduct", line=line, points=points)
                self.deductions.append(Taken(bench.serial, item["code"], points, answer["latched_at_us"]))
                seen(bench.serial, item["code"], points)
            self._pause()
            answer = bench.press("finish")
            self.scores.append(
                Latched(
                    bench.serial, bench.station, bench.ticket, item["code"], answer["score"], answer["latched_at_us"]
                )
            )

    def _points(self, count: int) -> Iterator[tuple[int, ...]]:
        """What each item loses: all deductions unlike, and the scores too. Every fifth item loses twice."""
        odd = self.chance.sample(range(POINTS[0] | 1, POINTS[1], 2), count)
        even = self.chance.sample(range(POINTS[0], POINTS[1], 2), count)
        lost: set[int] = set()
        for number, (one, other) in enumerate(zip(odd, even, strict=True)):
            taken = (one, other) if number % 5 == 0 and one + other not in lost else (one,)
            if sum(taken) in lost:
                taken = (other,)
            lost.add(sum(taken))
            yield taken

    def _pause(self) -> None:
        time.sleep(self.chance.uniform(*PAUSE_S))


def build_hall(world: World) -> None:
    """Certificates, server, gateway and idle rigs, all running and known to each other."""
    world.build_server()
    rigs = world.start_fleet(
        "--rigs", str(RIGS), "--exams", "0", "--practice", "0", "--reboots", "0",
        "--speed", str(SPEED), "--stay",
    )  # fmt: skip
    world.build_gateway(rigs)
    world.server.start()
    world.wait("the server answers", world.serving, 20)
    world.gateway.start()
    for rig in rigs:
        world.press(cmd="wait", rig=rig["serial"], gateway=True, timeout_s=20)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -(-int(share * 1000) * len(ranked) // 1000) - 1))]
