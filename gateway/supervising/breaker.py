"""How long a rig that does not answer is left alone: often tried at first, rarely later, and then on trial (P8).

    closed ──BREAKER_FAILURES in a row──> open ──its pause is over──> half-open ──it proves itself──> closed
      ^ short, growing pauses              ^ long ones                    └──────── a failure ────────> open

A failure counts until the rig has proven itself: a record was stored, or it answered for BREAKER_STEADY_S. So one that
comes back only to break again is asked as rarely as one that is dead. A bus leaves silent units alone by itself, by
what they cost the line; its word is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gateway import limits
from gateway.backoff import Backoff

if TYPE_CHECKING:
    from random import Random

State = Literal["closed", "open", "half-open"]
_STEADY_US: Final = round(limits.BREAKER_STEADY_S * 1e6)


class Breaker:
    """Of one rig. `asks` False: its messages come by themselves, so that waiting long would spare nobody anything."""

    def __init__(self, rng: Random, *, asks: bool = True) -> None:
        self._rng = rng
        self._asks = asks
        self._short = Backoff(rng, limits.RIG_BACKOFF_BASE_S, limits.RIG_BACKOFF_CAP_S)
        self._failures = 0
        self._opened = 0  # how often in a row
        self._since_us: int | None = None  # when this connection gave its first reading
        self.state: State = "closed"

    def trial(self) -> bool:
        """The pause is over. True: one reading decides, and until then nothing is said of the rig."""
        self._since_us = None
        if self.state == "open":
            self.state = "half-open"
        return self.state == "half-open"

    def answered(self, now_us: int, *, stored: bool = False) -> None:
        """It gave a reading; `stored`: a record that is durable."""
        self._short.reset()
        if not self._failures and self.state == "closed":
            return
        if self._since_us is None:
            self._since_us = now_us
        if stored or now_us - self._since_us >= _STEADY_US:
            self._failures = self._opened = 0
            self.state = "closed"

    def failed(self, held_s: float = 0.0) -> float:
        """It did not, or no longer. Seconds to leave it alone; `held_s`: its bus asks nobody about it before."""
        if held_s > 0:
            self.state = "open"
            return held_s + self._rng.uniform(0, limits.RIG_BACKOFF_BASE_S)
        self._failures += 1
        if self._failures < limits.BREAKER_FAILURES and self.state == "closed":
            return self._short.next()
        self.state = "open"
        if not self._asks:
            return self._short.next()
        longest = min(limits.BREAKER_PAUSE_MAX_S, limits.BREAKER_PAUSE_S * 2.0**self._opened)
        self._opened += longest < limits.BREAKER_PAUSE_MAX_S
        return self._rng.uniform(longest / 2, longest)
