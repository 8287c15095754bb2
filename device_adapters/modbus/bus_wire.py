"""Registers of one unit on a bus. See `wire.Wire`.

Owns: what a connection means where many share a line. It begins when the unit has answered once, and ends with its
first silence, odd reply or abandoned request, or when other devices may be on the line than before. A neighbour's
trouble does not end it (P8).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from device_adapters.errors import NotConnected
from device_adapters.language.rules_once import READ_ONCE
from device_adapters.limits import POLL_STEP_S
from device_adapters.modbus.pdu import EXCEPTION, WRITE, read_body, refusal, told, words_in, write_body
from device_adapters.modbus.polls import Polls
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from device_adapters.language.profile import Profile, Transport
    from device_adapters.modbus.bus import Bus
    from device_adapters.modbus.polls import Turn


@dataclass(slots=True)
class _Watch:
    """One reading over and over: what is asked, who judges the answers, the next turn, the one under way."""

    body: bytes
    judge: Callable[[bytes], float | None]
    over: asyncio.Future[bytes]
    turn: Turn = field(init=False)
    asked: asyncio.Future[bytes] | None = None


class BusWire:
    """One unit. `probe`: the words that prove that it is there."""

    @classmethod
    def of(cls, bus: Bus, unit: int, profile: Profile, polls: Polls | None = None) -> BusWire:
        """A rig of this model, proven by its status block."""
        transport, status = profile.transport, profile.status
        probe = (status.at + transport.address_offset, 1 if transport.one_field else status.block_words)
        return cls(bus, unit, transport, probe, again=profile.guarantee != READ_ONCE, polls=polls)

    def __init__(
        self,
        bus: Bus,
        unit: int,
        transport: Transport,
        probe: tuple[int, int],
        *,
        again: bool = True,
        polls: Polls | None = None,
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
        self._polls = polls or Polls()
        self._watch: _Watch | None = None  # at most one

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

    async def watch(self, at: int, words: int, when: float, judge: Callable[[bytes], float | None]) -> bytes:
        """Read at `when` and at each time that `judge` answers; the first reading for which it has none.

        One call at a time; this unit's other requests go first. Raises what `read` raises.
        """
        watch = self._watch = _Watch(read_body(at, words), judge, asyncio.get_running_loop().create_future())
        watch.turn = self._polls.at(when, self._due)
        try:
            return await watch.over
        except BaseException:
            if watch.asked is not None:  # the transaction goes on to its end, alone
                watch.asked.cancel()
                self.drop()
            raise
        finally:
            self._watch = None
            watch.turn.cancel()

    def _due(self) -> None:
        """A turn of `Polls`: a place in the bus's queue, unless this unit has one."""
        watch = self._watch
        if watch is None or watch.over.done():
            return
        if self._lock.locked():
            watch.turn = self._polls.at(asyncio.get_running_loop().time() + POLL_STEP_S, self._due)
        elif not self.connected:
            watch.over.set_exception(NotConnected(f"not connected, before {told(watch.body)}"))
        else:
            watch.asked = self._bus.asked(self._unit, watch.body, self._transport, again=self._again)
            watch.asked.add_done_callback(self._told)

    def _told(self, answer: asyncio.Future[bytes]) -> None:
        """A watched reading is over; of one that was given up nobody hears."""
        watch, failed = self._watch, None if answer.cancelled() else answer.exception()
        if watch is None or watch.asked is not answer or watch.over.done():
            return
        watch.asked = None
        if failed is not None:
            self.drop()
            watch.over.set_exception(failed)
            return
        pdu = answer.result()
        if pdu[0] & EXCEPTION:
            watch.over.set_exception(refusal(pdu[1], pdu, watch.body, self._transport.busy_wait_ms / 1000))
            return
        found = words_in(watch.body, pdu)
        try:
            when = watch.judge(found)
        except Exception as error:  # noqa: BLE001  # no task runs here: it is for the supervisor of the one that waits
            watch.over.set_exception(error)
            return
        if when is None:
            watch.over.set_result(found)
        else:
            watch.turn = self._polls.at(when, self._due)

    def drop(self) -> None:
        """End this unit's connection; the line stays as it is."""
        self._alive = False

    async def _ask(self, body: bytes, connection: int | None = None, *, again: bool = False) -> bytes:
        async with self._lock:
            while self._watch is not None and self._watch.asked is not None:  # one place in the queue per rig
                await asyncio.wait((self._watch.asked,))
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
