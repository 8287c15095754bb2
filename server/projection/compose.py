"""An attempt, composed from its items and marks over all rigs and gateways. Pure; the order of arrival changes nothing.

The total is exact (10^-6 points) and the pass mark is compared exactly; rounding is for display. What a rig claims as
its total is compared with the sum over the items of *that* rig, since a rig knows only its own part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorelog.format import types
from scorelog.format.errors import RubricError
from scorelog.format.scoring import AttemptScore, ItemScore, score_attempt
from server.projection.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.projection.rubrics import RubricBook

E6_PER_HUNDREDTH = 10_000


@dataclass(frozen=True, slots=True)
class Composed:
    """The row of `attempts` and the alerts that follow from the whole of it."""

    row: dict[str, Any]
    alerts: tuple[Alert, ...]


def rounded(total_e6: int) -> int:
    """Hundredths, half up: for display and for a claim that was rounded in the same way."""
    return (total_e6 + E6_PER_HUNDREDTH // 2) // E6_PER_HUNDREDTH


def compose(
    attempt: str,
    items: Sequence[Mapping[str, Any]],
    marks: Sequence[Mapping[str, Any]],
    tickets: Sequence[str],
    book: RubricBook,
) -> Composed:
    """`items` and `marks` are the rows of the tables for this attempt, in any order."""
    items = sorted((row for row in items if row["mode"] == "exam"), key=_place)
    marks = sorted(marks, key=_place)
    every = [*items, *marks]
    notes: list[str] = []
    score, rubric = _score(items, book, notes)
    if len(set(tickets)) > 1:
        notes.append("tickets_differ")
    closing = [mark for mark in marks if mark["type"] in types.CLOSING]
    identity = _newest(marks, types.IDENTITY_CHECKED)
    acknowledged = _newest(marks, types.CANDIDATE_ACKNOWLEDGED)
    alerts = [alert for mark in closing if (alert := _claim_alert(attempt, mark, items, rubric, book))]
    claims = [mark["fields"].get("claimed_total") for mark in closing if mark["type"] == types.ATTEMPT_FINISHED]
    wrong = bool(alerts) or any(row["verdict"] == "mismatch" for row in items)
    row = {
        "attempt": attempt,
        "ticket": min(tickets) if tickets else None,
        "rigs": sorted({row["rig"] for row in every if row["rig"]}),
        "stations": sorted({row["station"] for row in every if row["station"]}),
        "state": _state(closing),
        "try_no": _whole(identity.get("try")),
        "identity": _word(identity.get("verdict")),
        "ack": _word(acknowledged.get("ack")),
        "abort_reason": _word(_newest(marks, types.ATTEMPT_ABORTED).get("reason")),
        "item_count": len(items),
        "rubric": rubric,
        "pass_mark": found.pass_mark if (found := book.rubric(rubric)) else None,
        "claimed_total": _whole(claims[0]) if len(claims) == 1 else None,
        "total_e6": score.total_e6 if score else None,
        "complete": bool(score and score.complete),
        "failed_by_veto": bool(score and score.failed_by_veto),
        "passed": score.passed if score and (closing or score.failed_by_veto) else None,
        "verdict": "mismatch" if wrong else _sureness(items, score),
        "notes": notes,
        "first_us": min(row["received_us"] for row in every),
        "last_us": max(row["received_us"] for row in every),
    }
    return Composed(row, tuple(alerts))


def _place(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["origin"], row["index"]


def _score(
    items: Sequence[Mapping[str, Any]], book: RubricBook, notes: list[str]
) -> tuple[AttemptScore | None, str | None]:
    """The exact score under the one rubric that judged every item, or None with the reason among the notes."""
    rubrics = {row["rubric"] for row in items if row["rubric"]}
    if len(rubrics) > 1:
        notes.append("rubrics_differ")
    if len(rubrics) != 1:
        return None, None
    sha256 = rubrics.pop()
    rubric = book.rubric(sha256)
    if rubric is None or any(row["score_recomputed"] is None for row in items):
        notes.append("items_not_recomputed")
        return None, sha256
    try:
        return score_attempt(rubric, [_item_score(row) for row in items]), sha256
    except RubricError as error:
        notes.append(str(error))
        return None, sha256


def _item_score(row: Mapping[str, Any]) -> ItemScore:
    return ItemScore(row["item"], row["score_recomputed"], row["veto_effect"], row["outcome"] != "aborted")


def _newest(marks: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """The fields of the newest mark of a type; which one is newest does not depend on the order of arrival."""
    mine = [mark for mark in marks if mark["type"] == kind]
    newest = max(mine, key=lambda mark: (mark["read_us"] or 0, *_place(mark)), default=None)
    return newest["fields"] if newest else {}


def _sureness(items: Sequence[Mapping[str, Any]], score: AttemptScore | None) -> str:
    if not items:
        return "none"
    return "impossible" if score is None or any(row["verdict"] == "impossible" for row in items) else "equal"


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _state(closing: Sequence[Mapping[str, Any]]) -> str:
    if not closing:
        return "open"
    return "aborted" if any(mark["type"] == types.ATTEMPT_ABORTED for mark in closing) else "finished"


def _claim_alert(
    attempt: str, mark: Mapping[str, Any], items: Sequence[Mapping[str, Any]], sha256: str | None, book: RubricBook
) -> Alert | None:
    """The rig's closing claim against the items of that rig."""
    rubric = book.rubric(sha256)
    if mark["type"] != types.ATTEMPT_FINISHED or rubric is None:
        return None
    mine = [row for row in items if row["rig"] == mark["rig"]]
    if any(row["score_recomputed"] is None for row in mine):
        return None
    try:
        score = score_attempt(rubric, [_item_score(row) for row in mine])
    except RubricError:
        return None
    again = {"claimed_total": rounded(score.total_e6), "items": len(mine), "exam_failed": score.failed_by_veto}
    claimed = {name: mark["fields"].get(name) for name in again}
    differences = [
        {"what": f"fields.{name}", "claimed": claimed[name], "recomputed": value}
        for name, value in again.items()
        if claimed[name] != value
    ]
    if not differences:
        return None
    return Alert(
        kind="recompute_mismatch",
        severity="alarm",
        origin=mark["origin"],
        index=mark["index"],
        rig=mark["rig"],
        attempt=attempt,
        at_us=mark["received_us"],
        detail={"type": mark["type"], "differences": differences},
        level="attempt",
    )
