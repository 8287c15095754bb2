"""Registers of one unit on a bus. See `wire.Wire`.

Owns: what a connection means where many share a line. It begins when the unit has answered once, and ends with its
first silence, odd reply or abandoned request, or when other devices may be on the line than before. A neighbour's
trouble does not end it (P8).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from device_adapters.errors import NotConnected
from device_adapters.language.rules_once import READ_ONCE
from device_adapters.modbus.pdu import EXCEPTION, WRITE, read_body, refusal, told, words_in, write_body
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.language.profile import Profile, Transport
    from device_adapters.modbus.bus import Bus


class BusWire:
    """One unit. `probe`: the words that prove that it is there."""

    @classmethod
    def of(cls, bus: Bus, unit: int, profile: Profile) -> BusWire:
        """A rig of this model, proven by its status block."""
        transport, status = profile.transport, profile.status
        probe = (status.at + transport.address_offset, 1 if transport.one_field else status.block_words)
        return cls(bus, unit, transport, probe, again=profile.guarantee != READ_ONCE)

    def __init__(
        self, bus: Bus, unit: int, transport: Transport, probe: tuple[int, int], *, again: bool = True
    ) -> None:
        """`again`: reading changes nothing in the unit, so that it may be asked twice."""
        self._bus = bus
        self._unit = unit
        self._transport = transport
        self._probe = read_body(*probe)
        self._again = again
        self._lock = asyncio.Lock()  # one place in the queue per rig: the queue is fair between rigs
        self._alive = False
        self._identity = 0
        self._connection = 0

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._alive and self._identity == self._bus.identity

    @property
    def connection(self) -> int:
        """Number of the connection."""
        return self._connection

    async def connect(self) -> None:
        """Ask once. Any answer proves the unit, an exception too. Raises NotConnected."""
        async with self._lock:
            self.drop()
            try:
                await self._bus.ask(self._unit, self._probe, self._transport, again=self._again)
            except OddReply as error:
                raise NotConnected(error.detail) from None
            self._alive = True
            self._identity = self._bus.identity
            self._connection += 1

    async def read(self, at: int, words: int) -> bytes:
        """`words` words, or bits, from `at`. Raises NotConnected, BackOff, OddReply, ExceptionReply."""
        body = read_body(at, words)
        return words_in(body, await self._ask(body, again=self._again))

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        """Write words, or bits, from `at`, on this very connection. Raises what `read` raises."""
        body = write_body(at, values)
        # The same words in the same registers again are no news; a coil may have done its work meanwhile.
        await self._ask(body, connection, again=self._again and body[0] == WRITE)

    def drop(self) -> None:
        """End this unit's connection; the line stays as it is."""
        self._alive = False

    async def _ask(self, body: bytes, connection: int | None = None, *, again: bool = False) -> bytes:
        async with self._lock:
            if connection is not None and connection != self._connection:
                raise NotConnected(f"another connection by now, before {told(body)}")
            if not self.connected:
                raise NotConnected(f"not connected, before {told(body)}")
            try:
                pdu = await self._bus.ask(self._unit, body, self._transport, again=again)
            except BaseException:
                self.drop()
                raise
            if pdu[0] & EXCEPTION:
                raise refusal(pdu[1], pdu, body, self._transport.busy_wait_ms / 1000)
            return pdu
