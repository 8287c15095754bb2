"""What one candidate does in one item: mistakes, duration, end; and the presses that this makes on a rig. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from simulators.device import marking
from simulators.device.codes import Outcome
from simulators.exam import manikin
from simulators.limits import DEDUCTIONS_MAX

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from simulators.device.records import Measure
    from simulators.device.rubric import Item

_US = 1_000_000
_DURATION_MEDIAN = 0.60
_DURATION_SIGMA = 0.3
_DURATION_FLOOR = 0.15
VETO_CHANCE = 0.012
_REPEAT_CHANCE = 0.3
_POINTS = (50, 100, 100, 200, 200, 300, 400, 400, 500, 500, 1000, 2000)
PAUSE_S = (15, 60)
CARE = (0.08, 0.5)  # chance that a line of the sheet costs anything, by candidate


class Press(Enum):
    """What is pressed on the rig."""

    MODE = "mode"
    OPEN = "open"
    START = "start"
    DEDUCT = "deduct"
    FINISH = "finish"
    TIME_OUT = "time_out"
    ABORT = "abort"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    POWER_CUT = "power_cut"


@dataclass(frozen=True, slots=True)
class Step:
    """One press, `wait_us` of exam time after the one before."""

    wait_us: int
    press: Press
    text: str = ""  # ticket or item code
    numbers: tuple[int, ...] = ()
    measures: tuple[Measure, ...] = ()  # taken by the rig until this press


@dataclass(frozen=True, slots=True)
class Deed:
    """What happens in one item: (second, line, points) in order, and the end."""

    item: Item
    faults: tuple[tuple[int, int, int], ...]
    outcome: Outcome
    duration_us: int
    felt: tuple[tuple[int, int, int], ...] | None = None  # mistakes that sensors noticed; None: those of the sheet
    untouched: bool = False  # nobody was there


def item_steps(deed: Deed, rng: random.Random) -> list[Step]:
    """Start, deductions, end."""
    steps = [Step(rng.randint(*PAUSE_S) * _US, Press.START, deed.item.code)]
    done_us = 0
    for second, line, points in deed.faults:
        steps.append(Step(second * _US - done_us, Press.DEDUCT, numbers=(line, points)))
        done_us = second * _US
    if deed.outcome is not Outcome.VETO:  # a veto ends the item by itself
        end = Press.TIME_OUT if deed.outcome is Outcome.TIMEOUT else Press.FINISH
        felt = deed.faults if deed.felt is None else deed.felt
        taken = () if deed.untouched else manikin.measures(deed.item, felt)
        steps.append(Step(deed.duration_us - done_us, end, measures=taken))
    return steps


def do_item(
    item: Item, rng: random.Random, care: float, *, factor: float | None = None, veto_chance: float = VETO_CHANCE
) -> Deed:
    """One item by one candidate; `factor` is the duration in limits when it is not left to chance."""
    drawn = _DURATION_MEDIAN * math.exp(_DURATION_SIGMA * rng.gauss(0, 1))
    share = max(_DURATION_FLOOR, drawn) if factor is None else factor
    late = share >= 1
    duration_us = item.limit_s * _US if late else int(share * item.limit_s * 1000) * 1000
    vetoes = [line for line in item.veto_lines if rng.random() < veto_chance]
    last_s = max(2, duration_us // _US - 1)
    faults = sorted((rng.randint(1, last_s), line, points) for line, points in _mistakes(item, rng, care))
    if not vetoes:
        return Deed(item, tuple(faults), Outcome.TIMEOUT if late else Outcome.FINISHED, duration_us)
    return veto_item(item, faults, vetoes[0].number, rng.randint(1, last_s))


def _mistakes(item: Item, rng: random.Random, care: float) -> list[tuple[int, int]]:
    """(line, points): a careless line may cost several times, until its maximum is gone."""
    mistakes = []
    for line in item.plain_lines:
        left = line.max_points
        chance = care
        while left > 0 and rng.random() < chance:
            points = rng.choice([p for p in _POINTS if p <= line.max_points] or [line.max_points])
            mistakes.append((line.number, points))
            left -= points
            chance = _REPEAT_CHANCE
    return mistakes[: DEDUCTIONS_MAX - 1]  # room for a veto line


def veto_item(item: Item, faults: Sequence[tuple[int, int, int]], line: int, second: int) -> Deed:
    """The veto line ends the item; what would have come later does not happen."""
    before = tuple(fault for fault in faults if fault[0] <= second)
    return Deed(item, (*before, (second, line, item.lines[line].max_points)), Outcome.VETO, second * _US)


def ruin_item(item: Item, rng: random.Random) -> Deed:
    """Every plain line loses its maximum."""
    plain = do_item(item, rng, 0.0, factor=0.8, veto_chance=0.0)
    last_s = max(2, plain.duration_us // _US - 1)
    faults = sorted((rng.randint(1, last_s), line.number, line.max_points) for line in item.plain_lines)
    return Deed(item, tuple(faults), Outcome.FINISHED, plain.duration_us)


def score_of(deed: Deed) -> int:
    """What the rig will make of it."""
    sheet = marking.Sheet(deed.item)
    for second, line, points in deed.faults:
        sheet.take(line, points, second)
    return sheet.score(deed.outcome)
