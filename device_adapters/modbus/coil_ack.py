"""Telling a rig by one coil that a record is stored: it carries no number, so every signal is earned anew.

    coil (and the rig's answering bit) at rest? ── no ──> look again, then BackOff: the caller comes back
      └ yes ─> status: what is freed so far? ── all that is stored ──> done
                 └ less ─> one signal, which frees the oldest record; and from the top

Owns: when a signal may be given. The bits are read before the status: a rig frees the record first and answers then
(docs/formats/profile.md rule 28a), so a coil at rest says that the status is up to date, and a lost reply, a lost
connection or a restart of the gateway never leads to a second signal for one record. Nothing is remembered that the
rig does not say itself, but for one guard: a signal that freed nothing is not repeated at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from device_adapters.decoding.decode import decode_status
from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.language.handshake import Signals
from device_adapters.limits import COIL_AGAIN_S, COIL_LOOK_S
from device_adapters.modbus.wire import ExceptionReply, OddReply

if TYPE_CHECKING:
    from device_adapters.decoding.decode import Standing
    from device_adapters.language.handshake import Coil
    from device_adapters.language.profile import Profile
    from device_adapters.modbus.wire import Wire


class CoilAck:
    """The acknowledgement of one rig."""

    def __init__(self, coil: Coil, profile: Profile, wire: Wire, serial: str) -> None:
        self._coil = coil
        self._profile = profile
        self._wire = wire
        self._serial = serial
        self._patience_s = profile.transport.busy_wait_ms / 1000
        self._given: tuple[int, int] | None = None  # boot, and what was freed when the last signal was given
        self._given_at = 0.0

    async def tell(self, seq: int, connection: int, boot: int | None) -> None:
        """Free everything up to `seq`, in the memory that this boot showed. Raises NotConnected, BackOff."""
        try:
            await self._free(seq, connection, boot)
        except OddReply as error:
            raise NotConnected(error.detail) from None
        except ExceptionReply as error:
            raise BackOff(self._patience_s, error.detail) from None
        except DecodeError as error:
            raise BackOff(self._patience_s, f"the status block is refused: {error.reason}") from None

    async def _free(self, seq: int, connection: int, boot: int | None) -> None:
        while True:
            coil = await self._at_rest(connection)
            standing = await self._standing()
            if standing.boot != boot or seq > standing.last_seq:
                raise BackOff(self._patience_s, "the rig's memory is another one by now")
            freed = self._freed(standing)
            if max(freed + 1, standing.oldest_seq or standing.last_seq + 1) > seq:
                return  # nothing that is held is stored: a signal would free a record that nobody has
            self._check_new(standing.boot, freed)
            await self._wire.write(self._coil.at, [self._coil.signal(coil)], connection)

    async def _at_rest(self, connection: int) -> int:
        """How the coil stands once nothing is under way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        while True:
            coil = await self._bit(self._coil.at)
            taken = await self._bit(self._coil.taken) if self._coil.taken is not None else 0
            signals = self._coil.signals(coil, taken)
            if signals is Signals.REST:
                return coil
            if loop.time() >= until:
                raise BackOff(self._patience_s, f"acknowledging by coil: {signals.value}")
            if signals is Signals.TAKEN:
                await self._wire.write(self._coil.at, [0], connection)
            else:
                await asyncio.sleep(COIL_LOOK_S)

    async def _bit(self, at: int) -> int:
        return int.from_bytes(await self._wire.read(at, 1), "big")

    async def _standing(self) -> Standing:
        block = self._profile.status
        return decode_status(self._profile, await self._wire.read(block.at, block.words), rig=self._serial)[1]

    def _freed(self, standing: Standing) -> int:
        """The newest record that the rig says it was told of."""
        if "acked_seq" in self._profile.status.fields:
            return standing.acked_seq
        return standing.oldest_seq - 1 if standing.oldest_seq else standing.last_seq

    def _check_new(self, boot: int, freed: int) -> None:
        now = asyncio.get_running_loop().time()
        if self._given == (boot, freed) and now - self._given_at < COIL_AGAIN_S:
            raise BackOff(self._patience_s, "the rig answered the signal and freed nothing")
        self._given, self._given_at = (boot, freed), now
