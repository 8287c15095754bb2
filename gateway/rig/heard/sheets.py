"""What one message shows a person: every value with the bytes that it was made of. Pure.

Owns: which values are shown and which are hidden (P7): personal ones, and everything that the profile does not name.
Each value is judged by itself, so that one bad one hides no good one; whether the whole is a record the decoder says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from device_adapters.decoding.message import checked
from device_adapters.errors import DecodeError
from device_adapters.language.interface_v1 import COMMON, KINDS, OPTIONAL, PERSONAL_NAMES, STATUS, WILL
from device_adapters.language.jsonspans import Node, read_object
from device_adapters.language.values import POINTS
from gateway.rig.looking import HIDDEN
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.message_words import Check
    from device_adapters.language.shape import Layout

_RAW_BYTES_SHOWN: Final = 40
_ROWS_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One value. `where`: its path, topic or metric; `wrong` says why it is not what the profile says."""

    name: str
    where: str
    raw: str
    value: str
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of message, as it came last. `fault`: why it is refused as a whole. `unnamed`: values not shown."""

    name: str
    topic: str
    rows: tuple[Row, ...] = ()
    fault: str = ""
    unnamed: int = 0


def json_rows(payload: bytes, layout: Layout, *, status: bool, show: bool) -> tuple[tuple[Row, ...], int]:
    """The rows of one JSON message, and how many of its values the profile does not name. Raises DecodeError."""
    whole = read_object(payload)
    checks = _status_checks(whole, layout) if status else _record_checks(whole, layout)
    rows = tuple(_json_row(payload, name, check, layout, whole, show=show) for name, check in checks.items())
    return rows, len(layout.rest(whole, checks))


def _status_checks(whole: Mapping[str, Node], layout: Layout) -> Mapping[str, Check]:
    """A will says less."""
    sent = [name for name in STATUS if name not in WILL and name not in layout.fixed]
    return STATUS if any(_node(name, layout, whole) is not None for name in sent) else WILL


def _record_checks(whole: Mapping[str, Node], layout: Layout) -> Mapping[str, Check]:
    kind = KINDS.get(_word("type", layout, whole))
    there = {name: check for name, check in OPTIONAL.items() if _node(name, layout, whole) is not None}
    return {**COMMON, **(kind.fields if kind is not None else {}), **there}


def _node(name: str, layout: Layout, whole: Mapping[str, Node]) -> Node | None:
    try:
        return layout.arrange(whole, {name: None}).get(name)
    except DecodeError:
        return Node(None, (0, 0))


def _word(name: str, layout: Layout, whole: Mapping[str, Node]) -> str:
    node = _node(name, layout, whole)
    return str(node.value) if node is not None else ""


def _json_row(payload: bytes, name: str, check: Check, layout: Layout, whole: Mapping[str, Node], *, show: bool) -> Row:
    where = "fixed" if name in layout.fixed else ".".join(layout.paths.get(name, (name,)))
    if name in PERSONAL_NAMES and not show:
        return Row(name, where, "", HIDDEN)
    try:
        members = layout.arrange(whole, {name: check})
        found, _ = checked(members, {name: check})
    except DecodeError as error:
        return Row(name, where, "", "", printable(error.detail))
    start, length = members[name].span
    rows = isinstance(members[name].value, list)
    raw = "" if rows and not show else payload[start : start + length].decode("utf-8", "replace")
    return Row(name, where, shortened(raw), value_text(name, found[name]))


def value_text(name: str, value: Any) -> str:
    """As a person reads it."""
    if isinstance(value, list):
        shown = "; ".join(_row_text(row) for row in value[:_ROWS_SHOWN])
        return f"{len(value)} × {shown}{' …' if len(value) > _ROWS_SHOWN else ''}" if value else "0 ×"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "-"}[value]
    if isinstance(value, int) and name in POINTS:
        return f"{value // 100}.{value % 100:02d}"
    return printable(str(value))


def _row_text(row: Mapping[str, Any]) -> str:
    return " ".join(f"{name} {value_text(name, value)}" for name, value in row.items())


def shortened(text: str) -> str:
    """Enough to recognise it, and nothing that moves a cursor."""
    shown = printable(text[:_RAW_BYTES_SHOWN])
    return f"{shown}…" if len(text) > _RAW_BYTES_SHOWN else shown
