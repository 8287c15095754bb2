"""What the files of all makers' rigs have in common, whatever wire they speak: serial, deduction lines, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.device.codes import EventType
from simulators.device.rubric import Line
from simulators.limits import SERIAL_BYTES

if TYPE_CHECKING:
    from simulators.toml_file import Table


def deduction_lines(top: Table) -> tuple[dict[int, Line], dict[int, int]]:
    """Every `[[line]]` by its number, and the bit that stands for each."""
    lines: dict[int, Line] = {}
    bits: dict[int, int] = {}
    for table in top.tables("line"):
        number = table.number("line", low=1, high=0xFFFF)
        lines[number] = Line(number, table.number("points", high=10_000), table.flag("veto", default=False))
        bits[number] = table.number("bit", high=63)
        table.done()
    return lines, bits


def told_events(table: Table) -> dict[str, EventType]:
    """The events that `[events]` names, by its keys. InputError for one that is none, and without the score's."""
    names = {kind.name.lower(): kind for kind in EventType}
    for key in table.keys:
        if key not in names:
            raise table.wrong(key, f"{key} is no event; known: {', '.join(names)}")
    if "item_finished" not in table:
        raise table.wrong("item_finished", "[events] without item_finished: nothing would have a score")
    return {key: names[key] for key in table.keys}


def check_serial(top: Table, serial: str) -> None:
    """A fleet puts a number behind it."""
    if not 0 < len(serial) <= SERIAL_BYTES - 5:
        raise top.wrong("serial", f"serial: 1 to {SERIAL_BYTES - 5} characters; a number follows them")
