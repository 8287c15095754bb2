"""From TOML tables to the shapes of a profile. Every wrong or unknown key becomes a finding.

Owns: the grammar of docs/formats/profile.md; the checks across tables are in `rules`. Pure.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

from device_adapters.language.build_blocks import NOWHERE, area_of, with_flags
from device_adapters.language.build_field import check_limits, codes_of, fields_of, named_codes, scale_of
from device_adapters.language.build_message import MESSAGE_KINDS, build_message
from device_adapters.language.build_values import build_plain, build_spark
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.handshake import handshake_of
from device_adapters.language.measures import measures_of
from device_adapters.language.profile import (
    EntryRule,
    Line,
    Output,
    Poll,
    Profile,
    Record,
    Repeat,
    Sum,
    Transport,
)
from device_adapters.language.rules_once import READ_ONCE
from device_adapters.language.window import window_of
from device_adapters.language.words import ORDERS, TIMES
from device_adapters.limits import REGISTERS, REGISTERS_PER_READ, SCORE_MAX, UNIT_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import Area, Codes
    from device_adapters.language.tables import Table
    from device_adapters.observation import Guarantee

TRANSPORTS = ("modbus-tcp", "modbus-rtu", "mqtt", "http")
GUARANTEES = ("latched", "double-read", "single-read", "unacknowledged")
INDEXES = ("fixed", "sequence", "named")
MS_MAX = 600_000
ANY = 2**63


def build(top: Table, text: bytes) -> Profile:
    """The profile of the whole file. Meaningless if the report holds a finding."""
    if _kind(top) in MESSAGE_KINDS:
        return build_message(top, text, [name for name in GUARANTEES if name != READ_ONCE])
    if _kind(top) == "mqtt-values":
        return build_plain(top, text)
    if _kind(top) == "sparkplug":
        return build_spark(top, text)
    top.number("profile", 1, 1)
    codes = {name: codes_of(top.table("codes", optional=True), name) for name in top.table("codes", optional=True)}
    areas_table = top.table("areas")
    areas = {name: area_of(areas_table.table(name), name) for name in areas_table}
    records_table = top.table("records")
    records = {name: _record(records_table.table(name), name, areas, codes, strict=True) for name in records_table}
    status = _record(top.table("status"), "status", areas, codes, strict=False)
    event_table = top.table("event")
    event_name = event_table.text("record", among=records)
    entries = top.table("entries")
    rules = [_rule(entries.table(name), name, event_name, records, codes) for name in entries]
    handshake = handshake_of(top)
    profile = Profile(
        id=top.text("id"),
        version=top.text("version"),
        name=_names(top.table("name")),
        text=text,
        sha256=hashlib.sha256(text).hexdigest(),
        guarantee=cast("Guarantee", top.text("guarantee", among=GUARANTEES)),
        transport=_transport(top.table("transport")),
        poll=_poll(top.table("poll")),
        areas=areas,
        records=records,
        status=status,
        event=records.get(event_name, status),
        rules={rule.code: rule for rule in rules},
        rig_time=_rig_time(event_table),
        ack=handshake.ack,
        ready=handshake.ready,
        codes=codes,
        coil=handshake.coil,
    )
    if profile.transport.one_field:
        for name in (name for name, record in records.items() if record.repeat is not None):
            top.report.add(("records", name, "repeat"), "rows cannot be read one field per request: their end moves")
    for rule in rules:
        if profile.rules[rule.code] is not rule:
            entries.wrong(rule.name, f"event code {rule.code} is taken by {profile.rules[rule.code].name}")
    for table in (event_table, top):
        table.done()
    return profile


def _kind(top: Table) -> object:
    transport = top.value("transport")
    return transport.get("kind") if isinstance(transport, dict) else None


def _names(table: Table) -> dict[str, str]:
    names = {language: table.text(language) for language in ("zh", "en")}
    table.done()
    return names


def _transport(table: Table) -> Transport:
    made = Transport(
        kind=table.text("kind", among=TRANSPORTS),
        unit=table.number("unit", 1, UNIT_MAX),
        timeout_ms=table.number("timeout_ms", 10, MS_MAX),
        connect_timeout_ms=table.number("connect_timeout_ms", 10, MS_MAX),
        pause_after_connect_ms=table.number("pause_after_connect_ms", 0, MS_MAX, 0),
        min_gap_ms=table.number("min_gap_ms", 0, MS_MAX, 0),
        busy_wait_ms=table.number("busy_wait_ms", 1, MS_MAX, 500),
        registers_max=table.number("registers_max", 1, REGISTERS_PER_READ, REGISTERS_PER_READ),
        address_offset=table.number("address_offset", -1, 1, 0),
        one_field=table.flag("one_field_per_request"),
    )
    table.done()
    return made


def _poll(table: Table) -> Poll:
    by_state = table.table("by_state")
    made = Poll(
        status_every_ms=table.number("status_every_ms", 1, MS_MAX),
        by_state={state: by_state.number(state, 1, MS_MAX) for state in by_state},
    )
    if not made.by_state:
        table.wrong("by_state", "names no state")
    table.done()
    return made


def _record(table: Table, name: str, areas: Mapping[str, Area], codes: Mapping[str, Codes], *, strict: bool) -> Record:
    area = areas.get(table.text("area", among=areas), NOWHERE)
    order = table.text("order", "", among=[*ORDERS[2], ""])
    index = table.text("index", "fixed", among=INDEXES)
    words = table.number("words", 1, REGISTERS)
    slots = 1 if index == "fixed" else table.number("slots", 1, REGISTERS)
    window = window_of(table.table("window")) if "window" in table else None
    stride = words if index == "fixed" or window is not None else table.number("stride", 1, REGISTERS)
    fields = fields_of(table.table("fields"), order, codes, strict=strict)
    crc = table.table("crc", optional=True)
    has_crc = "crc" in table
    made = Record(
        name=name,
        at=area.at + table.number("offset", 0, REGISTERS, 0),
        words=words,
        slots=slots,
        stride=stride,
        index=index,
        before=table.maybe_text("before"),
        after=table.maybe_text("after"),
        length=table.maybe_text("length"),
        crc=crc.text("field") if has_crc else None,
        crc_kind=crc.text("kind", among=CHECKSUMS) if has_crc else None,
        window=window,
        crc_from=crc.number("from", 0, REGISTERS, 0) if has_crc else 0,
        fields=fields,
        repeat=_repeat(table.table("repeat"), order, codes, strict=strict) if "repeat" in table else None,
        sums=tuple(_sum(rule) for rule in table.tables("sums")),
    )
    crc.done()
    if "flags" in table:
        made = with_flags(made, table.table("flags"), areas, codes)
    table.done()
    return made


def _repeat(table: Table, order: str, codes: Mapping[str, Codes], *, strict: bool) -> Repeat:
    made = Repeat(
        name=table.text("name"),
        at=table.number("at", 0, REGISTERS),
        words=table.number("words", 1, REGISTERS),
        count=table.text("count"),
        most=table.number("max", 1, REGISTERS),
        fields=fields_of(table.table("fields"), order, codes, strict=strict),
    )
    table.done()
    return made


def _sum(table: Table) -> Sum:
    made = Sum(tuple(table.texts("fields")), table.number("max", -ANY, ANY), table.maybe_text("unless_zero"))
    table.done()
    return made


def _rig_time(table: Table) -> tuple[str, str | None] | None:
    if "rig_time" not in table:
        return None
    source = table.table("rig_time")
    made = source.text("seconds"), source.maybe_text("milliseconds")
    source.done()
    return made


def _rule(table: Table, name: str, event: str, records: Mapping[str, Record], codes: Mapping[str, Codes]) -> EntryRule:
    agree = table.table("agree", optional=True)
    fields = table.table("fields")
    made = EntryRule(
        name=name,
        code=table.number("code", 0, REGISTERS - 1),
        type=table.text("type"),
        record=table.text("record", among=records) if "record" in table else None,
        slot=table.maybe_text("slot"),
        agree=tuple((theirs, agree.text(theirs)) for theirs in agree),
        fields=tuple(_output(fields.table(field), field, event, records, codes) for field in fields),
        measures=measures_of(table, event),
    )
    table.done()
    return made


def _output(table: Table, name: str, event: str, records: Mapping[str, Record], codes: Mapping[str, Codes]) -> Output:
    if "fixed" in table:
        return _fixed(table, name, event)
    source = table.text("from")
    record, dot, field = source.partition(".")
    if not dot:
        record, field = event, source
    own = named_codes(table, codes)
    flag = table.flag("flag")
    lines = tuple(_line(line) for line in table.tables("lines"))
    made = Output(
        name=name,
        record=record,
        source=field,
        kind=_output_kind(records.get(record), field, flag=flag, lines=bool(lines)),
        codes=own,
        hundredths=scale_of(table),
        low=table.maybe_number("min"),
        high=table.maybe_number("max"),
        lines=lines,
    )
    if not made.kind:
        table.wrong("from", f'there is no field "{source}"')
    check_limits(table, made.low, made.high)
    table.done()
    return made


def _fixed(table: Table, name: str, event: str) -> Output:
    """What the rig never sends. An empty list: it never has rows."""
    value = table.value("fixed")
    if value != [] and not isinstance(value, int | str | bool):
        table.wrong("fixed", "must be a number, a text, true, false, or [] for rows that never come")
    table.done()
    known = value if isinstance(value, int | str | bool) else None
    return Output(name, event, "", "rows" if value == [] else "fixed", None, None, None, None, known)


def _line(table: Table) -> Line:
    made = Line(
        bit=table.number("bit", 0, 63),
        line=table.number("line", 1, REGISTERS - 1),
        points=table.number("points", 0, SCORE_MAX),
        veto=table.flag("veto"),
    )
    table.done()
    return made


def _output_kind(record: Record | None, field: str, *, flag: bool, lines: bool) -> str:
    if record is None:
        return ""
    if record.repeat is not None and record.repeat.name == field:
        return "rows"
    if field not in record.fields:
        return ""
    if flag or lines:
        return "flag" if flag else "lines"
    kind = record.fields[field].type
    return "time" if kind in TIMES else "text" if kind == "text" else "number"
