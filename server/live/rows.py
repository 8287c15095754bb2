"""The rows of the live page, made from proven state and the newest heartbeat. Pure.

Every value says how sure it is: `receipted` (stored, and covered by this server's cosignature), `stored` (stored, the
cosignature is on its way) or `live` (told by a heartbeat, not proven by anything).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from server.live import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.live.beat import Beat, RigBeat
    from server.projection.rigfold import DoneItem, RigState
    from server.projection.rubrics import RubricBook

Proof = Literal["receipted", "stored", "live"]


def origin_hash(origin: str) -> str:
    """How URLs name an origin."""
    return hashlib.sha256(origin.encode()).hexdigest()


def silent_rig(rig: str, gateway: str) -> str:
    """How the alarm of a silent rig names it."""
    return f"{rig} · {gateway}"


@dataclass(frozen=True, slots=True)
class Telling:
    """A rig's beat and when it came."""

    beat: RigBeat
    at_ms: int


@dataclass(frozen=True, slots=True)
class Context:
    """What rows are made with: cosigned sizes by origin and the rubrics' words."""

    cosigned: Mapping[str, int]
    book: RubricBook

    def proof(self, origin: str, index: int) -> Proof:
        """How sure the entry at this place is."""
        return "receipted" if index < self.cosigned.get(origin, 0) else "stored"


def rig_row(
    gateway: str, rig: str, state: RigState | None, telling: Telling | None, context: Context, *, silent: bool
) -> dict[str, Any]:
    """One rig on the board: proven values, and over them what is newer and only told."""
    beat = telling.beat if telling else None
    told = beat is not None and (
        state is None or beat.last_seq > state.seq or beat.state in {"fault", "offline", "unknown"}
    )
    row = _proven(state, context)
    row.update(
        key=f"rig/{gateway}/{rig}",
        rig=rig,
        gateway=gateway,
        station=(state.station if state else None) or (beat.station if beat else None),
        silent=silent,
        unreadable=beat.unreadable if beat else None,
        elapsed_s=None,
        elapsed_at_ms=None,
    )
    if telling and beat:
        if told:
            row.update(_told(beat, row, context, state))
        if beat.state == "running" and (beat.item, beat.ordinal) == (
            row["item"] and row["item"]["code"],
            row["ordinal"],
        ):
            row.update(elapsed_s=beat.elapsed_s, elapsed_at_ms=telling.at_ms, limit_s=row["limit_s"] or beat.limit_s)
    if row["elapsed_s"] is None and row["state"] == "running" and state and state.started_us:
        row.update(elapsed_s=0, elapsed_at_ms=state.started_us // 1000)
    return row


def _proven(state: RigState | None, context: Context) -> dict[str, Any]:
    if state is None:
        nothing = dict.fromkeys(
            ("attempt", "ticket", "item", "ordinal", "limit_s", "score", "closed", "guarantee", "source", "try_no"),
        )
        return {**nothing, "state": "unknown", "mode": "exam", "proof": "live", "score_proof": "live", "deductions": [],
                "deduction_count": 0, "done": []}  # fmt: skip
    proof = context.proof(state.origin, state.index)
    running = state.state == "running" and state.item is not None
    return {
        "state": state.state if state.online else "offline",
        "mode": state.mode,
        "attempt": state.attempt,
        "ticket": state.ticket,
        "item": context.book.item(state.rubric, state.item) if state.item else None,
        "ordinal": state.ordinal,
        "limit_s": state.limit_s,
        "score": context.book.running_score(state.rubric, state.item or "", state.deductions) if running else None,
        "proof": proof,
        "score_proof": proof,
        "deductions": [
            {
                **context.book.line(state.rubric, state.item or "", deducted.line),
                "points": deducted.points,
                "at_s": deducted.at_s,
                "veto": deducted.veto,
                "proof": context.proof(state.origin, deducted.index),
            }
            for deducted in state.deductions[-limits.DEDUCTIONS_SHOWN :]
        ],
        "deduction_count": len(state.deductions),
        "done": [_done(done, state, context) for done in state.done],
        "closed": state.closed,
        "guarantee": state.guarantee,
        "source": state.source,
        "try_no": state.try_no,
    }


def _done(done: DoneItem, state: RigState, context: Context) -> dict[str, Any]:
    return {
        "item": context.book.item(state.rubric, done.item),
        "ordinal": done.ordinal,
        "outcome": done.outcome,
        "score": done.score,
        "recomputed": done.recomputed,
        "verdict": done.verdict,
        "proof": context.proof(done.origin, done.index),
    }


def _told(beat: RigBeat, row: Mapping[str, Any], context: Context, state: RigState | None) -> dict[str, Any]:
    told: dict[str, Any] = {"state": beat.state, "proof": "live"}
    if beat.mode:
        told["mode"] = beat.mode
    same = row["item"] is not None and row["item"]["code"] == beat.item and row["ordinal"] == beat.ordinal
    if beat.state != "running" or same:
        if same and beat.running_score is not None and beat.running_score != row["score"]:
            told.update(score=beat.running_score, score_proof="live", deduction_count=beat.deduction_count or 0)
        return told
    told.update(
        item=context.book.item(state.rubric if state else None, beat.item) if beat.item else None,
        ordinal=beat.ordinal,
        limit_s=beat.limit_s,
        score=beat.running_score,
        score_proof="live",
        deductions=[],
        deduction_count=beat.deduction_count or 0,
    )
    return told


def gateway_row(
    gateway: str,
    beat: Beat | None,
    *,
    heard_ms: int | None,
    beat_ms: int | None,
    silent: bool,
    stored: int,
    cosigned: int,
) -> dict[str, Any]:
    """One gateway in the strip."""
    size = max(beat.size or 0, stored) if beat else stored
    left = size - stored
    return {
        "key": f"gateway/{gateway}",
        "gateway": gateway,
        "silent": silent,
        "heard_ms": heard_ms,
        "size": size,
        "stored": stored,
        "cosigned": cosigned,
        "unsent": left,
        "oldest_unsent_ms": beat.oldest_unsent_ms if beat and left else None,
        "catching_up": left > limits.CATCHING_UP_ENTRIES,
        "clock_offset_ms": _offset(beat, beat_ms) if beat else None,
        "clock_trusted": beat.trusted if beat else None,
        "sync": beat.sync if beat else None,
        "disk_free": beat.disk_free if beat else None,
        "disk_total": beat.disk_total if beat else None,
        "disk_percent_free": beat.disk_percent_free if beat else None,
        "certificate_ms": beat.certificate_ms if beat else None,
        "software": beat.software if beat else None,
        "accepts_exams": beat.accepts_exams if beat else None,
        "plan_version": beat.plan_version if beat else None,
        "plan_refused": beat.plan_refused if beat else None,
        "brokers": [dict(one) for one in beat.brokers] if beat else [],
    }


def _offset(beat: Beat, beat_ms: int | None) -> int | None:
    """The gateway's own comparison knows how long the answer was under way; ours does not."""
    if beat.offset_ms is not None:
        return beat.offset_ms
    return beat.utc_ms - beat_ms if beat.utc_ms and beat_ms else None
