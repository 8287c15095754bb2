"""A scripted bus behind each kind of real line, and the bus of ours that reads it.

async with bus_point("rtu", copper, folder) as point:
    adapter = open_bus_adapter(PROFILE, point.bus, serial="LV-0001", unit=1)
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modbus_bridge import ModbusBridge

from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.bus_place import BusPlace, open_bus
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.lines import DialInLine
from device_adapters.modbus.serial_line import SerialPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from scripted_bus import ScriptedBus

KINDS = ("rtu", "rtu-over-tcp", "rtu-dial-in", "tcp")
QUIET = BusTimes(quiet_s=0.1)


@dataclass
class BusPoint:
    """`cut` breaks the line off; it comes back by itself."""

    bus: Bus
    cut: Callable[[], None]


@asynccontextmanager
async def bus_point(kind: str, copper: ScriptedBus, folder: Path, times: BusTimes = QUIET) -> AsyncIterator[BusPoint]:
    """One line of that kind. The serial port is a pseudo-terminal."""
    async with AsyncExitStack() as stack:
        if kind == "rtu":
            device = await stack.enter_async_context(copper.serve_pty(folder / "ttyRS485"))
            bus = open_bus(BusPlace(kind, SerialPort(str(device), 115200), times=times))
        elif kind == "rtu-over-tcp":
            port = await stack.enter_async_context(copper.serve_tcp())
            bus = open_bus(BusPlace(kind, host="127.0.0.1", number=port, times=times))
        elif kind == "tcp":
            port = await stack.enter_async_context(ModbusBridge(copper).serve())
            bus = open_bus(BusPlace(kind, host="127.0.0.1", number=port, times=times))
        else:
            line = DialInLine("127.0.0.1", 0, "127.0.0.1")
            bus = Bus(line, RtuFraming(), times)
            stack.push_async_callback(_stop, asyncio.create_task(_keep_calling(copper, line)))
        stack.push_async_callback(bus.close)
        yield BusPoint(bus, copper.cut)


async def _keep_calling(copper: ScriptedBus, line: DialInLine) -> None:
    """As a serial server in client mode does."""
    while True:
        await asyncio.sleep(0.01)
        if line.port:
            try:
                await copper.call(line.port)
            except OSError:
                continue


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
