"""Whether a staged attempt may be given to a planned one (docs/formats/plan.md S2). Pure.

The server does not know who sat there; a person says so. What it can know it holds against it: the paper, the
occupation, the exam point, and what has ended already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from scorelog.format.errors import RubricError
from scorelog.format.scoring import ABORTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scorelog.format.rubric import Rubric
    from server.projection.rubrics import RubricBook

REASONS: Final = {
    "not_staged": "attempt {attempt} is not staged: it is unknown, planned, or its records are matched already",
    "not_matched": "attempt {attempt} is not matched: there is nothing to undo",
    "not_planned": "no adopted plan has attempt {attempt}",
    "another_point": "gateway {gateway} is not one of exam point {point}",
    "another_occupation": "item {item} is not of the session's rubric: another occupation",
    "not_on_paper": "item {item} is not on this candidate's paper",
    "item_ended": "item {item} of this attempt has ended already",
    "no_why": "say why: a match without a reason is not kept",
    "why_too_long": "the reason is longer than {limit} characters",
    "changed": "somebody else has matched or undone it in the meantime: look again",
}


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not: a key of REASONS and its values."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return REASONS[self.code].format(**self.values)


def objection(
    staged: Mapping[str, Any], planned: Mapping[str, Any], there: Mapping[str, Any] | None,
    gateways: Iterable[str], book: RubricBook,
) -> Objection | None:  # fmt: skip
    """`staged` and `there` are rows of attempts, `planned` one of planned_attempts, `gateways` those of its point."""
    named = set(gateways)
    rubric = book.rubric(planned["rubric"])
    ended = {run["item"] for run in (there["runs"] if there else ()) if run["counts"] and run["outcome"] != ABORTED}
    for run in staged["runs"]:
        if run["gateway"] not in named:
            return Objection("another_point", {"gateway": run["gateway"], "point": planned["point"]})
        if _another(run, rubric, book):
            return Objection("another_occupation", {"item": run["item"]})
        if run["item"] not in planned["items"]:
            return Objection("not_on_paper", {"item": run["item"]})
        if run["item"] in ended and run["outcome"] != ABORTED:
            return Objection("item_ended", {"item": run["item"]})
    return None


def _another(run: Mapping[str, Any], rubric: Rubric | None, book: RubricBook) -> bool:
    """What was judged by a rubric of another occupation, or has an item that this one lacks."""
    if rubric is None:
        return False
    judged = book.rubric(run["rubric"])
    if judged is not None and judged.id != rubric.id:
        return True
    try:
        rubric.item(run["item"])
    except RubricError:
        return True
    return False
