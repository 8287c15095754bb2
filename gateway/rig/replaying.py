"""`rig replay`: a capture served as a Modbus TCP rig, for support far from the site.

    rounds ──clock──> words and bits by address ──> functions 1 to 4    writes are taken, kept and told, never believed

Owns: what stands in the registers when. A whole round becomes visible at once, at the time of its last answer, so
that a status is never ahead of the records that it counts. What was never captured is exception 2.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Final

from device_adapters.language.spaces import BIT_SPACES, SPACES
from gateway.errors import ConfigError
from gateway.rig.limits import REPLAY_CONNECTIONS_MAX, REPLAY_IDLE_S, REPLAY_SPEED_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.rig.recording import Exchange, Recording
    from scorelog.journal.clock import Clock

_READS: Final = {1: "coils", 2: "discrete", 3: "holding", 4: "input"}
_WRITE_ONE, _WRITE, _WRITE_COIL, _WRITE_COILS = 6, 16, 5, 15
_WRITES: Final = {_WRITE_ONE: "holding", _WRITE: "holding", _WRITE_COIL: "coils", _WRITE_COILS: "coils"}
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _TARGET_SILENT = 1, 2, 3, 11
_READ_MAX, _WRITE_MAX, _BITS_MAX = 125, 123, 2000
_PDU_MAX: Final = 253
_BODY: Final = 5  # bytes of every request's PDU that we answer: function, two words


class Replay:
    """The rig that a capture was of. `answer` is the whole of it; `serve` puts it behind a port."""

    def __init__(
        self, recording: Recording, clock: Clock, *, speed: float = 1.0, say: Callable[[str], None] = lambda _: None
    ) -> None:
        if not 0 < speed <= REPLAY_SPEED_MAX:
            raise ConfigError(f"--speed {speed:g}: above 0, at most {REPLAY_SPEED_MAX:g}")
        self._unit = recording.head.unit
        self._rounds = recording.rounds()
        self._clock, self._speed, self._say = clock, speed, say
        self._began_us = clock.mono_us()
        self._words: dict[int, int] = {}
        self._ends: dict[tuple[int, int], Exchange] = {}  # the last end of this very request, if it was no reply
        self._shown = 0
        self._open = 0
        self._show_round()

    @property
    def over(self) -> bool:
        """Whether the last round stands; it stays."""
        return self._shown == len(self._rounds)

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """The PDU of the answer; None where the rig had been silent."""
        self._go_on()
        function = pdu[0]
        if unit != self._unit:
            return bytes((function | 0x80, _TARGET_SILENT))
        if len(pdu) < _BODY or function not in {*_READS, *_WRITES}:
            return bytes((function | 0x80, _ILLEGAL_FUNCTION))
        at, count = struct.unpack(">HH", pdu[1:_BODY])
        if function in _READS:
            return self._read(function, at, count)
        return self._write(function, at, count, pdu)

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listening. Raises ConfigError."""
        try:
            return await asyncio.start_server(self._talk, host, port)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}; take another --port") from None

    def _read(self, function: int, at: int, count: int) -> bytes | None:
        base = SPACES[_READS[function]]
        end = self._ends.get((base + at, count))
        if end is not None:
            return None if end.exception is None else bytes((function | 0x80, end.exception))
        bits = _READS[function] in BIT_SPACES
        if not 1 <= count <= (_BITS_MAX if bits else _READ_MAX):
            return bytes((function | 0x80, _ILLEGAL_VALUE))
        words = [self._words.get(base + address) for address in range(at, at + count)]
        if None in words:
            return bytes((function | 0x80, _ILLEGAL_ADDRESS))
        if bits:
            whole = sum(bool(bit) << number for number, bit in enumerate(words))
            data = whole.to_bytes((count + 7) // 8, "little")
            return bytes((function, len(data))) + data
        return bytes((function, 2 * count)) + struct.pack(f">{count}H", *words)

    def _write(self, function: int, at: int, count: int, pdu: bytes) -> bytes:
        values = _written(function, count, pdu)
        if values is None:
            return bytes((function | 0x80, _ILLEGAL_VALUE))
        base = SPACES[_WRITES[function]]
        self._words.update(enumerate(values, base + at))
        name = "" if not base else "coils "
        self._say(f"写入 written at {name}{at}: {' '.join(f'{value:04x}' for value in values)}")
        return pdu[:_BODY]

    def _go_on(self) -> None:
        now_ms = (self._clock.mono_us() - self._began_us) / 1000 * self._speed
        while not self.over and self._rounds[self._shown][-1].at_ms <= now_ms:
            self._show_round()

    def _show_round(self) -> None:
        for one in self._rounds[self._shown]:
            first = one.base + one.at
            if one.reply is None:
                self._ends[first, one.words] = one
                continue
            self._ends.pop((first, one.words), None)
            words = struct.unpack(f">{len(one.reply) // 2}H", one.reply)
            if one.of_bits:
                words = tuple(words[number // 16] >> number % 16 & 1 for number in range(one.words))
            self._words.update(enumerate(words, first))
        self._shown += 1
        if self.over:
            self._say("回放已到末尾 the end of the capture; its last state stays")

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                while self._open <= REPLAY_CONNECTIONS_MAX and await self._one(reader, writer):
                    pass
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection is to end."""
        async with asyncio.timeout(REPLAY_IDLE_S):
            head = await reader.readexactly(7)
            protocol, length = struct.unpack(">HH", head[2:6])
            if protocol != 0 or not 2 <= length <= _PDU_MAX + 1:  # noqa: PLR2004  (unit and function)
                return False
            pdu = await reader.readexactly(length - 1)
        answer = self.answer(head[6], pdu)
        if answer is None:
            return False  # as silence would end it, only sooner
        writer.write(head[:4] + (1 + len(answer)).to_bytes(2, "big") + head[6:7] + answer)
        await writer.drain()
        return True


def _written(function: int, count: int, pdu: bytes) -> list[int] | None:
    """The values of a write, None when its bytes are no such request."""
    if function in {_WRITE_ONE, _WRITE_COIL}:
        return [int(bool(count)) if function == _WRITE_COIL else count]
    if function == _WRITE:
        good = len(pdu) == 6 + 2 * count and 1 <= count <= _WRITE_MAX
        return [*struct.unpack(f">{count}H", pdu[6:])] if good else None
    whole = int.from_bytes(pdu[6:], "little")
    good = len(pdu) == 6 + (count + 7) // 8 and 1 <= count <= _BITS_MAX
    return [whole >> number & 1 for number in range(count)] if good else None
