"""`rig probe`: what a live rig says, again and again. Reads only; a rig that goes away comes back by itself.

Owns: the rhythm, and how a look becomes lines or a document. Prints nothing itself.
"""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from device_adapters.errors import BackOff, NotConnected
from device_adapters.language.spaces import SPACES, TABLE, on_wire
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.errors import ConfigError
from gateway.rig.limits import EVERY_S_MAX, EVERY_S_MIN, VIEW_WORDS_MAX
from gateway.rig.looking import Table, look
from gateway.rig.place import ReadOnlyWire, open_wire, transport_of
from gateway.rig.unfinished import Readable
from gateway.rig.views import View, views_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from device_adapters.language.profile import Profile, Record
    from device_adapters.modbus.wire import Wire
    from gateway.rig.place import Place

LAST_REGISTER: Final = 0xFFFF
NO_ANSWER: Final = (NotConnected, BackOff, OddReply, ExceptionReply)
_TABLES: Final = (*SPACES, "coils")
_WORDS_SHOWN: Final = 8  # of a field; a longer one goes on behind …


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at. `at` None: no chosen address. `readable`: the profile, if it still has findings."""

    profile: Profile | None = None
    unit: int | None = None
    at: int | None = None
    words: int = 4
    of_input: bool = False  # function 4 instead of 3
    every_s: float = 1.0
    looks: int = 0  # 0: until it is stopped
    with_personal: bool = False
    readable: Readable | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if self.profile is None and self.at is None:
            raise ConfigError("nothing to look at: give --profile NAME, or --at ADDRESS, or both")
        if not 1 <= self.words <= VIEW_WORDS_MAX:
            raise ConfigError(f"--words {self.words}: 1 to {VIEW_WORDS_MAX}")
        if self.at is not None and not 0 <= self.at <= LAST_REGISTER + 1 - self.words:
            raise ConfigError(f"--at {self.at}: 0 to {LAST_REGISTER + 1 - self.words}, counted from 0 as on the wire")
        if not EVERY_S_MIN <= self.every_s <= EVERY_S_MAX:
            raise ConfigError(f"--every {self.every_s:g}: {EVERY_S_MIN:g} to {EVERY_S_MAX:g} seconds")
        if self.profile is not None and self.at is not None and not self.with_personal:
            self._refuse_personal(self.profile, self.at)

    def _refuse_personal(self, profile: Profile, at: int) -> None:
        for record in profile.records.values():
            end = record.at + record.stride * (record.slots - 1) + record.words_max
            first = at + (SPACES["input"] if self.of_input else 0)
            if has_personal(record) and first < end and first + self.words > record.at:
                raise ConfigError(
                    f"--at {at}: in {record.name}, where {profile.id} has personal words; --with-personal shows them"
                )


@dataclass(frozen=True, slots=True)
class Look:
    """What one turn gave. `fault`: no answer, and why. `findings`: why the profile is not usable yet."""

    number: int
    tables: tuple[Table, ...] = ()
    views: tuple[View, ...] = ()
    raw: bytes = b""
    fault: str = ""
    findings: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the rig answered, and said what a good profile says."""
        return not (self.fault or self.findings) and not any(
            table.fault or any(row.wrong for row in table.rows) for table in self.tables
        )


def has_personal(record: Record) -> bool:
    """Whether anything in it is somebody's."""
    return any(field.personal is not None for field in record.fields.values())


async def probe(place: Place, wanted: Wanted, show: Callable[[Look], None]) -> bool:
    """Show look after look. True when the last one was good."""
    number, good = 0, False
    async with open_wire(place, wanted.profile, transport_of(wanted.profile, wanted.unit)) as wire:
        while True:
            number += 1
            found = await _one(ReadOnlyWire(wire), wanted, number)
            good = found.good
            show(found)
            if number == wanted.looks:
                return good
            await asyncio.sleep(wanted.every_s)


async def _one(wire: Wire, wanted: Wanted, number: int) -> Look:
    try:
        if not wire.connected:
            await wire.connect()
        tables: tuple[Table, ...] = ()
        if wanted.profile is not None:
            known = wanted.readable or Readable(wanted.profile)
            tables = await look(wire, known, with_personal=wanted.with_personal)
        raw = b""
        if wanted.at is not None:
            raw = await wire.read(wanted.at + (SPACES["input"] if wanted.of_input else 0), wanted.words)
    except NO_ANSWER as error:
        return Look(number, fault=str(error))
    findings = wanted.readable.findings if wanted.readable is not None else ()
    return Look(number, tables, views_of(raw) if raw else (), raw, findings=findings)


def as_lines(look: Look, wanted: Wanted, before: Look | None) -> list[str]:
    """For a terminal. A `*` marks what changed since the look before."""
    if look.fault:
        return [f"设备无应答 no answer: {look.fault}"]
    lines = [f"未定 TO DECIDE {finding}" for finding in look.findings]
    known = {(row.at, row.name): row.value for table in (before.tables if before else ()) for row in table.rows}
    for table in look.tables:
        state = f"不可信 REFUSED: {table.fault}" if table.fault else "完整 proven"
        lines += ["", f"[{table.name}] @{place_text(table.at)}  {state}"]
        if table.rows:
            lines.append("  " + _aligned(("地址 at", "字段 field", "原始字 raw words", "值 value")))
        for row in table.rows:
            changed = known.get((row.at, row.name), row.value) != row.value
            value = f"!! {row.wrong}" if row.wrong else row.value
            cells = (place_text(row.at), row.name, words_text(row.raw), value)
            lines.append(("* " if changed else "  ") + _aligned(cells))
            lines += [f"      {view_line(view)}" for view in row.views]
    if look.views and wanted.at is not None:
        lines += ["", f"@{wanted.at}: {words_text(look.raw, VIEW_WORDS_MAX)}"]
        lines += [view_line(view) for view in look.views]
    return lines


def as_document(look: Look) -> dict[str, Any]:
    """For a program."""
    return {
        "look": look.number,
        "fault": look.fault or None,
        "findings": list(look.findings),
        "records": [
            {
                "record": table.name,
                "at": table.at,
                "fault": table.fault or None,
                "fields": [
                    {
                        "field": row.name,
                        "at": row.at,
                        "raw": row.raw.hex(),
                        "value": row.value,
                        "wrong": row.wrong or None,
                        "views": _views(row.views),
                    }
                    for row in table.rows
                ],
            }
            for table in look.tables
        ],
        "raw": look.raw.hex(),
        "views": _views(look.views),
    }


def _views(views: Sequence[View]) -> list[dict[str, Any]]:
    return [{"type": view.type, "words": view.words, "values": dict(view.values)} for view in views]


def place_text(at: int) -> str:
    """An address as it stands in a request, with its table if that is not the usual one."""
    table = _TABLES[at // TABLE]
    return f"{table}:{on_wire(at)}" if at >= TABLE else str(at)


def view_line(view: View) -> str:
    """One type, its orders side by side."""
    return f"  {view.type:10} " + "  ".join(f"{order} {value}" for order, value in view.values.items())


def words_text(data: bytes, most: int = _WORDS_SHOWN) -> str:
    """Words in hexadecimal."""
    shown = data[: most * 2].hex(" ", 2)
    return f"{shown} …" if len(data) > most * 2 else shown


def _aligned(cells: Sequence[str]) -> str:
    widths = (8, 24, 41)
    return " ".join(padded(cell, width) for cell, width in zip(cells, widths, strict=False)) + " " + cells[-1]


def padded(text: str, width: int) -> str:
    """Chinese characters take two columns."""
    taken = sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
    return text + " " * (width - taken)
