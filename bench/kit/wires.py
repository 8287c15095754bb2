"""One client in a process of its own that reads registers as fast as its line answers: ours, and bare ones.

All run on uvloop, as the gateway does.

python bench/kit/wires.py KIND LINE READY_FILE SECONDS      prints one JSON object: reads, wall_s, cpu_s
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

sys.path.append(str(Path(__file__).resolve().parents[2]))

from device_adapters.language.profile import load_profile
from device_adapters.modbus.bus_place import BusPlace, open_bus
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.tcp import ModbusWire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KINDS: Final = {
    "asyncio": "bare asyncio",
    "silence": "bare asyncio that keeps the silence",
    "pymodbus": "bare pymodbus",
    "ours": "ours, every byte judged",
}
SILENCE_S: Final = 0.00175  # between two frames, as ours keeps it on a line of unknown speed
WORDS: Final = 48  # the status block of interface v1
PROFILE: Final = Path(__file__).resolve().parents[2] / "device_adapters" / "profiles" / "kaofen-v1-low-voltage.toml"


def run(kind: str, line: str, ready: Path, seconds: float) -> dict[str, float]:
    """One client, to its end."""
    words = [sys.executable, __file__, kind, line, str(ready), str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds + 60)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


class Bare(asyncio.Protocol):
    """The least that reads registers: no check of what comes but its length."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._held = b""
        self._waiting: asyncio.Future[bytes] | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """The reply, whole."""
        self._held += data
        if len(self._held) >= self._length and self._waiting is not None:
            self._waiting.set_result(self._held)
            self._held = b""

    async def ask(self, request: bytes) -> bytes:
        """One request and its reply."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting

    async def ask_silently(self, request: bytes) -> bytes:
        """The same, and the silence behind the reply."""
        loop = asyncio.get_running_loop()
        reply, over = await self.ask(request), loop.create_future()
        loop.call_later(SILENCE_S, over.set_result, None)
        await over
        return reply


def crc16(data: bytes) -> bytes:
    """Of an RTU frame, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


async def silent(line: str, rigs: list[dict[str, Any]]) -> list[Callable[[], Awaitable[object]]]:
    """What the silence alone costs: the process sleeps and wakes once more for each read."""
    return await bare(line, rigs, silence=True)


async def bare(
    line: str, rigs: list[dict[str, Any]], *, silence: bool = False
) -> list[Callable[[], Awaitable[object]]]:
    """Requests made beforehand."""
    loop = asyncio.get_running_loop()
    if line == "bus":
        _, shared = await loop.create_connection(lambda: Bare(5 + 2 * WORDS), rigs[0]["host"], rigs[0]["port"])
        heads = [bytes((rig["unit"], 3, 0, 0, 0, WORDS)) for rig in rigs]
        frames = [head + crc16(head) for head in heads]
        ask = shared.ask_silently if silence else shared.ask
        return [lambda frame=frame: ask(frame) for frame in frames]  # type: ignore[misc]
    found: list[Callable[[], Awaitable[object]]] = []
    for rig in rigs:
        _, own = await loop.create_connection(lambda: Bare(9 + 2 * WORDS), rig["host"], rig["port"])
        request = b"\0\1\0\0\0\6" + bytes((rig["unit"], 3, 0, 0, 0, WORDS))
        found.append(lambda own=own, request=request: own.ask(request))  # type: ignore[misc]
    return found


async def pymodbus(line: str, rigs: list[dict[str, Any]]) -> list[Callable[[], Awaitable[object]]]:
    """The same through the library."""
    framer = FramerType.RTU if line == "bus" else FramerType.SOCKET
    clients: dict[tuple[str, int], AsyncModbusTcpClient] = {}
    found: list[Callable[[], Awaitable[object]]] = []
    for rig in rigs:
        place = rig["host"], rig["port"]
        if place not in clients:
            clients[place] = AsyncModbusTcpClient(rig["host"], port=rig["port"], framer=framer)
            await clients[place].connect()
        read, unit = clients[place].read_holding_registers, rig["unit"]
        found.append(lambda read=read, unit=unit: read(0, count=WORDS, device_id=unit))  # type: ignore[misc]
    return found


async def ours(line: str, rigs: list[dict[str, Any]]) -> list[Callable[[], Awaitable[object]]]:
    """As the gateway's adapters read."""
    profile = load_profile(PROFILE.read_bytes())
    bus = open_bus(BusPlace("rtu-over-tcp", host=rigs[0]["host"], number=rigs[0]["port"])) if line == "bus" else None
    found: list[Callable[[], Awaitable[object]]] = []
    for rig in rigs:
        made: ModbusWire | BusWire = (
            ModbusWire(rig["host"], rig["port"], rig["unit"], profile.transport)
            if bus is None
            else BusWire.of(bus, rig["unit"], profile)
        )
        await made.connect()
        found.append(lambda made=made: made.read(0, WORDS))  # type: ignore[misc]
    return found


CLIENTS: Final = {"asyncio": bare, "silence": silent, "pymodbus": pymodbus, "ours": ours}


async def measure(kind: str, line: str, rigs: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """One request at a time, each rig in its turn."""
    readers = await CLIENTS[kind](line, rigs)
    reads, cpu, begin = 0, time.process_time(), time.monotonic()
    while time.monotonic() - begin < seconds:
        for read in readers:
            await read()
            reads += 1
    return {"reads": reads, "wall_s": time.monotonic() - begin, "cpu_s": time.process_time() - cpu}


def main(arguments: list[str]) -> int:
    """Measure one kind."""
    kind, line, ready, seconds = arguments
    rigs = json.loads(Path(ready).read_text("utf-8"))["rigs"]
    print(json.dumps(uvloop.run(measure(kind, line, rigs, float(seconds)))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
