"""Faults of a line that several units share (R5): checksums, echoes, and what others say on it.

They do nothing on a rig with a socket of its own. Late, lost, doubled and cut replies are those of wire.py.
"""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from simulators.device.registers import READ_HOLDING
from simulators.faults.base import Exchange, Fault, Piece
from simulators.modbus.frames import sealed

_FOREIGN_WORDS = bytes.fromhex("4b4600010030")


class _Bus(Fault):
    """A fault that needs a line without names."""

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """As they are, on a socket."""
        return pieces if exchange.frames.named else self.on_line(exchange, pieces)

    def on_line(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """What the line carries instead."""
        raise NotImplementedError

    def foreign(self, exchange: Exchange) -> bytes:
        """A right reply of the next unit, as long as it happens to be."""
        words = _FOREIGN_WORDS[: 2 * self.rng.randrange(1, 4)]
        return sealed(bytes((exchange.frame[0] % 247 + 1, READ_HOLDING, len(words))) + words)


class BadCrc(_Bus):
    """R5: A bit of the reply is wrong on the line and its CRC shows it."""

    name, catalogue = "bad-crc", "R5"

    def on_line(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """One bit flipped, anywhere."""
        changed = []
        for piece in pieces:
            data = bytearray(piece.data)
            bit = self.rng.randrange(8 * len(data)) if data else 0
            if data:
                data[bit // 8] ^= 1 << bit % 8
            changed.append(Piece(bytes(data), piece.delay_s, piece.reset))
        return changed


class Echo(_Bus):
    """R5: The converter hears itself: the request comes back before the reply."""

    name, catalogue = "echo", "R5"

    def on_line(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """The request first."""
        return [Piece(exchange.asked), *pieces]


class ForeignFrame(_Bus):
    """R5: Another unit's reply comes before the right one."""

    name, catalogue = "foreign-frame", "R5"

    def on_line(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """Both in one breath."""
        return [Piece(self.foreign(exchange)), *pieces]


class MergedFrames(_Bus):
    """R5: The reply runs into the beginning of another frame, without the silence between them."""

    name, catalogue = "merged-frames", "R5"

    def on_line(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """Some bytes more, at once."""
        tail = self.foreign(exchange)[: self.rng.randrange(1, 5)]
        return [*pieces[:-1], Piece(pieces[-1].data + tail, pieces[-1].delay_s, pieces[-1].reset)] if pieces else []


FAULTS: tuple[type[Fault], ...] = (BadCrc, Echo, ForeignFrame, MergedFrames)
