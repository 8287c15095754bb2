"""From single values to a record of interface v1, whatever carried them: plain topics or Sparkplug metrics.

Owns: what a value may be (numbers exactly, points in whole hundredths, words by the profile), and the record that a
complete set is. Pure: gateway and server decode with it (P4). Spec: docs/formats/profile-values.md rules V5 to V9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from device_adapters.decoding.decode import Decoded
from device_adapters.decoding.message import check_sum, checked, int_of
from device_adapters.errors import DecodeError
from device_adapters.language.interface_v1 import COMMON, KINDS, OPTIONAL, PERSONAL_NAMES
from device_adapters.language.jsonspans import ERASED, Node
from device_adapters.language.shape import NOWHERE
from device_adapters.language.values import FLAGS, POINTS, TEXTS, TIMES, WORDS
from device_adapters.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.values import Value, ValueSet
    from device_adapters.observation import FieldValue, RawArea

Rows: TypeAlias = "list[dict[str, int | str | bool | None]]"
Said: TypeAlias = "Node | Rows"

_NUMBER: Final = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,9}))?")
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}
_YEAR_LAST: Final = 253_402_300_799  # seconds; year 9999
GONE: Final = Node(ERASED, NOWHERE)


@dataclass(frozen=True, slots=True)
class Composed:
    """What a complete set says."""

    type: str
    epoch: int
    seq: int
    mode: str
    rig_time: str | None
    fields: Mapping[str, FieldValue]
    personal: Mapping[str, bytes]

    def decoded(self, rig: str, areas: tuple[RawArea, ...], *, erased: bool) -> Decoded:
        """As read from these areas; `erased`: their personal values are gone for good (P7)."""
        return Decoded(
            type=self.type,
            rig=rig,
            epoch=self.epoch,
            seq=self.seq,
            mode=self.mode,
            rig_time=self.rig_time,
            fields=self.fields,
            personal={} if erased else self.personal,
            areas=areas,
            proven=not erased,
        )


def compose(said: Mapping[str, Said], given: ValueSet, serial: str) -> Composed:
    """The record that these values and the fixed ones are. Raises DecodeError only."""
    nodes: dict[str, Node] = {"v": Node(1, NOWHERE), "serial": Node(serial, NOWHERE)}
    rows: Rows = []
    for name, value in given.fixed.items():
        nodes[name] = Node(None if name in TIMES else value, NOWHERE)
    for name, found in said.items():
        if isinstance(found, Node):
            nodes[name] = found
        else:
            rows = found
    nodes.pop("deductions", None)
    common, _ = checked(nodes, COMMON)
    kind = KINDS.get(str(common["type"]))
    if kind is None:
        raise DecodeError("type", "type is no record of interface v1")
    own, _ = checked(nodes, {name: check for name, check in kind.fields.items() if name != "deductions"})
    if "deductions" in kind.fields:
        own["deductions"] = rows
    check_sum(own)
    people, _ = checked(nodes, {name: OPTIONAL[name] for name in ("name", "masked_id") if name in nodes})
    people["ticket"] = common["ticket"]
    return Composed(
        type=kind.type,
        epoch=int_of(common, "boot"),
        seq=int_of(common, "seq"),
        mode=str(common["mode"]),
        rig_time=None if common["time"] is None else str(common["time"]),
        fields=own,
        personal={name: str(people[name]).encode() for name in PERSONAL_NAMES if people.get(name)},
    )


def from_text(value: Value, text: str) -> Said:
    """A value that was written out."""
    name = value.name
    if name in TEXTS:
        return Node(text, NOWHERE)
    if name in WORDS:
        return _word(value, text)
    if name in TIMES and value.clock == "rfc3339":
        return Node(text or None, NOWHERE)
    if name in FLAGS:
        if text not in _FLAGS:
            raise DecodeError("wrong_kind", f"{name} is none of {', '.join(_FLAGS)}")
        return Node(_FLAGS[text], NOWHERE)
    return _number(value, text)


def from_whole(value: Value, number: int) -> Said:
    """A value that is a whole number by its type."""
    name = value.name
    if name in WORDS:
        return _word(value, str(number))
    if name in TEXTS:
        raise DecodeError("wrong_kind", f"{name} is not a text")
    if name in TIMES:
        return Node(moment(value, number), NOWHERE)
    if name == "deductions":
        return _lines(value, number)
    if abs(number) > INT_MAX:
        raise DecodeError("range", f"{name} is too large")
    return Node(number * value.hundredths if name in POINTS else number, NOWHERE)


def moment(value: Value, number: int) -> str | None:
    """A time counted since 1970; 0 of a rig without a clock."""
    milliseconds = number if value.clock == "unix-ms" else number * 1000
    if value.clock == "rfc3339" or not 0 <= milliseconds // 1000 <= _YEAR_LAST:
        raise DecodeError("range", f"{value.name} is no time since 1970")
    if not milliseconds:
        return None
    seconds = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}Z" if value.clock == "unix-s" else f"{seconds}.{milliseconds % 1000:03d}Z"


def _word(value: Value, text: str) -> Node:
    word = value.words.get(text)
    if word is None:
        raise DecodeError("code", f"{value.name} has a word that the profile does not name")
    return Node(word, NOWHERE)


def _number(value: Value, text: str) -> Said:
    """A decimal number, exactly: nothing is rounded."""
    name = value.name
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise DecodeError("wrong_kind", f"{name} is not a number written out")
    sign, whole, part = -1 if found[1] else 1, found[2], found[3] or ""
    if name not in POINTS:
        if part:
            raise DecodeError("not_integer", f"{name} has a fraction")
        return from_whole(value, sign * int(whole))
    scaled = sign * int(whole + part) * value.hundredths
    if scaled % 10 ** len(part):
        raise DecodeError("inexact", f"{name} is no whole number of hundredths")
    return Node(scaled // 10 ** len(part), NOWHERE)


def _lines(value: Value, number: int) -> Rows:
    """A row for each bit that is set; a bit that the profile does not name is a fault that nobody could name."""
    left = number
    rows: Rows = []
    for line in value.lines:
        if left >= 0 and left >> line.bit & 1:
            rows.append({"line": line.line, "points": line.points, "at_s": None, "veto": line.veto})
            left ^= 1 << line.bit
    if left:
        raise DecodeError("code", f"{value.name} has a bit set that the profile does not name")
    return rows
