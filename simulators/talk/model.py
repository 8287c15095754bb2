"""A maker's messages, as data: the files of simulators/rigs/messages (docs/simulators.md, "Rigs of makers").

Owns: reading such a file, strictly. How a rig of the model behaves, rig.py knows; how it is connected, topics.py,
edge.py and push/host.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.device.codes import EventType, Mode, Outcome, State
from simulators.errors import InputError
from simulators.model_tables import check_serial, deduction_lines, told_events
from simulators.talk.saying import Saying, parse_saying
from simulators.toml_file import Table, table_of, toml_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import IntEnum

    from simulators.device.rubric import Line
    from simulators.layouts.values import Value

FOLDER = Path(__file__).resolve().parent.parent / "rigs" / "messages"
KINDS = ("topics", "sparkplug", "json")
_RECORD = (
    *("seq", "serial", "boot", "type", "happened", "ticket", "name", "exam_no", "item", "ordinal", "started"),
    *("finished", "elapsed_s", "limit_s", "outcome", "score", "mode", "veto_lines", "deduction_count", "faults"),
    *("claimed_total", "items", "exam_failed"),
)
_STATUS = (
    *("online", "serial", "boot", "state", "mode", "last_seq", "oldest_seq", "acked_seq", "clock", "exam_no", "item"),
    *("ordinal", "elapsed_s", "limit_s", "running_score", "deduction_count", "fault"),
)
_ROW = ("line", "points", "at_s", "veto")
_CODES: dict[str, type[IntEnum]] = {"state": State, "mode": Mode, "outcome": Outcome}
_ROWS_MOST = 64
_NAME_BYTES = 64


@dataclass(frozen=True, slots=True)
class Presence:
    """A topic that says that the rig is there: at once when it connects, by its will when it is gone."""

    topic: str
    here: str
    away: str


@dataclass(frozen=True, slots=True)
class MessageModel:
    """One model of rig. Places are topics, metrics, or names in a JSON document with dots between them."""

    id: str
    kind: str
    serial: str
    rubric: str
    codes: Mapping[str, Mapping[str, Value]]
    events: Mapping[EventType, Value]
    record: Mapping[str, Saying]
    status: Mapping[str, Saying]
    rows_at: str
    rows: Mapping[str, Saying]
    presence: Presence | None
    edge: tuple[str, str]  # Sparkplug: group and node
    items: tuple[str, ...]
    limit_s: int  # 0: the rubric's
    stamps: bool  # Sparkplug: its values carry the rig's time
    lines: Mapping[int, Line] = field(default_factory=dict)
    bits: Mapping[int, int] = field(default_factory=dict)

    def tells(self, name: str) -> bool:
        """Whether a record says it."""
        return any(saying.name == name for saying in self.record.values())

    def coarse(self, name: str) -> bool:  # noqa: ARG002 - no message counts so
        """Never."""
        return False

    @property
    def step(self) -> int:
        """Hundredths that it counts in."""
        told = [*self.record.values(), *self.rows.values()]
        return max((saying.step for saying in told if saying.name in {"score", "points"}), default=1)

    @property
    def rows_most(self) -> int:
        """A list in a document has room."""
        return _ROWS_MOST if self.rows_at else 0

    @property
    def name_room(self) -> tuple[str, int] | None:
        """UTF-8, as all of the message."""
        return ("utf-8", _NAME_BYTES) if self.tells("name") else None


def shipped_models() -> tuple[str, ...]:
    """The models that come with the program."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def is_message_file(path: Path) -> bool:
    """Whether the file is one of these; a register map has no `kind`."""
    return "kind" in toml_table(path)


def load_model(path: Path) -> MessageModel:
    """From a file. InputError names file and line."""
    return _model(toml_table(path))


def parse_model(data: bytes) -> MessageModel:
    """From bytes."""
    return _model(table_of(data, "rig"))


def _model(top: Table) -> MessageModel:
    top.number("rig", low=1, high=1)
    kind = top.text("kind", one_of=KINDS)
    lines, bits = deduction_lines(top)
    names = top.table("codes")
    codes = {key: _codes(names.table(key), each) for key, each in _CODES.items()}
    names.done()
    rows_at, rows = _rows(top.table("rows")) if "rows" in top else ("", {})
    model = MessageModel(
        id=top.text("id"),
        kind=kind,
        serial=top.text("serial"),
        rubric=top.text("rubric"),
        codes=codes,
        events=_events(top.table("events")) if "events" in top else {EventType.ITEM_FINISHED: 0},
        record=_sayings(top.table("record"), _RECORD),
        status=_sayings(top.table("status"), _STATUS) if "status" in top else {},
        rows_at=rows_at,
        rows=rows,
        presence=_presence(top.table("presence")) if "presence" in top else None,
        edge=_edge(top.table("edge")) if kind == "sparkplug" else ("", ""),
        items=top.texts("items", ()),
        limit_s=top.number("limit_s", 0, high=0xFFFF),
        stamps=top.flag("stamps", default=False),
        lines=lines,
        bits=bits,
    )
    _check(top, model)
    top.done()
    return model


def _check(top: Table, model: MessageModel) -> None:
    check_serial(top, model.serial)
    named = {saying.name for saying in model.record.values()}
    by_topic = model.kind == "topics" and all("{seq}" in place for place in model.record)
    for needed in ("seq", "item", "score"):
        if needed not in named and not (needed == "seq" and by_topic):
            raise top.wrong("record", f"[record] does not say {needed}")
    untyped = [place for place, saying in (*model.record.items(), *model.status.items()) if not saying.datatype]
    if model.kind == "sparkplug" and untyped:
        raise top.wrong("record", f"{untyped[0]}: a metric has a type=")


def _codes(table: Table, kind: type[IntEnum]) -> dict[str, Value]:
    found: dict[str, Value] = {name.name.lower(): _code(table, name.name.lower()) for name in kind}
    table.done()
    return found


def _code(table: Table, key: str) -> Value:
    """A word; a number where somebody counts."""
    text = table.text(key)
    return int(text) if text.isdecimal() else text


def _events(table: Table) -> dict[EventType, Value]:
    return {kind: table.text(key) for key, kind in told_events(table).items()}


def _sayings(table: Table, known: tuple[str, ...]) -> dict[str, Saying]:
    return {key: _saying(table, key, known) for key in table.keys}


def _saying(table: Table, key: str, known: tuple[str, ...]) -> Saying:
    try:
        return parse_saying(table.text(key), known)
    except InputError as error:
        raise table.wrong(key, str(error)) from None


def _rows(table: Table) -> tuple[str, dict[str, Saying]]:
    found = table.text("at"), _sayings(table.table("put"), _ROW)
    table.done()
    return found


def _presence(table: Table) -> Presence:
    presence = Presence(table.text("topic"), table.text("here"), table.text("away"))
    table.done()
    return presence


def _edge(table: Table) -> tuple[str, str]:
    edge = table.text("group"), table.text("node")
    table.done()
    return edge
