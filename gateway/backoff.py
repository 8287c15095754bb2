"""One retry policy for everything that waits: full jitter under a doubling, capped ceiling, and a budget of tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import limits

if TYPE_CHECKING:
    from random import Random


class Backoff:
    """`next()` after a failure, `reset()` after a success. The ceiling is capped, the number of tries is not (P2).

    With a budget each success pays for a share of a try. While it is spent, a success does not bring the short waits
    back at once: where every second request fails, as under overload, the tries must not double the load.
    """

    def __init__(self, rng: Random, base_s: float, cap_s: float, *, budget: bool = False) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures = 0
        self._tries = limits.RETRY_BUDGET_MAX if budget else None

    def next(self) -> float:
        """Seconds to wait now."""
        return self._rng.uniform(0, self._failed())

    def after(self, at_least_s: float) -> float:
        """The other side said how long: never less, and spread beyond it the more, the more often it said so."""
        ceiling = self._failed()
        return at_least_s + self._rng.uniform(0, min(max(ceiling, limits.BUSY_SPREAD_S), limits.BUSY_SPREAD_MAX_S))

    def reset(self) -> None:
        """It worked."""
        if self._tries is None:
            self._failures = 0
            return
        self._tries = min(limits.RETRY_BUDGET_MAX, self._tries + limits.RETRY_BUDGET_SHARE)
        self._failures = 0 if self._tries >= 1 else self._failures // 2

    def _failed(self) -> float:
        """The ceiling for this failure."""
        ceiling = min(self._cap_s, self._base_s * 2.0**self._failures)
        if ceiling < self._cap_s:
            self._failures += 1
        if self._tries is not None:
            self._tries = max(0.0, self._tries - 1)
        return ceiling
