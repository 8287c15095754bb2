"""A capture cut into the records of a profile: what stood where, round by round. Pure.

Owns: the way from requests to records, by absolute address. Judges nothing; a record that is hidden whole is told as
such, and one of which words are missing is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from device_adapters.decoding.records import words_of
from device_adapters.errors import DecodeError

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile, Record
    from gateway.rig.recording import Exchange, Recording


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of one record; `hidden` are the words, from its start, that only stand in for others."""

    record: Record
    at: int
    data: bytes
    hidden: frozenset[int]

    @property
    def blind(self) -> bool:
        """Whether nothing of it may be judged."""
        return len(self.hidden) * 2 >= len(self.data)

    def words(self, first: int, count: int) -> bytes:
        """Some of them; empty when one is hidden or beyond the end."""
        found = self.data[first * 2 : (first + count) * 2]
        return b"" if len(found) < count * 2 or self.hidden & set(range(first, first + count)) else found


@dataclass(frozen=True, slots=True)
class Round:
    """One look at the rig."""

    at_ms: float
    status: Sample | None
    records: tuple[Sample, ...]
    faults: tuple[str, ...]


@dataclass(slots=True)
class _Memory:
    words: dict[int, int] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    bits: dict[int, tuple[bytes, bool]] = field(default_factory=dict)  # what a request brought, and if it is hidden


def rounds_of(profile: Profile, recording: Recording) -> tuple[Round, ...]:
    """In the order of time."""
    offset = recording.head.offset if recording.head.profile else profile.transport.address_offset
    return tuple(_round(profile, exchanges, offset) for exchanges in recording.rounds())


def memory_of(exchanges: tuple[Exchange, ...], offset: int) -> dict[int, int]:
    """Every word that a round showed, by profile address."""
    return _memory(exchanges, offset).words


def _memory(exchanges: tuple[Exchange, ...], offset: int) -> _Memory:
    memory = _Memory()
    for one in exchanges:
        reply = one.reply or b""
        first = one.base + one.at - offset
        if one.of_bits:
            if reply:
                memory.bits[first] = (reply, bool(one.hidden))
            continue
        for number in range(len(reply) // 2):
            memory.words[first + number] = int.from_bytes(reply[number * 2 : number * 2 + 2], "big")
        memory.hidden |= {one.base + at - offset for start, count in one.hidden for at in range(start, start + count)}
    return memory


def _round(profile: Profile, exchanges: tuple[Exchange, ...], offset: int) -> Round:
    memory = _memory(exchanges, offset)
    starts = sorted({one.base + one.at - offset for one in exchanges if one.reply is not None and not one.of_bits})
    records = [
        found
        for record in profile.records.values()
        for at in starts
        if 0 <= at - record.at < record.stride * record.slots
        and (at - record.at) % record.stride == 0
        and (found := _sample(record, at, memory)) is not None
    ]
    faults = tuple(
        f"exception {one.exception} at {one.at}" if one.exception is not None else one.failed
        for one in exchanges
        if one.reply is None
    )
    status = _sample(profile.status, profile.status.at, memory)
    return Round(exchanges[-1].at_ms, status, tuple(records), faults)


def _sample(record: Record, at: int, memory: _Memory) -> Sample | None:
    """The record that begins there, as far as its own length word says, or its shortest form."""
    data = b""
    for address in range(at, at + (record.words_max if record.tail is None else record.block_words)):
        if address not in memory.words:
            break
        data += memory.words[address].to_bytes(2, "big")
    bits, bits_hidden = memory.bits.get(record.tail.at, (b"", False)) if record.tail is not None else (b"", False)
    if record.tail is not None and len(data) == record.block_words * 2:
        data += bits
    try:
        words = words_of(record, data)
    except DecodeError:
        words = record.words
    if len(data) < words * 2:
        return None
    block = words if record.tail is None else record.block_words
    hidden = {number for number in range(block) if at + number in memory.hidden}
    hidden |= set(range(block, words)) if bits_hidden else set()
    return Sample(record, at, data[: words * 2], frozenset(hidden))
