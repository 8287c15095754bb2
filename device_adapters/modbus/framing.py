"""How a request becomes a frame on a bus, and why a frame is or is not its answer. Pure (docs/adr/0015).

    RTU   unit | PDU | CRC, low byte first        no transaction id: order and silence are all that ties an answer
    TCP   id, 0, length | unit | PDU              several units behind one bridge

A reply is judged byte by byte against the one request sent; nothing of what came is ever said in a message (P7).
"""

from __future__ import annotations

from typing import Protocol

from device_adapters.language.checksums import crc16_modbus
from device_adapters.modbus.mbap import HEADER, frame_length, reply_fault
from device_adapters.modbus.pdu import EXCEPTION, answer_head, padding_fault

CRC_BYTES = 2
_REFUSAL_BYTES = 5  # unit, function, code, CRC
_LEAST_BYTES = 4  # of a frame: unit, function, CRC


class Framing(Protocol):
    """One way of framing. `received` is what came since the request went out, an expected echo taken off."""

    nameless: bool  # whether nothing in a reply names its question, so that only silence tells them apart

    def request(self, unit: int, body: bytes) -> bytes:
        """The frame to send."""

    def fault(self, request: bytes, received: bytes) -> str | None:
        """Why it cannot be the answer, nor the beginning of it; None while it can."""

    def whole(self, request: bytes, received: bytes) -> bool:
        """Whether a faultless beginning is the whole answer."""

    def pdu(self, frame: bytes) -> bytes:
        """What a whole answer carries."""

    def expected(self, request: bytes) -> int:
        """How many bytes the right answer has."""


def sealed(frame: bytes) -> bytes:
    """With its CRC, low byte first."""
    return frame + crc16_modbus(frame).to_bytes(CRC_BYTES, "little")


def is_sealed(frame: bytes) -> bool:
    """Whether the last two bytes are the CRC of those before."""
    return len(frame) >= _LEAST_BYTES and sealed(frame[:-CRC_BYTES]) == frame


class RtuFraming:
    """Modbus RTU."""

    nameless = True

    def request(self, unit: int, body: bytes) -> bytes:
        """Unit, body, CRC."""
        return sealed(bytes((unit,)) + body)

    def fault(self, request: bytes, received: bytes) -> str | None:
        """A faultless beginning, and at its end the right CRC."""
        head, size = answer_head(request[1:])
        refused = bytes((request[0], request[1] | EXCEPTION))
        for start, length in ((request[:1] + head, 1 + size + CRC_BYTES), (refused, _REFUSAL_BYTES)):
            if received[: len(start)] == start[: len(received)]:
                if len(received) < length:
                    return None
                if len(received) == length and is_sealed(received):
                    return padding_fault(request[1:], received[1:-CRC_BYTES]) if start != refused else None
                return _too_much(request, received, length)
        return _odd(request, received)

    def whole(self, request: bytes, received: bytes) -> bool:
        """By the length that the request asked for, or that of an exception."""
        if len(received) > 1 and received[1] & EXCEPTION:
            return len(received) == _REFUSAL_BYTES
        return len(received) == self.expected(request)

    def pdu(self, frame: bytes) -> bytes:
        """Without unit and CRC."""
        return frame[1:-CRC_BYTES]

    def expected(self, request: bytes) -> int:
        """With unit and CRC."""
        return 1 + answer_head(request[1:])[1] + CRC_BYTES


def _too_much(request: bytes, received: bytes, length: int) -> str:
    """It begins like an answer and ends otherwise."""
    if received.startswith(request):
        return "echo of the own request"
    return "bytes after the end of the reply" if is_sealed(received[:length]) else "wrong checksum"


def _odd(request: bytes, received: bytes) -> str:
    """What it is, as far as a checksum proves it."""
    if received.startswith(request):
        return "echo of the own request"
    for end in range(_LEAST_BYTES, len(received) + 1):
        if is_sealed(received[:end]):
            if received[0] != request[0]:
                return "wrong unit"
            if received[1] & ~EXCEPTION != request[1]:
                return "wrong function"
            return "another count or address than asked for"
    if any(is_sealed(received[start:]) for start in range(1, len(received) - _LEAST_BYTES + 1)):
        return "noise before a frame"
    return "noise or a damaged frame"


class TcpFraming:
    """Modbus TCP; the judgement is that of `modbus`."""

    nameless = False

    def __init__(self) -> None:
        self._tid = 0

    def request(self, unit: int, body: bytes) -> bytes:
        """A new transaction id each time, never 0."""
        self._tid = self._tid % 0xFFFF + 1
        return self._tid.to_bytes(2, "big") + b"\0\0" + (1 + len(body)).to_bytes(2, "big") + bytes((unit,)) + body

    def fault(self, request: bytes, received: bytes) -> str | None:
        """See `modbus.reply_fault`."""
        return reply_fault(request, received)

    def whole(self, request: bytes, received: bytes) -> bool:  # noqa: ARG002  (the header says it)
        """By the header."""
        return len(received) >= HEADER and len(received) == frame_length(received)

    def pdu(self, frame: bytes) -> bytes:
        """Behind the header."""
        return frame[HEADER:]

    def expected(self, request: bytes) -> int:
        """With the header."""
        return HEADER + answer_head(request[HEADER:])[1]
