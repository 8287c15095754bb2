"""Independent Modbus from Debian on the other side: mbpoll asks our simulators, libmodbus answers our adapter (P5)."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from parts import find_program
from rig_profiles import fast_v1
from sim_parts import rubric

from device_adapters.errors import NotConnected
from device_adapters.modbus.bus import BusTimes
from device_adapters.modbus.bus_place import BusPlace, open_bus
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.serial_line import SerialPort
from device_adapters.modbus.wire import ExceptionReply
from simulators.bus.host import BusHost
from simulators.bus.line import BusLine
from simulators.bus.outlets import opener_of
from simulators.device.clock import FleetTime
from simulators.device.rig import Rig
from simulators.modbus.host import RigHost

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from simulators.device.plug import Host

SERVER = Path(__file__).with_name("libmodbus_server.py")
HELD = b"KF\x00\x01" + bytes(range(40))


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Process]:
    """A program of its own, ended by its own pid."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def polled(*arguments: str) -> list[int]:
    """The holding registers that mbpoll prints; it counts from 1."""
    async with running(find_program("mbpoll") or "", *arguments, "-r", "1", "-c", "12", "-1", "-q") as process:
        async with asyncio.timeout(10):
            said, _ = await process.communicate()
    return [int(value) for value in re.findall(r"^\[\d+\]:\s+(\d+)", said.decode(), re.MULTILINE)]


def shown(host: Host) -> list[int]:
    words = host.rig.status_block()[:24]
    return [int.from_bytes(words[at : at + 2], "big") for at in range(0, 24, 2)]


@pytest.mark.needs("mbpoll")
async def test_mbpoll_reads_a_simulated_rig_over_tcp() -> None:
    """R5: a foreign client finds magic, version and serial number where the page says."""
    host = RigHost(Rig("LV-0001", rubric(), FleetTime()))
    await host.start()
    try:
        assert await polled("-m", "tcp", "-p", str(host.port), "-a", "1", host.address) == shown(host)
    finally:
        await host.stop()


@pytest.mark.needs("mbpoll")
async def test_mbpoll_reads_a_simulated_rig_on_a_serial_line() -> None:
    """R5: RTU by a foreign framing, the second unit of the line."""
    line = BusLine(1, opener_of("pty", "", 0))
    hosts = [BusHost(Rig(f"LV-000{unit}", rubric(), FleetTime()), line, unit) for unit in (1, 2)]
    for host in hosts:
        await host.start()
    try:
        where = ("-m", "rtu", "-b", "19200", "-P", "none", "-a", "2")
        assert await polled(*where, str(line.where()["device"])) == shown(hosts[1])
    finally:
        for host in hosts:
            await host.stop()


@pytest.mark.needs("libmodbus", "socat")
async def test_our_bus_reads_and_writes_a_unit_of_libmodbus(tmp_path: Path) -> None:
    """P5: words, exceptions, an acknowledgement word and silence, between two programs that share no line of code."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    pair = [f"pty,raw,echo=0,link={path}" for path in (ours, theirs)]
    async with running(find_program("socat") or "", *pair), asyncio.timeout(15):
        while not (ours.is_symlink() and theirs.is_symlink()):
            await asyncio.sleep(0.01)
        async with running(sys.executable, str(SERVER), str(theirs), "5", HELD.hex()) as server:
            assert server.stdout is not None
            assert await server.stdout.readline() == b"ready\n"
            bus = open_bus(BusPlace("rtu", SerialPort(str(ours), 19200), times=BusTimes(quiet_s=0.05)))
            wire = BusWire(bus, 5, fast_v1(1000).transport, (0, 4))
            await wire.connect()
            assert await wire.read(0, len(HELD) // 2) == HELD
            await wire.write(100, [0, 7], wire.connection)
            assert await server.stdout.readline() == b"100 0\n"
            assert await wire.read(100, 2) == b"\0\0\0\7"
            with pytest.raises(ExceptionReply, match="illegal address"):
                await wire.read(40_000, 1)
            with pytest.raises(NotConnected, match="no reply"):
                await BusWire(bus, 6, fast_v1(100).transport, (0, 4)).connect()
            await bus.close()
