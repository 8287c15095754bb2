"""From one judged fact to the rows of entries, items, marks and session_marks. Pure; raises Unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from server.projection import limits
from server.projection.alerts import Alert
from server.projection.errors import Unreadable
from server.projection.facts import gateway_of, number, optional_number, optional_text, text, time_us
from server.projection.rigfold import DoneItem
from server.projection.scores import ScoreRow

if TYPE_CHECKING:
    from server.evidence.store import StoredEntry
    from server.projection.facts import Fact
    from server.projection.judge import Judgement

MARKS: Final = frozenset(
    {types.IDENTITY_CHECKED, types.CANDIDATE_ACKNOWLEDGED, types.ATTEMPT_FINISHED, types.ATTEMPT_ABORTED},
)
SESSION_MARKS: Final = frozenset({types.SESSION_OPENED, types.SESSION_CLOSED})


def key_of(fact: Fact) -> dict[str, Any]:
    """Where it stands."""
    return {"origin": fact.place.origin, "index": fact.place.index}


def entry_row(fact: Fact, judged: Judgement) -> dict[str, Any]:
    """Every entry has one."""
    flags = [*dict.fromkeys((*fact.flags, *judged.notes))]
    if judged.verdict in {"mismatch", "impossible"}:
        flags.append(judged.verdict)
    anchored = fact.entry.document.get("receipt") if fact.type == types.ANCHOR else None
    return {
        **key_of(fact),
        "bundle": fact.place.bundle,
        "received_us": fact.place.received_us,
        "type": fact.type,
        "rig": fact.rig,
        "station": fact.entry.station,
        "attempt": fact.attempt if fact.counts else None,
        "read_us": fact.read_us,
        "sync": fact.entry.read.sync,
        "rig_time": fact.entry.rig_time,
        "guarantee": fact.entry.guarantee,
        "anchor": anchored if isinstance(anchored, str) else None,
        "fields": dict(fact.fields),
        "flags": flags,
        "leaf": fact.leaf,
    }


def item_row(fact: Fact, judged: Judgement) -> dict[str, Any]:
    """The decoded fields count; the gateway's own stand in where nothing could be decoded, and the verdict says so."""
    fields = judged.fields or fact.fields
    deductions = fields.get("deductions") or []
    if not isinstance(deductions, list) or not all(isinstance(one, dict) for one in deductions):
        raise Unreadable("fields.deductions: expected a list of objects")
    if fact.rig is None:
        raise Unreadable("rig: expected text")
    for name in ("started", "finished"):
        time_us(optional_text(fields, name))
    return {
        **key_of(fact),
        "bundle": fact.place.bundle,
        "received_us": fact.place.received_us,
        "gateway": fact.place.gateway,
        "rig": fact.rig,
        "station": fact.entry.station,
        "attempt": fact.attempt,
        "exam_no": optional_number(fields, "exam_no"),
        "item": text(fields, "item"),
        "ordinal": number(fields, "ordinal"),
        "mode": optional_text(fields, "mode") or "exam",
        "outcome": text(fields, "outcome"),
        "score_claimed": optional_number(fields, "score"),
        "score_recomputed": judged.score,
        "verdict": judged.verdict,
        "differences": [one.to_json() for one in judged.differences],
        "notes": list(judged.notes),
        "deductions": deductions,
        "veto_effect": judged.veto_effect,
        "elapsed_s": optional_number(fields, "elapsed_s"),
        "limit_s": optional_number(fields, "limit_s"),
        "started": optional_text(fields, "started"),
        "finished": optional_text(fields, "finished"),
        "read_us": fact.read_us,
        "rubric": judged.rubric,
        "guarantee": fact.entry.guarantee,
        "source": fact.entry.source,
        "session": fact.entry.session,
        "binding": fact.entry.binding,
        "decoded": bool(judged.fields),
    }


def mark_row(fact: Fact, judged: Judgement) -> dict[str, Any]:
    """Of what opens, closes and acknowledges a part of an attempt."""
    return {
        **key_of(fact),
        "received_us": fact.place.received_us,
        "attempt": fact.attempt,
        "rig": fact.rig,
        "station": fact.entry.station,
        "type": fact.type,
        "read_us": fact.read_us,
        "fields": dict(judged.fields or fact.fields),
        "session": fact.entry.session,
        "binding": fact.entry.binding,
        "notes": list(judged.notes),
    }


def session_row(fact: Fact) -> dict[str, Any]:
    """Of a session that a gateway opened or closed."""
    return {
        **key_of(fact),
        "gateway": fact.place.gateway,
        "session": text(fact.fields, "session"),
        "type": fact.type,
        "plan": optional_text(fact.fields, "plan"),
        "nonce": optional_text(fact.fields, "nonce"),
        "reason": optional_text(fact.fields, "reason"),
        "read_us": fact.read_us,
        "received_us": fact.place.received_us,
    }


def done_of(item: dict[str, Any]) -> DoneItem:
    """An ended item as the rig's state keeps it."""
    return DoneItem(
        item["item"],
        item["ordinal"],
        item["outcome"],
        item["score_claimed"],
        item["score_recomputed"],
        item["verdict"],
        item["origin"],
        item["index"],
    )


def score_of(row: dict[str, Any], ticket: str | None) -> ScoreRow:
    """An ended item as pages get it."""
    return ScoreRow(ticket=ticket, **row)


def quarantined(stored: StoredEntry, reason: str) -> tuple[dict[str, Any], Alert]:
    """An entry that is kept and cannot be read: its row and its alarm."""
    short, detail = reason[: limits.REASON_MAX], {"gateway": gateway_of(stored.origin)}
    row = {"origin": stored.origin, "index": stored.index, "received_us": stored.received_us, "reason": short}
    where = (stored.origin, stored.index, None, None, stored.received_us)
    return row, Alert("quarantined", "alarm", *where, detail | {"reason": short})
