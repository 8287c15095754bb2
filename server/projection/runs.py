"""Which ends of items count for an attempt, and what they score (docs/formats/plan.md S1). Pure.

    rows of items ─▶ Run each ─ planned? ended? once? ─▶ counts, or why not ─▶ scored again by the session's rubric

An attempt of a plan is scored by the rubric that its session names, and by no other: a run that was judged by another
one, because nobody had bound it yet, is scored again from its decoded deductions. Nothing is dropped: what does not
count stands beside the rest with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scorelog.format.errors import RubricError
from scorelog.format.rubric import EXAM_FAILED
from scorelog.format.scoring import ABORTED, AttemptScore, Deduction, ItemScore, score_attempt, score_item
from server.projection.facts import gateway_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scorelog.format.rubric import Rubric

Row = dict[str, Any]
_KEPT: Final = (
    "item",
    "ordinal",
    "origin",
    "index",
    "attempt",
    "gateway",
    "rig",
    "station",
    "exam_no",
    "outcome",
    "score_claimed",
    "deductions",
    "guarantee",
    "source",
    "rubric",
    "read_us",
    "received_us",
    "started",
    "finished",
    "elapsed_s",
    "limit_s",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """An attempt as the plan that counts has it."""

    session: str
    point: str
    plan: str
    version: int
    try_no: int
    rubric: str
    items: tuple[str, ...]
    places: tuple[str, ...]
    gateways: frozenset[str]
    known: bool | None = None
    over: bool = False  # every gateway that opened the session has closed it

    def has(self, origin: str) -> bool:
        """Whether a log is of a gateway of the point: attempt ids are public, so anybody may write one down."""
        return gateway_of(origin) in self.gateways

    def place(self, item: str) -> str | None:
        """The station of an item; None: any, or not planned."""
        return self.places[self.items.index(item)] if self.places and item in self.items else None

    def to_json(self) -> list[dict[str, Any]]:
        """For the table."""
        return [{"item": item, "place": self.place(item)} for item in self.items]


def runs_of(items: Sequence[Mapping[str, Any]], planned: Planned | None, rubric: Rubric | None) -> list[Row]:
    """Every end of an item in exam mode, in the order of the plan, then of the log."""
    runs = [_run(row, planned, rubric) for row in items]
    for run in runs:
        if run["counts"]:
            run["why"] = _why(run, runs)
            run["counts"] = run["why"] is None
    return sorted(runs, key=lambda run: (_rank(run["position"]), run["origin"], run["index"]))


def _rank(position: int | None) -> int:
    return 1 << 30 if position is None else position


def _run(row: Mapping[str, Any], planned: Planned | None, rubric: Rubric | None) -> Row:
    item = row["item"]
    listed = planned is not None and item in planned.items
    place = planned.place(item) if planned else None
    why = None
    if planned is not None:
        why = "another_point" if not planned.has(row["origin"]) else None if listed else "beyond_plan"
    run: Row = {name: row.get(name) for name in _KEPT} | {
        "position": planned.items.index(item) if planned and listed else None,
        "place": place,
        "elsewhere": place is not None and row["station"] != place,
        "score": row["score_recomputed"],
        "veto_effect": row["veto_effect"],
        "verdict": row["verdict"],
        "differences": list(row.get("differences") or ()),
        "notes": list(row.get("notes") or ()),
        "counts": why is None,
        "why": why,
        "again": False,
    }
    if planned is not None and (row["rubric"] != planned.rubric or run["score"] is None):
        _score_again(run, row, planned, rubric)
    return run


def _score_again(run: Row, row: Mapping[str, Any], planned: Planned, rubric: Rubric | None) -> None:
    """By the session's rubric; without it, or without decoded deductions, there is no score."""
    run.update(score=None, veto_effect=None, rubric=planned.rubric, again=True)
    if rubric is None or not row.get("decoded"):
        run["verdict"] = "mismatch" if run["verdict"] == "mismatch" else "impossible"
        return
    before = [one for one in run["differences"] if one["what"] != "score"]
    try:
        deductions = [Deduction.from_fields(one) for one in row["deductions"]]
        scored = score_item(rubric.item(row["item"]), deductions, row["outcome"])
        run.update(score=scored.score, veto_effect=scored.veto_effect)
        again: int | str = scored.score
    except RubricError as error:
        again = str(error)
    if again != row["score_claimed"]:
        before.append({"what": "score", "claimed": row["score_claimed"], "recomputed": again})
    run.update(differences=before, verdict="mismatch" if before else "equal")


def _why(run: Row, runs: Sequence[Row]) -> str | None:
    """Why a planned run does not count after all. Of an unplanned attempt every run counts, as ever."""
    if run["position"] is None:
        return None
    same = [one for one in runs if one["item"] == run["item"] and one["why"] != "another_point"]
    ended = [one for one in same if one["outcome"] != ABORTED]
    if run["outcome"] == ABORTED:
        return "aborted" if ended or run is not _last(same) else None
    return "item_twice" if len(ended) > 1 else None


def _last(runs: Sequence[Row]) -> Row:
    return max(runs, key=lambda run: (run["read_us"] or 0, run["origin"], run["index"]))


@dataclass(frozen=True, slots=True)
class Scored:
    """The result so far; `score` None where nothing can be computed, with the reason among the notes."""

    score: AttemptScore | None
    complete: bool
    failed_by_veto: bool
    notes: tuple[str, ...]


def item_score(run: Mapping[str, Any]) -> ItemScore:
    """As the arithmetic takes it."""
    return ItemScore(run["item"], run["score"], run["veto_effect"], run["outcome"] != ABORTED)


def score_planned(runs: Sequence[Row], planned: Planned, rubric: Rubric | None) -> Scored:
    """S1: complete when each planned item has ended once; scored by the session's rubric or not at all."""
    counted = [run for run in runs if run["counts"]]
    ended = {run["item"] for run in counted if run["outcome"] != ABORTED}
    mine = [run for run in runs if run["why"] not in {"another_point", "beyond_plan"}]
    failed = any(run["veto_effect"] == EXAM_FAILED for run in mine)
    notes = [name for name, there in _notes(runs, planned) if there]
    twice = any(run["why"] == "item_twice" for run in runs)
    complete = ended == set(planned.items) and not twice
    if rubric is None:
        return Scored(None, complete, failed, ("session_rubric_not_adopted", *notes))
    if any(run["score"] is None for run in counted):
        return Scored(None, complete, failed, ("items_not_recomputed", *notes))
    if twice:
        return Scored(None, complete, failed, tuple(notes))
    try:
        score = score_attempt(rubric, [item_score(run) for run in counted])
    except RubricError as error:
        return Scored(None, complete, failed, (str(error), *notes))
    if complete and not score.complete:
        notes.append("partial_paper")
    return Scored(score, complete, failed, tuple(notes))


def _notes(runs: Sequence[Row], planned: Planned) -> list[tuple[str, bool]]:
    again = {run["item"] for run in runs if run["why"] == "aborted"}
    return [
        ("plan_not_published", planned.known is False),
        ("another_point", any(run["why"] == "another_point" for run in runs)),
        ("beyond_plan", any(run["why"] == "beyond_plan" for run in runs)),
        ("elsewhere", any(run["elsewhere"] and run["why"] != "another_point" for run in runs)),
        ("item_twice", any(run["why"] == "item_twice" for run in runs)),
        ("item_after_abort", any(run["counts"] and run["item"] in again for run in runs)),
    ]
