"""Rigs that publish single values instead of records: which value means what, and what makes a record of them.

Owns: `Value`, `ValueSet` and the two forms that use them, plain topics and Sparkplug. Pure. Spec:
docs/formats/profile-values.md rules V1 to V14.

    topic or metric ──Value──> a value of interface v1 ──ValueSet: all of one record──> the record
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from device_adapters.language.interface_v1 import COMMON, KINDS, PERSONAL_NAMES, RECORD_WORDS, record_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import Line

TIMES: Final = ("time", "started", "finished")
FLAGS: Final = ("veto", "exam_failed")
POINTS: Final = ("score", "points", "claimed_total", "running_score")
TEXTS: Final = (*PERSONAL_NAMES, "item")
WORDS: Final = (*RECORD_WORDS, "state")
LIVE: Final = ("state", "running_score", "deduction_count", "fault")  # what a status has and no record
OURS: Final = ("v", "serial")  # never said by the rig: the topic has the serial
CLOCKS: Final = ("rfc3339", "unix-s", "unix-ms")
TRIGGER, NUMBER = "trigger", "number"
NAMESPACE: Final = "spBv1.0"
# Data types of Sparkplug B 3.0 that a value may have; arrays, files, data sets and templates are none.
DATATYPES: Final = {
    "Int8": 1,
    "Int16": 2,
    "Int32": 3,
    "Int64": 4,
    "UInt8": 5,
    "UInt16": 6,
    "UInt32": 7,
    "UInt64": 8,
    "Float": 9,
    "Double": 10,
    "Boolean": 11,
    "String": 12,
    "DateTime": 13,
    "Text": 14,
    "UUID": 15,
}
FLOATS: Final = ("Float", "Double")
STRINGS: Final = ("String", "Text", "UUID")


def value_names() -> frozenset[str]:
    """Every value that a rig may say by itself."""
    return (record_names() | {*LIVE}) - {*OURS, "measures"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value. `source`: the topic's template, or the metric's name; `datatype`: of the metric.

    `hundredths` is what one unit is worth, of points. `words`: the rig's word for each of ours. `stays`: it holds
    until it is said again; any other is said anew for every record. `retained`: the broker's kept one counts too.
    """

    name: str
    source: str
    datatype: str = ""
    hundredths: int = 1
    words: Mapping[str, str] = field(default_factory=dict)
    clock: str = "rfc3339"
    stays: bool = False
    retained: bool = False
    lines: tuple[Line, ...] = ()

    @property
    def personal(self) -> bool:
        """Whether it belongs to a person."""
        return self.name in PERSONAL_NAMES


@dataclass(frozen=True, slots=True)
class ValueSet:
    """What one record needs, and when it is whole.

    `by` is `trigger` (the message with the value `trigger` ends the record) or `number` (all that the record needs has
    come with one number in the topic). `counts`: no number is left out by the rig, so a missing one is a gap.
    """

    values: Mapping[str, Value]
    fixed: Mapping[str, int | str | bool]
    by: str = TRIGGER
    trigger: str = "seq"
    counts: bool = True

    def needed(self, kind: str) -> tuple[str, ...]:
        """The values that a record of this kind is made of, in the order of the profile."""
        known = {*COMMON, *KINDS[kind].fields, *PERSONAL_NAMES}
        return tuple(name for name in self.values if name in known)

    def kinds(self) -> tuple[str, ...]:
        """The records that this rig can make."""
        if "type" in self.fixed:
            return (str(self.fixed["type"]),)
        return tuple(dict.fromkeys(self.values["type"].words.values())) if "type" in self.values else ()


@dataclass(frozen=True, slots=True)
class PlainShape:
    """Each value under its own topic. `presence`: where the rig, or its will, says whether it is there."""

    said: ValueSet
    presence: str | None = None
    away: str = "offline"

    def names_of(self, template: str) -> tuple[str, ...]:
        """The values that stand in one topic."""
        return tuple(name for name, value in self.said.values.items() if value.source == template)

    def area_of(self, name: str) -> str:
        """The raw area of a value: that of the first one in the same topic."""
        return self.names_of(self.said.values[name].source)[0]

    def templates(self) -> tuple[str, ...]:
        """All topics of values."""
        return tuple(dict.fromkeys(value.source for value in self.said.values.values()))


@dataclass(frozen=True, slots=True)
class SparkShape:
    """Metrics of a device below an edge node, or of the edge node itself (`device` None).

    Exactly one of `node` and `device` has `{serial}`. `stamps`: the trigger's timestamp is the time of the record.
    """

    said: ValueSet
    group: str
    node: str
    device: str | None
    stamps: bool = False

    def place(self, serial: str) -> tuple[str, str, str | None]:
        """Group, edge node and device of one rig."""
        device = self.device.replace("{serial}", serial) if self.device is not None else None
        return self.group, self.node.replace("{serial}", serial), device

    def topic(self, serial: str) -> str:
        """Where the data of one rig come."""
        group, node, device = self.place(serial)
        return f"{NAMESPACE}/{group}/NDATA/{node}" if device is None else f"{NAMESPACE}/{group}/DDATA/{node}/{device}"


def topic_pattern(template: str) -> re.Pattern[str]:
    """What a topic of this template is like; `serial` and `seq` are its groups."""
    parts = (re.escape(level) for level in template.split("/"))
    text = "/".join(parts).replace(r"\{serial\}", r"(?P<serial>[^/]+)").replace(r"\{seq\}", r"(?P<seq>[^/]+)")
    return re.compile(text)


def topic_filter(template: str, serial: str) -> str:
    """What to subscribe to."""
    return template.replace("{serial}", serial).replace("{seq}", "+")
