"""The rig on the wire: functions, exceptions, connections, power; seen by a raw client that shares no code."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest
from modbus_probe import ModbusError, ModbusProbe, read_status
from sim_parts import long, rubric, word

from simulators.device.clock import FleetTime
from simulators.device.rig import Rig
from simulators.errors import RigRefuses
from simulators.modbus.host import RigHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def host() -> AsyncIterator[RigHost]:
    """One rig on a free port."""
    host = RigHost(Rig("LV-0001", rubric(), FleetTime()))
    await host.start()
    yield host
    await host.stop()


async def test_status_control_event_and_result_are_read_at_their_addresses(host: RigHost, probe: ModbusProbe) -> None:
    """Areas of the interface page: a whole item is found by absolute address, the result in two reads."""
    await probe.acknowledge(0, ready=1)
    host.rig.open_exam("S20261123-0001")
    host.rig.start_item("K21")
    latched = host.rig.finish_item()
    status = await read_status(probe)
    assert (status["magic"], status["version"], status["words"], status["serial"]) == (0x4B46, 1, 48, "LV-0001")
    assert (status["last_seq"], status["last_seq_again"], status["state"], status["gateway_seen"]) == (3, 3, 3, 1)
    event = await probe.read(4096 + 48 * 3, 48)
    assert event == latched.event.encode()
    assert latched.result is not None
    slot = 28672 + 160 * word(event, 39)
    assert (await probe.read(slot, 125) + await probe.read(slot + 125, 35))[:98] == latched.result.encode()
    assert await probe.read(100, 3) == bytes.fromhex("000000000001")
    await probe.acknowledge(3)
    assert (await read_status(probe))["acked_seq"] == 3


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (struct.pack(">BHH", 4, 0, 1), 1),
        (struct.pack(">BHH", 1, 0, 1), 1),
        (struct.pack(">BHH", 3, 48, 1), 2),
        (struct.pack(">BHH", 3, 0, 49), 2),
        (struct.pack(">BHH", 3, 99, 2), 2),
        (struct.pack(">BHH", 3, 103, 1), 2),
        (struct.pack(">BHH", 3, 4095, 2), 2),
        (struct.pack(">BHH", 3, 28671, 2), 2),
        (struct.pack(">BHH", 3, 33791, 2), 2),
        (struct.pack(">BHH", 3, 65535, 2), 2),
        (struct.pack(">BHH", 3, 0, 0), 3),
        (struct.pack(">BHH", 3, 4096, 126), 3),
        (b"\x03\x00\x00", 3),
        (struct.pack(">BHH", 6, 0, 1), 2),
        (struct.pack(">BHH", 6, 101, 1), 2),
        (struct.pack(">BHHB", 16, 100, 2, 3) + b"\0\0\0", 3),
        (struct.pack(">BHHB", 16, 100, 0, 0), 3),
        (struct.pack(">BHHBH", 16, 101, 1, 2, 0), 2),
        (struct.pack(">BHHB4H", 16, 100, 4, 8, 0, 0, 0, 0), 2),
        (struct.pack(">BHHB48H", 16, 0, 48, 96, *range(48)), 2),
    ],
)
async def test_wrong_requests_get_the_right_exception(probe: ModbusProbe, pdu: bytes, code: int) -> None:
    """Modbus Application Protocol: 1 function, 2 address, 3 value; and the connection lives on."""
    with pytest.raises(ModbusError) as refusal:
        await probe.exchange(pdu)
    assert refusal.value.code == code
    assert (await read_status(probe))["magic"] == 0x4B46


async def test_every_area_border_is_exact(probe: ModbusProbe) -> None:
    """The last word of each area is read, the first one behind it is not."""
    for first, last in ((0, 47), (100, 102), (4096, 28671), (28672, 33791)):
        assert len(await probe.read(last, 1)) == 2
        assert len(await probe.read(first, 1)) == 2


async def test_function_6_sets_ready_and_never_half_an_acknowledgement(host: RigHost, probe: ModbusProbe) -> None:
    """`ack_seq` is written whole or not at all; `gateway_ready` may be written alone."""
    await probe.write_one(102, 7)
    assert host.rig.gateway_fresh
    with pytest.raises(ModbusError):
        await probe.write_one(100, 1)
    assert host.rig.control_block() == (0, 7)


async def test_another_unit_is_told_that_its_target_is_silent(probe: ModbusProbe) -> None:
    """A wrong unit id is an answerable mistake (exception 11), not a silence that costs an hour."""
    with pytest.raises(ModbusError) as refusal:
        await probe.exchange(struct.pack(">BHH", 3, 0, 1), unit=9)
    assert refusal.value.code == 11


async def test_requests_split_and_joined_in_any_way_are_answered_in_order(probe: ModbusProbe) -> None:
    """TCP has no borders: three requests in one segment and one request byte by byte."""
    frames = [probe.frame(struct.pack(">BHH", 3, at, 1)) for at in (0, 1, 2)]
    await probe.send(b"".join(frames))
    replies = await probe.receive(33)
    assert [replies[i : i + 2] for i in (0, 11, 22)] == [frame[:2] for frame in frames]
    assert [replies[i + 9 : i + 11].hex() for i in (0, 11, 22)] == ["4b46", "0001", "0030"]
    for byte in probe.frame(struct.pack(">BHH", 3, 0, 1)):
        await probe.send(bytes((byte,)))
    assert (await probe.receive(11))[9:] == b"KF"


@pytest.mark.parametrize("header", ["000100010006", "0001000000ff", "000100000001", "00010000ffff"])
async def test_a_header_that_is_not_modbus_ends_the_connection(host: RigHost, probe: ModbusProbe, header: str) -> None:
    """A stream that has lost its frame borders cannot be believed again."""
    await probe.send(bytes.fromhex(header + "010300000001"))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await probe.receive(1)
    async with ModbusProbe(host.address, host.port) as again:
        assert (await read_status(again))["magic"] == 0x4B46


async def test_k6_two_connections_and_more_are_served(host: RigHost, probe: ModbusProbe) -> None:
    """K6: a second reader is served beside the first; the ninth is turned away and the eight live on."""
    others = [ModbusProbe(host.address, host.port) for _ in range(8)]
    for other in others:
        await other.__aenter__()
    for other in others[:7]:
        assert (await read_status(other))["serial"] == "LV-0001"
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError, OSError)):
        await read_status(others[7])
    assert (await read_status(probe))["serial"] == "LV-0001"
    for other in others:
        await other.__aexit__()


async def test_k7_a_power_cycle_ends_connections_and_comes_back_with_the_next_boot(
    host: RigHost, probe: ModbusProbe
) -> None:
    """K7 on the wire: refused while off, the same port afterwards, boot one higher, what was running ended."""
    await probe.acknowledge(0, ready=1)
    host.rig.open_exam("T1")
    host.rig.start_item("K21")
    host.power_cut()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await probe.receive(1)
    with pytest.raises(OSError, match=r"."):
        await ModbusProbe(host.address, host.port).__aenter__()
    with pytest.raises(RigRefuses, match="no power"):
        host.power_cut()
    await host.power_up()
    async with ModbusProbe(host.address, host.port) as again:
        status = await read_status(again)
        assert (status["boot"], status["last_seq"], status["state"], status["exam_no"]) == (2, 4, 0, 0)
        assert long(await again.read(4096 + 48 * 4, 48), 0) == 4
