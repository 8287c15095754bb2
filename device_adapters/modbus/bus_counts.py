"""What a bus counts about itself, for whoever shows it. Knows no rigs, no lines and no names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BusCounts:
    """Since the bus was made. A turn: from a request's place in the queue to its answer, or to why there is none."""

    asked: int = 0  # requests that went out
    answered: int = 0  # with a proven reply, exceptions included
    silent: int = 0  # without one: nothing came, or not all of it, or the line was lost
    odd: int = 0  # with bytes that were no answer
    strays: int = 0  # how often bytes came that nobody had asked for
    opened: int = 0  # how often the line was opened
    turns: int = 0
    turns_s: float = 0.0  # all of them together
    longest_turn_s: float = 0.0

    def turn(self, took_s: float) -> None:
        """One is over."""
        self.turns += 1
        self.turns_s += took_s
        self.longest_turn_s = max(self.longest_turn_s, took_s)
