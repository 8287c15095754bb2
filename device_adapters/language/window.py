"""A window: a record longer than what a rig shows at once is turned over page by page, at the same addresses.

Owns: `Window` and its grammar (docs/formats/profile.md rules 33 to 35). Pure: never writes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.language.build_field import fields_of
from device_adapters.language.handshake import word_of
from device_adapters.limits import REGISTERS_PER_READ, TURN_MS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.handshake import Word
    from device_adapters.language.profile import Field
    from device_adapters.language.tables import Table


@dataclass(frozen=True, slots=True)
class Window:
    """`words` of the record on each page, behind `head_words` of their own that say what is shown.

    `page` and `slot` are written: which page (the first one is `first`), and of which record. `head` has the fields
    `page` and, where the rig says so, `seq`. `turn_ms`: how long the rig takes.
    """

    words: int
    page: Word
    slot: Word | None
    first: int
    turn_ms: int
    head_words: int
    head: Mapping[str, Field]

    @property
    def shown(self) -> int:
        """Registers of the whole window."""
        return self.head_words + self.words


def window_of(table: Table) -> Window:
    """The table of a record."""
    head = table.table("head")
    made = Window(
        words=table.number("words", 1, REGISTERS_PER_READ),
        page=word_of(table.table("page")),
        slot=word_of(table.table("slot")) if "slot" in table else None,
        first=table.number("first", 0, 1, 0),
        turn_ms=table.number("turn_ms", 0, TURN_MS_MAX, 0),
        head_words=head.number("words", 1, REGISTERS_PER_READ),
        head=fields_of(head.table("fields"), "", {}, strict=True),
    )
    head.done()
    table.done()
    return made
