"""A strict fake of a bus's line, for virtual time: it hands on what units answer, late answers too.

Held to the real lines by tests/contracts/test_bus_lines.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from device_adapters.errors import NotConnected
from device_adapters.modbus.lines import Received

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripted_rig import Answer


class FakeLine(Received):
    """`renewable` like a serial server: what was still to come reaches the next connection, as real ones do."""

    def __init__(self, steps: Callable[[bytes], Answer], *, renewable: bool = False, byte_s: float = 0.0) -> None:
        super().__init__()
        self.renewable, self.byte_s = renewable, byte_s
        self.identity = 0
        self.is_open = False
        self.absent = False
        self.opened = 0
        self.sent: list[tuple[float, bytes]] = []
        self._steps = steps

    async def open(self, timeout_s: float) -> None:
        assert not self.is_open, "opened twice"
        if self.absent:
            self.identity += 1
            raise NotConnected("nothing there")
        self.clear()
        self.is_open = True
        self.opened += 1

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.wake()

    def unplug(self) -> None:
        """The other side ends it."""
        self.identity += 1
        self.close()

    def write(self, data: bytes) -> None:
        assert self.is_open, "written to a closed line"
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        later_s = len(data) * self.byte_s
        for step in self._steps(data):
            if isinstance(step, float):
                later_s += step
            elif step is None:
                loop.call_later(later_s, self.unplug)
            else:
                later_s += len(step) * self.byte_s
                loop.call_later(later_s, self.say, step)

    def say(self, data: bytes) -> None:
        """Bytes arrive, whoever waits for them."""
        if self.is_open:
            self.take(data)
