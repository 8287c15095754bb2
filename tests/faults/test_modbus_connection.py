"""Connections that fail, wrong rigs, cancellation (R6), over the real adapter."""

from __future__ import annotations

import asyncio
import logging
import logging.config
from typing import TYPE_CHECKING

import pytest
from rig_profiles import adapter_for, fast_v1, follow, seqs, until
from scripted_rig import Item, ScriptedRig

from device_adapters.contract import BadReading, NotConnected, Position, RigStatus

if TYPE_CHECKING:
    from scripted_rig import Fault

    from device_adapters.contract import Adapter

PROFILE = fast_v1(50)
LONG = Item(score=7300, deductions=[(line, 100, line, 0) for line in range(1, 28)])  # two pages: 7 readings and the ack


async def states(adapter: Adapter) -> None:
    """Read states until the connection ends."""
    while True:
        assert isinstance((await adapter.read())[0], RigStatus)


async def test_a_port_where_nobody_listens_is_not_connected() -> None:
    """R6: connection refused is NotConnected, at once."""
    async with ScriptedRig() as rig:
        adapter = adapter_for(rig, profile=PROFILE)
    with pytest.raises(NotConnected, match=r"no connection to 127\.0\.0\.1"):
        await adapter.connect()


async def test_a_rig_that_accepts_and_never_answers_is_not_connected() -> None:
    """R6: accept-then-silent ends at the time-out of the profile, again and again, without a leak of sockets."""
    async with ScriptedRig() as rig:
        rig.silent = True
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        for _ in range(3):
            await adapter.connect()
            with pytest.raises(NotConnected, match="no reply within 50 ms"):
                await adapter.read()
        await asyncio.sleep(0)
        rig.silent = False
        await adapter.connect()
        assert isinstance((await adapter.read())[0], RigStatus)
        await adapter.close()
        assert rig.connections == 4


async def test_a_rig_that_serves_one_connection_only_comes_back() -> None:
    """R6: while another master holds the only connection the rig is not connected; afterwards nothing is lost."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.max_connections = 1
        _, other = await asyncio.open_connection("127.0.0.1", rig.port)
        await rig.changed.wait()
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await adapter.connect()
        with pytest.raises(NotConnected):
            await adapter.read()
        other.close()
        seen, _, _ = await follow(adapter, lambda seen, *_: bool(seen))
        await adapter.close()
        assert seqs(seen) == [("item.finished", 3, 1)]


@pytest.mark.parametrize("number", range(1, 9))
async def test_a_reset_at_any_request_loses_and_doubles_nothing(number: int) -> None:
    """R6: the connection is reset before request `number` is answered."""
    reset: Fault = lambda _, __: [None]  # noqa: E731
    async with ScriptedRig() as rig:
        rig.latch_item(LONG)
        rig.faults = {number: reset}
        seen = await until(1, rig, Position(3, 0))
    assert seqs(seen) == [("item.finished", 3, 1)]


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"serial": "LV-0002"}, "serial", "LV-0002"),
        ({"magic": 0x4B47}, "constant", "magic"),
        ({"version": 2}, "constant", "version"),
    ],
)
async def test_another_rig_at_the_address_is_refused_and_never_written_to(
    change: dict[str, object], reason: str, detail: str
) -> None:
    """P5, pain 7: magic, version or serial do not fit: refused with evidence, and nothing is written there."""
    async with ScriptedRig() as rig:
        for name, value in change.items():
            setattr(rig, name, value)
        rig.latch_item()
        adapter = adapter_for(rig, profile=PROFILE)
        await adapter.connect()
        await adapter.set_ready(True)
        with pytest.raises(BadReading) as caught:
            await adapter.read()
        evidence = caught.value.evidence
        assert (evidence.reason, evidence.asked, evidence.rig) == (reason, None, "LV-0001")
        assert detail in evidence.detail
        assert evidence.raw[0].data == rig.status_block()
        for _ in range(2):
            await adapter.connect()
            with pytest.raises(NotConnected, match=detail):
                await adapter.read()
        assert rig.ready == rig.acks == []


@pytest.mark.parametrize("number", range(1, 9))
async def test_cancelled_at_any_request_the_adapter_goes_on(number: int) -> None:
    """Contract 8: a cancelled read or ack closes the socket; after connect all goes on."""
    async with ScriptedRig() as rig:
        rig.latch_item(LONG)
        met = asyncio.Event()

        def stall(_: bytes, reply: bytes) -> list[bytes | float | None]:
            met.set()
            return [0.02, reply]

        rig.faults = {number: stall}
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        task = asyncio.create_task(follow(adapter, lambda seen, *_: bool(seen)))
        await met.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(NotConnected):
            await adapter.read()
        seen, refused, _ = await follow(adapter, lambda *_: rig.acked_seq == 1)
        await adapter.close()
        assert not refused
        assert seqs(seen) in ([("item.finished", 3, 1)], [])


async def test_a_rig_that_closes_between_two_requests_is_not_connected_and_not_accused() -> None:
    """R6: an orderly close is no odd reply; it never adds up to a refusal."""
    async with ScriptedRig() as rig:
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        for _ in range(5):
            await adapter.connect()
            assert isinstance((await adapter.read())[0], RigStatus)
            rig.cut()
            with pytest.raises(NotConnected, match=r"^not connected|^connection"):
                await states(adapter)
        await adapter.close()


async def test_the_library_logs_no_frame_with_a_candidates_words(caplog: pytest.LogCaptureFixture) -> None:
    """P7: at debug level pymodbus would write every frame; here nothing of it is written at all."""
    caplog.set_level(logging.DEBUG)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # enables every logger again
    async with ScriptedRig() as rig:
        rig.latch_item()
        await until(1, rig, Position(3, 0))
    adapter = adapter_for(rig, Position(3, 0), PROFILE)
    with pytest.raises(NotConnected):
        await adapter.connect()
    assert [record.name for record in caplog.records if record.name.startswith("pymodbus")] == []


async def test_sockets_are_not_leaked() -> None:
    """I10: after many failed connections the rig sees none left open."""
    async with ScriptedRig() as rig:
        rig.on_every_request = lambda number: rig.faults.update({number: lambda _, reply: [reply[:9], None]})
        adapter = adapter_for(rig, profile=PROFILE)
        for _ in range(30):
            await adapter.connect()
            with pytest.raises(NotConnected):
                await adapter.read()
        async with asyncio.timeout(2):
            await rig.idle.wait()
        assert rig.connections == 30
