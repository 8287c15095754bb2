"""Faults of the wire (R4, R5): the words are right, the frame around them, its time or its order is not."""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from simulators.device.registers import READ_HOLDING
from simulators.faults.base import Exchange, Fault, Piece
from simulators.limits import CONNECTIONS_REMEMBERED
from simulators.modbus.requests import exception

if TYPE_CHECKING:
    import random

    from simulators.faults.spec import FaultSpec
    from simulators.modbus.frames import Frames

_LATE_MS = 1500
_DRIP_MS = 2
_GARBAGE = bytes.fromhex("00ff5a5a000000")


def _forget_oldest(by_connection: dict[int, Any]) -> None:
    """Connections end without a word to a fault: what the oldest ones left is dropped."""
    while len(by_connection) > CONNECTIONS_REMEMBERED:
        del by_connection[next(iter(by_connection))]


class _Frame(Fault):
    """A fault that changes the bytes of the reply and nothing else."""

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """One piece, changed."""
        frames = exchange.frames
        return [Piece(self.frame(piece.data, frames), piece.delay_s, piece.reset) for piece in pieces]

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """The changed frame."""
        raise NotImplementedError


class _Header(_Frame):
    """A fault of the Modbus TCP header; a frame of a bus has none."""

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """Unchanged on a bus."""
        return self.header(frame) if frames.named else frame

    def header(self, frame: bytes) -> bytes:
        """The changed frame."""
        raise NotImplementedError


class _Exception(Fault):
    """R4: The rig answers with a Modbus exception instead."""

    catalogue = "R4"
    code: ClassVar[int]

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """An exception reply in a right frame."""
        pdu = exception(exchange.request[0], self.code)
        return [Piece(exchange.frames.around(exchange.frame, pdu))]


def _exception_fault(code: int, meaning: str) -> type[Fault]:
    """Nine exceptions differ in a number only."""
    return type(
        f"Exception{code}",
        (_Exception,),
        {
            "name": f"exception-{code}",
            "code": code,
            "__doc__": f"R4: Modbus exception {code} ({meaning}) instead of an answer.",
        },
    )


class LateReply(Fault):
    """R5: The reply comes `at` milliseconds late (1500), after the answers to later requests."""

    name, catalogue = "late-reply", "R5"

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """The same bytes, later."""
        delay_s = (_LATE_MS if self.spec.at is None else self.spec.at) / 1000
        return [Piece(piece.data, piece.delay_s + delay_s, piece.reset) for piece in pieces]


class OneBehind(Fault):
    """R5: The reply waits for the next request and then comes before the answer to that one, under transaction id 0."""

    name, catalogue = "one-behind", "R5"

    def __init__(self, spec: FaultSpec, rng: random.Random) -> None:
        super().__init__(spec, rng)
        self._kept: dict[int, bytes] = {}

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """Silence now."""
        named = exchange.frames.named
        self._kept[exchange.connection] = b"\0\0" + exchange.frame[2:] if named else exchange.frame
        _forget_oldest(self._kept)
        return []

    def waiting(self, exchange: Exchange) -> list[Piece]:
        """What the last request should have got."""
        kept = self._kept.pop(exchange.connection, None)
        return [] if kept is None else [Piece(kept)]


class PreviousReply(Fault):
    """R5: The words of the request before, under the right transaction id."""

    name, catalogue = "previous-reply", "R5"

    def __init__(self, spec: FaultSpec, rng: random.Random) -> None:
        super().__init__(spec, rng)
        self._last: dict[int, tuple[bytes, bytes]] = {}

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """The PDU before, if it was the answer to a read as long as this one."""
        before, _ = self._last.get(exchange.connection, (b"", b""))
        if exchange.request[0] != READ_HOLDING or len(before) != len(exchange.frames.pdu(exchange.frame)):
            return pieces
        return [Piece(exchange.frames.around(exchange.frame, before))]

    def waiting(self, exchange: Exchange) -> list[Piece]:
        """Nothing is sent, the reply before the present one is remembered."""
        _, present = self._last.pop(exchange.connection, (b"", b""))
        self._last[exchange.connection] = (present, exchange.frames.pdu(exchange.frame))
        _forget_oldest(self._last)
        return []


class WrongTid(_Header):
    """R5: The reply carries the next transaction id."""

    name, catalogue = "wrong-tid", "R5"

    def header(self, frame: bytes) -> bytes:
        """One more, wrapped."""
        return (int.from_bytes(frame[:2], "big") + 1 & 0xFFFF).to_bytes(2, "big") + frame[2:]


class TidZero(_Header):
    """R5: The reply carries transaction id 0."""

    name, catalogue = "tid-zero", "R5"

    def header(self, frame: bytes) -> bytes:
        """Zeroed."""
        return b"\0\0" + frame[2:]


class WrongProtocol(_Header):
    """R5: The protocol id is not 0."""

    name, catalogue = "wrong-protocol", "R5"

    def header(self, frame: bytes) -> bytes:
        """Protocol 1."""
        return frame[:2] + b"\0\1" + frame[4:]


class WrongUnit(_Frame):
    """R5: Another unit answers."""

    name, catalogue = "wrong-unit", "R5"

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """The next unit."""
        at = frames.head - 1
        return frames.proven(frame[:at] + bytes(((frame[at] + 1) & 0xFF,)) + frame[at + 1 :])


class WrongFunction(_Frame):
    """R5: Function 4 answers function 3."""

    name, catalogue = "wrong-function", "R5"

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """The next function code."""
        at = frames.head
        return frames.proven(frame[:at] + bytes((frame[at] + 1 & 0xFF,)) + frame[at + 1 :])


class _Count(Fault):
    """A reply to function 3 that is well formed and has other words than were asked for."""

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """The frame around the words."""
        if exchange.request[0] != READ_HOLDING:
            return pieces
        words = self.counted(exchange.frames.pdu(exchange.frame)[2:])
        return [Piece(exchange.frames.around(exchange.frame, bytes((READ_HOLDING, len(words))) + words))]

    def counted(self, words: bytes) -> bytes:
        """What is sent instead."""
        raise NotImplementedError


class ShortCount(_Count):
    """R5: A well-formed reply with one word less than asked."""

    name, catalogue = "short-count", "R5"

    def counted(self, words: bytes) -> bytes:
        """The last word is missing."""
        return words[:-2]


class LongCount(_Count):
    """R5: A well-formed reply with one word more than asked."""

    name, catalogue = "long-count", "R5"

    def counted(self, words: bytes) -> bytes:
        """A zero word is added."""
        return words + b"\0\0"


class Length65535(_Header):
    """R5: The header announces 65535 bytes."""

    name, catalogue = "length-65535", "R5"

    def header(self, frame: bytes) -> bytes:
        """The length field alone is changed."""
        return frame[:4] + b"\xff\xff" + frame[6:]


class DuplicateReply(_Frame):
    """R5: The reply is sent twice."""

    name, catalogue = "duplicate-reply", "R5"

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """Twice in one piece."""
        return frame + frame


class TrailingBytes(_Frame):
    """R5: Bytes that belong to nothing follow the reply."""

    name, catalogue = "trailing-bytes", "R5"

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """Five of them."""
        return frame + _GARBAGE[:5]


class GarbageBefore(_Frame):
    """R5: Bytes that belong to nothing come before the reply."""

    name, catalogue = "garbage-before", "R5"

    def frame(self, frame: bytes, frames: Frames) -> bytes:
        """Seven of them."""
        return _GARBAGE + frame


class Drip(Fault):
    """R5: The reply comes one byte at a time, `at` milliseconds apart (2)."""

    name, catalogue = "drip", "R5"

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """Every byte is a piece."""
        gap_s = (_DRIP_MS if self.spec.at is None else self.spec.at) / 1000
        data = b"".join(piece.data for piece in pieces)
        return [Piece(data[i : i + 1], i * gap_s) for i in range(len(data))]


class HalfFrame(Fault):
    """R5: The reply stops after `at` bytes (half) and nothing follows."""

    name, catalogue = "half-frame", "R5"

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """The first bytes only."""
        at = len(exchange.frame) // 2 if self.spec.at is None else self.spec.at
        return [Piece(exchange.frame[:at])]


_EXCEPTIONS = tuple(
    _exception_fault(code, meaning)
    for code, meaning in (
        (1, "illegal function"),
        (2, "illegal address"),
        (3, "illegal value"),
        (4, "device failure"),
        (5, "acknowledge"),
        (6, "busy"),
        (10, "gateway path unavailable"),
        (11, "gateway target silent"),
    )
)

FAULTS: tuple[type[Fault], ...] = (
    *_EXCEPTIONS,
    LateReply,
    OneBehind,
    PreviousReply,
    WrongTid,
    TidZero,
    WrongProtocol,
    WrongUnit,
    WrongFunction,
    ShortCount,
    LongCount,
    Length65535,
    DuplicateReply,
    TrailingBytes,
    GarbageBefore,
    Drip,
    HalfFrame,
)
