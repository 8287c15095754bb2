"""The fold after a change of generation: what was logged again is folded as what it was, whole or in parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import format_samples as samples
import pytest
from fake_clock import FakeClock

from gateway.recording.rebuild import rebuild
from scorelog.format import types
from scorelog.format.commitment import Opening
from scorelog.format.entry import build_entry
from scorelog.journal.relog import relogged

EXAM = {"exam_no": 7, "try": 1, "verdict": "match"}


@dataclass
class Shelf:
    """As much of a log as the fold reads."""

    kept: list[bytes] = field(default_factory=list)
    opened: list[Opening] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.kept)

    def entries(self, start: int, stop: int) -> list[bytes]:
        return self.kept[start:stop]

    def openings(self, start: int, stop: int) -> list[Opening]:
        return [one for one in self.opened if start <= one.index < stop]


def exam(large: str) -> Shelf:
    """A candidate came, an item ran and ended; each entry as large as told."""
    more: dict[str, Any] = {"note": large}
    shelf = Shelf()
    for number, kind in enumerate((types.IDENTITY_CHECKED, types.ITEM_STARTED, types.ITEM_FINISHED)):
        shelf.kept.append(
            build_entry(samples.with_commitments(number, samples.rig_document(number, kind, EXAM | more)))
        )
        shelf.opened += samples.openings_of(number)
    return shelf


@pytest.mark.parametrize("large", ["", "x" * 50_000])
def test_a_stranded_exam_goes_on_where_it_was(large: str) -> None:
    """P1: attempt, position, open exam and leaves are those of the log that was given up, in parts or not."""
    old, new = exam(large), Shelf()
    for index, entry in enumerate(old.kept):
        beside = tuple((one.field, one.blind, one.value) for one in old.opened if one.index == index)
        for made in relogged(samples.ORIGIN, index, entry, beside, FakeClock()):
            new.opened += [Opening(new.size, *one) for one in made.openings]
            new.kept.append(made.entry)
    assert new.size == (6 if large else 3)
    assert rebuild(new).attempts.snapshot() == rebuild(old).attempts.snapshot()
