"""Workarounds of a model that concern which registers a request names (docs/formats/profile.md).

    profile address ─> + address_offset ─> cut where fields meet ─> wire
    status block    ─> its words, then its flags ─> wire

Owns: nothing. A model without workarounds has no `QuirkyWire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from device_adapters.language.profile import Profile, Record
    from device_adapters.modbus.wire import Wire


def worked_around(wire: Wire, profile: Profile) -> Wire:
    """The wire that this model needs."""
    transport = profile.transport
    if not transport.address_offset and not transport.one_field and profile.status.tail is None:
        return wire
    cuts = Cuts(profile) if transport.one_field else None
    return QuirkyWire(wire, transport.address_offset, cuts, profile.status)


class Cuts:
    """Where the fields of a profile meet."""

    def __init__(self, profile: Profile) -> None:
        self._records = tuple((record, _starts(record)) for record in (profile.status, *profile.records.values()))

    def pieces(self, at: int, words: int) -> Iterator[tuple[int, int]]:
        """Parts of [at, at + words), none across the end of a field."""
        record, starts = self._record_at(at)
        end = at + words
        while at < end:
            inside = (at - record.at) % record.stride if record is not None else 0
            stop = min((start for start in starts if start > inside), default=inside + end - at)
            piece = min(stop - inside, end - at)
            yield at, piece
            at += piece

    def _record_at(self, at: int) -> tuple[Record | None, tuple[int, ...]]:
        for record, starts in self._records:
            if record.at <= at < record.at + record.stride * record.slots:
                return record, starts
        return None, ()


def _starts(record: Record) -> tuple[int, ...]:
    """First words of all fields and rows, and the word behind each, of a record as long as it can be."""
    long = record.words_max
    starts = {0, long}
    for field in record.fields.values():
        first = field.at if field.at >= 0 else long + field.at
        starts |= {first, first + field.words}
    if (repeat := record.repeat) is not None:
        rows = [repeat.at + row * repeat.words for row in range(repeat.most)]
        for field in repeat.fields.values():
            starts |= {base + field.at for base in rows} | {base + field.at + field.words for base in rows}
    return tuple(sorted(starts))


class QuirkyWire:
    """See `wire.Wire`."""

    def __init__(self, wire: Wire, offset: int, cuts: Cuts | None, status: Record | None = None) -> None:
        self._wire = wire
        self._offset = offset
        self._cuts = cuts
        self._status = status

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._wire.connected

    @property
    def connection(self) -> int:
        """Number of the connection."""
        return self._wire.connection

    async def connect(self) -> None:
        """Close the old connection, open a new one."""
        await self._wire.connect()

    async def read(self, at: int, words: int) -> bytes:
        """In as many requests as the model needs; any failed part fails the whole."""
        status = self._status
        tail: tuple[tuple[int, int], ...] = ()
        if status is not None and status.tail is not None and (at, words) == (status.at, status.words):
            words, tail = status.block_words, ((status.tail.at, status.tail.bits),)
        pieces = self._cuts.pieces(at, words) if self._cuts is not None else ((at, words),)
        return b"".join([await self._wire.read(start + self._offset, count) for start, count in (*pieces, *tail)])

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        """In one request: half an acknowledgement is none."""
        await self._wire.write(at + self._offset, values, connection)

    def drop(self) -> None:
        """Close at once."""
        self._wire.drop()
