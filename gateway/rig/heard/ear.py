"""The connection of a tool to a broker: hears, keeps nothing, comes back by itself.

Owns: one clean session, acknowledged at once, of which the rig and its gateway see nothing: the broker gives every
subscriber its own copy. Never publishes by itself.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from device_adapters.errors import NotConnected
from device_adapters.messages.fates import LET_GO
from device_adapters.mqtt.connection import Broker
from gateway.rig.heard.message import Message
from gateway.rig.heard.spark import SparkReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager

    from device_adapters.messages.fates import Settle
    from device_adapters.mqtt.connection import Account
    from gateway.rig.heard.taken import Reader
    from scorelog.journal.clock import Clock

_AGAIN_S = 1.0


class Hearer(Protocol):
    """Who is told."""

    def topics(self) -> Iterable[str]:
        """What to subscribe to."""

    def take(self, message: Message, verdict: str = "") -> object:
        """One message, in the order of the wire. `verdict`: of a pushed request, whether it is proven."""

    def lost(self) -> None:
        """The connection is gone, and maybe messages with it."""


class Source(Protocol):
    """Where messages come from. `reason`: why nobody can be heard, empty while somebody can."""

    place: str
    reason: str

    async def ask(self, reader: Reader) -> None:
        """For what the rig must say before it is believed, where it can be asked for."""


Opener: TypeAlias = "Callable[[Hearer, Clock], AbstractAsyncContextManager[Source]]"


class Ear:
    """See `mqtt.connection.Box` for the broker's side. `reason`: why nobody is heard, empty while somebody can be."""

    def __init__(self, account: Account, hearer: Hearer, clock: Clock) -> None:
        self.broker = Broker(account)
        self.place = f"{account.host}:{account.port}"
        self.reason = "no connection to the broker yet"
        self._hearer = hearer
        self._clock = clock
        self._tried = asyncio.Event()
        self.broker.join(self)

    async def tried(self) -> None:
        """Until the first connection stands, or failed."""
        await self._tried.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.broker.hold(self._up)
            except NotConnected as error:
                self.reason = error.reason
                self._tried.set()
            await self._clock.sleep(_AGAIN_S)

    async def ask(self, reader: Reader) -> None:
        """For birth certificates, of a rig that has such."""
        if not self.reason and isinstance(reader, SparkReader):
            await reader.ask(self.broker)

    def _up(self) -> None:
        self.reason = ""
        self._tried.set()

    # ------------------------------------------------------------------ Box

    def routes(self) -> Iterator[tuple[str, Callable[[str, bytes, Settle, bool], object]]]:
        """What to subscribe to."""
        for topic in self._hearer.topics():
            yield topic, self._take

    def _take(self, topic: str, payload: bytes, settle: Settle, retained: bool) -> None:
        settle(LET_GO)
        self._hearer.take(Message(self._clock.mono_us(), topic, payload, retained))

    def wake(self) -> None:
        """The connection is there."""

    def lost(self) -> None:
        """It is gone."""
        self._hearer.lost()

    def let_go(self) -> bool:
        """Nothing waits here."""
        return False


@asynccontextmanager
async def listening(account: Account, hearer: Hearer, clock: Clock) -> AsyncIterator[Ear]:
    """While the block lasts, from the first try on."""
    ear = Ear(account, hearer, clock)
    task = asyncio.create_task(ear.run(), name="ear")
    try:
        await ear.tried()
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
