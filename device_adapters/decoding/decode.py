"""From the bytes of a rig's records to what they say. Pure: gateway and server decode with it (P4).

Owns: the meaning of bytes under a profile. Never reads a wire, never guesses: what is not exactly as the profile
says is a DecodeError with a reason code of `errors.REASONS`, and nothing is patched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from device_adapters.decoding.records import Opened, Value, cuts_of, open_record
from device_adapters.errors import DecodeError
from device_adapters.language.words import TIMES, check_range
from device_adapters.limits import INT_MAX
from device_adapters.observation import RawArea, RigStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.language.profile import EntryRule, Field, Output, Profile, Record
    from device_adapters.observation import FieldValue

UNKNOWN = "unknown"
STATUS_NUMBERS = (  # in the order of RigStatus
    "ordinal",
    "elapsed_s",
    "limit_s",
    "running_score",
    "deduction_count",
    "last_seq",
    "acked_seq",
    "exam_no",
    "fault",
    "heartbeat",
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  in UTC, as every time here


@dataclass(frozen=True, slots=True)
class Standing:
    """Which records a rig holds: (`oldest_seq` .. `last_seq`), `oldest_seq` 0 when it holds none."""

    boot: int
    last_seq: int
    oldest_seq: int
    acked_seq: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one latched event says.

    `areas` are the records' own bytes (trimmed to their length), with the personal words named in `cut`. `proven` is
    False when the personal words were erased, so that checksums could not be checked any more.
    """

    type: str
    rig: str
    epoch: int
    seq: int
    mode: str | None
    rig_time: str | None
    fields: Mapping[str, FieldValue]
    personal: Mapping[str, bytes]
    areas: tuple[RawArea, ...]
    proven: bool


def decode_record(
    profile: Profile, areas: Sequence[RawArea], *, rig: str | None = None, seq: int | None = None, erased: bool = False
) -> Decoded:
    """Decode an event and the record it names. Raises DecodeError only.

    Checks serial and sequence number when they are given.
    `erased`: the ranges in `cut` were zeroed for good (P7); checksums and personal text are then not checked.
    """
    if not areas:
        raise DecodeError("area", "no words at hand")
    event = open_record(profile.event, areas[0].data, rig=rig, seq=seq, erased=erased)
    rule = rule_of(profile, event)
    found = number(event, "seq")
    if seq is not None and found != seq:  # a record without a frame has not been asked yet
        raise DecodeError("sequence", f"{profile.event.name} has another number than {seq}")
    expected = [(profile.event, profile.event.address(slot_of(profile.event, found)))]
    if rule.record is not None:
        record = profile.records[rule.record]
        expected.append((record, named_address(record, rule, event)))
    _check_places(expected, areas)
    opened = {profile.event.name: event}
    for (record, _), area in zip(expected[1:], areas[1:], strict=True):
        other = open_record(record, area.data, rig=str(event.values["serial"]), seq=found, erased=erased)
        _check_agreement(rule, event, other)
        opened[record.name] = other
    return Decoded(
        type=rule.type,
        rig=str(event.values["serial"]),
        epoch=number(event, "boot"),
        seq=found,
        mode=_mode(profile, event),
        rig_time=_rig_time(profile, event),
        fields={output.name: _output(profile, output, opened[output.record]) for output in rule.fields}
        | _measures(rule, opened),
        personal=_personal(profile, opened, erased),
        areas=tuple(
            RawArea(record.name, area.at, area.data, cuts_of(record, len(area.data) // 2))
            for (record, _), area in zip(expected, areas, strict=True)
        ),
        proven=not erased,
    )


def decode_entry_raw(profile: Profile, raw_areas_uncut: Sequence[RawArea], *, erased: bool = False) -> Decoded:
    """Decode the raw areas of an entry again, as the server does (P4). Raises DecodeError only."""
    return decode_record(profile, raw_areas_uncut, erased=erased)


def decode_status(profile: Profile, data: bytes, *, rig: str) -> tuple[RigStatus, Standing]:
    """Decode the status block of the rig `rig`. Raises DecodeError."""
    return shown_by(profile, open_record(profile.status, data, rig=rig, seq=None), rig)


def shown_by(profile: Profile, status: Opened, rig: str) -> tuple[RigStatus, Standing]:
    """What an opened status block says. Raises DecodeError."""
    live = RigStatus(
        rig,
        _code(profile.status, status, "state"),
        _code(profile.status, status, "mode"),
        str(status.values.get("item", "")),
        *[number(status, name) if name in status.values else 0 for name in STATUS_NUMBERS],
    )
    standing = Standing(number(status, "boot"), live.last_seq, _oldest(profile, status, live), live.acked_seq)
    if standing.oldest_seq > standing.last_seq:
        raise DecodeError("sum", f"oldest_seq {standing.oldest_seq} is above last_seq {standing.last_seq}")
    return live, standing


def _oldest(profile: Profile, status: Opened, live: RigStatus) -> int:
    """As the rig says, or, of one that does not, what its ring still has room for."""
    if "oldest_seq" in status.values:
        return number(status, "oldest_seq")
    return max(1, live.last_seq - profile.event.slots + 1) if live.last_seq else 0


def rule_of(profile: Profile, event: Opened) -> EntryRule:
    """What this event becomes."""
    if "type" not in profile.event.fields:  # lint: then there is one rule
        return next(iter(profile.rules.values()))
    code = number(event, "type")
    rule = profile.rules.get(code)
    if rule is None:
        raise DecodeError("type", "the type of the event is not in the profile")
    return rule


def number(opened: Opened, name: str) -> int:
    """A number of a record, by the role that its field name is."""
    value = opened.values.get(name)
    if not isinstance(value, int):
        raise DecodeError("area", f"the record has no number {name}")
    return value


def slot_of(record: Record, seq: int) -> int:
    """The slot of a ring in which record number `seq` lies."""
    return seq % record.slots if record.index == "sequence" else 0


def named_address(record: Record, rule: EntryRule, event: Opened) -> int:
    """Where the record lies that the event names."""
    return record.address(named_slot(record, rule, event))


def named_slot(record: Record, rule: EntryRule, event: Opened) -> int:
    """The slot of the record that the event names."""
    slot = number(event, rule.slot) if rule.slot is not None else 0
    if not 0 <= slot < record.slots:
        raise DecodeError("range", f"{rule.slot} is no slot of {record.name}, which has {record.slots}")
    return slot


def _check_places(expected: Sequence[tuple[Record, int]], areas: Sequence[RawArea]) -> None:
    """Decode by absolute address only: right bytes from a wrong place are wrong bytes."""
    if len(areas) != len(expected):
        raise DecodeError("area", f"{len(areas)} areas at hand, the event needs {len(expected)}")
    for (record, at), area in zip(expected, areas, strict=True):
        if (area.area, area.at) != (record.name, at):
            raise DecodeError("area", f"{area.area} at {area.at} is not {record.name} at {at}")


def _check_agreement(rule: EntryRule, event: Opened, other: Opened) -> None:
    for theirs, ours in rule.agree:
        if other.values[theirs] != event.values[ours]:
            raise DecodeError("pair", f"{rule.record}.{theirs} differs from {ours} of the event")


def _mode(profile: Profile, event: Opened) -> str | None:
    return _code(profile.event, event, "mode") if "mode" in profile.event.fields else None


def _code(record: Record, opened: Opened, name: str) -> str:
    codes = record.fields[name].codes or {}
    return codes.get(number(opened, name), UNKNOWN)


def _rig_time(profile: Profile, event: Opened) -> str | None:
    if profile.rig_time is None:
        return None
    seconds, part = profile.rig_time
    return rfc3339(number(event, seconds), number(event, part) if part is not None else None)


def rfc3339(seconds: int, milliseconds: int | None = None) -> str | None:
    """UTC text of a rig's time; None for 0, which says that the rig has no clock."""
    if seconds == 0:
        return None
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    return f"{text}Z" if milliseconds is None else f"{text}.{milliseconds:03d}Z"


def _output(profile: Profile, output: Output, opened: Opened) -> FieldValue:
    record = profile.records[output.record]
    if output.kind == "fixed":
        return output.fixed
    if output.kind == "rows":
        return _all_rows(record, output, opened)
    value = opened.values[output.source]
    if isinstance(value, str):
        check_range(f"the length of {output.name}", len(value), output.low, output.high)
        return value
    if output.kind == "lines":
        return _lines(output, value)
    return _number(record.fields[output.source], output, value)


def _number(field: Field, output: Output, value: int) -> FieldValue:
    if output.hundredths is not None:
        value *= output.hundredths
    if output.low is not None or output.high is not None:
        check_range(output.name, value, output.low, output.high)
    if output.kind == "flag":
        check_range(output.name, value, 0, 1)
        return value == 1
    if output.codes is not None:
        if value not in output.codes:
            raise DecodeError("code", f"{output.name} has a code that the profile does not name")
        return output.codes[value]
    return _plain(field, value)


def _all_rows(record: Record, output: Output, opened: Opened) -> FieldValue:
    if record.repeat is None or not output.source:
        return []  # `fixed = []`: such rows never come
    return [
        {field.name: _plain(field, row[field.name]) for field in record.repeat.fields.values()} for row in opened.rows
    ]


def _measures(rule: EntryRule, opened: Mapping[str, Opened]) -> dict[str, FieldValue]:
    """As over MQTT: absent where the profile names none."""
    rows: list[dict[str, int | str | bool | None]] = []
    for one in rule.measures:
        value = opened[one.record].number(one.source)
        if abs(value) > INT_MAX:
            raise DecodeError("range", f"the measure {one.name} is too large")
        rows.append({"name": one.name, "value": value, "unit": one.unit})
    return {"measures": rows} if rows else {}


def _lines(output: Output, value: int) -> FieldValue:
    """A row for each bit that is set. A bit that the profile does not name is a fault that nobody could name."""
    left = value
    rows: list[dict[str, int | str | bool | None]] = []
    for line in output.lines:
        if left >> line.bit & 1:
            rows.append({"line": line.line, "points": line.points, "at_s": None, "veto": line.veto})
            left ^= 1 << line.bit
    if left:
        raise DecodeError("code", f"{output.source} has a bit set that the profile does not name")
    return rows


def _plain(field: Field, value: Value) -> int | str | bool | None:
    """A field's value as it stands in an entry."""
    if isinstance(value, str):
        return value
    if field.codes is not None:
        return field.codes[value]
    if field.type == "bool":
        return value == 1
    if field.type in TIMES:
        return rfc3339(value)
    return value if abs(value) <= INT_MAX else str(value)


def _personal(profile: Profile, opened: Mapping[str, Opened], erased: bool) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    if erased:
        return found
    for name, record in opened.items():
        for field in profile.records[name].fields.values():
            if field.personal is not None and (text := str(record.values[field.name])):
                found.setdefault(field.personal, text.encode())
    return found
