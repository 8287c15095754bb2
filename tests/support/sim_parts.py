"""Parts for tests of the simulators: a clock that moves only when told, a rubric, a rig with power, wire vectors."""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
from pathlib import Path

from modbus_probe import crc16

from simulators.device.rig import Latched, Rig
from simulators.device.rubric import Rubric, load_rubric

ROOT = Path(__file__).resolve().parents[2]
RUBRIC_FILE = ROOT / "server" / "rubrics" / "low-voltage-electrician.toml"
_VECTORS = ROOT / "tests" / "vectors" / "rig-interface-v1"
UTC_START_US = 1_779_600_000_000_000


class ManualTime:
    """A RigTime whose bus and exam time stand still until `advance`; sleepers wake in the order of their times."""

    def __init__(self, speed: int = 1) -> None:
        self._speed = speed
        self._bus_us = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def bus_us(self) -> int:
        """Bus time as last advanced."""
        return self._bus_us

    def wall_us(self) -> int:
        """Wall time moves with the bus."""
        return UTC_START_US + self._bus_us

    def exam_us(self) -> int:
        """Exam time is bus time times the speed."""
        return self._bus_us * self._speed

    def utc_us(self, exam_us: int) -> int:
        """A right clock."""
        return UTC_START_US + exam_us

    async def sleep_until(self, exam_us: int) -> None:
        """Wait for `advance`."""
        if exam_us > self.exam_us():
            sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (exam_us, next(self._order), sleeper))
            await sleeper

    async def sleep_bus(self, seconds: float) -> None:
        """Wait for `advance`."""
        await self.sleep_until(self.exam_us() + int(seconds * 1_000_000) * self._speed)

    def advance(self, seconds: float) -> None:
        """Let so much real time pass."""
        self._bus_us += int(seconds * 1_000_000)
        while self._sleepers and self._sleepers[0][0] <= self.exam_us():
            sleeper = heapq.heappop(self._sleepers)[2]
            if not sleeper.done():
                sleeper.set_result(None)


@functools.cache
def rubric() -> Rubric:
    """The default rubric of the low-voltage electrician."""
    return load_rubric(RUBRIC_FILE)


def rig_with_power(serial: str = "LV-0001", *, ready: bool = True) -> tuple[Rig, ManualTime, list[Latched]]:
    """A rig that has booted, its clock, and every record that it latches."""
    time, latched = ManualTime(), []
    rig = Rig(serial, rubric(), time, on_latch=latched.append)
    rig.power_up()
    if ready:
        rig.write_ready(1)
    return rig, time, latched


def wire_vector(name: str) -> bytes:
    """The bytes of a hand-written vector; its CRC is computed here bit by bit from the definition."""
    words: list[str] = []
    for line in (_VECTORS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        words += line.split("#", 1)[0].split()
    assert words[-1] == "CRC", name
    body = bytes.fromhex("".join(words[:-1]))
    return body + crc16(body).to_bytes(2, "big")


def word(block: bytes, at: int) -> int:
    """The 16-bit word at an offset of the interface page."""
    return int.from_bytes(block[2 * at : 2 * at + 2], "big")


def long(block: bytes, at: int) -> int:
    """The 32-bit number at an offset of the interface page."""
    return int.from_bytes(block[2 * at : 2 * at + 4], "big")
