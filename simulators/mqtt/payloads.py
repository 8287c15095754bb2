"""Records and status as JSON, and what a gateway answers (M1-M4, M7), written by hand from the interface page.

Pure: no clock, no socket, no state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulators.device.codes import AbortReason, Acknowledgement, EventType, Mode, Outcome, Verdict
from simulators.errors import RigRefuses
from simulators.limits import MEASURES_MAX, PAYLOAD_BYTES_MAX, TICKET_BYTES, U16_MAX, U32_MAX

if TYPE_CHECKING:
    from simulators.device.records import Deduction, EventRecord, Measure, ResultRecord
    from simulators.device.status import Status

_US = 1_000_000
_ROOT = "kaofen/v1"


def topic(serial: str, last: str) -> str:
    """`kaofen/v1/<serial>/<last>`."""
    return f"{_ROOT}/{serial}/{last}"


class MessageWire:
    """How a rig of the MQTT half keeps a record: the payload itself, so that its bytes never change (M6)."""

    def check_ticket(self, ticket: str) -> None:
        """At most 32 bytes of UTF-8, no control characters (M3)."""
        if len(ticket.encode()) > TICKET_BYTES or not ticket.isprintable():
            raise RigRefuses(f"a ticket has at most {TICKET_BYTES} bytes of UTF-8 and no control characters")

    def measures(self, taken: tuple[Measure, ...]) -> tuple[Measure, ...]:
        """All."""
        return taken

    def encode(self, event: EventRecord, result: ResultRecord | None) -> tuple[bytes, bytes | None]:
        """The whole record stands in the event's place; the result's place is taken and stays empty."""
        return record(event, result), b"" if result else None


def record(event: EventRecord, result: ResultRecord | None) -> bytes:
    """The payload of one record (M2, M3)."""
    document = {
        "v": 1,
        "serial": event.serial,
        "boot": event.boot,
        "seq": event.seq,
        "type": event.type.name.lower(),
        "time": _time(event.utc_us, "milliseconds"),
        "mode": event.mode.name.lower(),
        "exam_no": event.exam_no,
        "ticket": event.ticket,
        "item": event.item,
        "ordinal": event.ordinal,
        **(_by_type(event) if result is None else _sheet(result)),
    }
    payload = _json(document)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise RigRefuses(f"a record of {len(payload)} bytes does not fit into {PAYLOAD_BYTES_MAX} (M1)")
    return payload


def status(shown: Status) -> bytes:
    """The live status (M4)."""
    item = shown.shown
    return _json(
        {
            "v": 1,
            "serial": shown.serial,
            "boot": shown.boot,
            "online": True,
            "state": shown.state.name.lower(),
            "mode": shown.mode.name.lower(),
            "last_seq": shown.last_seq,
            "oldest_seq": shown.oldest_seq,
            "acked_seq": shown.acked_seq,
            "time": _time(shown.utc_us, "milliseconds"),
            "exam_no": shown.exam_no,
            "item": item.item,
            "ordinal": item.ordinal,
            "elapsed_s": item.elapsed_s,
            "limit_s": item.limit_s,
            "running_score": item.running_score,
            "deduction_count": item.deduction_count,
            "gateway_seen": shown.gateway_seen,
            "unacked_results": shown.unacked_results,
            "fault": shown.fault,
        }
    )


def offline(serial: str, boot: int) -> bytes:
    """The will, and the good-bye."""
    return _json({"v": 1, "serial": serial, "boot": boot, "online": False})


@dataclass(frozen=True, slots=True)
class Ack:
    """An application acknowledgement, not yet believed (M7)."""

    seq: int
    record: str


def read_ack(payload: bytes) -> Ack | None:
    """None for anything that is not an acknowledgement of version 1."""
    answer = _answer(payload)
    seq, digest = _number(answer, "seq", U32_MAX), answer.get("record")
    return Ack(seq, digest) if seq is not None and isinstance(digest, str) else None


def read_ready(payload: bytes) -> int | None:
    """The counter of `ready`."""
    return _number(_answer(payload), "counter", U16_MAX)


def read_resend(payload: bytes) -> int | None:
    """From where on."""
    return _number(_answer(payload), "from", U32_MAX)


def _answer(payload: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) and answer.get("v") == 1 else {}


def _number(answer: dict[str, Any], key: str, most: int) -> int | None:
    value = answer.get(key)
    return value if type(value) is int and 0 <= value <= most else None


def _by_type(event: EventRecord) -> dict[str, Any]:  # noqa: PLR0911 - one case a type
    arg0, arg1, arg2, arg3 = event.args
    match event.type:
        case EventType.EXAM_OPENED:
            return {"verdict": Verdict(arg0).name.lower(), "try": arg1}
        case EventType.ITEM_STARTED:
            return {"limit_s": arg0}
        case EventType.DEDUCTION:
            return {"line": arg0, "points": arg1, "at_s": arg2, "veto": bool(arg3)}
        case EventType.EXAM_CLOSED:
            return {"claimed_total": arg0, "items": arg1, "exam_failed": bool(arg2)}
        case EventType.EXAM_ABORTED:
            return {"reason": AbortReason(arg0).name.lower()}
        case EventType.MODE_CHANGED:
            return {"old": Mode(arg0).name.lower(), "new": Mode(arg1).name.lower()}
        case EventType.CANDIDATE_ACKNOWLEDGED:
            return {"ack": Acknowledgement(arg0).name.lower()}
        case EventType.ITEM_FINISHED:
            raise AssertionError("an item_finished event has a result record")


def _sheet(result: ResultRecord) -> dict[str, Any]:
    sheet: dict[str, Any] = {
        "started": _time(result.started_s * _US, "seconds"),
        "finished": _time(result.finished_s * _US, "seconds"),
        "elapsed_s": result.elapsed_s,
        "limit_s": result.limit_s,
        "outcome": Outcome(result.outcome).name.lower(),
        "score": result.score,
        "veto_lines": result.veto_lines,
        "deductions": [_deduction(d) for d in result.deductions],
    }
    if result.measures:
        sheet["measures"] = [{"name": m.name, "value": m.value, "unit": m.unit} for m in result.measures[:MEASURES_MAX]]
    return sheet


def _deduction(deduction: Deduction) -> dict[str, Any]:
    return {"line": deduction.line, "points": deduction.points, "at_s": deduction.at_s, "veto": deduction.veto}


def _time(utc_us: int, digits: str) -> str | None:
    """RFC 3339; null for a rig that has lost its clock."""
    if utc_us < _US:
        return None
    return datetime.fromtimestamp(utc_us / _US, UTC).isoformat(timespec=digits).replace("+00:00", "Z")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
