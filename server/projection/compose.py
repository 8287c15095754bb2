"""An attempt, composed from its items and marks over all rigs and gateways. Pure; the order of arrival changes nothing.

The total is exact (10^-6 points) and the pass mark is compared exactly; rounding is for display. What a rig claims as
its total is compared with the sum over the items of *that* rig, since a rig knows only its own part. An attempt of a
plan follows its session's rubric and is complete when all its items have ended (runs.py); of one without a plan every
item counts, by the one rubric that judged them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorelog.format import types
from scorelog.format.errors import RubricError
from scorelog.format.scoring import score_attempt
from server.projection.alerts import Alert
from server.projection.facts import gateway_of
from server.projection.planchecks import TRAINING_RIG
from server.projection.runs import Planned, Scored, item_score, runs_of, score_planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scorelog.format.rubric import Rubric
    from server.projection.alerts import Severity
    from server.projection.rubrics import RubricBook
    from server.projection.runs import Row

E6_PER_HUNDREDTH = 10_000


@dataclass(frozen=True, slots=True)
class Composed:
    """The row of `attempts` and the alerts that follow from the whole of it."""

    row: dict[str, Any]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """Matches that brought records here, and the one that took this attempt's records elsewhere."""

    here: tuple[Mapping[str, Any], ...] = ()
    matched_to: str | None = None


def rounded(total_e6: int) -> int:
    """Hundredths, half up: for display and for a claim that was rounded in the same way."""
    return (total_e6 + E6_PER_HUNDREDTH // 2) // E6_PER_HUNDREDTH


def compose(
    attempt: str,
    items: Sequence[Mapping[str, Any]],
    marks: Sequence[Mapping[str, Any]],
    tickets: Sequence[str],
    book: RubricBook,
    *,
    planned: Planned | None = None,
    matching: Matching = Matching(),
) -> Composed:
    """`items` and `marks` are the rows of the tables for this attempt, those matched to it included, in any order."""
    items = sorted((row for row in items if row["mode"] == "exam"), key=_place)
    marks = sorted(marks, key=_place)
    every = [*items, *marks]
    foreign = [row for row in every if planned and not planned.has(row["origin"])]
    marks = [mark for mark in marks if mark not in foreign]
    sha256 = planned.rubric if planned else _one_rubric(items)
    rubric = book.rubric(sha256)
    runs = runs_of(items, planned, rubric)
    scored = score_planned(runs, planned, rubric) if planned else _unplanned(runs, rubric)
    closing = [mark for mark in marks if mark["type"] in types.CLOSING]
    identity = _newest(marks, types.IDENTITY_CHECKED)
    acknowledged = _newest(marks, types.CANDIDATE_ACKNOWLEDGED)
    claims = [alert for mark in closing if (alert := _claim_alert(attempt, mark, runs, rubric))]
    ours = [run for run in runs if run["why"] != "another_point"]
    wrong = bool(claims) or any(run["verdict"] == "mismatch" for run in ours)
    alerts = [] if matching.matched_to else claims  # a claim is told once: where its records went, if they went
    alerts += [*_alerts(attempt, every, runs, scored, planned), *_foreign_alert(attempt, foreign)]
    steps = [*(row for row in items if row not in foreign), *marks]
    state = _planned_state(scored, steps, planned) if planned else _state(closing)
    row = {
        "attempt": attempt,
        "ticket": min(tickets) if tickets else None,
        "rigs": sorted({row["rig"] for row in every if row["rig"]}),
        "stations": sorted({row["station"] for row in every if row["station"]}),
        "state": state,
        "try_no": planned.try_no if planned else _whole(identity.get("try")),
        "identity": _word(identity.get("verdict")),
        "ack": _word(acknowledged.get("ack")),
        "abort_reason": _word(_newest(marks, types.ATTEMPT_ABORTED).get("reason")),
        "item_count": len(items),
        "rubric": sha256,
        "pass_mark": rubric.pass_mark if rubric else None,
        "claimed_total": _claimed(closing, ours),
        "total_e6": scored.score.total_e6 if scored.score else None,
        "complete": scored.complete,
        "failed_by_veto": scored.failed_by_veto,
        "passed": _passed(scored, state, planned),
        "verdict": "mismatch" if wrong else _sureness(ours, scored),
        "notes": [*scored.notes, *_more_notes(identity, tickets, every, planned)],
        "first_us": min(row["received_us"] for row in every),
        "last_us": max(row["received_us"] for row in every),
        "session": planned.session if planned else None,
        "point": planned.point if planned else None,
        "plan": planned.plan if planned else None,
        "planned": planned.to_json() if planned else [],
        "runs": runs,
        "staged": planned is None and matching.matched_to is None,
        "matched_to": matching.matched_to,
        "matches": [dict(one) for one in matching.here],
    }
    return Composed(row, tuple(alerts))


def _place(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["origin"], row["index"]


def _one_rubric(items: Sequence[Mapping[str, Any]]) -> str | None:
    rubrics = {row["rubric"] for row in items if row["rubric"]}
    return rubrics.pop() if len(rubrics) == 1 else None


def _unplanned(runs: Sequence[Row], rubric: Rubric | None) -> Scored:
    """The exact score under the one rubric that judged every item, or None with the reason among the notes."""
    rubrics = {run["rubric"] for run in runs if run["rubric"]}
    if len(rubrics) != 1:
        return Scored(None, False, False, ("rubrics_differ",) if rubrics else ())
    if rubric is None or any(run["score"] is None for run in runs):
        return Scored(None, False, False, ("items_not_recomputed",))
    try:
        score = score_attempt(rubric, [item_score(run) for run in runs])
    except RubricError as error:
        return Scored(None, False, False, (str(error),))
    return Scored(score, score.complete, score.failed_by_veto, ())


def _newest(marks: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """The fields of the newest mark of a type; which one is newest does not depend on the order of arrival."""
    mine = [mark for mark in marks if mark["type"] == kind]
    newest = max(mine, key=_when, default=None)
    return newest["fields"] if newest else {}


def _when(row: Mapping[str, Any]) -> tuple[int, str, int]:
    return (row["read_us"] or 0, *_place(row))


def _sureness(runs: Sequence[Row], scored: Scored) -> str:
    if not runs:
        return "none"
    return "impossible" if scored.score is None or any(run["verdict"] == "impossible" for run in runs) else "equal"


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _claimed(closing: Sequence[Mapping[str, Any]], runs: Sequence[Row]) -> int | None:
    """Each rig claims its own part: together they claim the total, unless one has not closed its part."""
    closed = {mark["rig"] for mark in closing}
    if any(run["rig"] not in closed for run in runs):
        return None
    claims = [_whole(mark["fields"].get("claimed_total")) for mark in closing if mark["type"] == types.ATTEMPT_FINISHED]
    return sum(one for one in claims if one is not None) if claims and None not in claims else None


def _state(closing: Sequence[Mapping[str, Any]]) -> str:
    if not closing:
        return "open"
    return "aborted" if any(mark["type"] == types.ATTEMPT_ABORTED for mark in closing) else "finished"


def _planned_state(scored: Scored, steps: Sequence[Mapping[str, Any]], planned: Planned) -> str:
    """A rig that closed its part closes nothing else: the plan says when the whole is over."""
    if scored.complete:
        return "finished"
    steps = [row for row in steps if row.get("type") != types.CANDIDATE_ACKNOWLEDGED]
    if max(steps, key=_when, default={}).get("type") == types.ATTEMPT_ABORTED:
        return "aborted"
    return "finished" if planned.over else "open"


def _passed(scored: Scored, state: str, planned: Planned | None) -> bool | None:
    if scored.failed_by_veto:
        return False
    if planned is not None and not scored.complete:
        return None if state == "open" else False
    if scored.score is None or state == "open" or "partial_paper" in scored.notes:
        return None
    return scored.score.passed


def _more_notes(
    identity: Mapping[str, Any], tickets: Sequence[str], every: Sequence[Mapping[str, Any]], planned: Planned | None
) -> list[str]:
    told = _whole(identity.get("try"))
    found = [
        ("tickets_differ", len(set(tickets)) > 1),
        ("try_differs", planned is not None and told is not None and told != planned.try_no),
        ("not_in_plan", planned is None and any(row.get("session") for row in every)),
        (TRAINING_RIG, any(TRAINING_RIG in (row.get("notes") or ()) for row in every)),
    ]
    return [name for name, there in found if there]


def _alerts(
    attempt: str, every: Sequence[Mapping[str, Any]], runs: Sequence[Row], scored: Scored, planned: Planned | None
) -> list[Alert]:
    """What only the whole shows. An alert of one entry (a wrong score, say) stands at that entry already."""
    found = []
    for rig in sorted({row["rig"] for row in every if TRAINING_RIG in (row.get("notes") or ())}):
        at_us = min(row["received_us"] for row in every if row["rig"] == rig)
        found.append(_whole_alert("exam_on_training_rig", "alarm", attempt, at_us, {}, rig=rig))
    at_us = max(row["received_us"] for row in every)
    for run in runs:
        if run["again"] and run["verdict"] == "mismatch":
            detail = {"type": types.ITEM_FINISHED, "differences": run["differences"]}
            level = f"again/{attempt}"
            where = (run["origin"], run["index"], run["rig"])
            found.append(Alert("recompute_mismatch", "alarm", *where, attempt, run["received_us"], detail, level))
    if planned and runs and scored.score is None:
        found.append(_whole_alert("attempt_not_scored", "warning", attempt, at_us, {"notes": list(scored.notes)}))
    return found


def _foreign_alert(attempt: str, foreign: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """A gateway of no other business wrote this attempt's id into its log."""
    if not foreign:
        return []
    detail = {"gateways": sorted({gateway_of(row["origin"]) for row in foreign})}
    at_us = max(row["received_us"] for row in foreign)
    return [_whole_alert("attempt_of_another_point", "alarm", attempt, at_us, detail)]


def _whole_alert(
    kind: str, severity: Severity, attempt: str, at_us: int, detail: Mapping[str, Any], *, rig: str | None = None
) -> Alert:
    return Alert(kind, severity, None, None, rig, attempt, at_us, detail, level=f"attempt/{attempt}")


def _claim_alert(attempt: str, mark: Mapping[str, Any], runs: Sequence[Row], rubric: Rubric | None) -> Alert | None:
    """The rig's closing claim against the items of that exam at that rig."""
    if mark["type"] != types.ATTEMPT_FINISHED or rubric is None:
        return None
    exam_no = mark["fields"].get("exam_no")
    mine = [run for run in runs if run["rig"] == mark["rig"] and exam_no in (None, run.get("exam_no"))]
    if any(run["score"] is None for run in mine):
        return None
    try:
        score = score_attempt(rubric, [item_score(run) for run in mine])
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
