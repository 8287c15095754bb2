"""From the payload of a rig's message to what it says: interface v1 over MQTT (docs/rig-interface-v1-mqtt.md M1-M4).

Owns: the meaning of a payload. Pure: no broker, no clock. Gateway and server decode with it (P4): `decode_message`
reads the payload as it came, and again from an entry, with the personal ranges put back or zeroed for good. A
profile's `Shape` says where a maker's own JSON has the values; without one they stand under the interface's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.decode import STATUS_NUMBERS, Decoded, Standing
from device_adapters.errors import BadReading, DecodeError
from device_adapters.jsonspans import Node, Span, read_object
from device_adapters.limits import (
    INT_MAX,
    MESSAGE_BYTES_MAX,
    MESSAGE_HIDDEN_MAX,
    MESSAGE_PERSON_BYTES_MAX,
    MESSAGE_ROWS_MAX,
    MESSAGE_TICKET_BYTES_MAX,
    SCORE_MAX,
)
from device_adapters.message_words import (
    Check,
    PlainCheck,
    flag,
    moment,
    number,
    personal,
    required,
    rows,
    stamp,
    text,
    word,
)
from device_adapters.observation import Evidence, RawArea, RigStatus
from device_adapters.observed import Observer
from device_adapters.shape import INTERFACE_V1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.observation import FieldValue, Guarantee, Observation, Source
    from device_adapters.shape import Layout, Shape

MESSAGE: Final = "message"
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
_COMMON: Final[Mapping[str, Check]] = {
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
_OPTIONAL: Final[Mapping[str, Check]] = {
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
_WILL: Final[Mapping[str, Check]] = {"v": number(1, 1), "serial": _SERIAL, "boot": number(0, _U32), "online": flag}
_STATUS: Final[Mapping[str, Check]] = {
    **_WILL,
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
STATUS_NAMES: Final = tuple(_STATUS)


def record_names() -> frozenset[str]:
    """Every value that some record has."""
    return frozenset({*_COMMON, *_OPTIONAL}.union(*(kind.fields for kind in KINDS.values())))


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """A `status` payload (M4); the will has neither `live` nor `standing`."""

    rig: str
    boot: int
    online: bool
    live: RigStatus | None = None
    standing: Standing | None = None


def decode_message(
    raw: Sequence[RawArea], *, rig: str | None = None, erased: bool = False, shape: Shape = INTERFACE_V1
) -> Decoded:
    """Decode a record's payload. Raises DecodeError only. Checks the serial when `rig` is given.

    `erased`: the ranges in `cut` were zeroed for good (P7); else `cut` is not looked at. The area that comes back
    has in `cut` the ranges of the personal values, and of every value that the interface does not name.
    """
    if [(area.area, area.at) for area in raw] != [(MESSAGE, 0)]:
        raise DecodeError("area", "a message has one area of bytes, at 0")
    whole, layout = read_object(raw[0].data, raw[0].cut if erased else ()), shape.record
    members = layout.arrange(whole, _COMMON)
    _check_version(members)
    common, hidden = _checked(members, _COMMON)
    _check_serial(common, rig)
    kind = KINDS.get(str(common["type"]))
    if kind is None:
        raise DecodeError("type", "type is no record of interface v1")
    own, more = _checked(layout.arrange(whole, kind.fields), kind.fields)
    _check_sum(own)
    there = layout.arrange(whole, _OPTIONAL)
    optional, other = _checked(there, {name: _OPTIONAL[name] for name in there})
    hidden += more + other + layout.rest(whole, {**_COMMON, **_OPTIONAL, **kind.fields})
    measures = {name: value for name, value in optional.items() if name not in PERSONAL_NAMES}
    people = {**common, **optional}
    return Decoded(
        type=kind.type,
        rig=str(common["serial"]),
        epoch=_int(common, "boot"),
        seq=_int(common, "seq"),
        mode=str(common["mode"]),
        rig_time=None if common["time"] is None else str(common["time"]),
        fields={**own, **measures},
        personal={name: str(people[name]).encode() for name in PERSONAL_NAMES if people.get(name) and not erased},
        areas=(RawArea(MESSAGE, 0, raw[0].data, _cuts(hidden)),),
        proven=not erased,
    )


def read_message(
    payload: bytes, *, serial: str, source: Source, guarantee: Guarantee = "latched", retained: bool = False
) -> Observation:
    """The observation that the record `payload` on the topic of the rig `serial` is. Raises BadReading only."""
    found = take_message(payload, serial=serial, retained=retained)
    return Observer(serial, guarantee, source).record(found)


def take_message(payload: bytes, *, serial: str, retained: bool = False, shape: Shape = INTERFACE_V1) -> Decoded:
    """What the record `payload` on the topic of the rig `serial` says. Raises BadReading only."""
    try:
        if retained:
            raise DecodeError("retained", "a retained record would come again for ever")  # noqa: TRY301
        return decode_message((RawArea(MESSAGE, 0, payload),), rig=serial, shape=shape)
    except DecodeError as error:
        seq, boot = (None, None) if retained else _claims(payload, serial, shape.record)
        raise BadReading(_evidence(payload, serial, error, seq, boot)) from error


def read_status(payload: bytes, *, serial: str, shape: Shape = INTERFACE_V1) -> StatusMessage:
    """The live status `payload` on the topic of the rig `serial`. Raises BadReading only."""
    try:
        return _status(payload, serial, shape.status)
    except DecodeError as error:
        raise BadReading(_evidence(payload, serial, error, None, None)) from error


def _status(payload: bytes, serial: str, layout: Layout) -> StatusMessage:
    members = layout.arrange(read_object(payload), _STATUS)
    _check_version(members)
    will, _ = _checked(members, _WILL)
    _check_serial(will, serial)
    boot, online = _int(will, "boot"), bool(will["online"])
    sent = (name for name in _STATUS if name not in _WILL and name not in layout.fixed)
    if not online and not any(name in members for name in sent):
        return StatusMessage(serial, boot, online)
    found, _ = _checked(members, _STATUS)
    standing = Standing(boot, _int(found, "last_seq"), _int(found, "oldest_seq"), _int(found, "acked_seq"))
    if standing.oldest_seq > standing.last_seq:
        raise DecodeError("sum", f"oldest_seq {standing.oldest_seq} is above last_seq {standing.last_seq}")
    live = RigStatus(
        rig=serial,
        state=str(found["state"]),
        mode=str(found["mode"]),
        item=str(found["item"]),
        **{name: _int(found, name) if name in found else 0 for name in STATUS_NUMBERS},
    )
    return StatusMessage(serial, boot, online, live, standing)


def _checked(members: Mapping[str, Node], checks: Mapping[str, Check]) -> tuple[dict[str, FieldValue], list[Span]]:
    """These values, checked, and the ranges that must not be shown."""
    hidden: list[Span] = []
    nodes = required(members, checks)
    return {name: check(name, nodes[name], hidden) for name, check in checks.items()}, hidden


def _check_version(members: Mapping[str, Node]) -> None:
    """Before anything else: another version may have other values."""
    version = required(members, {"v": None})["v"].value
    if isinstance(version, int) and not isinstance(version, bool) and version != 1:
        raise DecodeError("constant", "v is not 1")


def _check_serial(found: Mapping[str, FieldValue], rig: str | None) -> None:
    if rig is not None and found["serial"] != rig:
        raise DecodeError("serial", "serial is not the one of the topic")


def _check_sum(own: Mapping[str, FieldValue]) -> None:
    """As in the Modbus half: nothing is taken off that is not there; a score of 0 may stand beside any points."""
    deductions, score = own.get("deductions"), own.get("score")
    if isinstance(deductions, list) and isinstance(score, int) and score:
        total = score + sum(int(row["points"] or 0) for row in deductions)
        if total > SCORE_MAX:
            raise DecodeError("sum", f"score and points add up to {total}, more than {SCORE_MAX}")


def _cuts(hidden: list[Span]) -> tuple[Span, ...]:
    cuts = tuple(sorted(span for span in hidden if span[1]))
    if len(cuts) > MESSAGE_HIDDEN_MAX:
        raise DecodeError("oversize", f"{len(cuts)} values that must not be shown, at most {MESSAGE_HIDDEN_MAX}")
    return cuts


def _claims(payload: bytes, serial: str, layout: Layout) -> tuple[int | None, int | None]:
    """Number and boot of a refused record, where it can be told that it is one of this rig."""
    try:
        members = layout.arrange(read_object(payload), _COMMON)
        _check_version(members)
        found, _ = _checked(members, {name: _COMMON[name] for name in ("v", "serial", "boot", "seq")})
        _check_serial(found, serial)
    except DecodeError:
        return None, None
    return _int(found, "seq"), _int(found, "boot")


def _evidence(payload: bytes, serial: str, error: DecodeError, seq: int | None, boot: int | None) -> Evidence:
    kept = payload[:MESSAGE_BYTES_MAX]
    whole = RawArea(MESSAGE, 0, kept, ((0, len(kept)),) if kept else ())
    return Evidence(serial, error.reason, error.detail, seq, boot, (whole,))


def _int(found: Mapping[str, FieldValue], name: str) -> int:
    value = found[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} was not checked as a number")
    return value
