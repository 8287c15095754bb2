"""The hazards of a bus without names: real with the bare library, absent from our adapter.

A unit answers one question late (0.25 s, the client waits 0.15 s). The bare library then gives every later question
the answer to the one before it, without an error, with a right checksum; so it does after a cancellation.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from bus_point import bus_point
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient
from rig_profiles import fast_v1, follow, seqs
from scripted_bus import ScriptedBus
from scripted_rig import Item, ScriptedRig

from device_adapters.errors import NotConnected
from device_adapters.factory import open_bus_adapter
from device_adapters.modbus.bus import BusTimes
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.wire import ExceptionReply

if TYPE_CHECKING:
    from pathlib import Path

    from device_adapters.contract import Position

TIMEOUT_MS = 150
LATE_S = 0.25
PROFILE = fast_v1(TIMEOUT_MS)


def unit_one() -> tuple[ScriptedBus, ScriptedRig]:
    rig = ScriptedRig()
    rig.registers[1000:5000:1000] = [1000, 2000, 3000, 4000]
    return ScriptedBus(rig), rig


async def test_the_bare_library_answers_every_question_with_the_answer_before() -> None:
    """R5: one late reply, and it is off by one for ever: 2000 gives 1000, 3000 gives 2000."""
    copper, _ = unit_one()
    async with copper.serve_tcp() as port:
        bare = AsyncModbusTcpClient(
            "127.0.0.1", port=port, framer=FramerType.RTU, timeout=TIMEOUT_MS / 1000, retries=0, reconnect_delay=0
        )
        await bare.connect()
        late: list[bytes] = []

        def one_behind(_: bytes, reply: bytes) -> list[bytes | float | None]:
            late.append(reply)
            return list(late[-2:-1])

        copper.faults = dict.fromkeys((1, 2, 3), one_behind)
        with pytest.raises(ModbusException):
            await bare.read_holding_registers(1000, count=1, device_id=1)
        wrong = [(await bare.read_holding_registers(at, count=1, device_id=1)).registers[0] for at in (2000, 3000)]
        bare.close()
    assert wrong == [1000, 2000]


async def test_the_bare_library_does_so_after_a_cancelled_read() -> None:
    """R5: whoever gave up leaves the answer to the next one."""
    copper, _ = unit_one()
    copper.faults = {1: lambda _, reply: [0.1, reply]}
    async with copper.serve_tcp() as port:
        bare = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=1, retries=0)
        await bare.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bare.read_holding_registers(1000, count=1, device_id=1)
        copper.faults = {2: lambda _, reply: [0.1, reply]}
        got = (await bare.read_holding_registers(2000, count=1, device_id=1)).registers
        bare.close()
    assert got == [1000]


@pytest.mark.parametrize("kind", ["rtu", "rtu-over-tcp", pytest.param("rtu-dial-in", marks=pytest.mark.long)])
@pytest.mark.parametrize("given_up", ["timeout", "cancelled"])
async def test_our_bus_gives_no_question_the_answer_before(kind: str, given_up: str, tmp_path: Path) -> None:
    """P5, R5: on every kind of line without names, after silence and after cancellation."""
    copper, _ = unit_one()
    async with bus_point(kind, copper, tmp_path, BusTimes(quiet_s=LATE_S)) as point:
        wire = BusWire(point.bus, 1, PROFILE.transport, (0, 1))
        await wire.connect()
        late_s = LATE_S if given_up == "timeout" else 0.1
        copper.faults = {2: lambda _, reply: [late_s, reply]}
        with pytest.raises(NotConnected if given_up == "timeout" else TimeoutError):
            async with asyncio.timeout(1 if given_up == "timeout" else 0.05):
                await wire.read(1000, 1)
        await wire.connect()
        assert [int.from_bytes(await wire.read(at, 1)) for at in (2000, 3000, 4000)] == [2000, 3000, 4000]


@pytest.mark.parametrize("number", [2, 5, *(pytest.param(number, marks=pytest.mark.long) for number in (1, 3, 7))])
async def test_a_late_reply_at_any_request_never_gives_a_wrong_record(number: int, tmp_path: Path) -> None:
    """P5, R5, P8: the adapter's own reading beside a neighbour's; both come whole, once, in order."""
    rigs = {1: ScriptedRig(unit=1), 2: ScriptedRig("LV-0002", unit=2)}
    for unit, rig in rigs.items():
        for score in (100 * unit, 100 * unit + 1):
            rig.latch_item(Item(score=score, deductions=[]), slot=rig.last_seq % 32)
    copper = ScriptedBus(*rigs.values())
    copper.faults[number] = lambda _, reply: [LATE_S, reply]
    async with bus_point("rtu", copper, tmp_path, BusTimes(quiet_s=LATE_S)) as point, asyncio.timeout(15):
        start: Position | None = None
        adapters = [
            open_bus_adapter(PROFILE, point.bus, serial=rig.serial, unit=unit, position=start)
            for unit, rig in rigs.items()
        ]
        results = await asyncio.gather(
            *(follow(adapter, lambda seen, *_: bool(seen) and seen[-1].seq == 2) for adapter in adapters)
        )
    for unit, (seen, refused, _) in zip(rigs, results, strict=True):
        assert seqs(seen) == [("rig.rebooted", 3, 0), ("item.finished", 3, 1), ("item.finished", 3, 2)]
        assert [row.fields["score"] for row in seen[1:]] == [100 * unit, 100 * unit + 1]
        assert not refused


async def test_a_unit_that_the_bridge_does_not_reach_is_told_and_its_neighbour_is_read(tmp_path: Path) -> None:
    """P8, R4: a bridge says exception 11 for it, on the one connection that both share."""
    copper = ScriptedBus(ScriptedRig(unit=1), ScriptedRig("LV-0002", unit=2))
    async with bus_point("tcp", copper, tmp_path) as point:
        one, two = (BusWire(point.bus, unit, PROFILE.transport, (0, 1)) for unit in (1, 2))
        await one.connect()
        await two.connect()
        copper.dead = {1}
        with pytest.raises(ExceptionReply, match="gateway target"):
            await one.read(0, 1)
        assert await two.read(0, 1) == b"KF"
    assert copper.connections == 1
