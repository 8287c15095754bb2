"""One scripted rig on a bus of virtual time, with one fault at one request: for laws of what a rig is told."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, TypeVar

from dst_loop import SimLoop
from fake_line import FakeLine
from scripted_bus import ScriptedBus, seal

from device_adapters.contract import Position
from device_adapters.factory import open_bus_adapter
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scripted_rig import Answer, ScriptedRig

    from device_adapters.contract import Adapter
    from device_adapters.language.profile import Profile

T = TypeVar("T")
# How one exchange can go wrong: before the rig hears of it, or after it has done what was asked.
LOST: dict[str, Callable[[bytes, bytes], Answer] | None] = {
    "request lost": None,
    "reply lost": lambda _, __: [],
    "reply late": lambda _, reply: [0.15, reply],
    "reply damaged": lambda _, reply: [reply[:-1] + bytes((reply[-1] ^ 1,))],
    "busy": lambda request, _: [seal(bytes((request[0], request[1] | 0x80, 6)))],
    "device failure": lambda request, _: [seal(bytes((request[0], request[1] | 0x80, 4)))],
}


def on_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(work)


class AckPoint:
    """Request number `at` goes wrong as `how` says."""

    def __init__(self, rig: ScriptedRig, profile: Profile, at: int = 0, how: str = "", *, echo: bool = False) -> None:
        self.rig, self.profile = rig, profile
        self.copper = ScriptedBus(rig, echo=echo)
        self.at, self.how, self.asked = at, how, 0
        fault = LOST.get(how)
        if fault is not None:
            self.copper.faults[at] = fault
        self.line = FakeLine(self._steps, renewable=False, byte_s=10 / 115200)
        self.bus = Bus(self.line, RtuFraming(), BusTimes(echo=echo))

    def _steps(self, request: bytes) -> Answer:
        self.asked += 1
        if self.asked == self.at and self.how == "request lost":
            self.copper.requests.append(request)
            return []
        return self.copper.steps(request)

    def adapter(self, **changes: Any) -> Adapter:
        named = {"serial": "LV-0001", "unit": 1, "position": Position(3, 0), "rng": random.Random(1), **changes}
        return open_bus_adapter(self.profile, self.bus, **named)
