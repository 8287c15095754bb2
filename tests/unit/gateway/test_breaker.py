"""One bad rig stays alone (P8): the breaker's states, and the other rigs' times beside each kind of bad one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from fake_log_store import FakeLogStore
from gateway_parts import make_recorder, subject
from rig_profiles import v1
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig
from wired_loop import Place, WiredLoop, clock_of, run_wired

from device_adapters.factory import open_adapter, open_bus_adapter
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.polls import Polls
from gateway import limits
from gateway.meters import Meters
from gateway.supervising.board import Board
from gateway.supervising.breaker import Breaker
from gateway.supervising.bus_figures import BusFigures
from gateway.supervising.supervise import RigSupervisor
from scorelog.format.entry import parse_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripted_rig import Answer, Fault

    from device_adapters.contract import Adapter, Position

PROFILE = v1()


class Longest(Random):
    """Always the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_a_rig_that_fails_often_is_asked_rarely_and_then_on_trial() -> None:
    """P8: short pauses up to the limit of failures, long ones from there on, capped; a proof brings the short back."""
    breaker = Breaker(Longest())
    pauses = [breaker.failed() for _ in range(limits.BREAKER_FAILURES - 1)]
    assert (pauses, breaker.state) == ([0.25, 0.5, 1, 2, 4, 5, 5], "closed")
    assert not breaker.trial()
    assert [breaker.failed() for _ in range(4)] == [5, 10, 15, 15]
    assert (breaker.state, breaker.trial(), breaker.state) == ("open", True, "half-open")
    breaker.answered(0)
    breaker.answered(round(limits.BREAKER_STEADY_S * 1e6) - 1)
    assert breaker.state == "half-open", "a rig that only answers has proven nothing yet"
    breaker.answered(round(limits.BREAKER_STEADY_S * 1e6))
    assert (breaker.state, breaker.failed()) == ("closed", 0.25)


def test_a_stored_record_proves_a_rig_at_once() -> None:
    """P6: a rig that gives records is read as every other one, however bad its past."""
    breaker = Breaker(Longest())
    for _ in range(limits.BREAKER_FAILURES):
        breaker.failed()
    breaker.trial()
    breaker.answered(5, stored=True)
    assert breaker.state == "closed"


def test_a_rig_that_answers_once_and_breaks_is_asked_rarely_too() -> None:
    """P8: coming back is no proof; otherwise each of its comings and goings would be an entry."""
    breaker = Breaker(Longest())
    for _ in range(limits.BREAKER_FAILURES):
        breaker.trial()
        breaker.answered(7)
        pause_s = breaker.failed()
    assert (breaker.state, pause_s) == ("open", limits.BREAKER_PAUSE_S)


def test_the_bus_decides_for_its_units_and_messages_are_never_waited_for_long() -> None:
    """P8, P6: what a bus holds is not asked before; whoever sends by himself costs nothing while he is away."""
    held, told = Breaker(Longest()), Breaker(Longest(), asks=False)
    assert held.failed(30.0) == 30.0 + limits.RIG_BACKOFF_BASE_S
    assert (held.state, held.trial()) == ("open", True)
    assert max(told.failed() for _ in range(3 * limits.BREAKER_FAILURES)) <= limits.RIG_BACKOFF_CAP_S
    assert told.state == "open", "it is shown all the same"


@dataclass
class Hall:
    """Supervised rigs on virtual time; `times` of one rig: when it was asked."""

    folder: Path
    loop: WiredLoop
    serials: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock, self.log, self.meters = clock_of(self.loop), FakeLogStore(), Meters()
        self.recorder = make_recorder(self.log, self.clock, self.folder, meters=self.meters)
        self.polls = Polls()

    def supervise(self, adapters: dict[str, Callable[[Position | None], Adapter]]) -> Board:
        subjects = {serial: subject(serial, f"A-{serial}") for serial in adapters}
        board = Board(subjects.values(), self.clock)
        for serial, adapter in adapters.items():
            one = RigSupervisor(
                subjects[serial],
                adapter,
                self.recorder,
                board=board,
                clock=self.clock,
                rng=Random(serial),
                meters=self.meters,
                accepts_exams=lambda: True,
            )
            self.tasks.append(asyncio.create_task(one.run()))
        return board

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def entries(self, kind: str) -> list[str]:
        found = (parse_entry(entry) for entry in self.log.entries(0, self.log.size))
        return [str(entry.document["rig"]) for entry in found if entry.type == kind]


def drip(_: bytes, reply: bytes) -> Answer:
    """A byte every 90 ms: 105 of them never come within the time."""
    return [step for byte in reply for step in (0.09, bytes((byte,)))]


def always(fault: Fault) -> dict[int, Fault]:
    return dict.fromkeys(range(1, 5000), fault)


BAD: dict[str, Fault] = {
    "is silent": lambda *_: [],
    "floods": lambda *_: [bytes(5000)] * 20,
    "drips": drip,
    "resets": lambda *_: [None],
    "answers once and resets": lambda _, reply: [reply, 0.01, None],
}


def tcp_hall(folder: Path, bad: Fault | None, greeting: bytes = b"") -> tuple[dict[str, list[float]], dict[str, Any]]:
    """When each of four rigs was asked in a minute, the first of them bad; and what is known of the first."""

    async def work(loop: WiredLoop) -> tuple[dict[str, list[float]], dict[str, Any]]:
        hall = Hall(folder, loop)
        for number in range(1, 5):
            loop.places[number] = Place(ScriptedRig(f"LV-{number:04d}"))
        loop.places[1].rig.faults = always(bad) if bad is not None else {}
        loop.places[1].greeting = greeting
        board = hall.supervise(
            {
                place.rig.serial: partial(open_adapter_at, port, place.rig.serial, Random(port), hall.polls)
                for port, place in loop.places.items()
            }
        )
        await asyncio.sleep(60)
        known = {
            **board.rigs["LV-0001"].told(),
            "entries": hall.entries("rig.online").count("LV-0001"),
            "calls": len(loop.places[1].called_at),
            "metric": hall.meters.registry.get_sample_value("kaofen_rig_asked_rarely", {"rig": "LV-0001"}),
        }
        await hall.end()
        return {place.rig.serial: place.asked_at for place in loop.places.values()}, known

    return run_wired(work)


def open_adapter_at(port: int, serial: str, rng: Random, polls: Polls, position: Position | None) -> Adapter:
    return open_adapter(PROFILE, host="rig", port=port, serial=serial, unit=1, position=position, rng=rng, polls=polls)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    return tcp_hall(tmp_path_factory.mktemp("hall"), None)[0]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_rig_moves_no_reading_of_the_others(
    name: str, undisturbed: dict[str, list[float]], tmp_path: Path
) -> None:
    """P8: whatever it does, each reading of each other rig goes out at the very time it goes out without it."""
    asked, known = tcp_hall(tmp_path, BAD[name])
    assert {rig: asked[rig] for rig in asked if rig != "LV-0001"} == {
        rig: times for rig, times in undisturbed.items() if rig != "LV-0001"
    }
    assert len(asked["LV-0002"]) > 200
    assert (known["breaker"] in ("open", "half-open"), known["metric"]) == (True, 1)
    assert known["calls"] <= limits.BREAKER_FAILURES + 10, "rarely asked"
    assert known["entries"] <= limits.BREAKER_FAILURES + 10, "and its coming and going is no flood in the log"


def test_a_rig_that_talks_without_being_asked_moves_no_reading_of_the_others(
    undisturbed: dict[str, list[float]], tmp_path: Path
) -> None:
    """P8, R5: bytes at once after each connect."""
    asked, known = tcp_hall(tmp_path, None, b"hello" * 2000)
    assert asked["LV-0003"] == undisturbed["LV-0003"]
    assert known["breaker"] in ("open", "half-open")


def test_a_dead_rig_that_comes_back_is_read_again_and_says_so(tmp_path: Path) -> None:
    """P6, P8: open, on trial, closed; offline and online once each; the pause is on the board meanwhile."""

    async def work(loop: WiredLoop) -> None:
        hall = Hall(tmp_path, loop)
        rig = ScriptedRig()
        board = hall.supervise({rig.serial: partial(open_adapter_at, 1, rig.serial, Random(1), hall.polls)})
        await asyncio.sleep(60)
        view = board.rigs[rig.serial]
        assert view.breaker == "open"
        assert view.again_us is not None
        assert view.again_us - hall.clock.now_us() <= limits.BREAKER_PAUSE_MAX_S * 1e6
        loop.places[1] = Place(rig)
        await asyncio.sleep(limits.BREAKER_PAUSE_MAX_S)
        assert (view.state, view.breaker, view.again_us) == ("idle", "closed", None), "its first contact is a record"
        assert (hall.entries("rig.offline"), hall.entries("rig.online")) == ([rig.serial], [rig.serial])
        await hall.end()

    run_wired(work)


def test_a_rig_that_is_busy_for_ever_is_said_to_be_offline(tmp_path: Path) -> None:
    """P6, R4: it answers, and never with a reading: its last state is not shown as if it were true."""

    async def work(loop: WiredLoop) -> None:
        hall, rig = Hall(tmp_path, loop), ScriptedRig()
        loop.places[1] = Place(rig)
        board = hall.supervise({rig.serial: partial(open_adapter_at, 1, rig.serial, Random(1), hall.polls)})
        await asyncio.sleep(3)
        view = board.rigs[rig.serial]
        assert view.state == "idle"
        rig.faults = always(lambda request, _: [rig.frame(request, bytes((request[7] | 0x80, 6)))])
        await asyncio.sleep(limits.READ_SILENCE_S + 1)
        assert view.state == "offline"
        assert "busy" in view.reason
        rig.faults = {}
        await asyncio.sleep(5)
        assert view.state == "idle"
        await hall.end()

    run_wired(work)


def test_a_dead_unit_of_a_bus_is_left_alone_and_its_neighbours_are_read(tmp_path: Path) -> None:
    """P8: the bus's word is the rig's state; its figures tell what the dead one costs."""

    def reads(dead: set[int]) -> tuple[dict[int, int], dict[str, Any], str]:
        async def work(loop: WiredLoop) -> tuple[dict[int, int], dict[str, Any], str]:
            hall = Hall(tmp_path, loop)
            copper = ScriptedBus(*(ScriptedRig(f"LV-{unit:04d}", unit=unit) for unit in (1, 2, 3)))
            copper.dead = dead
            bus = Bus(copper.line(byte_s=10 / 115200), RtuFraming(), BusTimes())
            board = hall.supervise(
                {rig.serial: partial(_on_bus, bus, unit, rig.serial) for unit, rig in copper.units.items()}
            )
            await asyncio.sleep(120)
            figures, state = BusFigures({"room-1": bus}).to_json()[0], board.rigs["LV-0001"].breaker
            await hall.end()
            await bus.close()
            return {unit: len(rig.requests) for unit, rig in copper.units.items()}, figures, state

        return run_wired(work)

    good, quiet, closed = reads(set())
    bad, figures, state = reads({1})
    assert (closed, quiet["silent"], quiet["held"], quiet["strays"]) == ("closed", 0, 0, 0)
    assert (state in ("open", "half-open"), figures["held"] in (0, 1)) == (True, True)
    assert 3 <= figures["silent"] < 20
    assert 0 <= figures["asked"] - figures["answered"] - figures["silent"] <= 1, "one may be under way"
    assert figures["longest_turn_ms"] > quiet["longest_turn_ms"]
    assert min(bad[2] / good[2], bad[3] / good[3]) > 8 / 9 * 0.9


def _on_bus(bus: Bus, unit: int, serial: str, position: Position | None) -> Adapter:
    return open_bus_adapter(PROFILE, bus, serial=serial, unit=unit, position=position, rng=Random(unit))
