"""The gateway's side of one broker and one rig that says single values: the adapter, and what it stored."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from device_adapters.contract import BadReading, NotConnected, Observation
from device_adapters.factory import open_box, open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.mqtt.connection import Account, Broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from device_adapters.contract import Evidence, Position

SERIAL, WAIT_S = "B-7", 15


class Side:
    """The gateway's side of one broker and one rig, and what it stored."""

    def __init__(self, text: str, port: int, protocol: str, position: Position | None, serial: str = SERIAL) -> None:
        profile = load_profile(text.encode())
        assert profile.message is not None
        self.broker = Broker(Account("127.0.0.1", port, protocol, "kaofen-gw-gw-01"))
        self.box = open_box(profile.message, serial, {})
        self.broker.join(self.box)
        self.adapter = open_message_adapter(profile, self.broker, self.box, position=position)
        self.stored: list[Observation] = []
        self.refused: list[Evidence] = []
        self.away = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Connected to the broker; following the rig."""
        up = asyncio.Event()
        self._tasks = [asyncio.create_task(self._hold(up)), asyncio.create_task(self._follow())]
        async with asyncio.timeout(WAIT_S):
            await up.wait()

    async def end(self) -> None:
        """As at the end of a process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, seqs: list[int]) -> None:
        """These records were stored, and no others."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while len(self.numbers) < len(seqs):
                    await asyncio.sleep(0.01)
        assert self.numbers == seqs, self.refused

    @property
    def numbers(self) -> list[int]:
        return [one.seq for one in self.stored if one.type == "item.finished"]

    async def _hold(self, up: asyncio.Event) -> None:
        with contextlib.suppress(NotConnected):
            await self.broker.hold(up.set)

    async def _follow(self) -> None:
        while True:
            try:
                await self.adapter.connect()
                while True:
                    await self._one()
            except NotConnected:
                self.away += 1
                await asyncio.sleep(0.02)

    async def _one(self) -> None:
        try:
            reading, ack = await self.adapter.read()
        except BadReading as error:
            self.refused.append(error.evidence)
            return
        if isinstance(reading, Observation):
            self.stored.append(reading)
        await ack(bytes(32))


@contextlib.asynccontextmanager
async def following(
    text: str, port: int, protocol: str, position: Position | None, serial: str = SERIAL
) -> AsyncIterator[Side]:
    """From before it begins to its end."""
    side = Side(text, port, protocol, position, serial)
    await side.begin()
    try:
        yield side
    finally:
        await side.end()
