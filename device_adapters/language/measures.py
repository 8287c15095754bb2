"""What a rig measured beside the score, out of its registers: `measures` of an entry.

Owns: `Measure`, its grammar and its checks. It says how a score came about and decides none, so a measure is the rig's
own whole number in a unit that the profile names: nothing is scaled, rounded or looked up. Pure. Spec:
docs/formats/profile.md rule 18a.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.language.words import WHOLE
from device_adapters.limits import MESSAGE_ROWS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import EntryRule, Record
    from device_adapters.language.tables import Report, Table
    from device_adapters.language.toml_lines import Path

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")  # as over MQTT (interface_v1)
_UNIT: Final = re.compile(r"[^\x00-\x20\x7f-\xa0]{1,8}")
_NUMBERS: Final = WHOLE - {"bool"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One of them: its name and unit in the entry, the record and the field that it comes from."""

    name: str
    record: str
    source: str
    unit: str


def measures_of(table: Table, event: str) -> tuple[Measure, ...]:
    """Those of one entry; none where it names none."""
    found = tuple(_measure(one, event) for one in table.tables("measures"))
    if len(found) > MESSAGE_ROWS_MAX:
        table.wrong("measures", f"an entry has at most {MESSAGE_ROWS_MAX}")
    return found


def _measure(table: Table, event: str) -> Measure:
    record, dot, field = table.text("from").partition(".")
    made = Measure(
        table.text("name"),
        record if dot else event,
        field if dot else record,
        table.text("unit"),
    )
    if not _NAME.fullmatch(made.name):
        table.wrong("name", "has a-z first, then a-z 0-9 _, at most 32")
    if not _UNIT.fullmatch(made.unit):
        table.wrong(
            "unit", 'has 1 to 8 characters without spaces, such as "mm", "1/min", "0.1kA"; "1" of a plain number'
        )
    table.done()
    return made


def check_measures(rule: EntryRule, event: str, records: Mapping[str, Record], path: Path, report: Report) -> None:
    """Each comes from a plain whole number that is read for this event, and is named once."""
    twice = {name for name, times in Counter(one.name for one in rule.measures).items() if times > 1}
    for at, one in enumerate(rule.measures):
        place = (*path, "measures", at)
        if one.name in twice:
            report.add((*place, "name"), f'"{one.name}" is named twice')
        field = records[one.record].fields.get(one.source) if one.record in {event, rule.record} else None
        if field is None:
            report.add((*place, "from"), f'there is no field "{one.source}" in what is read for this event')
        elif field.type not in _NUMBERS or field.codes is not None or field.hundredths is not None:
            report.add((*place, "from"), f"{field.name} is no plain number: a measure has no codes and no scale")
