"""How fast something grows: least squares with a 95 % bound, over means of blocks.

Neighbouring samples of one process are alike, so a bound over all of them would claim more than they say: means of
BLOCKS blocks of neighbours are taken as independent. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS: Final = 24
# Student's t, 97.5 %, by degrees of freedom; beyond the last one the normal's 1.96 is near enough.
T: Final = (
    12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09,
    2.09, 2.08, 2.07,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth per unit of x, and how sure that is: 95 % within ± `bound`."""

    value: float
    bound: float

    @property
    def flat(self) -> bool:
        """Whether no growth at all is within the bound."""
        return self.value - self.bound <= 0


def slope(xs: Sequence[float], ys: Sequence[float]) -> Slope:
    """Of y over x; without enough samples or without a spread of x the bound is infinite."""
    xs, ys = _blocks(xs), _blocks(ys)
    n = len(xs)
    mean_x, mean_y = (sum(values) / n if n else 0.0 for values in (xs, ys))
    spread = sum((x - mean_x) ** 2 for x in xs)
    if n < 3 or spread == 0:
        return Slope(0.0, math.inf)
    value = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - mean_y - value * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    student = T[n - 3] if n - 3 < len(T) else 1.96
    return Slope(value, student * math.sqrt(rest / (n - 2) / spread))


def _blocks(values: Sequence[float]) -> list[float]:
    size = max(1, len(values) // BLOCKS)
    return [sum(values[at : at + size]) / size for at in range(0, len(values) - size + 1, size)]
