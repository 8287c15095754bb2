"""From a rig's latch to the row that shows it: a stream's reader, and the stages between, of the same scores."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from service import WorldError

from kit.people import line

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from latch_round import Round
    from world import World

    from kit.figures import Report

SEEN_S_MAX: Final = 10.0
STAGES: Final = ("rig latched → first read", "first read → received", "received → {}", "rig latched → {}")


@dataclass(frozen=True, slots=True)
class Shown:
    """A score as it was seen: which entry, how many points (as written on the page), when."""

    name: str
    points: str
    at_ms: float


class LiveReader:
    """One stream in a thread. `with LiveReader(ca, port, cookie) as reader:` closes it."""

    def __init__(self, ca: Path, port: int, cookie: str) -> None:
        self._line = line(ca, port)
        self._line.request("GET", "/live/events", headers={"cookie": cookie})
        self._answer: http.client.HTTPResponse = self._line.getresponse()
        if self._answer.status != 200:
            raise WorldError(f"the live stream answers {self._answer.status}")
        self._grown = threading.Condition()
        self._deductions: set[tuple[str, str, int]] = set()
        self._scores: dict[str, Shown] = {}
        self._thread = threading.Thread(target=self._read, name="live stream", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up; the thread ends with its connection."""
        if self._line.sock is not None:
            self._line.sock.close()
        self._line.close()

    def wait_deduction(self, rig: str, item: str, points: int) -> None:
        """Wait until the rig's row has shown this deduction of this item."""
        self._wait(f"the deduction {points} of {item} at {rig}", lambda: (rig, item, points) in self._deductions)

    def wait_scores(self, count: int) -> None:
        """Wait until so many scores were shown."""
        self._wait(f"{count} scores", lambda: len(self._scores) >= count)

    def scores(self) -> list[Shown]:
        """All so far."""
        with self._grown:
            return list(self._scores.values())

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        with self._grown:
            if not self._grown.wait_for(there, SEEN_S_MAX):
                raise WorldError(f"after {SEEN_S_MAX:.0f} s the stream has not shown {what}")

    def _read(self) -> None:
        try:
            while text := self._answer.readline():
                at_ms = time.time_ns() / 1e6
                if text.startswith(b'data: {"key"'):
                    self._take(json.loads(text[6:]), at_ms)
        except (OSError, ValueError, AttributeError):  # closed under the read
            return

    def _take(self, change: Mapping[str, Any], at_ms: float) -> None:
        key, row = change["key"], change["row"]
        with self._grown:
            if key.startswith("score/"):
                name = f"{row['origin_hash']}/{row['index']}"
                self._scores.setdefault(name, Shown(name, f"{row['score'] / 100:.2f}", at_ms))
            elif key.startswith("rig/") and row.get("item"):
                for one in row["deductions"]:
                    self._deductions.add((row["rig"], row["item"]["code"], one["points"]))
            self._grown.notify_all()


class Stages:
    """Every stage of every score; gateway's and server's times are those that entries and API hold."""

    def __init__(self, world: World, work: Round, shown: Sequence[Shown]) -> None:
        stored = stored_items(world)
        latched = {one.text: one.latched_at_us / 1000 for one in work.scores}
        self.took_s: dict[str, list[float]] = {stage: [] for stage in STAGES}
        for one in shown:
            at, item = latched[one.points], stored[one.name]
            read, received = _ms(item["read_at"]), _ms(item["received_at"])
            steps = (read - at, received - read, one.at_ms - received, one.at_ms - at)
            for stage, took_ms in zip(STAGES, steps, strict=True):
                self.took_s[stage].append(took_ms / 1000)

    def add_to(self, report: Report, where: str, aims: Mapping[int, float]) -> None:
        """As figures; the aims are those of the whole way."""
        for stage, took_s in self.took_s.items():
            report.latency(stage.format(where), took_s, aims=aims if stage == STAGES[-1] else None)


def stored_items(world: World) -> dict[str, dict[str, Any]]:
    """All items of the API by their place in the log."""
    found: dict[str, dict[str, Any]] = {}
    after = ""
    while True:
        page = world.api(f"/api/v1/items?limit=500{after}")
        found |= {f"{one['origin_hash']}/{one['index']}": one for one in page["items"]}
        if not page["next"]:
            return found
        after = f"&after={page['next']}"


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000
