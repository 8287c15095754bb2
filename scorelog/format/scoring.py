"""From deductions to a result, in exact integers (P4): gateway, server and verifier compute the same number.

    item      10000 - sum over lines of min(points taken, maximum of the line), not below 0      hundredths
    attempt   sum over items of weight * score                                                  millionths of a point

A veto line is not subtracted: it zeroes the item, or fails the whole exam as well, as the item's `veto_effect` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from scorelog.format.errors import RubricError
from scorelog.format.rubric import EXAM_FAILED, FULL, Rubric, RubricItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ABORTED = "aborted"


class Deducted(Protocol):
    """What scoring needs to know of a deduction."""

    @property
    def line(self) -> int:
        """Rubric line, from 1."""

    @property
    def points(self) -> int:
        """Hundredths taken off."""

    @property
    def veto(self) -> bool:
        """The rig says that this was a veto."""


@dataclass(frozen=True, slots=True)
class Deduction:
    """One deduction."""

    line: int
    points: int
    veto: bool = False

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Deduction:
        """From an element of `fields.deductions`, or from the fields of a `deduction` entry."""
        line, points, veto = fields.get("line"), fields.get("points"), fields.get("veto", False)
        if type(line) is not int or type(points) is not int or type(veto) is not bool:
            raise RubricError(f"deduction {dict(fields)!r:.120}", expected="line, points, veto")
        return cls(line, points, veto)


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The score of one item in hundredths; `veto_effect` if a veto occurred."""

    code: str
    score: int
    veto_effect: str | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class AttemptScore:
    """The result of an attempt. `total_e6` is in millionths of a point and exact; rounding is for display."""

    total_e6: int
    passed: bool
    complete: bool
    failed_by_veto: bool


def score_item(item: RubricItem, deductions: Iterable[Deducted], outcome: str) -> ItemScore:
    """The score of one item from its deductions."""
    taken: dict[int, int] = {}
    vetoed = False
    for one in deductions:
        line = item.lines.get(one.line)
        if line is None:
            raise RubricError(f"line {one.line} is not in item {item.code}", expected=f"1 to {max(item.lines)}")
        if one.points < 0:
            raise RubricError(f"{one.points} points off line {one.line} of item {item.code}", expected="0 or more")
        vetoed = vetoed or line.veto or one.veto
        taken[one.line] = taken.get(one.line, 0) + one.points
    effect = item.veto_effect if vetoed else None
    if vetoed or outcome == ABORTED:
        return ItemScore(item.code, 0, effect, outcome != ABORTED)
    lost = sum(min(points, item.lines[line].max) for line, points in taken.items())
    return ItemScore(item.code, max(0, FULL - lost), None)


def score_attempt(rubric: Rubric, items: Iterable[ItemScore]) -> AttemptScore:
    """The result of the items that were taken, one score an item; a missing item counts 0 and leaves it incomplete."""
    scored: dict[str, ItemScore] = {}
    for one in items:
        rubric.item(one.code)
        if one.code in scored:
            raise RubricError(f"item {one.code} twice", where="attempt", expected="one score an item")
        scored[one.code] = one
    total, complete = 0, True
    for subject in rubric.subjects.values():
        drawn = [scored[code] for code in subject.items if code in scored]
        if len(drawn) > subject.draws:
            raise RubricError(
                f"{len(drawn)} items of subject {subject.code}", expected=f"at most {subject.draws} drawn"
            )
        total += sum(subject.weight // subject.draws * one.score for one in drawn)
        complete = complete and len(drawn) == subject.draws and all(one.complete for one in drawn)
    failed = any(one.veto_effect == EXAM_FAILED for one in scored.values())
    passed = complete and not failed and total >= rubric.pass_mark * FULL
    return AttemptScore(total, passed, complete, failed)
