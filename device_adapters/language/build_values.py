"""From the TOML tables of a rig that publishes single values to its shape. Every wrong key becomes a finding.

Owns: the grammar and the checks of docs/formats/profile-values.md rules V1 to V14. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_adapters.errors import DecodeError
from device_adapters.language.build_heard import MS_MAX, heard_profile
from device_adapters.language.interface_v1 import COMMON, KINDS, PERSONAL_NAMES, RECORD_WORDS, STATUS_WORDS
from device_adapters.language.jsonspans import Node
from device_adapters.language.profile import Line
from device_adapters.language.values import (
    CLOCKS,
    DATATYPES,
    FLAGS,
    FLOATS,
    NUMBER,
    OURS,
    POINTS,
    STRINGS,
    TEXTS,
    TIMES,
    TRIGGER,
    WORDS,
    PlainShape,
    SparkShape,
    Value,
    ValueSet,
    value_names,
)
from device_adapters.limits import SCORE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from device_adapters.language.profile import Profile
    from device_adapters.language.tables import Table

HUNDREDTHS: Final = {"0.01": 1, "0.1": 10, "1": 100}
NEVER_FIXED: Final = (
    "seq",
    "score",
    "points",
    "claimed_total",
    "outcome",
    "verdict",
    "deduction_count",
    "running_score",
)
LINES_MAX: Final = 0xFFFF


def profile_of(top: Table, text: bytes, kind: str, shape_of: Callable[[Table], PlainShape | SparkShape]) -> Profile:
    """The profile of the whole file. Meaningless if the report holds a finding."""
    top.number("profile", 1, 1)
    transport, names = top.table("transport"), top.table("name")
    transport.text("kind")
    status_ms = transport.number("status_every_ms", 10, MS_MAX, 2000)
    shape = shape_of(top)
    return heard_profile(
        top,
        text,
        kind=kind,
        guarantees=("unacknowledged",),
        status_ms=status_ms,
        shape=shape,
        transport=transport,
        names=names,
    )


def build_plain(top: Table, text: bytes) -> Profile:
    """A rig that publishes each value under its own topic."""
    return profile_of(top, text, "mqtt-values", _plain)


def build_spark(top: Table, text: bytes) -> Profile:
    """A rig whose values are Sparkplug metrics."""
    return profile_of(top, text, "sparkplug", _spark)


def _spark(top: Table) -> SparkShape:
    place = top.table("sparkplug")
    group, node, device = place.text("group"), place.text("node"), place.maybe_text("device")
    stamps = place.flag("stamps")
    for key, level in (("group", group), ("node", node), ("device", device)):
        if level is not None and (not level or any(sign in level for sign in "/+#\0")):
            place.wrong(key, "is one level of a topic: no /, +, # in it")
        if level is not None and "{" in level.replace("{serial}", ""):
            place.wrong(key, "has another brace than those of {serial}")
    if [level.count("{serial}") for level in (group, node, device or "")] not in ([0, 1, 0], [0, 0, 1]):
        place.wrong("device", "must be, or the node, what has {serial}, once: else two rigs would be one")
    said = value_set(top, "metric", (TRIGGER,), DATATYPES, implied=("time",) if stamps else ())
    values = top.table("values")
    for value in said.values.values():
        _check_datatype(values.table(value.name), value)
    if stamps and ("time" in said.values or "time" in said.fixed):
        place.wrong("stamps", "the time is said by a value already, or fixed")
    place.done()
    return SparkShape(said, group, node, device, stamps)


def _check_datatype(table: Table, value: Value) -> None:
    name, kind = value.name, value.datatype
    text = name in TEXTS or (name in TIMES and value.clock == "rfc3339")
    if kind in FLOATS and name not in POINTS:
        table.wrong("datatype", "only points may be a float: a number that should be whole is not checked so")
    elif text and kind not in STRINGS:
        table.wrong("datatype", f"{name} is a text")
    elif kind in STRINGS and not text and name not in WORDS:
        table.wrong("datatype", f"{name} is no text")
    elif kind == "Boolean" and name not in {*FLAGS, *WORDS}:
        table.wrong("datatype", f"{name} is more than yes or no")
    elif kind == "DateTime" and (name not in TIMES or value.clock != "unix-ms"):
        table.wrong("datatype", 'is a time in milliseconds: clock = "unix-ms"')


def _plain(top: Table) -> PlainShape:
    said = value_set(top, "topic", (TRIGGER, NUMBER))
    values, complete = top.table("values"), top.table("complete")
    for value in said.values.values():
        _check_topic(values.table(value.name), "topic", value.source, said.by)
        if value.retained and not value.stays:
            values.table(value.name).wrong("retained", "only a value that stays can be the broker's kept one")
    if said.by == NUMBER and any(value.stays for value in said.values.values()):
        complete.wrong("by", "with a number in every topic no value stays")
    presence = top.table("presence", optional=True)
    topic = presence.text("topic") if "presence" in top else None
    if topic is not None:
        _check_topic(presence, "topic", topic, TRIGGER)
    made = PlainShape(said, topic, presence.text("away", "offline"))
    presence.done()
    return made


def _check_topic(table: Table, key: str, template: str, by: str) -> None:
    levels = template.split("/")
    if levels.count("{serial}") != 1:
        table.wrong(key, "must have {serial} as exactly one level: else two rigs would share a topic")
    if levels.count("{seq}") != (by == NUMBER):
        table.wrong(key, "has {seq} as a level exactly where the record is complete by number")
    if "{" in template.replace("{serial}", "").replace("{seq}", ""):
        table.wrong(key, "has another brace than those of {serial} and {seq}")
    if any(sign in template for sign in "+#\0") or template.startswith("$") or "" in levels:
        table.wrong(key, "is no topic of one rig: no +, #, empty level, nor $ at its start")


def value_set(
    top: Table, source: str, ways: Collection[str], datatypes: Collection[str] = (), implied: Collection[str] = ()
) -> ValueSet:
    """`values`, `fixed` and `complete`; `source` is the key that says where a value stands."""
    values_table, fixed_table = top.table("values"), top.table("fixed", optional=True)
    complete = top.table("complete")
    by = complete.text("by", among=ways)
    trigger = complete.text("trigger", "seq") if by != NUMBER else "seq"
    numbers = complete.text("numbers", among=("count", "grow"))
    values = {name: _value(values_table.table(name), name, source, datatypes) for name in values_table}
    made = ValueSet(values, {name: _fixed(fixed_table, name) for name in fixed_table}, by, trigger, numbers == "count")
    for name in values:
        if name not in value_names():
            values_table.wrong(name, "is no value of the interface")
        if name in made.fixed:
            fixed_table.wrong(name, "is said by the rig already (values)")
    if ("seq" in values) == (by == NUMBER):
        told = "stands in the topic already" if by == NUMBER else "is missing: nothing else tells two records apart"
        values_table.wrong("seq", told)
    if by != NUMBER and trigger not in values:
        complete.wrong("trigger", f'there is no value "{trigger}"')
    _check_needs(made, values_table, implied)
    complete.done()
    return made


def _check_needs(said: ValueSet, table: Table, implied: Collection[str]) -> None:
    if not said.kinds():
        table.wrong("type", "is missing: which record is this? Say it by words, or once and for all in fixed")
    for kind in said.kinds():
        fields: Collection[str] = KINDS[kind].fields if kind in KINDS else ()
        for name in dict.fromkeys((*COMMON, *fields)):
            known = {*said.values, *said.fixed, *implied, *OURS, "seq"}
            if name not in known:
                table.wrong(name, f"is missing: {kind} has it; if the rig never says it, it belongs into fixed")


def _value(table: Table, name: str, source: str, datatypes: Collection[str]) -> Value:
    made = Value(
        name=name,
        source=table.text(source),
        datatype=table.text("datatype", among=datatypes) if datatypes else "",
        hundredths=HUNDREDTHS.get(table.text("scale", among=HUNDREDTHS), 1) if name in POINTS else 1,
        words=_words(table.table("words"), name) if name in WORDS else {},
        clock=table.text("clock", "rfc3339", among=CLOCKS) if name in TIMES else "rfc3339",
        stays=table.flag("stays"),
        retained=table.flag("retained") if source == "topic" else False,
        lines=tuple(_line(line) for line in table.tables("lines")) if name == "deductions" else (),
    )
    if name == "deductions" and not made.lines:
        table.wrong("lines", "is missing: which bit of the number is which deduction?")
    if made.stays and name in {*PERSONAL_NAMES, "seq", "score", "points", "deductions"} and source == "topic":
        table.wrong("stays", "must be said anew for every record: else one candidate gets what another did")
    table.done()
    return made


def _words(table: Table, name: str) -> Mapping[str, str]:
    ours = RECORD_WORDS.get(name) or STATUS_WORDS.get(name, ())
    found = {theirs: table.text(theirs, among=ours) for theirs in table}
    if not found:
        table.report.add(table.path, "names no word")
    table.done()
    return found


def _line(table: Table) -> Line:
    made = Line(
        bit=table.number("bit", 0, 31),
        line=table.number("line", 1, LINES_MAX),
        points=table.number("points", 0, SCORE_MAX),
        veto=table.flag("veto"),
    )
    table.done()
    return made


def _fixed(table: Table, name: str) -> int | str | bool:
    """What the rig never says; a list that is always empty is written as []."""
    value = table.value(name)
    if name in NEVER_FIXED:
        table.wrong(name, "must come from the rig: it is what the record is about")
    elif name == "deductions" and value == []:
        return ""
    elif name in PERSONAL_NAMES and value != "":
        table.wrong(name, 'belongs to a person: only "" (unknown) can be fixed')
    elif name in TIMES and value != "":
        table.wrong(name, 'is a moment: only "" (the rig has no clock) can be fixed')
    elif name not in value_names() or not isinstance(value, int | str):
        table.wrong(name, "is no value of the interface, or none that can be fixed")
    else:
        _check_fixed(table, name, value)
        return value
    return ""


def _check_fixed(table: Table, name: str, value: int | str) -> None:
    """The interface's own check; of several kinds of records one is enough."""
    checks = [one[name] for one in (COMMON, *(kind.fields for kind in KINDS.values())) if name in one]
    said = ""
    if name == "type" and value not in KINDS:
        table.wrong(name, f"is none of {', '.join(KINDS)}")
    for check in checks:
        try:
            check(name, Node(None if name in TIMES else value, (0, 0)), [])
        except DecodeError as error:
            said = error.detail
        else:
            return
    if said:
        table.wrong(name, said)
