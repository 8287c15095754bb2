"""The course through a rig's numbers: nothing unstored is acknowledged, and a hole blocks nothing else (P1, P8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_adapters.latching.course import Course

FIRST, NEWEST = 4, 15
RECORDS = range(FIRST, NEWEST + 1)


class Reader:
    """What an adapter does with a course: reads what it is told to, in any interleaving with trouble and repair."""

    def __init__(self, broken: frozenset[int]) -> None:
        self.course = Course(FIRST, 3)
        self.broken = set(broken)
        self.stored: list[int] = []
        self.told: list[int] = []

    def step(self, choice: int) -> None:
        """One due number: the next one or a hole; refused, or read, stored and acknowledged."""
        due = [*self.course.holes, *([self.course.next] if self.course.next <= NEWEST else [])]
        if not due:
            return
        seq = due[choice % len(due)]
        if seq in self.broken:
            self.course.pass_over(seq)
        else:
            before = self.course.acknowledged
            self.course.stored(seq)
            self.stored.append(seq)
            if self.course.acknowledged > before:
                self.told.append(self.course.acknowledged)
        self.check()

    def check(self) -> None:
        """P1: everything up to the acknowledgement is stored, and it is as high as that allows."""
        end = self.course.acknowledged
        contiguous = next(seq for seq in range(FIRST, NEWEST + 2) if seq not in self.stored) - 1
        assert end == (contiguous if contiguous >= FIRST else 0)
        assert set(self.course.holes) == set(range(FIRST, self.course.next)) - set(self.stored)


@given(
    broken=st.frozensets(st.sampled_from(RECORDS)),
    steps=st.lists(st.tuples(st.integers(0, 99), st.none() | st.sampled_from(RECORDS)), max_size=60),
)
def test_any_interleaving_acks_nothing_unstored_and_delivers_all_once(
    broken: frozenset[int], steps: list[tuple[int, int | None]]
) -> None:
    """P1, P8: whatever is refused, repaired and stored in whatever order; in the end all came once, and all is told."""
    reader = Reader(broken)
    for choice, repaired in steps:
        reader.broken.discard(repaired or 0)
        reader.step(choice)
    for _ in RECORDS:  # what can be read does not wait for what cannot
        reader.step(-1)
    assert set(RECORDS) - set(reader.stored) <= reader.broken | set(reader.course.holes)
    reader.broken.clear()
    for _ in range(2 * len(RECORDS)):
        reader.step(0)
    assert sorted(reader.stored) == list(RECORDS), "every record exactly once"
    assert reader.told == sorted(set(reader.told)), "the acknowledgement never goes back"
    assert reader.told[-1] == NEWEST


@given(holes=st.frozensets(st.sampled_from(RECORDS)), lost=st.sampled_from(RECORDS))
def test_what_the_rig_lost_is_no_hole_any_more(holes: frozenset[int], lost: int) -> None:
    """G2: after the gap is logged, the acknowledgement waits only for holes that are still held."""
    course = Course(FIRST, 3)
    for seq in RECORDS:
        course.pass_over(seq) if seq in holes else course.stored(seq)
    course.gone(lost)
    left = [seq for seq in sorted(holes) if seq > lost]
    assert course.holes == tuple(left)
    newest = max(set(RECORDS) - holes, default=0)
    end = min(newest, left[0] - 1 if left else newest)
    assert course.acknowledged == (end if end >= FIRST else 0)


def test_a_gap_before_anything_was_stored_frees_nothing() -> None:
    """P1: numbers that the rig never showed are not ours to acknowledge."""
    course = Course(1, 3)
    course.gone(3)
    course.pass_over(4)
    course.stored(5)
    assert course.acknowledged == 0
    course.stored(4)
    assert course.acknowledged == 5


def test_a_number_out_of_turn_is_a_mistake_of_the_caller() -> None:
    """P1: storing or passing over what was never reached would acknowledge what nobody read."""
    course = Course(FIRST, 3)
    course.stored(FIRST)
    for seq in (FIRST, FIRST + 2):
        with pytest.raises(ValueError, match="neither the next one"):
            course.stored(seq)
        with pytest.raises(ValueError, match="neither the next one"):
            course.pass_over(seq)
