"""From the TOML tables of a profile of whole messages (`mqtt`, `http`) to its shape. Every wrong key is a finding.

Owns: the grammar and the checks of docs/formats/profile.md rules 23 to 27. Pure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from device_adapters.language.build_heard import MS_MAX, heard_profile
from device_adapters.language.interface_v1 import PERSONAL_NAMES, RECORD_WORDS, STATUS_NAMES, STATUS_WORDS, record_names
from device_adapters.language.shape import INTERFACE_V1, PUSHED, Layout, Shape, Topics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from device_adapters.language.profile import Profile
    from device_adapters.language.shape import Path
    from device_adapters.language.tables import Table

MESSAGE_KINDS: Final = ("mqtt", "http")
PATH_STEPS_MAX: Final = 7  # the eighth level is the value's own (M1)
ROWS: Final[Mapping[str, Collection[str]]] = {
    "deductions": ("line", "points", "at_s", "veto"),
    "measures": ("name", "value", "unit"),
}
SCALED: Final = ("score", "points", "claimed_total", "running_score", "deductions.points")


def build_message(top: Table, text: bytes, guarantees: Collection[str]) -> Profile:
    """The profile of the whole file. Meaningless if the report holds a finding."""
    top.number("profile", 1, 1)
    transport = top.table("transport")
    kind = transport.text("kind", among=MESSAGE_KINDS)
    status_ms = transport.number("status_every_ms", 10, MS_MAX, 2000)
    base = PUSHED if kind == "http" else INTERFACE_V1
    resend_ms = transport.number("resend_every_ms", 10, MS_MAX, base.resend_every_ms)
    names = top.table("name")
    shape = Shape(
        topics=PUSHED.topics if kind == "http" else _topics(top.table("topics")),
        record=_layout(top.table("record", optional=True), record_names(), RECORD_WORDS),
        status=_layout(top.table("status", optional=True), STATUS_NAMES, STATUS_WORDS),
        resend_every_ms=resend_ms,
    )
    return heard_profile(
        top, text, kind=kind, guarantees=guarantees, status_ms=status_ms, shape=shape, transport=transport, names=names
    )


def _topics(table: Table) -> Topics:
    made = Topics(
        record=table.text("record"),
        status=table.text("status"),
        ack=table.text("ack"),
        resend=table.maybe_text("resend"),
        ready=table.maybe_text("ready"),
    )
    templates = {name: getattr(made, name) for name in ("record", "status", "ack", "resend", "ready")}
    seen: set[str] = set()
    for name, template in templates.items():
        if not template:
            continue
        levels = template.split("/")
        if levels.count("{serial}") != 1 or "{" in template.replace("{serial}", ""):
            table.wrong(name, "must have {serial} as exactly one level: else two rigs would share a topic")
        if any(sign in template for sign in "+#\0") or template.startswith("$") or "" in levels:
            table.wrong(name, "is no topic of one rig: no +, #, empty level, nor $ at its start")
        if template in seen:
            table.wrong(name, "is the topic of something else already")
        seen.add(template)
    table.done()
    return made


def _layout(table: Table, names: Collection[str], words: Mapping[str, Collection[str]]) -> Layout:
    paths_table, fixed_table = table.table("paths", optional=True), table.table("fixed", optional=True)
    words_table, scale_table = table.table("words", optional=True), table.table("scale", optional=True)
    rows_table = table.table("rows", optional=True)
    made = Layout(
        paths={name: _path(paths_table, name, names) for name in paths_table},
        words={name: _words(words_table, name, words) for name in words_table},
        fixed={name: _fixed(fixed_table, name, names) for name in fixed_table},
        factors={name: _factor(scale_table, name) for name in scale_table},
        rows={name: _rows(rows_table, name) for name in rows_table},
    )
    for name in made.fixed:
        if name in made.paths:
            fixed_table.wrong(name, "stands in the messages already (paths)")
    places = sorted((made.paths.get(name, (name,)), name) for name in names if name not in made.fixed)
    for (one, _), (two, name) in pairwise(places):
        if two[: len(one)] == one:
            paths_table.wrong(name if name in made.paths else _at(made.paths, one), f"{'.'.join(one)} is a place twice")
    table.done()
    return made


def _at(paths: Mapping[str, Path], place: Path) -> str:
    return next((name for name, path in paths.items() if path == place), next(iter(paths), ""))


def _path(table: Table, name: str, names: Collection[str]) -> Path:
    steps = tuple(table.text(name).split("."))
    if name not in names:
        table.wrong(name, "is no value of the interface")
    if not all(steps) or len(steps) > PATH_STEPS_MAX:
        table.wrong(name, f"must be keys joined by dots, at most {PATH_STEPS_MAX}")
    return steps


def _words(table: Table, name: str, words: Mapping[str, Collection[str]]) -> dict[str, str]:
    own = table.table(name)
    if name not in words:
        table.wrong(name, f"has no words; {', '.join(sorted(words))} have")
    found = {theirs: own.text(theirs, among=words.get(name, ())) for theirs in own}
    own.done()
    return found


def _fixed(table: Table, name: str, names: Collection[str]) -> int | str | bool:
    value = table.value(name)
    if name not in names:
        table.wrong(name, "is no value of the interface")
    if name in {"serial", "boot", "seq"}:
        table.wrong(name, "must come from the rig: it is what the record is known by")
    if name in PERSONAL_NAMES and value != "":
        table.wrong(name, 'belongs to a person: only "" (unknown) can be fixed')
    if isinstance(value, int | str):
        return value
    table.wrong(name, "must be a number, a text, true or false")
    return 0


def _factor(table: Table, name: str) -> int:
    known = {"0.01": 1, "0.1": 10, "1": 100}
    if name not in SCALED:
        table.wrong(name, f"is no number of points; {', '.join(SCALED)} are")
    return known.get(table.text(name, among=known), 1)


def _rows(table: Table, name: str) -> dict[str, str]:
    own = table.table(name)
    if name not in ROWS:
        table.wrong(name, f"is no list of the interface; {', '.join(ROWS)} are")
    found = {ours: own.text(ours) for ours in own}
    for ours in found:
        if ours not in ROWS.get(name, ()):
            own.wrong(ours, f"is not in such a row; {', '.join(ROWS.get(name, ()))} are")
    own.done()
    return found
