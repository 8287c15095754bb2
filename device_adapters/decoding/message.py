"""From the payload of a rig's message to what it says: interface v1 over MQTT (docs/rig-interface-v1-mqtt.md M1-M4).

Owns: the meaning of a payload. Pure: no broker, no clock. Gateway and server decode with it (P4): `decode_message`
reads the payload as it came, and again from an entry, with the personal ranges put back or zeroed for good. A
profile's `Shape` says where a maker's own JSON has the values; without one they stand under the interface's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import STATUS_NUMBERS, Decoded, Standing
from device_adapters.decoding.observed import Observer
from device_adapters.errors import BadReading, DecodeError
from device_adapters.language.interface_v1 import COMMON, KINDS, OPTIONAL, PERSONAL_NAMES, STATUS, WILL
from device_adapters.language.jsonspans import Node, Span, read_object
from device_adapters.language.message_words import (
    Check,
    required,
)
from device_adapters.language.shape import INTERFACE_V1
from device_adapters.limits import (
    MESSAGE_BYTES_MAX,
    MESSAGE_HIDDEN_MAX,
    SCORE_MAX,
)
from device_adapters.observation import Evidence, RawArea, RigStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.language.shape import Layout, Shape
    from device_adapters.observation import FieldValue, Guarantee, Observation, Source

MESSAGE: Final = "message"


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
    members = layout.arrange(whole, COMMON)
    _check_version(members)
    common, hidden = checked(members, COMMON)
    _check_serial(common, rig)
    kind = KINDS.get(str(common["type"]))
    if kind is None:
        raise DecodeError("type", "type is no record of interface v1")
    own, more = checked(layout.arrange(whole, kind.fields), kind.fields)
    check_sum(own)
    there = layout.arrange(whole, OPTIONAL)
    optional, other = checked(there, {name: OPTIONAL[name] for name in there})
    hidden += more + other + layout.rest(whole, {**COMMON, **OPTIONAL, **kind.fields})
    measures = {name: value for name, value in optional.items() if name not in PERSONAL_NAMES}
    people = {**common, **optional}
    return Decoded(
        type=kind.type,
        rig=str(common["serial"]),
        epoch=int_of(common, "boot"),
        seq=int_of(common, "seq"),
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
    members = layout.arrange(read_object(payload), STATUS)
    _check_version(members)
    will, _ = checked(members, WILL)
    _check_serial(will, serial)
    boot, online = int_of(will, "boot"), bool(will["online"])
    sent = (name for name in STATUS if name not in WILL and name not in layout.fixed)
    if not online and not any(name in members for name in sent):
        return StatusMessage(serial, boot, online)
    found, _ = checked(members, STATUS)
    standing = Standing(boot, int_of(found, "last_seq"), int_of(found, "oldest_seq"), int_of(found, "acked_seq"))
    if standing.oldest_seq > standing.last_seq:
        raise DecodeError("sum", f"oldest_seq {standing.oldest_seq} is above last_seq {standing.last_seq}")
    live = RigStatus(
        rig=serial,
        state=str(found["state"]),
        mode=str(found["mode"]),
        item=str(found["item"]),
        **{name: int_of(found, name) if name in found else 0 for name in STATUS_NUMBERS},
    )
    return StatusMessage(serial, boot, online, live, standing)


def checked(members: Mapping[str, Node], checks: Mapping[str, Check]) -> tuple[dict[str, FieldValue], list[Span]]:
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


def check_sum(own: Mapping[str, FieldValue]) -> None:
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
        members = layout.arrange(read_object(payload), COMMON)
        _check_version(members)
        found, _ = checked(members, {name: COMMON[name] for name in ("v", "serial", "boot", "seq")})
        _check_serial(found, serial)
    except DecodeError:
        return None, None
    return int_of(found, "seq"), int_of(found, "boot")


def _evidence(payload: bytes, serial: str, error: DecodeError, seq: int | None, boot: int | None) -> Evidence:
    kept = payload[:MESSAGE_BYTES_MAX]
    whole = RawArea(MESSAGE, 0, kept, ((0, len(kept)),) if kept else ())
    return Evidence(serial, error.reason, error.detail, seq, boot, (whole,))


def int_of(found: Mapping[str, FieldValue], name: str) -> int:
    """A value that was checked as a number."""
    value = found[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} was not checked as a number")
    return value
