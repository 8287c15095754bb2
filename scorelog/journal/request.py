"""From an append request to the bytes that will be stored: built once, checked once, by every form of the log.

Owns the check that a built entry is what its request said. It never writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.commitment import Opening
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.limits import BLIND_BYTES, ENTRY_BYTES_MAX
from scorelog.format.tree import leaf_hash
from scorelog.journal.errors import AppendRefused
from scorelog.journal.limits import SIGNED_EVERY_BYTES, SIGNED_EVERY_ENTRIES, SIGNED_EVERY_OPENING_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scorelog.format.entry import EntryKey
    from scorelog.journal.store import AppendRequest, NewOpening

_ENTRY_FRAME = 2  # u16 length
_OPENING_FRAME = 8 + 1 + BLIND_BYTES + 2  # u64 index, u8 length, blind, u16 length


@dataclass(frozen=True, slots=True)
class Built:
    """One entry, ready to be stored."""

    entry: bytes
    leaf: bytes
    key: EntryKey | None
    content: str | None
    openings: tuple[NewOpening, ...]
    conflict_with: int | None

    @property
    def entry_frame(self) -> int:
        """Its bytes in an upload."""
        return entry_frame(len(self.entry))

    @property
    def openings_frame(self) -> int:
        """The bytes of its openings in an upload."""
        return sum(opening_frame(field, len(value)) for field, _, value in self.openings)


def built(request: AppendRequest, conflict_with: int | None) -> Built:
    """Call the request's builder, and refuse what would be stored under a false key or could never be uploaded."""
    openings = tuple(sorted(request.openings))
    _check_openings(openings)
    entry = request.build(conflict_with)
    if not 0 < len(entry) <= ENTRY_BYTES_MAX:
        raise AppendRefused(f"an entry of {len(entry)} bytes; at most {ENTRY_BYTES_MAX} can be stored and sent")
    _check_key(request, entry)
    made = Built(entry, leaf_hash(entry), request.key, request.content, openings, conflict_with)
    if made.openings_frame > SIGNED_EVERY_OPENING_BYTES:
        raise AppendRefused(f"openings of {made.openings_frame} bytes cannot travel in one upload")
    return made


def _check_openings(openings: Sequence[NewOpening]) -> None:
    try:
        for field, blind, value in openings:
            Opening(0, field, blind, value)
    except FormatError as error:
        raise AppendRefused(f"an opening that could not be sent: {error}") from None
    if len({field for field, _, _ in openings}) != len(openings):
        raise AppendRefused("two openings of one field")


def _check_key(request: AppendRequest, entry: bytes) -> None:
    """A wrong key would later make a good score look like a repeated one."""
    if (request.key is None) != (request.content is None):
        raise AppendRefused("a key and its content come together or not at all")
    try:
        parsed = parse_entry(entry)
    except FormatError as error:
        raise AppendRefused(f"the built entry is not one: {error}") from error
    if parsed.key != request.key or (request.key is not None and parsed.content != request.content):
        raise AppendRefused(
            f"the built entry has key {parsed.key}, the request {request.key}, or their content differs"
        )


def piece_stop(start: int, frames: Iterable[tuple[int, int]], max_entries: int, max_bytes: int) -> int:
    """The farthest end of a piece from `start` whose (entry, openings) frames keep the limits; at least one entry."""
    stop, total, openings_total = start, 0, 0
    for entry_frame, openings_frame in frames:
        total += entry_frame
        openings_total += openings_frame
        over = total > max_bytes or openings_total > SIGNED_EVERY_OPENING_BYTES
        if stop - start >= max_entries or (over and stop > start):
            break
        stop += 1
    return stop


def entry_frame(size: int) -> int:
    """The bytes of an entry of this size in an upload."""
    return size + _ENTRY_FRAME


def opening_frame(field: str, value_size: int) -> int:
    """The bytes of an opening in an upload."""
    return _OPENING_FRAME + len(field) + value_size


class SigningPlan:
    """Where in a transaction a checkpoint is due, beside its end, so that pieces never exceed an upload."""

    __slots__ = ("_bytes", "_entries", "_openings")

    def __init__(self) -> None:
        self._reset()

    def due_before(self, entry_frame: int, openings_frame: int) -> bool:
        """Count one more entry; True when a checkpoint is due before it."""
        due = self._entries > 0 and (
            self._entries + 1 > SIGNED_EVERY_ENTRIES
            or self._bytes + entry_frame > SIGNED_EVERY_BYTES
            or self._openings + openings_frame > SIGNED_EVERY_OPENING_BYTES
        )
        if due:
            self._reset()
        self._entries += 1
        self._bytes += entry_frame
        self._openings += openings_frame
        return due

    def _reset(self) -> None:
        self._entries = self._bytes = self._openings = 0
