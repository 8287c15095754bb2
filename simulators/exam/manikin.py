"""What a resuscitation manikin measures beside the score: number, rate and depth of compressions, breaths. Pure.

The numbers fit the sheet (more points off, more bad compressions) and are nobody's marking: a wire without room for
them leaves them out.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulators.device.records import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.device.rubric import Item

_CYCLES = 5
_COMPRESSIONS = 30  # a cycle
_BREATHS = 2
_POINTS_A_BAD_ONE = 50  # half a point (domain: each bad compression costs 0.5)
_BAD_MAX = 90


def measures(item: Item, faults: Sequence[tuple[int, int, int]]) -> tuple[Measure, ...]:
    """Of one item run with these (second, line, points); none unless the item is resuscitation."""
    if not item.resuscitation:
        return ()
    rng = random.Random(f"{item.code}/{faults}")  # noqa: S311 - reproducible, not secret
    bad = min(_BAD_MAX, sum(points for _, _, points in faults) // _POINTS_A_BAD_ONE)
    return (
        Measure("compressions", _CYCLES * _COMPRESSIONS, "1"),
        Measure("compressions_bad", bad, "1"),
        Measure("rate_mean", rng.randint(102, 118) + bad // 6, "1/min"),
        Measure("depth_mean", rng.randint(51, 57) - bad // 10, "mm"),
        Measure("recoil_full", 100 - bad // 3, "%"),
        Measure("breaths", _CYCLES * _BREATHS, "1"),
        Measure("breath_volume_mean", rng.randint(500, 600), "ml"),
    )
