"""Faults of the link and of the rig itself, on either wire (R6-R9)."""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from simulators.faults.base import OFTEN, Bench, Exchange, Fault, Piece, Publication

_LOST_NUMBERS = 3
_JUMP_US = 86_400_000_000
_BOTH_WIRES = Fault.areas | {"record"}


class Silent(Fault):
    """R6: The connection stands and nothing is ever answered."""

    name, catalogue, usual, areas = "silent", "R6", OFTEN, _BOTH_WIRES

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """Nothing."""
        return []

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Nothing."""
        return []


class Reset(Fault):
    """R6: The connection is reset instead of an answer or a message."""

    name, catalogue, areas = "reset", "R6", _BOTH_WIRES

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """No bytes, then the reset."""
        return [Piece(b"", reset=True)]

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """The connection ends, the message with it."""
        return [replace(healthy, cut="before")]


class ResetInReply(Fault):
    """R6: The connection is reset after `at` bytes of the answer (half)."""

    name, catalogue = "reset-in-reply", "R6"

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """Some bytes, then the reset."""
        at = len(exchange.frame) // 2 if self.spec.at is None else self.spec.at
        return [Piece(exchange.frame[:at], reset=True)]


class Refuse(Fault):
    """R6: The rig cannot be reached: its port is closed, its connections end, it connects to no broker."""

    name, catalogue, usual = "refuse", "R6", OFTEN

    def begin(self, bench: Bench) -> None:
        """Close the port."""
        bench.refuse_connections(True)

    def end(self, bench: Bench) -> None:
        """Open it again."""
        bench.refuse_connections(False)


class OneConnection(Fault):
    """R6: The rig serves one connection at a time and resets every further one (breaks K6)."""

    name, catalogue, usual = "one-connection", "R6", OFTEN

    def begin(self, bench: Bench) -> None:
        """Limit to one."""
        bench.limit_connections(1)

    def end(self, bench: Bench) -> None:
        """Back to the usual."""
        bench.limit_connections(None)


class Reboot(Fault):
    """R7: Power is cut and comes back, in mid-exam if it must be (K7)."""

    name, catalogue, usual = "reboot", "R7", OFTEN

    def begin(self, bench: Bench) -> None:
        """Once, when the window opens."""
        bench.lose_power()


class SeqRestart(Fault):
    """R7: Power is cut and memory lost: numbers begin at 1 again, unacknowledged records are gone (breaks K4)."""

    name, catalogue, usual = "seq-restart", "R7", OFTEN

    def begin(self, bench: Bench) -> None:
        """Once, when the window opens."""
        bench.lose_memory()


class SeqGap(Fault):
    """R8: The next record skips `at` sequence numbers (3): results lost or hidden (breaks K4)."""

    name, catalogue, usual = "seq-gap", "R8", OFTEN

    def begin(self, bench: Bench) -> None:
        """Once, when the window opens."""
        bench.rig.numbers_to_lose = _LOST_NUMBERS if self.spec.at is None else self.spec.at


class _Clock(Fault):
    """A clock that is wrong by something while the window lasts."""

    usual = OFTEN
    error_us: ClassVar[int] = 0

    def error(self, now_us: int) -> int:
        """By how much, when a right clock shows `now_us`."""
        return self.error_us

    def begin(self, bench: Bench) -> None:
        """Wrong from here on."""
        time = bench.rig.time
        bench.rig.clock_error_us = self.error(time.utc_us(time.exam_us()))

    def end(self, bench: Bench) -> None:
        """Right again."""
        bench.rig.clock_error_us = 0


class ClockJump(_Clock):
    """R9: The rig clock is a day ahead while the window lasts."""

    name, catalogue = "clock-jump", "R9"
    error_us = _JUMP_US


class ClockBack(_Clock):
    """R9: The rig clock is two hours behind while the window lasts: what runs then ends before it began (R10)."""

    name, catalogue = "clock-back", "R9"
    error_us = -7_200_000_000


class ClockSummer(_Clock):
    """R9: The rig clock is an hour ahead while the window lasts: somebody's summer time."""

    name, catalogue = "clock-summer", "R9"
    error_us = 3_600_000_000


class Clock1970(_Clock):
    """R9: The rig clock began anew in 1970 while the window lasts, and runs."""

    name, catalogue = "clock-1970", "R9"

    def error(self, now_us: int) -> int:
        """An hour after the beginning of time."""
        return 3_600_000_000 - now_us


class Clock2106(_Clock):
    """R9: The rig clock is a minute before its 32 bits of seconds run over, in 2106, while the window lasts."""

    name, catalogue = "clock-2106", "R9"

    def error(self, now_us: int) -> int:
        """Nearly at the end of time."""
        return (2**32 - 60) * 1_000_000 - now_us


class ClockUnset(Fault):
    """R9: The rig lost its clock and shows 0 while the window lasts (C5)."""

    name, catalogue, usual = "clock-unset", "R9", OFTEN

    def begin(self, bench: Bench) -> None:
        """No clock."""
        bench.rig.clock_error_us = None

    def end(self, bench: Bench) -> None:
        """Right again."""
        bench.rig.clock_error_us = 0


FAULTS: tuple[type[Fault], ...] = (
    Silent,
    Reset,
    ResetInReply,
    Refuse,
    OneConnection,
    Reboot,
    SeqRestart,
    SeqGap,
    ClockJump,
    ClockBack,
    ClockSummer,
    Clock1970,
    Clock2106,
    ClockUnset,
)
