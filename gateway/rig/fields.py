"""What a register table becomes: its rows as fields, the doubts, and the draft that holds them.

Owns: these shapes. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.rig.blocks import Block


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that a person must decide; a `guess` is written already, and only to be looked at."""

    ref: str
    reason: str
    guess: bool = False

    def __str__(self) -> str:
        return f"{self.ref}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table as a field. What is None is not known, and not written."""

    ref: str
    name: str
    told: str
    at: int
    words: int
    block: str
    type: str | None = None
    order: str | None = None
    coding: str | None = None
    bit: int | None = None
    scale: str | None = None
    torn: str = ""  # the cells whose scales contradict each other: none of them is taken
    zone: str | None = None
    codes: Mapping[int, str] = field(default_factory=dict)
    remark: str = ""
    write: bool = False
    filler: bool = False  # a row that is kept free: it takes room, and is no field


@dataclass(frozen=True, slots=True)
class Draft:
    """The entries by address, cut into blocks; the order and the checksum that hold for all of them, if one does."""

    entries: tuple[Entry, ...]
    blocks: tuple[Block, ...]
    order: str | None
    checksum: str | None
    doubts: tuple[Doubt, ...]

    @property
    def open(self) -> tuple[Doubt, ...]:
        """What a person must decide."""
        return tuple(doubt for doubt in self.doubts if not doubt.guess)

    @property
    def guesses(self) -> tuple[Doubt, ...]:
        """What is written and to be looked at."""
        return tuple(doubt for doubt in self.doubts if doubt.guess)
