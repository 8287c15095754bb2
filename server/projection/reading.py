"""What the projector reads next: many bundles in the order of arrival, in one go.

    bundles_after ─▶ references ─▶ arrived: one read for so many ─▶ Read per bundle, parts of entries beside it

Owns the size of a batch: whatever has arrived, up to the limits. Never waits for more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.errors import Damaged
from server.projection import limits
from server.projection.relogged import pieces_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.evidence.store import BundleRef, EntryStore, StoredEntry


@dataclass(frozen=True, slots=True)
class Read:
    """One bundle as it was stored. `pieces`: by index, the parts before an entry that ends one which came in parts."""

    ref: BundleRef
    stored: Sequence[StoredEntry]
    pieces: Mapping[int, Sequence[StoredEntry]]
    damage: str | None = None

    def halves(self) -> tuple[Read, Read]:
        """The same entries in two parts; there are at least two."""
        middle = len(self.stored) // 2
        cut = self.stored[middle].index
        first, second = replace(self.ref, stop=cut), replace(self.ref, start=cut)
        return Read(first, self.stored[:middle], self.pieces), Read(second, self.stored[middle:], self.pieces)


class Reader:
    """Keeps the references that were asked for and not used yet: evidence is only ever added to behind them.

    They are stale when the projector goes on from elsewhere than where the last batch ended: then it asks anew.
    """

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self._refs: Sequence[BundleRef] = ()
        self._after = 0
        self._more = True

    @property
    def drained(self) -> bool:
        """Whether the last batch was all that there was when it was asked for; what came since is told by a notify."""
        return not self._refs and not self._more

    async def next(self, seq: int) -> list[Read]:
        """The next bundles after `seq`; empty when there is none."""
        refs = self._refs if seq == self._after else ()
        if not refs:
            refs = await self._store.bundles_after(seq, limits.BUNDLES_AT_ONCE)
            self._more = len(refs) == limits.BUNDLES_AT_ONCE
        found: list[Read] = []
        entries = size = 0
        while refs and entries < limits.ENTRIES_AT_ONCE and size < limits.BYTES_AT_ONCE:
            count = _some(refs)
            some = await _read(self._store, refs[:count])
            refs, found = refs[count:], found + some
            entries += sum(len(one.stored) for one in some)
            size += sum(len(entry.data) for one in some for entry in one.stored)
        self._refs, self._after = refs, found[-1].ref.seq if found else seq
        return found


def _some(refs: Sequence[BundleRef]) -> int:
    """So many that one read stays small, and at least one."""
    entries = 0
    for count, ref in enumerate(refs):
        entries += ref.stop - ref.start
        if count and entries > limits.ENTRIES_A_READ:
            return count
    return len(refs)


async def _read(store: EntryStore, refs: Sequence[BundleRef]) -> list[Read]:
    """In one go, however many logs they are of: each change to the database's thread costs as much as some entries."""
    damaged: dict[int, str] = {}
    try:
        found = await store.arrived(refs[0].seq, refs[-1].seq)
    except Damaged:  # whichever it is, the others can be read
        found = []
        for ref in refs:
            try:
                found += await store.entries(ref.origin, ref.start, ref.stop)
            except Damaged as error:
                damaged[ref.seq] = str(error)
    by_place = {(one.origin, one.index): one for one in found}
    return [await _one(store, ref, by_place, damaged.get(ref.seq)) for ref in refs]


async def _one(
    store: EntryStore, ref: BundleRef, by_place: Mapping[tuple[str, int], StoredEntry], damage: str | None
) -> Read:
    places = ((ref.origin, index) for index in range(ref.start, ref.stop))
    stored = [by_place[place] for place in places if place in by_place]
    try:
        pieces = {one.index: found for one in stored if (found := await pieces_of(one, store.entries))}
    except Damaged as error:
        return Read(ref, (), {}, str(error))
    return Read(ref, () if damage else stored, pieces, damage)
