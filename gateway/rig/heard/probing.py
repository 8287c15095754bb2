"""`rig probe` for rigs that are heard: what they say, raw beside decoded, look after look. Says nothing to them.

Owns: the rhythm, and how a look becomes lines or a document. Prints nothing itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ConfigError
from gateway.rig.heard.hearing import Hearing, Told
from gateway.rig.limits import EVERY_S_MAX, EVERY_S_MIN
from gateway.rig.probing import padded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.rig.heard.ear import Opener, Source
    from gateway.rig.heard.sheets import Sheet
    from gateway.rig.heard.taken import Reader
    from scorelog.journal.clock import Clock

_STEP_S: Final = 0.05
_WIDTHS: Final = (32, 34, 30)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How often to show. `patience_s`: how long a first message is waited for where there is one look only."""

    every_s: float = 1.0
    looks: int = 0  # 0: until it is stopped
    patience_s: float = 10.0
    rebirth: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not EVERY_S_MIN <= self.every_s <= EVERY_S_MAX:
            raise ConfigError(f"--every {self.every_s:g}: {EVERY_S_MIN:g} to {EVERY_S_MAX:g} seconds")


@dataclass(frozen=True, slots=True)
class Look:
    """What one turn gave. `fault`: nobody can be heard, and why; `wants`: what the rig must say before it counts."""

    number: int
    messages: int
    sheets: tuple[Sheet, ...] = ()
    told: tuple[Told, ...] = ()
    fault: str = ""
    wants: str = ""

    @property
    def good(self) -> bool:
        """Whether something was heard, and nothing in it was wrong."""
        wrong = any(sheet.fault or any(row.wrong for row in sheet.rows) for sheet in self.sheets)
        return bool(self.messages) and not (self.fault or self.wants or wrong) and all(one.good for one in self.told)


async def probe(opener: Opener, reader: Reader, wanted: Wanted, clock: Clock, show: Callable[[Look], None]) -> bool:
    """Show look after look. True when the last one was good."""
    hearing, number = Hearing(reader), 0
    async with opener(hearing, clock) as ear:
        if wanted.looks == 1:
            await _first(ear, hearing, wanted, clock)
        while True:
            number += 1
            await _ask(ear, hearing, wanted)
            found = look_at(hearing, number, ear.reason)
            show(found)
            if number == wanted.looks:
                return found.good
            await clock.sleep(wanted.every_s)


async def _first(ear: Source, hearing: Hearing, wanted: Wanted, clock: Clock) -> None:
    """Until the rig said what it must, or the patience is over."""
    until_us = clock.mono_us() + int(wanted.patience_s * 1_000_000)
    while clock.mono_us() < until_us and not ear.reason:
        await _ask(ear, hearing, wanted)
        if hearing.count and not hearing.reader.wants():
            await clock.sleep(_STEP_S)  # what belongs to it comes with it
            return
        await clock.sleep(_STEP_S)


async def _ask(ear: Source, hearing: Hearing, wanted: Wanted) -> None:
    """For birth certificates, where that was wished."""
    if wanted.rebirth:
        await ear.ask(hearing.reader)


def look_at(hearing: Hearing, number: int, fault: str) -> Look:
    """As it stands now."""
    told = hearing.news()
    return Look(number, hearing.count, tuple(hearing.sheets.values()), told, fault, hearing.reader.wants())


def as_lines(look: Look, before: Look | None) -> list[str]:
    """For a terminal. A `*` marks what changed since the look before."""
    if look.fault:
        return [f"收不到消息 nobody is heard: {look.fault}"]
    known = {(sheet.name, row.name): row.value for sheet in (before.sheets if before else ()) for row in sheet.rows}
    lines = [f"!! {look.wants}"] if look.wants else []
    if not look.messages:
        lines.append(
            "尚无消息 nothing came yet: is the rig on, is the serial number right, may this tool read its topics?"
        )
    for sheet in look.sheets:
        lines += ["", *_sheet_lines(sheet, known)]
    lines += ["", *(one.text for one in look.told)] if look.told else []
    return lines


def _sheet_lines(sheet: Sheet, known: dict[tuple[str, str], str]) -> list[str]:
    state = f"不可信 REFUSED: {sheet.fault}" if sheet.fault else ""
    lines = [f"[{sheet.name}] {sheet.topic}  {state}".rstrip()]
    if sheet.rows:
        lines.append("  " + _aligned(("字段 field", "来源 from", "原文 raw", "值 value")))
    for row in sheet.rows:
        changed = known.get((sheet.name, row.name), row.value) != row.value
        cells = (row.name, row.where, row.raw, f"!! {row.wrong}" if row.wrong else row.value)
        lines.append(("* " if changed else "  ") + _aligned(cells))
    if sheet.unnamed:
        lines.append(f"  {sheet.unnamed} 个值未列入描述文件，不显示 values that the profile does not name, not shown")
    return lines


def _aligned(cells: Sequence[str]) -> str:
    shown = (padded(cell, width) for cell, width in zip(cells, _WIDTHS, strict=False))
    return " ".join((*shown, cells[-1])).rstrip()


def as_document(look: Look) -> dict[str, Any]:
    """For a program."""
    return {
        "look": look.number,
        "messages": look.messages,
        "fault": look.fault or None,
        "wants": look.wants or None,
        "sheets": [asdict(sheet) for sheet in look.sheets],
        "told": [asdict(one) for one in look.told],
    }
