"""The blocks of a register table: where the status ends and the results begin, and how results follow each other.

Owns: the words by which a table names its blocks, and how rows become records. A block without a name of its own is
`table`, and a person cuts it. Pure.

    状态区 ──> status    成绩区，8 条，每条 64 字 ──> result, slots 8, stride 64    控制区 ──> areas that are written
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.rig.limits import BLOCK_NAME_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.rig.fields import Entry

TABLE, STATUS, RESULT, CONTROL = "table", "status", "result", "control"
_KINDS = (
    (r"控制|确认|应答|命令|写入|control|command", CONTROL),
    (r"成绩|结果|记录|result|record", RESULT),
    (r"状态|实时|status|live", STATUS),
)
_TITLE = re.compile(r"^[一二三四五六七八九十\d]+[、.．)）]|区|块|段|area|block|section", re.IGNORECASE)
_SENTENCE = re.compile(r"^(注|备注|说明|note|remark)", re.IGNORECASE)
_SLOTS = re.compile(r"(?:共|最多|保存|保留|存)?\s*(\d+)\s*[条组](?!号)")
_STRIDE = re.compile(
    r"每[条组]\s*(?:占|间隔|长|为)?\s*(\d+)\s*个?\s*(?:字|寄存器)|(?:stride|every)\s*(\d+)", re.IGNORECASE
)
_DIVIDED = re.compile(r"(?:除以|÷|%|模|mod(?:ulo)?)\s*(\d+)", re.IGNORECASE)
_FROM_0 = re.compile(
    r"余数?\s*(?:为\s*)?0\s*的?\s*在\s*(?:最前|首|第一)|remainder 0 (?:comes |is )?first", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Block:
    """One record of the draft. `title` is the maker's; without `slots` nothing says how many there are."""

    name: str
    title: str = ""
    entries: tuple[Entry, ...] = field(default=())
    slots: int | None = None
    stride: int | None = None

    @property
    def at(self) -> int:
        """Of its first word."""
        return self.entries[0].at

    @property
    def words(self) -> int:
        """Of one record."""
        return max(entry.at + entry.words for entry in self.entries) - self.at

    @property
    def ring(self) -> tuple[int, int] | None:
        """Slots and stride, where the title names both and a record fits."""
        if self.slots is None or self.stride is None or self.slots < 2 or self.stride < self.words:  # noqa: PLR2004
            return None
        return self.slots, self.stride

    @property
    def by_remainder(self) -> bool:
        """Whether the title itself says that number N is in slot N mod slots; of another divisor it says nothing."""
        divided = _DIVIDED.search(self.title)
        named = divided is not None and self.ring is not None and int(divided[1]) == self.ring[0]
        return named and _FROM_0.search(self.title) is not None

    def has(self, name: str) -> bool:
        """Whether a field of that name, with a type, is in it."""
        return any(entry.name == name and entry.type is not None for entry in self.entries)


def kind_of_block(text: str) -> str | None:
    """What a block of this title holds; None for a sentence, or a title that says nothing."""
    if len(text) > BLOCK_NAME_MAX or _SENTENCE.search(text) or not _TITLE.search(text):
        return None
    return next((kind for pattern, kind in _KINDS if re.search(pattern, text.lower())), None)


def ring_of(text: str) -> tuple[int | None, int | None]:
    """`8 条循环，每条占 64 字`: how many there are, and how many words from one to the next."""
    stride = _STRIDE.search(text)
    slots = _SLOTS.search(text)
    return (int(slots[1]) if slots else None, int(stride[1] or stride[2]) if stride else None)


def cut(entries: Sequence[Entry], titles: Mapping[str, str]) -> tuple[Block, ...]:
    """The records, in the order of their addresses. What is only written is no record."""
    names = dict.fromkeys(entry.block for entry in entries if not entry.write)
    found = []
    for name in names:
        own = tuple(entry for entry in entries if entry.block == name and not entry.write)
        slots, stride = ring_of(titles.get(name, ""))
        found.append(Block(name, titles.get(name, ""), own, slots, stride))
    return tuple(found)
