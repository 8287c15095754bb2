"""What the messages of rig interface v1 contain: the records, their values and limits, the status.

Source: docs/rig-interface-v1-mqtt.md M2-M4. A profile places these names in a maker's own JSON; the decoder checks
what stands there with the same tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.language.message_words import (
    Check,
    PlainCheck,
    flag,
    moment,
    number,
    personal,
    rows,
    stamp,
    text,
    word,
)
from device_adapters.limits import (
    INT_MAX,
    MESSAGE_PERSON_BYTES_MAX,
    MESSAGE_ROWS_MAX,
    MESSAGE_TICKET_BYTES_MAX,
    SCORE_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_U16, _U32 = 0xFFFF, 0xFFFFFFFF
_ANY16, _POINTS, _ITEM_RUN = number(0, _U16), number(0, SCORE_MAX), number(1, _U16)
_MODE, _SERIAL, _ITEM = word("exam", "practice", "maintenance"), text(1, 16), text(0, 4)

_DEDUCTION: Final[Mapping[str, PlainCheck]] = {
    "line": number(1, _U16),
    "points": _POINTS,
    "at_s": _ANY16,
    "veto": flag,
}
_MEASURE: Final[Mapping[str, PlainCheck]] = {
    "name": text(1, 32, "[a-z][a-z0-9_]*"),
    "value": number(-INT_MAX, INT_MAX),
    "unit": text(1, 8, r"[^\x00-\x20\x7f-\xa0]*"),
}
COMMON: Final[Mapping[str, Check]] = {
    "v": number(1, 1),
    "serial": _SERIAL,
    "boot": number(0, _U32),
    "seq": number(1, _U32),
    "type": text(1, 32),
    "time": stamp,
    "mode": _MODE,
    "exam_no": number(0, _U32),
    "ticket": personal(MESSAGE_TICKET_BYTES_MAX),
    "item": _ITEM,
    "ordinal": _ANY16,
}
OPTIONAL: Final[Mapping[str, Check]] = {
    "name": personal(MESSAGE_PERSON_BYTES_MAX),
    "masked_id": personal(MESSAGE_PERSON_BYTES_MAX),
    "measures": rows(MESSAGE_ROWS_MAX, _MEASURE),
}
PERSONAL_NAMES: Final = ("ticket", "name", "masked_id")
_EXAM: Final[Mapping[str, Check]] = {"exam_no": number(1, _U32)}
_RUN: Final[Mapping[str, Check]] = {"item": text(1, 4), "ordinal": _ITEM_RUN, **_EXAM}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a record type becomes, and its own values; where a name is common too, the limits here are the narrower."""

    type: str
    fields: Mapping[str, Check]


KINDS: Final[Mapping[str, Kind]] = {
    "exam_opened": Kind(
        "identity.checked",
        {"verdict": word("match", "no_match", "not_checked"), "try": number(1, 2), **_EXAM},
    ),
    "item_started": Kind("item.started", {**_RUN, "limit_s": _ANY16}),
    "deduction": Kind("deduction", {**_RUN, **_DEDUCTION}),
    "item_finished": Kind(
        "item.finished",
        {
            **_RUN,
            "outcome": word("finished", "timeout", "aborted", "veto"),
            "score": _POINTS,
            "elapsed_s": _ANY16,
            "limit_s": _ANY16,
            "veto_lines": number(0, MESSAGE_ROWS_MAX),
            "started": moment,
            "finished": moment,
            "mode": _MODE,
            "deductions": rows(MESSAGE_ROWS_MAX, _DEDUCTION),
        },
    ),
    "exam_closed": Kind("attempt.finished", {"claimed_total": _POINTS, "items": _ANY16, "exam_failed": flag, **_EXAM}),
    "exam_aborted": Kind("attempt.aborted", {"reason": word("candidate", "examiner", "fault", "power"), **_EXAM}),
    "mode_changed": Kind("rig.mode", {"old": _MODE, "new": _MODE}),
    "candidate_acknowledged": Kind("candidate.acknowledged", {"ack": word("signed", "refused", "pending"), **_EXAM}),
}
WILL: Final[Mapping[str, Check]] = {"v": number(1, 1), "serial": _SERIAL, "boot": number(0, _U32), "online": flag}
STATUS: Final[Mapping[str, Check]] = {
    **WILL,
    "state": word("idle", "open", "running", "finished", "fault"),
    "mode": _MODE,
    "last_seq": number(0, _U32),
    "oldest_seq": number(0, _U32),
    "acked_seq": number(0, _U32),
    "time": stamp,
    "exam_no": number(0, _U32),
    "item": _ITEM,
    **dict.fromkeys(("ordinal", "elapsed_s", "limit_s", "running_score", "deduction_count"), _ANY16),
    "gateway_seen": flag,
    "unacked_results": _ANY16,
    "fault": _ANY16,
}


_MODES: Final = ("exam", "practice", "maintenance")
# The words that a profile may translate a maker's into, and all names that it may place.
RECORD_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "type": tuple(KINDS),
    "mode": _MODES,
    "old": _MODES,
    "new": _MODES,
    "verdict": ("match", "no_match", "not_checked"),
    "outcome": ("finished", "timeout", "aborted", "veto"),
    "reason": ("candidate", "examiner", "fault", "power"),
    "ack": ("signed", "refused", "pending"),
}
STATUS_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "state": ("idle", "open", "running", "finished", "fault"),
    "mode": _MODES,
}
STATUS_NAMES: Final = tuple(STATUS)


def record_names() -> frozenset[str]:
    """Every value that some record has."""
    return frozenset({*COMMON, *OPTIONAL}.union(*(kind.fields for kind in KINDS.values())))
