"""The wire on both event loops that a gateway runs on: its timers, transports and errors differ."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop
from rig_profiles import fast_v1
from scripted_rig import ScriptedRig

from device_adapters.contract import NotConnected
from device_adapters.modbus.tcp import ModbusWire
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Callable

TRANSPORT = fast_v1(30).transport
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def at_every_turn() -> None:
    """Good, silent, late, odd, closed and absent, one after the other on one wire."""
    async with ScriptedRig() as rig:
        wire = ModbusWire("127.0.0.1", rig.port, 1, TRANSPORT)
        await wire.connect()
        assert await wire.read(0, 1) == b"KF"
        await wire.write(102, [7], wire.connection)
        assert rig.ready == [7]
        rig.faults = {3: lambda *_: [], 5: lambda _, reply: [b"\0\0" + reply[2:]], 6: lambda *_: [None]}
        with pytest.raises(NotConnected, match="no reply within 30 ms"):
            await wire.read(0, 1)
        await wire.connect()
        assert await wire.read(0, 1) == b"KF"
        with pytest.raises(OddReply, match="wrong transaction id"):
            await wire.read(0, 1)
        await wire.connect()
        with pytest.raises(NotConnected, match=r"closed by the rig|connection lost"):
            await wire.read(0, 1)
        await wire.connect()
        task = asyncio.create_task(wire.read(0, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wire.connected
    with pytest.raises(NotConnected, match="no connection"):
        await wire.connect()


@pytest.mark.parametrize("name", LOOPS)
def test_the_wire_keeps_its_word_on_either_loop(name: str) -> None:
    """P5, R5, R6: every way in which a request can end, on the stdlib loop and on the one that is used when there."""
    factory: Callable[[], asyncio.AbstractEventLoop] = LOOPS[name]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(at_every_turn())


async def outlasting_the_timer() -> None:
    """The timer of an answered request runs on; the next request still has its whole time."""
    async with ScriptedRig() as rig:
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(80).transport)
        await wire.connect()
        for _ in range(6):
            await wire.read(0, 1)
            await asyncio.sleep(0.02)
        rig.faults = {7: lambda _, reply: [0.05, reply]}
        assert await wire.read(0, 1) == b"KF"
        wire.drop()


@pytest.mark.parametrize("name", LOOPS)
def test_a_late_answer_in_time_is_taken_whenever_the_last_timer_was_set(name: str) -> None:
    """R5: one timer serves many requests, and none of them gets less than the profile's time."""
    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        runner.run(outlasting_the_timer())
