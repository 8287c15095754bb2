"""Opening one record: is it whole, is it the one asked for, and what do its words say.

Owns: length word, sequence before and after, checksum, serial, and the values of all fields. Never knows what the
values mean for an exam. The checks run from the outside in: a record whose frame is not proven has no fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from device_adapters.errors import DecodeError
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.words import number_of, plain_number, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import Field, Record, Repeat

Value: TypeAlias = "int | str"
Cuts: TypeAlias = "tuple[tuple[int, int], ...]"
Places: TypeAlias = "tuple[tuple[Field, int, int], ...]"


@dataclass(frozen=True, slots=True)
class Opened:
    """A record whose frame is proven: scores in hundredths, codes as codes, texts without padding."""

    values: Mapping[str, Value]
    rows: tuple[Mapping[str, Value], ...]

    def number(self, name: str) -> int:
        """A number field."""
        value = self.values[name]
        if isinstance(value, str):
            raise DecodeError("range", f"{name} is text, not a number")
        return value

    def text(self, name: str) -> str:
        """A text field, or a number written out."""
        return str(self.values[name])


def words_of(record: Record, start: bytes) -> int:
    """How many words the record has, told by its beginning. Refuses a length that the profile does not allow."""
    if record.length is None:
        return record.words
    words = plain_number(record.fields[record.length], _cut(record, record.fields[record.length], start, record.words))
    step = record.repeat.words if record.repeat else 0
    extra = words - record.words
    if extra < 0 or words > record.words_max or (extra and extra % step):
        raise DecodeError("length", f"{record.name} tells a length that it cannot have")
    return words


def open_record(record: Record, data: bytes, *, rig: str | None, seq: int | None, erased: bool = False) -> Opened:
    """All fields of the record that `data` exactly is. `erased`: no checksum, and no personal text."""
    words = words_of(record, data)
    if len(data) != words * 2:
        raise DecodeError("length", f"{record.name} has {words} words, {len(data) // 2} are at hand")
    _check_sequence(record, data, words, seq)
    if record.crc is not None and not erased:
        check_sum(record, data, words)
    values = _values(record, data, words) if not erased else _values_left(record, data, words)
    if rig is not None and values.get("serial", rig) != rig:
        # Only where no person can stand: in another layout the name may lie where the serial number is expected (P7).
        found = "another rig" if cuts_of(record, words) else values["serial"]
        raise DecodeError("serial", f"{record.name} is from {found}, not {rig}")
    opened = Opened(values, _rows(record.repeat, data, values, words - record.words) if record.repeat else ())
    _check_sums(record, opened)
    return opened


def places_of(record: Record) -> Places:
    """Each field of a record of fixed length with its first byte and the one after its last."""
    starts = ((field, (field.at if field.at >= 0 else record.words + field.at) * 2) for field in record.fields.values())
    return tuple((field, start, start + field.words * 2) for field, start in starts)


class Reopened:
    """A record of fixed length that is read over and over, like a status block: only what changed is decoded again.

    A value is a function of its field's bytes alone, so it is stale exactly when these differ from the last proven
    ones. The checksum is made of every reading. What the frame itself rests on (length, sequence numbers, serial) is
    not remembered: when it moved, the record is opened as if for the first time.
    """

    __slots__ = ("_opened", "_places", "_proven", "_record", "_rig")

    def __init__(self, record: Record, rig: str, places: Places | None = None) -> None:
        self._record = record
        self._rig = rig
        self._places = places_of(record) if places is None else places
        self._proven = b""
        self._opened: Opened | None = None

    def open(self, data: bytes) -> Opened:
        """What `open_record` says of the same bytes, or its refusal; a refused reading is not remembered."""
        opened = self._changed(data)
        if opened is None:
            opened = open_record(self._record, data, rig=self._rig, seq=None)
        self._proven, self._opened = data, opened
        return opened

    def _changed(self, data: bytes) -> Opened | None:
        """From the last one; None when too much moved."""
        record, proven, last = self._record, self._proven, self._opened
        if last is None or len(data) != len(proven) or record.repeat is not None:
            return None
        changed = [place for place in self._places if data[place[1] : place[2]] != proven[place[1] : place[2]]]
        if not changed:
            return last if data == proven else None
        frame = {record.length, record.before, record.after, "serial"}
        if any(field.name in frame for field, _, _ in changed):
            return None
        if record.crc is not None:
            check_sum(record, data, record.words)
        values = dict(last.values)
        for field, start, stop in changed:
            found = data[start:stop]
            values[field.name] = text_of(field, found) if field.type == "text" else number_of(field, found)
        opened = Opened(values, ())
        _check_sums(record, opened)
        return opened


def cuts_of(record: Record, words: int) -> Cuts:
    """Byte ranges of the personal words, and of the checksum over them, in order.

    A checksum that stayed would tell which of a few possible values is the erased one (P7).
    """
    hidden = [field for field in record.fields.values() if field.personal is not None]
    if hidden and record.crc is not None:
        hidden.append(record.fields[record.crc])
    ranges = {((field.at if field.at >= 0 else words + field.at) * 2, field.words * 2) for field in hidden}
    return tuple(sorted(ranges))


def _cut(record: Record, field: Field, data: bytes, words: int) -> bytes:
    at = (field.at if field.at >= 0 else words + field.at) * 2
    found = data[at : at + field.words * 2]
    if len(found) != field.words * 2:
        raise DecodeError("area", f"{record.name}.{field.name} lies outside the {len(data) // 2} words at hand")
    return found


def _values(record: Record, data: bytes, words: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for field, at, size in record.places:
        start = at if at >= 0 else words * 2 + at
        found = data[start : start + size]
        if len(found) != size:
            _cut(record, field, data, words)  # says so
        if field.plain:
            values[field.name] = int.from_bytes(found, "big")
        else:
            values[field.name] = text_of(field, found) if field.type == "text" else number_of(field, found)
    return values


def _values_left(record: Record, data: bytes, words: int) -> dict[str, Value]:
    """Without the personal words and the checksum over them, which are gone."""
    values: dict[str, Value] = {}
    for field in record.fields.values():
        if field.personal is not None:
            values[field.name] = ""
        elif field.name == record.crc:
            values[field.name] = 0
        else:
            found = _cut(record, field, data, words)
            values[field.name] = text_of(field, found) if field.type == "text" else number_of(field, found)
    return values


def _check_sequence(record: Record, data: bytes, words: int, seq: int | None) -> None:
    if record.before is None or record.after is None:
        return
    before, after = (
        plain_number(field, _cut(record, field, data, words))
        for field in (record.fields[record.before], record.fields[record.after])
    )
    if before != after:
        raise DecodeError("sequence", f"{record.name} begins and ends with different numbers")
    if seq is not None and before != seq:
        raise DecodeError("sequence", f"{record.name} has another number than {seq}")


def check_sum(record: Record, data: bytes, words: int) -> None:
    """Refuses words that their checksum does not fit."""
    if record.crc is None or record.crc_kind is None:
        return
    field = record.fields[record.crc]
    at = field.at if field.at >= 0 else words + field.at
    if CHECKSUMS[record.crc_kind](data[record.crc_from * 2 : at * 2]) != plain_number(
        field, _cut(record, field, data, words)
    ):
        raise DecodeError("crc", f"the checksum of {record.name} does not fit its words")


def _rows(repeat: Repeat, data: bytes, values: Mapping[str, Value], extra: int) -> tuple[Mapping[str, Value], ...]:
    count = values[repeat.count]
    if count != extra // repeat.words:
        raise DecodeError("length", f"{repeat.count} is not {extra // repeat.words}, as the length says")
    step = repeat.words * 2
    starts = range(repeat.at * 2, repeat.at * 2 + extra * 2, step)
    return tuple(_row(repeat, data[start : start + step]) for start in starts)


def _row(repeat: Repeat, data: bytes) -> Mapping[str, Value]:
    row: dict[str, Value] = {}
    for field in repeat.fields.values():
        found = data[field.at * 2 : (field.at + field.words) * 2]
        row[field.name] = text_of(field, found) if field.type == "text" else number_of(field, found)
    return row


def _check_sums(record: Record, opened: Opened) -> None:
    for rule in record.sums:
        if rule.unless_zero is not None and opened.values[rule.unless_zero] == 0:
            continue
        total = sum(_parts(opened, rule.fields))
        if total > rule.most:
            raise DecodeError("sum", f"{' + '.join(rule.fields)} of {record.name} is above {rule.most}")


def _parts(opened: Opened, names: tuple[str, ...]) -> list[int]:
    parts: list[int] = []
    for name in names:
        group, dot, field = name.partition(".")
        found = [row[field] for row in opened.rows] if dot else [opened.values[group]]
        parts.extend(value for value in found if isinstance(value, int))
    return parts
