"""Odd maps: what is gone once it was read, what is told by a coil, what is seen page by page."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from maker_rigs import hurried, maker_rig, meant, sit_item
from maker_rigs import read as observed
from sim_parts import ROOT

from device_adapters.errors import BackOff, NotConnected
from device_adapters.factory import open_adapter
from device_adapters.observation import Observation
from simulators.errors import InputError
from simulators.faults import parse_fault
from simulators.layouts.layout import parse_layout
from simulators.layouts.turning import Turning
from simulators.modbus.host import RigHost
from simulators.modbus.requests import answer

if TYPE_CHECKING:
    from device_adapters.contract import Adapter

RIGS = ROOT / "simulators" / "rigs"
TICKET = "20261123-0007"


def read(function: int, at: int, count: int) -> bytes:
    """A request."""
    return struct.pack(">BHH", function, at, count)


def test_a_result_of_a_printer_s_map_is_gone_once_it_was_read_to_its_end() -> None:
    """What the guarantee `single-read` stands for: half a reading takes nothing, a whole one cannot be repeated."""
    rig, time, _ = maker_rig("pressure-welding-typical")
    rig.power_up()
    for nth in range(2):
        sit_item(rig, time, TICKET, nth=nth)
    half = answer(rig, read(4, 200, 29))
    assert rig.memory.held == (1, 2)
    whole = answer(rig, read(4, 200, 30))
    assert whole[2:60] == half[2:60]
    assert rig.memory.held == (2,)
    assert answer(rig, read(4, 200, 30))[2:6] == b"\0\0\0\2"
    assert answer(rig, read(4, 200, 30)) == b"\4\x3c" + bytes(60)
    assert answer(rig, read(3, 200, 30)) == b"\x83\2"  # they are input registers and no others


def test_a_coil_frees_one_result_and_the_input_answers_until_it_is_cleared() -> None:
    """The hand-derived bits of scba-typical: state in inputs 0 and 1, mode in 2 and 3, the answer in 9."""
    rig, time, _ = maker_rig("scba-typical")
    rig.power_up()
    for nth in range(2):
        sit_item(rig, time, TICKET, nth=nth)
    assert answer(rig, read(2, 0, 16)) == b"\2\2\x04\x00"  # idle, exam: 0b0100
    assert answer(rig, b"\5\0\0\xff\0") == b"\5\0\0\xff\0"
    assert answer(rig, b"\5\0\0\xff\0") == b"\5\0\0\xff\0"
    assert rig.memory.held == (2,), "set twice is set once"
    assert answer(rig, read(2, 0, 16)) == b"\2\2\x04\x02"
    assert answer(rig, read(1, 0, 1)) == b"\1\1\1"
    assert answer(rig, b"\x0f\0\0\0\1\1\0") == b"\x0f\0\0\0\1"
    assert answer(rig, read(2, 9, 1)) == b"\2\1\0"
    for wrong in (b"\5\0\1\xff\0", read(1, 1, 1), read(2, 15, 2)):
        assert answer(rig, wrong) == bytes((wrong[0] | 0x80, 2))
    for wrong in (b"\5\0\0\0\1", b"\x0f\0\0\0\1\2\0\0", read(2, 0, 0), read(2, 0, 2001)):
        assert answer(rig, wrong) == bytes((wrong[0] | 0x80, 3))
    rig.power_cut()
    rig.power_up()
    assert answer(rig, read(1, 0, 1)) == b"\1\1\0", "a coil does not outlive the power"


def test_a_window_shows_what_it_showed_until_it_has_turned() -> None:
    """A reader that does not look at the head takes the page before for the one that it asked for."""
    turning = Turning()
    turning.turn(0, slot=3)
    turning.turn(10_000, page=1)
    assert turning.shown(14_999, 5) == (3, 0)
    assert turning.shown(15_000, 5) == (3, 1)


@pytest.mark.parametrize(
    ("model", "old", "new", "said"),
    [
        ("scba-typical", 'state = "0-1"', 'state = "0-16"', "only 16 bits"),
        ("scba-typical", 'fault = "8"', 'fault = "x"', "LOW-HIGH"),
        ("scba-typical", "[bell]\ncoil = 0\nanswer = 9\n", "", "must overwrite"),
        ("scba-typical", 'space = "input"\nat = 100', 'space = "coils"\nat = 100', "one of holding, input"),
        ("relay-protection-typical", 'page = "0 uint16 AB"', 'shade = "0 uint16 AB"', "nothing that a rig knows"),
        ("relay-protection-typical", "first = 1\n", "first = 2\n", "from 0 to 1"),
        ("pressure-welding-typical", "cleared = true", "cleared = 1", "true or false"),
    ],
)
def test_a_wrong_odd_map_is_told(model: str, old: str, new: str, said: str) -> None:
    """What, where, what to do."""
    text = (RIGS / f"{model}.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(InputError, match=rf"\Arig:\d+: .*{said}"):
        parse_layout(text.replace(old, new, 1).encode())


@pytest.mark.parametrize(
    "model",
    ["high-voltage-electrician-typical", "pressure-welding-typical", "relay-protection-typical", "scba-typical"],
)
async def test_r8_numbers_that_a_maker_s_rig_skips_are_told_once_and_never_closed(model: str) -> None:
    """R8, P5: results lost or hidden: one gap with its bounds, and the records around it as they were made."""
    rig, time, latched = maker_rig(model)
    host = RigHost(rig, unit=hurried(model).transport.unit)
    await host.start()
    adapter = open_adapter(
        hurried(model), host=host.where()["host"], port=host.where()["port"], serial=rig.serial, source="simulator"
    )
    seen: list[Observation] = []
    try:
        sit_item(rig, time, TICKET)
        await _follow(adapter, seen, 1)
        host.set_fault(parse_fault("seq-gap"))
        sit_item(rig, time, TICKET, nth=1)
        await _follow(adapter, seen, 2)
        sit_item(rig, time, TICKET, nth=2)
        await _follow(adapter, seen, 3)
    finally:
        await adapter.close()
        await host.stop()
    assert [one.event.seq for one in latched] == [1, 5, 6]
    results = [one for one in seen if one.type == "item.finished"]
    assert [observed(one) for one in results] == [meant(one) for one in latched]
    assert [dict(one.fields) for one in seen if one.type == "sequence.gap"] == [{"epoch": 1, "from": 2, "to": 4}]


async def _follow(adapter: Adapter, seen: list[Observation], results: int) -> None:
    """What a gateway stores, acknowledged, until so many results are there."""
    async with asyncio.timeout(20):
        while sum(one.type == "item.finished" for one in seen) < results:
            try:
                reading, ack = await adapter.read()
                if isinstance(reading, Observation) and reading not in seen:
                    seen.append(reading)
                await ack()
            except NotConnected:
                with contextlib.suppress(NotConnected):
                    await adapter.connect()
            except BackOff:
                await asyncio.sleep(0.01)
