"""What must hold among all places that a profile names: none lies in another, whoever reads or writes it.

Owns: overlaps across status block, records, windows, and what the gateway writes. Records whose slots interleave are
apart; two windows at one place may be one window of the rig. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.language.handshake import Word
    from device_adapters.language.profile import Profile, Record
    from device_adapters.language.tables import Report
    from device_adapters.language.toml_lines import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Who is there, and on which addresses, a bit for each."""

    path: Path
    taken: int
    window: bool = False


def check_places(profile: Profile, report: Report) -> None:
    """Each pair once; the finding stands at the later one of the file's order."""
    for one, other in combinations(_places(profile), 2):
        common = one.taken & other.taken
        if common and not (one.window and other.window and one.taken == other.taken):
            first = ((common & -common).bit_length() - 1) % 0x10000
            report.add(other.path, f"overlaps {'.'.join(map(str, one.path))} at {first}")


def _places(profile: Profile) -> Iterator[Place]:
    yield Place(("status",), _words(profile.status.at, profile.status.block_words))
    written: dict[Path, Word | None] = {("handshake", "ack"): profile.ack, ("handshake", "ready"): profile.ready}
    for record in profile.records.values():
        path = ("records", record.name)
        yield Place(path, _held(record), record.window is not None)
        if record.window is not None:
            written |= {(*path, "window", "page"): record.window.page, (*path, "window", "slot"): record.window.slot}
    seen: set[tuple[str, Word]] = set()
    for place, word in written.items():
        if word is None or (place[-1] in {"page", "slot"} and (str(place[-1]), word) in seen):
            continue  # two records may be turned by the same registers
        seen.add((str(place[-1]), word))
        yield Place(place, _words(word.at, word.words))


def _held(record: Record) -> int:
    if record.window is not None:
        return _words(record.at, record.window.shown)
    taken = 0
    for slot in range(record.slots):
        taken |= _words(record.address(slot), record.words_max)
    return taken


def _words(at: int, words: int) -> int:
    return ((1 << words) - 1) << at
