"""Whether a status block says what the last one said, told by its bytes: nothing is decoded.

    proven block   … state | item | last_seq | … | heartbeat | elapsed_s | … | checksum
    the next one         the same, bit for bit   |   may move, any number    | made anew

Owns: which bytes of a model's block may move while it says the same. These are numbers of which
any is allowed. Every other byte must be that of a block that was proven, and the checksum is made of every reading.
Where bytes alone do not tell, it says so, and the block is opened (`records.Reopened`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.decoding.records import check_sum
from device_adapters.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Collection

    from device_adapters.language.profile import Field, Record


class Unchanged:
    """Of one model's status block. `said`: fields that it is read for; `runs`: the one whose running is told."""

    __slots__ = ("_record", "_runs", "_size", "_still")

    def __init__(self, record: Record, said: Collection[str], runs: str) -> None:
        self._record = record
        self._size = record.words * 2
        fields = record.fields.values()
        bound = {*said, record.length, record.before, record.after, "serial"}
        bound.update(name for rule in record.sums for name in (*rule.fields, rule.unless_zero))
        loose = {field.name for field in fields if field.plain and field.name not in bound}
        if record.crc is not None and record.crc_kind is not None:
            loose.add(record.crc)
        moving = sum(self._mask(field) for field in fields if field.name in loose)
        fixed = [self._mask(field) for field in fields if field.name not in loose]
        self._still = (1 << self._size * 8) - 1 & ~moving
        for mask in fixed:  # where two fields lie over each other the strict one counts
            self._still |= mask
        self._runs = self._mask(record.fields[runs]) & ~self._still if runs in loose else 0

    def ran(self, proven: int, found: bytes) -> bool | None:
        """Whether time ran since the block `proven`, which says the same; None when that takes more than a look."""
        if len(found) != self._size:
            return None
        moved = proven ^ int.from_bytes(found, "big")
        if moved & self._still:
            return None
        if moved:
            try:
                check_sum(self._record, found, self._record.words)
            except DecodeError:
                return None  # whoever opens it says what is wrong
        return moved & self._runs != 0

    def _mask(self, field: Field) -> int:
        start = (field.at if field.at >= 0 else self._record.words + field.at) * 2
        return (1 << field.words * 16) - 1 << (self._size - start - field.words * 2) * 8
