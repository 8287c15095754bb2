"""The truth file: one JSON line per record when it is latched, for an oracle to compare a log or a server with.

Flushed line by line, so that what a killed simulation latched is still on file. Format: docs/simulators.md.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulators.device.codes import ENTRY_TYPE, AbortReason, Acknowledgement, EventType, Mode, Outcome, Verdict
from simulators.device.records import Deduction, EventRecord, ResultRecord

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.device.rig import Latched

_US = 1_000_000


class TruthFile:
    """Where truth is written; without a path it is only counted."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else path.open("w", encoding="utf-8", buffering=1)
        self.records = 0

    def record(self, latched: Latched, more: dict[str, Any] | None = None) -> None:
        """A record was latched; `more` is what the rig itself does not know."""
        self.records += 1
        if self._file is not None:
            self._write(truth_line(latched) | (more or {}))

    def memory_lost(self, rig: str, first: int, last: int) -> None:
        """The `seq-restart` fault threw these unacknowledged records away: nobody can be asked to find them."""
        self._write({"serial": rig, "seq": None, "type": "rig.memory_lost", "lost_from": first, "lost_to": last})

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def truth_line(latched: Latched) -> dict[str, Any]:
    """What the record says in the words of docs/formats/entry.md; `fields` once more as an entry must have them."""
    event, result = latched.event, latched.result
    fields = _fields(event, result)
    return {
        "serial": event.serial,
        "boot": event.boot,
        "seq": event.seq,
        "type": ENTRY_TYPE[event.type],
        "ticket": event.ticket,
        "exam_no": event.exam_no,
        "mode": event.mode.name.lower(),
        "item": event.item,
        "ordinal": event.ordinal,
        "rig_time": _time(event.utc_us, latched.clock_digits),
        **fields,
        "fields": fields,
        "latched_at_us": latched.wall_us,
    }


def _fields(event: EventRecord, result: ResultRecord | None) -> dict[str, Any]:  # noqa: PLR0911 - one case a type
    arg0, arg1, arg2, arg3 = event.args
    exam = {"exam_no": event.exam_no}
    item = {"item": event.item, "ordinal": event.ordinal, **exam}
    match event.type:
        case EventType.EXAM_OPENED:
            return {"verdict": Verdict(arg0).name.lower(), "try": arg1, **exam}
        case EventType.ITEM_STARTED:
            return {**item, "limit_s": arg0}
        case EventType.DEDUCTION:
            return {**item, **_deduction(Deduction(arg0, arg1, arg2, bool(arg3)))}
        case EventType.EXAM_CLOSED:
            return {"claimed_total": arg0, "items": arg1, "exam_failed": bool(arg2), **exam}
        case EventType.EXAM_ABORTED:
            return {"reason": AbortReason(arg0).name.lower(), **exam}
        case EventType.MODE_CHANGED:
            return {"old": Mode(arg0).name.lower(), "new": Mode(arg1).name.lower()}
        case EventType.CANDIDATE_ACKNOWLEDGED:
            return {"ack": Acknowledgement(arg0).name.lower(), **exam}
        case EventType.ITEM_FINISHED:
            return {**item, **_result(result)}


def _result(result: ResultRecord | None) -> dict[str, Any]:
    if result is None:
        raise AssertionError("an item_finished event has a result record")
    return {
        "outcome": Outcome(result.outcome).name.lower(),
        "score": result.score,
        "elapsed_s": result.elapsed_s,
        "limit_s": result.limit_s,
        "veto_lines": result.veto_lines,
        "started": _time(result.started_s * _US),
        "finished": _time(result.finished_s * _US),
        "mode": Mode(result.mode).name.lower(),
        "deductions": [_deduction(d) for d in result.deductions],
        **_measures(result),
    }


def _measures(result: ResultRecord) -> dict[str, Any]:
    if not result.measures:
        return {}
    return {"measures": [{"name": m.name, "value": m.value, "unit": m.unit} for m in result.measures]}


def _deduction(deduction: Deduction) -> dict[str, Any]:
    return {"line": deduction.line, "points": deduction.points, "at_s": deduction.at_s, "veto": deduction.veto}


def _time(utc_us: int, spec: str = "seconds") -> str | None:
    """RFC 3339 with the digits that the register has; null for a rig without a clock (C5)."""
    if utc_us < _US:
        return None
    return datetime.fromtimestamp(utc_us / _US, UTC).isoformat(timespec=spec).replace("+00:00", "Z")
