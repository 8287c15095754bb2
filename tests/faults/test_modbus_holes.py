"""Records that stay unreadable (P8, I8): they block no good one, free nothing, and come late, over the real adapter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rig_profiles import adapter_for, fast_v1, follow, next_observation, seqs
from scripted_rig import EVENTS, ScriptedRig

from device_adapters.contract import BadReading, Observation, Position, RigStatus

if TYPE_CHECKING:
    from device_adapters.contract import Adapter

PROFILE = fast_v1(50)
WORD = 39  # a word of the event that the checksum covers


def spoil(rig: ScriptedRig, seq: int) -> None:
    """Turn a bit of the rig's memory; a second call turns it back."""
    rig.registers[EVENTS + 48 * (seq % 512) + WORD] ^= 1


async def refused_then(adapter: Adapter, rig: ScriptedRig, newest: int) -> tuple[list[Observation], list[int | None]]:
    """Follow until this number was seen; what came, and what was refused."""
    async with asyncio.timeout(8):
        seen, refused, _ = await follow(adapter, lambda seen, *_: bool(seen) and seen[-1].seq == newest)
    return seen, [evidence.asked for evidence in refused]


async def test_a_record_that_stays_bad_is_told_once_and_comes_when_it_is_good() -> None:
    """P8: states and later records go on, the same refusal is not repeated at every try, the ack waits for the hole."""
    async with ScriptedRig() as rig:
        for slot in range(4):
            rig.latch_item(slot=slot)
        spoil(rig, 2)
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        seen, refused = await refused_then(adapter, rig, 4)
        assert [row.seq for row in seen] == [1, 3, 4]
        assert refused == [2]
        assert rig.acks == [1]
        states = []
        async with asyncio.timeout(10):
            while len(states) < 12:  # more than a second at five a second: it was tried again, in silence
                reading, _ = await adapter.read()
                assert isinstance(reading, RigStatus)
                states.append(reading.unreadable)
            assert set(states) == {2}
            tries = rig.requests.count((3, EVENTS + 48 * 2, 48))
            assert tries > 3, "read again after its pause"
            spoil(rig, 2)
            assert (await next_observation(adapter)).seq == 2
        assert rig.acks == [1, 4]
        reading, _ = await adapter.read()
        assert isinstance(reading, RigStatus)
        assert reading.unreadable is None
        await adapter.close()


async def test_a_rig_that_falls_silent_at_one_record_gives_the_others() -> None:
    """P8: a record whose reading ends in a time-out, connection after connection, is passed over too."""
    async with ScriptedRig() as rig:
        for slot in range(3):
            rig.latch_item(slot=slot)
        rig.on_every_request = lambda number: rig.faults.update(
            {number: lambda _, __: []} if rig.requests[-1][1] == EVENTS + 48 else {}
        )
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        seen, refused = await refused_then(adapter, rig, 3)
        assert ([row.seq for row in seen], refused) == ([2, 3], [1])
        assert rig.acks == []
        rig.on_every_request, rig.faults = None, {}
        assert [row.seq for row in (await refused_then(adapter, rig, 1))[0]] == [1]
        assert rig.acks == [3]
        await adapter.close()


async def test_acks_that_a_hole_held_back_are_told_on_the_next_connection() -> None:
    """P1, K4: the connection breaks at the very ack that closes the hole; nothing is read twice, the rig is told."""
    async with ScriptedRig() as rig:
        for slot in range(3):
            rig.latch_item(slot=slot)
        spoil(rig, 1)
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await refused_then(adapter, rig, 3)
        spoil(rig, 1)
        rig.apply_acks = False
        cuts = [rig.cut]
        rig.on_every_request = lambda _: cuts.pop()() if rig.requests[-1][0] == 16 and cuts else None
        rest, *_ = await follow(adapter, lambda _, __, lost: bool(lost) and len(rig.acks) > 1)
        assert [row.seq for row in rest] == [1]
        assert set(rig.acks) == {3}
        await adapter.close()


async def test_a_hole_at_first_contact_does_not_hide_the_epoch() -> None:
    """P8, G2: the first record held is bad: the epoch is opened by the next one, the gap before it is told."""
    async with ScriptedRig() as rig:
        rig.last_seq = 3
        for slot in range(2):
            rig.latch_item(slot=slot)
        spoil(rig, 4)
        adapter = adapter_for(rig, None, PROFILE)
        seen, refused = await refused_then(adapter, rig, 5)
        assert seqs(seen) == [("rig.rebooted", 3, 0), ("sequence.gap", 3, 3), ("item.finished", 3, 5)]
        assert refused == [4]
        assert rig.acks == []
        spoil(rig, 4)
        assert seqs((await refused_then(adapter, rig, 4))[0]) == [("item.finished", 3, 4)]
        assert rig.acks == [5]
        await adapter.close()


async def test_a_rig_that_holds_nothing_readable_is_online() -> None:
    """P8: all records are bad; the epoch is that of the status block, and the newest hole comes when it can."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        spoil(rig, 1)
        adapter = adapter_for(rig, None, PROFILE)
        assert seqs((await refused_then(adapter, rig, 0))[0]) == [("rig.rebooted", 3, 0)]
        spoil(rig, 1)
        assert seqs((await refused_then(adapter, rig, 1))[0]) == [("item.finished", 3, 1)]
        assert rig.acks == [1]
        await adapter.close()


async def test_a_late_record_of_the_boot_before_keeps_its_epoch() -> None:
    """R7: the hole was latched before the reboot; it comes with the old boot, and no epoch is opened twice."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.latch_item(slot=1)
        spoil(rig, 2)
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        async with asyncio.timeout(8):
            seen, *_ = await follow(adapter, lambda _, refused, __: bool(refused))
        assert ([row.seq for row in seen], rig.acks) == ([1], [1])
        rig.reboot()
        rig.latch_item(slot=2)
        seen, asked = await refused_then(adapter, rig, 3)
        assert seqs(seen) == [("rig.rebooted", 4, 1), ("item.finished", 4, 3)]
        assert asked == [2], "another boot, another memory perhaps: looked at anew"
        spoil(rig, 2)
        assert seqs((await refused_then(adapter, rig, 2))[0]) == [("item.finished", 3, 2)]
        assert rig.acks == [1, 3]
        await adapter.close()


async def test_an_operator_who_frees_the_bad_record_by_hand_leaves_a_gap_in_the_log() -> None:
    """G2: the way out. What somebody else acknowledged away is a gap of exactly that record, and the ack goes on."""
    async with ScriptedRig() as rig:
        for slot in range(3):
            rig.latch_item(slot=slot)
        spoil(rig, 2)
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await refused_then(adapter, rig, 3)
        assert rig.acks == [1]
        rig.acked_seq, rig.oldest_seq = 2, 3
        rig.refresh()
        gap = await next_observation(adapter)
        assert (gap.type, gap.seq, gap.fields) == ("sequence.gap", 2, {"epoch": 3, "from": 2, "to": 2})
        async with asyncio.timeout(5):
            while rig.acks != [1, 3]:
                await adapter.read()
        await adapter.close()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(bad=st.sets(st.integers(1, 6), max_size=4), restart_after=st.integers(0, 5))
async def test_whatever_is_bad_all_comes_and_nothing_is_acked_over_a_hole(bad: set[int], restart_after: int) -> None:
    """P1, P8: any holes, a restart in between, then everything is repaired: all six came, under their own numbers."""
    async with ScriptedRig() as rig:
        for slot in range(6):
            rig.latch_item(slot=slot, score=100 * (slot + 1))
        for seq in bad:
            spoil(rig, seq)
        stored: dict[int, object] = {}
        least = min(bad, default=7)

        async def run(position: Position, enough: int) -> None:
            adapter = adapter_for(rig, position, PROFILE)
            await adapter.connect()
            try:
                async with asyncio.timeout(20):
                    while len(stored) < enough or (enough == 6 and rig.acked_seq < 6):
                        try:
                            reading, ack = await adapter.read()
                        except BadReading:
                            continue
                        if isinstance(reading, Observation):
                            stored[reading.seq] = reading.fields["score"]
                        await ack()
                        assert not rig.acks or max(rig.acks) < least
            finally:
                await adapter.close()

        await run(Position(3, 0), min(restart_after, 6 - len(bad)))
        await run(Position(3, max(stored, default=0)), 6 - len(bad))
        for seq in bad:
            spoil(rig, seq)
        least = 7
        await run(Position(3, max(stored, default=0)), 6)
        assert stored == {seq: 100 * seq for seq in range(1, 7)}
