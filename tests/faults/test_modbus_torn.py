"""P5 over the real adapter and a raw rig: registers that change while they are read, at every point.

The oracle is the same everywhere: what comes is, word for word, one of the records that the rig really latched
under the number asked for, or a refusal with evidence. Never a mixture.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rig_profiles import adapter_for, follow
from scripted_rig import EVENTS, RESULTS, Item, ScriptedRig, event_record, result_record

from device_adapters.contract import Evidence, Observation, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEQ = 600
LONG = [(line, 100, line * 7, 0) for line in range(1, 28)]
OLD = Item(ticket="OLD-CANDIDATE-01", exam_no=11, score=2500, deductions=[(2, 7500, 9, 0)])
NEW = Item(ticket="NEW-CANDIDATE-02", exam_no=12, score=7300, deductions=LONG)
ALTERED = replace(NEW, score=7200, deductions=[(28, 200, 1, 0), *LONG[1:]])
SERIAL = "LV-0001"


def records(seq: int, item: Item, slot: int = 0) -> dict[int, bytes]:
    """Where which bytes stand once this item is latched."""
    args = (slot, item.outcome, item.score, len(item.deductions))
    return {
        EVENTS + 48 * (seq % 512): event_record(seq, 4, item, SERIAL, args),
        RESULTS + 160 * slot: result_record(seq, item, SERIAL).ljust(320, b"\0"),
    }


def told(observation: Observation) -> tuple[object, ...]:
    fields = observation.fields
    return (
        observation.seq,
        observation.personal["ticket"],
        fields["score"],
        fields["exam_no"],
        repr(fields["deductions"]),
    )


def truth(seq: int, item: Item) -> tuple[object, ...]:
    rows = [
        dict(zip(("line", "points", "at_s", "veto"), (*row[:3], bool(row[3])), strict=True)) for row in item.deductions
    ]
    return (seq, item.ticket.encode(), item.score, item.exam_no, repr(rows))


class Torn(ScriptedRig):
    """At request `number` the registers turn from `before` into `after`, `split` words into the reply."""

    def tear(self, number: int, split: int, before: dict[int, bytes], after: dict[int, bytes]) -> None:
        self.requests.clear()
        for at, data in before.items():
            self.put(at, data)

        def answer(request: bytes, reply: bytes) -> list[bytes | float | None]:
            for at, data in after.items():
                self.put(at, data)
            return [reply[: 9 + 2 * split] + self.reply(request)[9 + 2 * split :]]

        self.faults = {number: answer}
        self.last_seq = self.oldest_seq = SEQ
        self.acked_seq = SEQ - 1
        self.refresh()


async def one_tear(
    rig: Torn, number: int, split: int, before: dict[int, bytes], after: dict[int, bytes]
) -> tuple[list[Observation], list[Evidence]]:
    rig.tear(number, split, before, after)
    adapter = adapter_for(rig, Position(3, SEQ - 1))
    try:
        seen, refused, _ = await follow(adapter, lambda seen, refused, _: bool(seen or refused))
    finally:
        await adapter.close()
    return seen, refused


# Requests of one reading: 1 status, 2 and 3 the event, 4 and 5 the two pages of the result, 6 and 7 again.
PAGES = {1: 48, 2: 48, 3: 48, 4: 125, 5: 32, 6: 125, 7: 32}
EVERY_POINT = [(number, split) for number, size in PAGES.items() for split in range(size + 1)]
SCENES: dict[str, tuple[dict[int, bytes], dict[int, bytes], set[tuple[object, ...]]]] = {
    "the previous candidate's records turn into the new ones": (
        records(SEQ - 512, OLD),
        records(SEQ, NEW),
        {truth(SEQ, NEW)},
    ),
    "the record is overwritten by another candidate's": (records(SEQ, NEW), records(SEQ + 512, OLD), {truth(SEQ, NEW)}),
    "the same number gets another score": (
        records(SEQ, NEW),
        records(SEQ, ALTERED),
        {truth(SEQ, NEW), truth(SEQ, ALTERED)},
    ),
    "only the result changes": (
        records(SEQ, NEW),
        {RESULTS: result_record(SEQ - 3, OLD, SERIAL).ljust(320, b"\0")},
        {truth(SEQ, NEW)},
    ),
}


@pytest.mark.parametrize("scene", SCENES)
async def test_registers_that_change_at_every_point_never_give_a_mixture(scene: str) -> None:
    """P5, G1: whatever request and word the registers change at, no mixture is ever told."""
    before, after, right = SCENES[scene]
    outcomes = {"right": 0, "refused": 0}
    async with Torn() as rig:
        for number, split in EVERY_POINT:
            seen, refused = await one_tear(rig, number, split, before, after)
            for observation in seen:
                assert told(observation) in right, f"request {number}, word {split}"
                outcomes["right"] += 1
            for evidence in refused:
                assert evidence.raw
                assert evidence.asked == SEQ
                outcomes["refused"] += 1
    assert sum(outcomes.values()) == len(EVERY_POINT)
    assert outcomes["right"] > 0


async def test_the_status_block_torn_at_every_word_never_invents_a_record() -> None:
    """P5: `last_seq` seen half-written (0x0000FFFF turning into 0x00010000) is never followed."""
    async with ScriptedRig() as rig:
        for split in range(49):
            rig.requests.clear()
            rig.last_seq = rig.acked_seq = 0xFFFF
            rig.oldest_seq = 0
            rig.boot = 3
            rig.refresh()
            rig.faults = {1: _status_turns(rig, split)}
            adapter = adapter_for(rig, Position(3, 0xFFFF))
            seen, refused, _ = await follow(adapter, lambda seen, refused, _: bool(seen or refused))
            await adapter.close()
            assert not refused
            assert [told(observation) for observation in seen] == [truth(0x10000, NEW)]


def _status_turns(rig: ScriptedRig, split: int) -> Callable[[bytes, bytes], list[bytes | float | None]]:
    def answer(request: bytes, reply: bytes) -> list[bytes | float | None]:
        for at, data in records(0x10000, NEW).items():
            rig.put(at, data)
        rig.last_seq = rig.oldest_seq = 0x10000
        rig.refresh()
        return [reply[: 9 + 2 * split] + rig.reply(request)[9 + 2 * split :]]

    return answer


async def test_the_previous_candidates_result_in_the_slot_is_refused() -> None:
    """P5: an event that names a slot with another number in it is refused, and told with both records."""
    async with ScriptedRig() as rig:
        rig.latch_item(OLD)
        rig.put_event(2, 4, NEW, (0, 1, NEW.score, len(NEW.deductions)))
        rig.last_seq = rig.oldest_seq = 2
        rig.acked_seq = 1
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 1))
        seen, refused, _ = await follow(adapter, lambda _, refused, __: bool(refused))
        await adapter.close()
    assert not seen
    assert (refused[0].reason, refused[0].asked) == ("sequence", 2)
    assert [area.area for area in refused[0].raw] == ["event", "result"]
    assert all(area.cut == ((0, len(area.data)),) for area in refused[0].raw)


async def refusal_of(held: Mapping[int, bytes]) -> Evidence:
    """What is told of a rig that holds this as its record 1, and gives nothing else."""
    async with ScriptedRig() as rig:
        for at, data in held.items():
            rig.put(at, data)
        rig.last_seq = rig.oldest_seq = 1
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 0))
        seen, refused, _ = await follow(adapter, lambda _, refused, __: bool(refused))
        await adapter.close()
    assert not seen
    return refused[0]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"score": 10001}, "range"),
        ({"outcome": 9}, "code"),
        ({"deductions": [(0, 100, 1, 0)]}, "range"),
        ({"deductions": [(1, 9000, 1, 0), (2, 9000, 1, 0)]}, "sum"),
        ({"deductions": [(1, 100, 1, 7)]}, "code"),
        ({"mode": 7}, "code"),
        ({"ordinal": 0}, "range"),
        ({"exam_no": 0}, "range"),
        ({"boot": 9}, "pair"),
    ],
)
async def test_implausible_values_are_refused_with_evidence(wrong: dict[str, object], reason: str) -> None:
    """P5, R10: a value outside its limits, with a perfect checksum, is refused and never patched."""
    item = replace(NEW, **{"deductions": [(1, 100, 1, 0)], **wrong})  # type: ignore[arg-type]
    refused = await refusal_of(records(1, item))
    assert refused.reason == reason
    assert NEW.ticket not in refused.detail
    assert any(NEW.ticket.encode() in area.data for area in refused.raw)


@pytest.mark.parametrize(
    "change",
    [
        {"score": 7100},
        {"outcome": 2},
        {"ticket": "SOMEBODY-ELSE"},
        {"item": "K22"},
        {"ordinal": 3},
        {"mode": 2},
        {"exam_no": 13},
    ],
)
async def test_event_and_result_that_contradict_each_other_are_refused(change: dict[str, object]) -> None:
    """P5: two records under one number must tell the same story."""
    both = records(1, NEW) | {RESULTS: result_record(1, replace(NEW, **change), SERIAL)}  # type: ignore[arg-type]
    refused = await refusal_of(both)
    assert refused.reason == "pair"
    assert "SOMEBODY" not in refused.detail
