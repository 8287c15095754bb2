"""What goes on during a soak: exams without an end, people who look, and a second box that has a hard time."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

import oracle
from service import WorldError

from kit.people import line
from kit.samples import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from service import Service
    from world import World

LOOKS: Final = (
    "/api/v1/live", "/api/v1/items?limit=50", "/api/v1/attempts?limit=50", "/api/v1/alerts", "/api/v1/gateways",
)  # fmt: skip
CROWD: Final = 32
STALL_S: Final = 5.0
QUEUE: Final = 2  # candidates that wait at a rig; more would only be a heap at the end
SETTLE_S: Final = 300.0


class Crowd:
    """Candidates: whenever a rig has few left, one more comes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rigs = [one["serial"] for one in world.press(cmd="rigs")["rigs"]]
        self._sent = dict.fromkeys(self.rigs, 0)
        self._truth_at = 0
        self._closed = dict.fromkeys(self.rigs, 0)
        self.records = 0

    def tick(self) -> None:
        """Read what was latched since the last tick, then fill up."""
        self._read()
        for rig in self.rigs:
            while self._sent[rig] - self._closed[rig] < QUEUE:
                self._world.press(cmd="exam", rig=rig)
                self._sent[rig] += 1

    def _read(self) -> None:
        with self._world.truth.open("rb") as file:
            file.seek(self._truth_at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._truth_at += len(whole)
        for each in whole.splitlines():
            record = json.loads(each)
            self.records += 1
            if record["type"] in oracle.CLOSING and record["serial"] in self._closed:
                self._closed[record["serial"]] += 1

    def settle(self) -> None:
        """Nobody comes any more: wait until every rig is done and every record acknowledged."""
        self._world.press(cmd="wait", done=True, timeout_s=SETTLE_S)
        for box in self._world.boxes:
            self._world.wait(f"every entry of {box.id} receipted", lambda box=box: box.unsent() == 0, SETTLE_S)
        self._read()


class Reader:
    """A live page that comes back again and again, in a thread."""

    def __init__(self, world: World, cookie: str, stays_s: float) -> None:
        self._world = world
        self._cookie = cookie
        self._stays_s = stays_s
        self._over = threading.Event()
        self.connects = 0
        self.events = 0
        self.failed = 0
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more."""
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._once()
                self.connects += 1
            except (OSError, WorldError):
                self.failed += 1
                self._over.wait(1)

    def _once(self) -> None:
        connection = line(self._world.ca, self._world.people_port)
        try:
            connection.request("GET", "/live/events", headers={"cookie": self._cookie})
            answer = connection.getresponse()
            if answer.status != 200:
                raise WorldError(f"the live stream answers {answer.status}")
            until = time.monotonic() + self._stays_s
            while time.monotonic() < until and not self._over.is_set():
                self.events += answer.readline().startswith(b"event: row")
        finally:
            connection.close()


class Disturber:
    """The second box in turn: an orderly restart, SIGKILL, and some seconds in which it stands still."""

    def __init__(self, service: Service, every_s: float) -> None:
        self._service = service
        self._every_s = every_s
        self._due = time.monotonic() + every_s
        self._acts: Iterator[Callable[[], None]] = itertools.cycle((self._restart, self._kill, self._stall))
        self._wakes = 0.0
        self.life = 1
        self.done = 0

    def tick(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._wakes and now >= self._wakes:
            self.end()
        if now >= self._due:
            self._due = now + self._every_s
            self.done += 1
            next(self._acts)()

    def end(self) -> None:
        """It may go on."""
        if self._wakes and self._service.process is not None:
            os.kill(self._service.process.pid, signal.SIGCONT)
        self._wakes = 0.0

    def _restart(self) -> None:
        self._service.stop()
        self._again()

    def _kill(self) -> None:
        self._service.kill()
        self._again()

    def _again(self) -> None:
        self._service.start()
        self.life += 1

    def _stall(self) -> None:
        if self._service.process is not None:
            os.kill(self._service.process.pid, signal.SIGSTOP)
            self._wakes = time.monotonic() + STALL_S


def look(world: World, turn: int) -> None:
    """An operator's question to the API, another one each time."""
    with suppress(OSError):
        world.fetch(LOOKS[turn % len(LOOKS)])


def ask_at_once(world: World) -> None:
    """More questions at a time than the server has threads for: its pools fill now, and not one by one by chance."""

    def ask() -> None:
        connection = line(world.ca, world.people_port)
        with suppress(OSError), closing(connection):
            for path in LOOKS:
                connection.request("GET", path, headers={"Authorization": f"Bearer {world.token}"})
                connection.getresponse().read()

    crowd = [threading.Thread(target=ask) for _ in range(CROWD)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()


def watched(world: World, life: int) -> dict[str, Watched]:
    """Every process of ours, with its databases; the second box is in its n-th life."""
    found: dict[str, tuple[Service, int, Path | None]] = {
        "server": (world.server, 1, world.server_config.parent),
        world.boxes[0].id: (world.boxes[0].service, 1, world.boxes[0].home),
        world.boxes[1].id: (world.boxes[1].service, life, world.boxes[1].home),
    }
    return {
        name: Watched(service.process.pid, number, folder)
        for name, (service, number, folder) in found.items()
        if service.process is not None
    }


def judge(world: World) -> oracle.Verdict:
    """Nothing lost, nothing twice, nothing altered, everything receipted and recomputed."""
    verdict = oracle.Verdict()
    truth = [record for record in oracle.read_truth(world.truth) if record["seq"] is not None]
    owners: dict[str, str] = {one["serial"]: one["gateway"] for one in ready(world)}
    for box in world.boxes:
        logs = oracle.read_log(box.data)
        entries = [entry for _, log in logs for entry in log]
        oracle.compare_log([one for one in truth if owners[one["serial"]] == box.id], entries, verdict)
    oracle.compare_server(world, truth, verdict)
    verdict.counts["records latched"] = len(truth)
    return verdict


def ready(world: World) -> list[dict[str, Any]]:
    """Where the rigs are."""
    rigs: list[dict[str, Any]] = json.loads(world.ready.read_text("utf-8"))["rigs"]
    return rigs
