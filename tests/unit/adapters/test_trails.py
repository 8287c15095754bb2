"""A unit that talks behind its own answers disturbs nobody for long: laws of P8 on a line without names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import pytest
from dst_loop import SimLoop
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus, seal
from scripted_rig import ScriptedRig

from device_adapters.errors import AdapterError, NotConnected
from device_adapters.language.rules_once import READ_ONCE
from device_adapters.language.spaces import COIL_ALONE as COIL
from device_adapters.limits import BUS_SETTLE_S, HELD_SHARE, TRAIL_MAX_S
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.trails import Trails
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import TypeVar

    from scripted_rig import Answer

    T = TypeVar("T")

TIMEOUT_S = 0.4
TRANSPORT = fast_v1(400).transport
BYTE_S = 10 / 9600


def on_virtual_time(work: Coroutine[object, object, T]) -> T:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(work)


def now() -> float:
    return asyncio.get_running_loop().time()


Talk = Callable[[bytes, bytes], "Answer"]
BABBLE: dict[str, Talk] = {
    "two bytes, soon": lambda _request, reply: [reply, 0.005, b"\0\0"],
    "its answer again": lambda _request, reply: [reply, 0.1, reply],
    "somebody's frame": lambda _request, reply: [reply, 0.1, seal(b"\x07\x03\x02\x11\x11")],
}


class _Talks(dict[int, "Talk"]):
    """Unit 1 answers so, always."""

    def __init__(self, copper: ScriptedBus, talk: Talk | None) -> None:
        super().__init__()
        self._copper, self._talk = copper, talk

    def get(self, _number: int, default: object = None) -> Talk | None:  # type: ignore[override]
        return self._talk if self._copper.requests[-1][0] == 1 else None


async def readings(talk: Talk | None, seconds: float = 30.0) -> tuple[list[float], list[AdapterError], int]:
    """Of units 2 and 3 beside unit 1: how long each took, what failed; and how often unit 1 was read well."""
    copper = ScriptedBus(*(ScriptedRig(f"LV-{n:04d}", unit=n) for n in (1, 2, 3)))
    for unit, rig in copper.units.items():
        rig.registers[:100] = [1000 * unit + at for at in range(100)]
    copper.faults = _Talks(copper, talk)  # type: ignore[assignment]
    bus = Bus(copper.line(byte_s=BYTE_S), RtuFraming(), BusTimes())
    took: list[float] = []
    failed: list[AdapterError] = []
    of_babbler = 0

    async def read(unit: int) -> None:
        nonlocal of_babbler
        wire = BusWire(bus, unit, TRANSPORT, (0, 1))
        while now() < seconds:
            began = now()
            try:
                if not wire.connected:
                    await wire.connect()
                assert await wire.read(0, 10) == b"".join((1000 * unit + at).to_bytes(2, "big") for at in range(10))
            except AdapterError as error:
                if unit != 1:
                    failed.append(error)
                await asyncio.sleep(0.25)
                continue
            if unit == 1:
                of_babbler += 1
            elif began > seconds / 4:
                took.append(now() - began)
            await asyncio.sleep(0.25)

    await asyncio.gather(*map(read, (1, 2, 3)))
    await bus.close()
    return took, failed, of_babbler


@pytest.mark.parametrize("name", BABBLE)
def test_a_babbler_costs_its_neighbours_nothing(name: str) -> None:
    """P8: no reading of a neighbour fails or is another's, its time stays what it was; the babbler is read as well."""
    alone, none, _ = on_virtual_time(readings(None))
    beside, failed, own = on_virtual_time(readings(BABBLE[name]))
    assert (none, failed) == ([], [])
    assert median(beside) <= 1.2 * median(alone)
    assert sorted(beside)[len(beside) * 9 // 10] <= 1.5 * max(alone) + TRAIL_MAX_S
    assert own > 10, "it is asked more rarely, and not left alone"


def test_a_habit_is_learnt_and_forgotten() -> None:
    """One byte of noise is none; after some clean answers nothing of it is left."""
    trails = Trails()
    trails.heard(1, 0.1)
    assert (trails.answered(1, 10.0), trails.asked_from(1)) == (0.0, 0.0)
    trails.heard(1, 0.1)
    trails.heard(1, 0.1)
    kept_s = 0.1 + BUS_SETTLE_S
    assert trails.answered(1, 10.0) == pytest.approx(kept_s)
    assert trails.asked_from(1) == pytest.approx(10.0 + (1 + HELD_SHARE) * kept_s)
    for at in range(20):
        trails.answered(1, 20.0 + at)
    assert (bool(trails), trails.habit_s(1), trails.asked_from(1)) == (False, None, 0.0)


def test_what_comes_very_late_is_no_habit() -> None:
    """A line is not kept quiet for longer than the most."""
    trails = Trails()
    for _ in range(5):
        trails.heard(1, TRAIL_MAX_S)
    assert not trails


def noisy_once(requests: list[bytes]) -> tuple[ScriptedBus, Bus]:
    """Unit 1 talks into its neighbour's turn, once."""
    copper = ScriptedBus(ScriptedRig(unit=1), ScriptedRig("LV-0002", unit=2))
    copper.requests = requests
    copper.faults[1] = lambda _request, reply: [reply, 0.004, b"\0\0"]
    return copper, Bus(copper.line(byte_s=BYTE_S), RtuFraming(), BusTimes())


@pytest.mark.parametrize("of", ["a rig that clears what is read", "a coil"])
def test_what_may_not_be_asked_twice_is_not(of: str) -> None:
    """P5: a reading that clears the record, a coil that may have done its work: once, and told as odd."""

    async def work() -> list[bytes]:
        copper, bus = noisy_once([])
        profile = fast_v1(int(TIMEOUT_S * 1000))
        first = BusWire.of(bus, 1, profile)
        second = BusWire.of(bus, 2, replace(profile, guarantee=READ_ONCE) if "clears" in of else profile)
        second._alive, second._identity = True, bus.identity
        asking = asyncio.create_task(first.connect())
        await asyncio.sleep(0)
        ask = second.read(0, 10) if "clears" in of else second.write(COIL, [1], second.connection)
        with pytest.raises((OddReply, NotConnected)):
            await ask
        await asking
        await bus.close()
        return copper.requests

    assert len([one for one in on_virtual_time(work()) if one[0] == 2]) == 1


def test_a_reading_that_was_disturbed_is_asked_again() -> None:
    """P8: once more, behind a full quiet, in its own turn; nobody is told that the neighbour failed."""

    async def work() -> tuple[list[bytes], int, float]:
        copper, bus = noisy_once([])
        profile = fast_v1(int(TIMEOUT_S * 1000))
        asking = asyncio.create_task(BusWire.of(bus, 1, profile).connect())
        await asyncio.sleep(0)
        await BusWire.of(bus, 2, profile).connect()
        await asking
        took_s = now()
        await bus.close()
        return copper.requests, bus.counts.odd, took_s

    requests, odd, took_s = on_virtual_time(work())
    assert [one[0] for one in requests] == [1, 2, 2]
    assert odd == 0
    assert TIMEOUT_S < took_s < 2.5 * TIMEOUT_S
