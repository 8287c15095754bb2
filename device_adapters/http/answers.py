"""What a rig is answered: a status code and a document, by what became of its records (docs/rig-interface-v1-http.md).

Owns: which verdict is which answer. Names no value of a record: reasons and places only (P7). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from device_adapters.errors import REASONS, AdapterError, BackOff, NotProven
from device_adapters.http.window import Late, OutOfOrder
from device_adapters.limits import PUSH_BATCH_MAX
from device_adapters.messages.fates import Refused, Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.http.window import Verdict
    from device_adapters.observation import Evidence

OK: Final = 200
_AGAIN_S: Final = 1
_TITLES: Final = {
    400: "not a request of this interface",
    401: "not proven",
    403: "not from here",
    404: "no such place",
    405: "no such method here",
    408: "too slow",
    409: "out of order",
    411: "no length",
    413: "too large",
    415: "another content type",
    422: "refused",
    429: "too many requests",
    500: "a fault of the gateway",
    503: "not yet",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """`retry_after_s` None: repeating it as it is changes nothing."""

    status: int
    document: Mapping[str, Any]
    retry_after_s: int | None = None


def problem(status: int, reason: str, detail: str, retry_after_s: int | None = None, **more: Any) -> Answer:
    """RFC 9457: what, where, what to do."""
    document = {"title": _TITLES[status], "status": status, "reason": reason, "detail": detail, **more}
    return Answer(status, document, retry_after_s)


def of_error(error: AdapterError, gateway_s: float) -> Answer:
    """A request that was not admitted. The gateway's time goes with it, so that a rig can find its offset.

    Rounded up: what is signed with it was not signed before the gateway started.
    """
    if isinstance(error, NotProven):
        return problem(401, error.reason, error.detail, gateway_time=ceil(gateway_s))
    wait_s = error.wait_s if isinstance(error, BackOff) else _AGAIN_S
    return problem(429, "rate", str(error), max(1, round(wait_s + 0.5)))


def of_status(evidence: Evidence | None, told: Mapping[str, Any]) -> Answer:
    """To a status."""
    if evidence is None:
        return Answer(OK, {"v": 1, **told})
    return problem(422, evidence.reason, _why(evidence), **told)


def of_records(verdicts: Sequence[Verdict], told: Mapping[str, Any]) -> Answer:
    """To records, in their order: 200 only if every one is durable (P1)."""
    more = {"v": 1, **told, "records": [_row(verdict) for verdict in verdicts]}
    for verdict in verdicts:
        if isinstance(verdict, Refused):
            return problem(422, verdict.evidence.reason, _why(verdict.evidence), **more)
    for verdict in verdicts:
        if isinstance(verdict, OutOfOrder):
            return problem(
                409, "order", f"record {verdict.first} is missing: send again from there, in order", _AGAIN_S, **more
            )
    if all(isinstance(verdict, Stored) for verdict in verdicts):
        return Answer(OK, more)
    return problem(
        503, "unknown", "not stored yet, or the rig's status did not come: send the same again", _AGAIN_S, **more
    )


def records_of(body: bytes) -> list[bytes]:
    """One record a line; blank lines are none. Raises ValueError with the reason."""
    lines = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
    if not 1 <= len(lines) <= PUSH_BATCH_MAX:
        raise ValueError(f"{len(lines)} records; from 1 to {PUSH_BATCH_MAX}, one a line")
    return lines


def _row(verdict: Verdict) -> dict[str, Any]:
    match verdict:
        case Stored():
            entry = None if verdict.entry is None else verdict.entry.hex()
            told = {"boot": verdict.boot, "seq": verdict.seq, "record": verdict.digest.hex(), "entry": entry}
            return {"outcome": "stored", **told}
        case Refused():
            why = verdict.evidence
            return {"outcome": "refused", "seq": why.asked, "reason": why.reason, "detail": _why(why)}
        case OutOfOrder():
            return {"outcome": "order", "first": verdict.first}
        case Late():
            return {"outcome": "unknown"}
    return {"outcome": "unknown"}


def _why(evidence: Evidence) -> str:
    return f"{evidence.detail} ({REASONS[evidence.reason]})"
