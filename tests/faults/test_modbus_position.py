"""Positions, gaps, reboots and lost acks (R2, R3, R7–R9, R12), over the real adapter."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rig_profiles import adapter_for, fast_v1, follow, next_observation, seqs, until
from scripted_rig import Item, ScriptedRig

from device_adapters.contract import NotConnected, Observation, Position, RigStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from device_adapters.contract import Adapter

PROFILE = fast_v1(50)


async def first_read(rig: ScriptedRig) -> tuple[Adapter, Callable[[], Awaitable[None]]]:
    """An adapter that has read its first record, and the acknowledgement of it that is still to be said."""
    adapter = adapter_for(rig, Position(3, 0), PROFILE)
    await adapter.connect()
    while not isinstance((reading := await adapter.read())[0], Observation):
        pass
    return adapter, reading[1]


async def test_an_ack_that_the_rig_never_got_is_told_again_after_reconnect() -> None:
    """P1, K4: the record is stored; the adapter repeats the lost ack, and yields the record once."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        adapter, ack = await first_read(rig)
        rig.cut()
        with pytest.raises(NotConnected):
            await ack()
        await adapter.connect()
        assert isinstance((await adapter.read())[0], RigStatus)
        async with asyncio.timeout(2):
            while rig.acked_seq != 1:
                assert isinstance((await adapter.read())[0], RigStatus)
        await adapter.close()
        assert rig.acks == [1]


async def test_after_a_restart_what_the_rig_still_holds_is_read_again_and_not_blindly_acked() -> None:
    """P1: a new process knows a number only. It reads the record again for the log to compare, then acks."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.latch_item(slot=1)
        rig.acked_seq, rig.oldest_seq = 1, 2
        rig.refresh()
        seen = await until(2, rig, Position(3, 2))
        assert seqs(seen) == [("item.finished", 3, 2)]
        rig.latch_item(slot=2)
        assert seqs(await until(3, rig, Position(3, 2))) == [("item.finished", 3, 3)]


async def test_a_rig_with_a_new_memory_is_never_acked_for_records_that_nobody_read() -> None:
    """P1, R7: numbers that began anew and grew past the position are read from the oldest on, under the new epoch."""
    async with ScriptedRig(boot=4) as rig:
        for slot in range(5):
            rig.latch_item(slot=slot)
        seen = await until(5, rig, Position(3, 3))
        assert seqs(seen) == [("rig.rebooted", 4, 0), *(("item.finished", 4, seq) for seq in range(1, 6))]
        assert rig.acks == [1, 2, 3, 4, 5]


async def test_a_reboot_between_reading_and_ack_acks_nothing_blindly() -> None:
    """P1: the record was read under boot 3; when the rig is back with boot 4, its number 1 may be another record."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        adapter, ack = await first_read(rig)
        rig.reboot()
        rig.last_seq = rig.oldest_seq = 0
        rig.latch_item(Item(ticket="ANOTHER", score=100, deductions=[]))
        with contextlib.suppress(NotConnected):
            await ack()
        seen, _, _ = await follow(adapter, lambda seen, *_: bool(seen) and rig.acked_seq == 1)
        await adapter.close()
        assert seqs(seen) == [("rig.rebooted", 4, 0), ("item.finished", 4, 1)]
        assert seen[-1].personal["ticket"] == b"ANOTHER"


async def test_first_contact_opens_the_epoch_and_tells_what_was_never_seen() -> None:
    """G2: a rig that holds 4 and 5 only: epoch, one gap, two records. The gap's number is the last missing one."""
    async with ScriptedRig() as rig:
        rig.last_seq = 3
        rig.latch_item()
        rig.latch_item(slot=1)
        seen = await until(5, rig, None)
        assert seqs(seen) == [
            ("rig.rebooted", 3, 0),
            ("sequence.gap", 3, 3),
            ("item.finished", 3, 4),
            ("item.finished", 3, 5),
        ]
        assert seen[0].fields == {"epoch": 3, "previous_epoch": None}
        assert seen[1].fields == {"epoch": 3, "from": 1, "to": 3}
        assert all(row.raw == () for row in seen[:2])


async def test_a_gap_after_the_position_is_told_once_and_followed() -> None:
    """G2, R8: records 3 to 6 were overwritten."""
    async with ScriptedRig() as rig:
        rig.last_seq = 6
        rig.latch_item()
        assert seqs(await until(7, rig, Position(3, 2))) == [("sequence.gap", 3, 6), ("item.finished", 3, 7)]


async def test_everything_lost_is_a_gap_too() -> None:
    """G2: a rig that holds nothing any more, and had counted on."""
    async with ScriptedRig() as rig:
        rig.last_seq = rig.acked_seq = 9
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 2), PROFILE)
        await adapter.connect()
        gap = await next_observation(adapter)
        await adapter.close()
        assert (gap.type, gap.fields) == ("sequence.gap", {"epoch": 3, "from": 3, "to": 9})
        assert rig.acks == []


async def test_a_reboot_is_told_before_the_first_record_of_the_new_boot() -> None:
    """R7: records of the old boot, then the reboot at the position so far, then the new ones."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.reboot()
        rig.latch_item(slot=1)
        seen = await until(2, rig, Position(3, 0))
        assert seqs(seen) == [("item.finished", 3, 1), ("rig.rebooted", 4, 1), ("item.finished", 4, 2)]
        assert seen[1].fields == {"epoch": 4, "previous_epoch": 3}


async def test_a_reboot_without_records_is_told() -> None:
    """R7: the boot counter alone opens an epoch."""
    async with ScriptedRig(boot=4) as rig:
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await adapter.connect()
        told = await next_observation(adapter)
        await adapter.close()
        assert seqs([told]) == [("rig.rebooted", 4, 0)]


async def test_sequence_numbers_that_went_back_are_a_restart() -> None:
    """R7: last_seq below the position: an epoch from 0, and the records that the rig holds now."""
    async with ScriptedRig(boot=5) as rig:
        rig.latch_item()
        seen = await until(1, rig, Position(3, 40))
        assert seqs(seen) == [("rig.rebooted", 5, 0), ("item.finished", 5, 1)]


async def test_a_counter_that_bounces_is_no_restart() -> None:
    """R3: last_seq falls below the position and rises again within two seconds, boot unchanged: nothing is said."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.latch_item(slot=1)
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await adapter.connect()
        await next_observation(adapter)
        await next_observation(adapter)
        rig.last_seq = 1
        rig.refresh()
        async with asyncio.timeout(2):
            for _ in range(5):
                assert isinstance((await adapter.read())[0], RigStatus)
        rig.last_seq = 2
        rig.latch_item(slot=2)
        assert (await next_observation(adapter)).seq == 3
        await adapter.close()


async def test_numbers_that_stay_back_without_a_reboot_are_a_restart() -> None:
    """R7: a new memory in an old rig is told after two seconds, and its records are read."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        seen = await until(1, rig, Position(3, 40))
        assert seqs(seen) == [("rig.rebooted", 3, 0), ("item.finished", 3, 1)]


async def test_a_boot_seen_only_once_is_not_believed() -> None:
    """P5: a reboot that follows from the status block alone needs two readings that agree."""
    async with ScriptedRig(boot=3) as rig:
        rig.boot = 9
        rig.refresh()

        def back() -> None:
            rig.boot = 3
            rig.refresh()

        rig.on_request = {2: back}
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await adapter.connect()
        async with asyncio.timeout(2):
            for _ in range(3):
                assert isinstance((await adapter.read())[0], RigStatus)
        await adapter.close()


async def test_a_stuck_rig_makes_no_entries() -> None:
    """R2, R3: a frozen status block, read a hundred times, gives states and nothing else."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.acked_seq, rig.oldest_seq = 1, 0
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 1), PROFILE)
        await adapter.connect()
        for _ in range(3):
            assert isinstance((await adapter.read())[0], RigStatus)
        await adapter.close()
        assert len(rig.requests) > 50


async def test_another_master_that_acks_makes_a_gap() -> None:
    """R12: what somebody else acknowledged away is told as a gap, not passed over."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.latch_item(slot=1)
        rig.acked_seq, rig.oldest_seq = 2, 0
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 0), PROFILE)
        await adapter.connect()
        assert (await next_observation(adapter)).fields == {"epoch": 3, "from": 1, "to": 2}
        await adapter.close()


async def test_times_of_a_rig_without_or_with_a_strange_clock_are_passed_on() -> None:
    """R9: no clock gives None, 2106 gives 2106; neither is corrected."""
    async with ScriptedRig() as rig:
        rig.latch_item(replace(Item(), finished_s=0, started_s=0))
        rig.latch_item(replace(Item(), finished_s=0xFFFFFFFF), slot=1)
        seen = await until(2, rig, Position(3, 0))
        assert [(row.rig_time, row.fields["finished"]) for row in seen] == [
            (None, None),
            ("2106-02-07T06:28:15.031Z", "2106-02-07T06:28:15Z"),
        ]
