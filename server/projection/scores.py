"""One finished item as the pages and the API show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.projection.rigfold import RigState
    from server.projection.rubrics import RubricBook


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt stands: exact total, whether it is passed, and whether it is over at all its rigs."""

    attempt: str
    total_e6: int | None
    passed: bool | None
    verdict: str
    over: bool


@dataclass(frozen=True, slots=True)
class Update:
    """What the projector has just proven, for whoever shows it live.

    `before` is set when this is the whole state (at start, after a rebuild): how many scores there are before these.
    """

    rigs: tuple[RigState, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    results: tuple[Result, ...] = ()
    before: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row of `items` with the candidate's ticket while it may be shown."""

    origin: str
    index: int
    bundle: int
    received_us: int
    gateway: str
    rig: str
    station: str | None
    attempt: str | None
    ticket: str | None
    exam_no: int | None
    item: str
    ordinal: int
    mode: str
    outcome: str
    score_claimed: int | None
    score_recomputed: int | None
    verdict: str
    differences: list[dict[str, Any]]
    notes: list[str]
    deductions: list[dict[str, Any]]
    veto_effect: str | None
    elapsed_s: int | None
    limit_s: int | None
    started: str | None
    finished: str | None
    read_us: int | None
    rubric: str | None
    guarantee: str | None
    source: str | None
    session: str | None = None
    binding: str | None = None
    decoded: bool = True

    def to_row(self, book: RubricBook) -> dict[str, Any]:
        """For the live page: what fits in one line."""
        return {
            "rig": self.rig,
            "station": self.station,
            "gateway": self.gateway,
            "attempt": self.attempt,
            "ticket": self.ticket,
            "item": book.item(self.rubric, self.item),
            "ordinal": self.ordinal,
            "mode": self.mode,
            "outcome": self.outcome,
            "score": self.score_claimed,
            "recomputed": self.score_recomputed,
            "verdict": self.verdict,
            "veto_effect": self.veto_effect,
            "received_ms": self.received_us // 1000,
            "index": self.index,
        }
