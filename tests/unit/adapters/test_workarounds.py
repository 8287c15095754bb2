"""Each workaround of docs/formats/profile.md rule 8c on the wire: what goes out, and that the words are the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from ack_point import AckPoint, on_virtual_time
from golden_bits import TEXT, golden_rig
from rig_profiles import adapter_for, fast_v1, follow
from scripted_rig import Item, ScriptedRig

from device_adapters.contract import Position
from device_adapters.language.profile import Profile, load_profile
from device_adapters.modbus.quirks import worked_around
from device_adapters.modbus.registers import RegisterMemory
from device_adapters.modbus.tcp import ModbusWire

EARLY_S = 0.002  # a loop's timer may fire so much too soon


def with_transport(**changes: object) -> Profile:
    lines = "".join(f"{key} = {str(value).lower()}\n" for key, value in changes.items())
    return load_profile(TEXT.replace("[transport]\n", f"[transport]\n{lines}", 1).encode())


async def held_by(rig: ScriptedRig, profile: Profile) -> tuple[object, object, list[tuple[int, int, int]]]:
    """Status and record as they are read under this profile, and what was asked."""
    async with rig:
        wire = ModbusWire("127.0.0.1", rig.port, 1, profile.transport)
        await wire.connect()
        memory = RegisterMemory(profile, worked_around(wire, profile), "CB-0007")
        async with asyncio.timeout(5):
            status = await memory.look(again=False)
            found = await memory.fetch(12, 3, 0)
        wire.drop()
    return status, replace(found, areas=()), rig.requests


async def test_nothing_is_asked_while_the_rig_wakes_up() -> None:
    """`pause_after_connect_ms` over TCP: a lower bound only, speed is not asserted."""
    times: list[float] = []
    async with ScriptedRig() as rig:
        rig.on_accept = lambda _: times.append(asyncio.get_running_loop().time())
        rig.on_every_request = lambda _: times.append(asyncio.get_running_loop().time())
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(500, pause_after_connect_ms=60).transport)
        await wire.connect()
        connected = asyncio.get_running_loop().time()
        await wire.read(0, 1)
        wire.drop()
    assert times[1] - connected >= 0.06 - EARLY_S


def test_nothing_is_asked_while_a_serial_server_wakes_up() -> None:
    """`pause_after_connect_ms` on a bus, on virtual time."""

    async def work() -> None:
        point = AckPoint(ScriptedRig(), fast_v1(100, pause_after_connect_ms=700))
        adapter = point.adapter()
        began = asyncio.get_running_loop().time()
        await adapter.connect()
        assert point.line.sent[0][0] - began >= 0.7 - EARLY_S
        await adapter.close()
        await point.bus.close()

    on_virtual_time(work())


async def test_requests_keep_their_distance() -> None:
    """`min_gap_ms` over TCP: between all requests of a rig, polls, records, acks; on a bus: test_bus."""
    times: list[float] = []
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.on_every_request = lambda _: times.append(asyncio.get_running_loop().time())
        adapter = adapter_for(rig, Position(3, 0), fast_v1(500, min_gap_ms=10))
        async with asyncio.timeout(10):
            await follow(adapter, lambda *_: rig.acked_seq == 1 and len(times) > 10)
        await adapter.close()
    assert all(later - sooner >= 0.01 - EARLY_S for sooner, later in pairwise(times))


@pytest.mark.parametrize("longest", [48, 50, 124])
async def test_no_block_is_longer_than_the_rig_serves(longest: int) -> None:
    """`registers_max`: a rig that refuses one word more gives the same record, in more pages."""
    async with ScriptedRig() as rig:
        rig.latch_item(Item(score=7300, deductions=[(line, 100, line, 0) for line in range(1, 28)]))
        refuse = rig.reply
        rig.reply = (
            lambda request: (  # type: ignore[method-assign]
                refuse(request)
                if request[7] != 3 or int.from_bytes(request[10:12], "big") <= longest
                else rig.frame(request, b"\x83\x03")
            )
        )
        adapter = adapter_for(rig, Position(3, 0), fast_v1(500, registers_max=longest))
        async with asyncio.timeout(10):
            seen, refused, _ = await follow(adapter, lambda *_: rig.acked_seq == 1)
        await adapter.close()
    assert refused == []
    assert len(seen[0].fields["deductions"]) == 27  # type: ignore[arg-type]


async def test_one_field_per_request_gives_the_same_words() -> None:
    """`one_field_per_request`: no request goes across a field; flags, bits of one block, come in one."""
    plain = await held_by(golden_rig(), load_profile(TEXT.encode()))
    profile = with_transport(one_field_per_request=True)
    single = await held_by(golden_rig(), profile)
    assert single[:2] == plain[:2]
    assert max(count for function, _, count in single[2] if function == 4) == 4  # the serial
    assert [asked for asked in single[2] if asked[0] == 2] == [(2, 8, 20)]
    assert len(single[2]) == 1 + len(profile.status.places) - 3 + 2 * len(profile.event.places)


@pytest.mark.parametrize("moved", [1])
async def test_a_manual_that_counts_from_one_gives_the_same_words(moved: int) -> None:
    """`address_offset`: registers, inputs and coils alike."""
    plain = await held_by(golden_rig(), load_profile(TEXT.encode()))
    other = await held_by(golden_rig(moved), with_transport(address_offset=moved))
    assert other[:2] == plain[:2]
    assert other[2] == [(function, at + moved, count) for function, at, count in plain[2]]
