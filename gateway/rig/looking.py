"""One look at a rig through its profile: every field with its raw words beside what they say. Reads, never writes.

    status ──> last_seq ──> newest event ──> the record that it names

Owns: which fields are shown and which are hidden. Personal words are hidden, and so is the whole of a record that
has some and is not proven: in another layout nobody knows which words are the name (P7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from device_adapters.decoding.decode import named_address, rfc3339, rule_of, slot_of
from device_adapters.decoding.records import cuts_of, open_record, words_of
from device_adapters.errors import DecodeError
from device_adapters.language.rules_once import READ_ONCE
from device_adapters.language.words import FLOATS, TIMES, number_of, text_of
from gateway.rig.unfinished import SOUND, Readable
from gateway.rig.views import View, numbers_of, printable, scales_of

if TYPE_CHECKING:
    from device_adapters.decoding.records import Opened
    from device_adapters.language.profile import Field, Profile, Record
    from device_adapters.modbus.wire import Wire
    from gateway.rig.unfinished import Flaws

HIDDEN = "●●●"
UNPROVEN = "personal words could stand anywhere in it: hidden whole"


@dataclass(frozen=True, slots=True)
class Row:
    """One field. `raw` is empty where it is hidden; `wrong` says why the words are not what the profile says.

    `views`: what it could be, where the profile has a finding at this field.
    """

    name: str
    at: int
    raw: bytes
    value: str
    wrong: str = ""
    views: tuple[View, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One record. `fault` is why it is refused as a whole, empty when it is proven."""

    name: str
    at: int
    rows: tuple[Row, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is left alone."""

    zh: str
    en: str


def untouchable(profile: Profile) -> Reason | None:
    """Why a tool that only looks must not read the records of such a rig; None if it may."""
    if profile.guarantee == READ_ONCE:
        return Reason("读取即清除，未读。", "reading a record clears it, so none is read.")
    if any(record.window is not None for record in profile.records.values()):
        return Reason("翻页需写入，未读。", "its pages are turned by writing, so none is read.")
    return None


async def look(wire: Wire, known: Readable, *, with_personal: bool = False) -> tuple[Table, ...]:
    """Status, newest event and what it names, as far as they can be read. Raises the wire's errors."""
    profile = known.profile
    status = profile.status
    if not known.of(status).placed:
        return (Table(status.name, status.at, (), known.of(status).reason),)
    data = await wire.read(status.at, status.words)
    opened, table = seen(status, status.at, data, with_personal, flaws=known.of(status))
    tables = [table]
    newest = number_at(status, data, "last_seq", opened)
    if not newest:
        return tuple(tables)
    event = profile.event
    if (why := untouchable(profile)) is not None:
        return (*tables, Table(event.name, event.at, (), f"{why.zh} {why.en}"))
    if not known.of(event).placed:
        return (*tables, Table(event.name, event.at, (), known.of(event).reason))
    at = event.address(slot_of(event, newest))
    data = await read_words(wire, profile, at, event.words_max)
    event_opened, table = seen(event, at, data, with_personal, newest, known.of(event))
    tables.append(table)
    try:
        rule = rule_of(profile, event_opened) if event_opened is not None else None
        followed = rule is not None and rule.name not in known.rules
        if rule is not None and followed and rule.record is not None and event_opened is not None:
            record = profile.records[rule.record]
            if not known.of(record).placed:
                return (*tables, Table(record.name, record.at, (), known.of(record).reason))
            at = named_address(record, rule, event_opened)
            data = await read_words(wire, profile, at, record.words_max)
            tables.append(seen(record, at, data, with_personal, newest, known.of(record))[1])
    except DecodeError as error:
        tables.append(Table(event.name, at, (), str(error)))
    return tuple(tables)


async def read_words(wire: Wire, profile: Profile, at: int, words: int) -> bytes:
    """In as many requests as the model needs."""
    page = profile.transport.registers_max
    return b"".join([await wire.read(at + start, min(page, words - start)) for start in range(0, words, page)])


def seen(  # noqa: PLR0917  (a record, where it was read, and what is known of it)
    record: Record, at: int, data: bytes, with_personal: bool, seq: int | None = None, flaws: Flaws = SOUND
) -> tuple[Opened | None, Table]:
    """The record that begins `data`, and its fields one by one, so that one bad field hides no good one."""
    opened, fault, words = None, flaws.reason, record.words
    try:
        if not fault:
            words = words_of(record, data)
            data = data[: words * 2]
            opened = open_record(_unscaled(record, flaws), data, rig=None, seq=seq)
    except DecodeError as error:
        fault = str(error)
    if opened is None and not with_personal and (flaws.veiled or cuts_of(record, words)):
        return None, Table(record.name, at, (), f"{fault}; {UNPROVEN}")
    rows = [
        _row(field, at, words, data, show=with_personal, hidden=_also_hidden(record, field, flaws))
        for field in record.fields.values()
    ]
    rows = [_with_views(row, record.fields[row.name]) if row.name in flaws.fields else row for row in rows]
    repeat = record.repeat
    for number in range(len(opened.rows)) if repeat is not None and opened is not None else ():
        assert repeat is not None  # noqa: S101  (or there were no rows)
        first, prefix = repeat.at + number * repeat.words, f"{repeat.name}[{number}]."
        rows += [
            _row(field, at, words, data, show=with_personal, first=first, prefix=prefix)
            for field in repeat.fields.values()
        ]
    return opened, Table(record.name, at, tuple(rows), fault)


def number_at(record: Record, data: bytes, name: str, opened: Opened | None) -> int | None:
    """A number of a record that need not be proven; None where it cannot be told."""
    if opened is not None:
        value = opened.values.get(name)
        return value if isinstance(value, int) else None
    field = record.fields.get(name)
    if field is None:
        return None
    try:
        return number_of(field, field_bytes(field, data, 0, record.words))
    except DecodeError:
        return None


def field_bytes(field: Field, data: bytes, first: int, words: int) -> bytes:
    """The words of a field whose record, or row, begins at word `first`."""
    start = (first + (field.at if field.at >= 0 else words + field.at)) * 2
    return data[start : start + field.words * 2]


def _also_hidden(record: Record, field: Field, flaws: Flaws) -> bool:
    """A checksum over hidden words tells which of a few names it was made of."""
    return field.name == record.crc and (flaws.veiled or any(other.personal for other in record.fields.values()))


def _plain(field: Field) -> Field:
    """The number itself, without what may be wrong about it."""
    return replace(field, hundredths=None, codes=None, const=None, low=None, high=None)


def _unscaled(record: Record, flaws: Flaws) -> Record:
    """A record of which some fields are in doubt: these refuse nothing."""
    if not flaws.fields:
        return record
    known = {name: one for name, one in record.fields.items() if name not in flaws.fields or one.type not in FLOATS}
    fields = {name: _plain(one) if name in flaws.fields else one for name, one in known.items()}
    return replace(record, fields=fields)


def _with_views(row: Row, field: Field) -> Row:
    """A field in doubt: its number, and what the words could be."""
    if not row.raw:
        return row
    views = numbers_of(row.raw)
    if field.type in FLOATS | TIMES:
        return replace(row, value="?", wrong="", views=views)
    try:
        number = number_of(_plain(field), row.raw)
    except DecodeError as error:
        return replace(row, wrong=printable(error.detail), views=views)
    return replace(row, value=str(number), wrong="", views=(*views, scales_of(number, field.words)))


def _row(
    field: Field,
    at: int,
    words: int,
    data: bytes,
    *,
    show: bool,
    hidden: bool = False,
    first: int = 0,
    prefix: str = "",
) -> Row:
    """Of the record at `at`; `first` is the word at which the field's row of a repeat begins."""
    found = field_bytes(field, data, first, words)
    address = at + first + (field.at if field.at >= 0 else words + field.at)
    name = prefix + field.name
    if (field.personal is not None or hidden) and not show:
        return Row(name, address, b"", HIDDEN)
    if len(found) != field.words * 2:
        return Row(name, address, found, "", "outside the words that came")
    try:
        return Row(name, address, found, value_of(field, found))
    except DecodeError as error:
        return Row(name, address, found, "", printable(error.detail))


def value_of(field: Field, data: bytes) -> str:
    """As a person reads it. Raises DecodeError."""
    if field.type == "text":
        return text_of(field, data)
    value = number_of(field, data)
    if field.codes is not None:
        return f"{field.codes.get(value, 'unknown')} ({value})"
    if field.type in TIMES:
        return rfc3339(value) or "-"
    if field.hundredths is not None:
        return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"
    return str(value)
