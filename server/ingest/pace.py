"""How fast uploads are stored now, and how many were sent away: from these two every Retry-After is made.

Owns two small running figures and the draw between them. Knows no request. Time comes from the monotonic clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


class Pace:
    """Seconds of this server per upload, learnt only while it is busy: alone, an upload waits for its disk."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._began_us = 0
        self._done = 0
        self.seconds = limits.PACE_FIRST_S

    def stored(self, busy: int) -> None:
        """An upload is through; `busy` others are under way."""
        if busy < limits.PACE_BUSY_FROM:
            self._done = 0
            if self.seconds > limits.PACE_FIRST_S:  # or nobody would be admitted from whom to learn that it is over
                self.seconds *= limits.PACE_EASE
            return
        now = self._now_us()
        if not self._done:
            self._began_us = now
        self._done += 1
        took_us = now - self._began_us
        if took_us >= limits.PACE_WINDOW_US:
            self.seconds = (self.seconds + took_us / 1e6 / self._done) / 2
            self._done = 0


class SentAway:
    """How many were lately told to come back, and when to tell the next one to."""

    def __init__(self, now_us: Callable[[], int], rng: Random) -> None:
        self._now_us = now_us
        self._rng = rng
        self._seen_us = 0
        self._recent = 0.0

    def retry_after_s(self, seconds_each: float) -> int:
        """One more. So many come back that the server needs a while for them: spread evenly over that while."""
        now = self._now_us()
        self._recent = self._recent * 0.5 ** ((now - self._seen_us) / limits.SENT_AWAY_HALF_LIFE_US) + 1
        self._seen_us = now
        spread_s = min(self._recent * seconds_each, limits.RETRY_SPREAD_MAX_S)
        return limits.RETRY_AFTER_S + int(self._rng.uniform(0, spread_s))
