"""One retry policy for everything that waits: full jitter under a doubling, capped ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Backoff:
    """`next()` after a failure, `reset()` after a success. The ceiling is capped, the number of tries is not (P2)."""

    def __init__(self, rng: Random, base_s: float, cap_s: float) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait now."""
        ceiling = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return self._rng.uniform(0, ceiling)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
