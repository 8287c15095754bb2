"""How a rig marks: deductions up to each line's cap, zero for a veto, the weighted total. No floats.

Written apart from the product's scoring, so that the server's recomputation (P4) is checked by something else than
itself.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from simulators.device.codes import Outcome
from simulators.device.records import Deduction
from simulators.errors import RigRefuses
from simulators.limits import DEDUCTIONS_MAX, SCORE_FULL, WEIGHT_WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.device.rubric import Item, Rubric


class Sheet:
    """The score sheet of one running item."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.deductions: list[Deduction] = []

    def take(self, line: int, points: int, at_s: int) -> Deduction:
        """Take points off; past the cap of the line only what is left of it is taken."""
        rule = self.item.lines.get(line)
        if rule is None:
            raise RigRefuses(f"item {self.item.code} has no line {line}")
        if points < 0:
            raise RigRefuses(f"{points} points cannot be taken off")
        if len(self.deductions) >= DEDUCTIONS_MAX:
            raise RigRefuses(f"the sheet holds {DEDUCTIONS_MAX} deductions")
        taken = sum(d.points for d in self.deductions if d.line == line)
        deduction = Deduction(line, min(points, rule.max_points - taken), at_s, rule.veto)
        self.deductions.append(deduction)
        return deduction

    @property
    def vetoed(self) -> bool:
        """A veto line was failed."""
        return any(d.veto for d in self.deductions)

    @property
    def running_score(self) -> int:
        """The score if the item ended now."""
        return 0 if self.vetoed else max(0, SCORE_FULL - sum(d.points for d in self.deductions))

    def score(self, outcome: Outcome) -> int:
        """The item's score; one that was broken off or failed by veto counts nothing."""
        return 0 if outcome in {Outcome.ABORTED, Outcome.VETO} else self.running_score


def total(rubric: Rubric, scores: Iterable[tuple[str, int]]) -> int:
    """The weighted total of (item, score), hundredths, rounded half up; items of one subject share its weight."""
    exact = Fraction(0)
    for code, score in scores:
        subject = rubric.subject_of(code)
        exact += Fraction(subject.weight * score, subject.draws * WEIGHT_WHOLE)
    return int(exact + Fraction(1, 2))
