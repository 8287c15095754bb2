"""What every form of a rig's Adapter promises. A test file subclasses it and gives `bench`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import pytest

from device_adapters.contract import Ack, Adapter, BadReading, NotConnected, Observation, Position, RigStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Bench(Protocol):
    """A rig LV-0001 at boot 3 with nothing latched yet, and its adapters."""

    def adapter(self, position: Position | None) -> Adapter:
        """A new adapter, not connected."""

    @property
    def areas(self) -> tuple[list[str], bool]:
        """The raw areas of a record, and whether each ends with a checksum that is cut with the ticket."""

    def latch(self, score: int, *, spoiled: bool = False) -> None:
        """One finished item; sequence numbers count from 1. `spoiled`: it cannot be read until `mend`."""

    def reboot(self) -> None:
        """Boot 4; connections break."""

    def show(self, running_score: int) -> None:
        """The live state changes."""

    def cut(self) -> None:
        """Connections break."""

    def mend(self) -> None:
        """The spoiled record can be read."""

    async def acked(self, seq: int) -> None:
        """Wait until the rig was told that `seq` is stored."""

    @property
    def told(self) -> list[int]:
        """What was written to the acknowledgement word."""

    @property
    def ready(self) -> list[bool]:
        """What was written to the ready word."""


async def observation(adapter: Adapter) -> tuple[Observation, Ack]:
    """The next observation; states before it are passed over."""
    async with asyncio.timeout(5):
        while True:
            reading, ack = await adapter.read()
            if isinstance(reading, Observation):
                return reading, ack
            await ack()


async def status(adapter: Adapter) -> RigStatus:
    async with asyncio.timeout(5):
        while not isinstance((reading := (await adapter.read())[0]), RigStatus):
            pass
        return reading


class AdapterContract:
    """The numbers are those of the contract."""

    @pytest.fixture
    async def bench(self) -> Bench:
        raise NotImplementedError

    @pytest.fixture
    async def adapter(self, bench: Bench) -> AsyncIterator[Adapter]:
        adapter = bench.adapter(Position(3, 0))
        await adapter.connect()
        yield adapter
        await adapter.close()

    async def test_nothing_works_before_connect(self, bench: Bench) -> None:
        """1: an adapter that was not connected says so."""
        adapter = bench.adapter(None)
        with pytest.raises(NotConnected):
            await adapter.read()
        with pytest.raises(NotConnected):
            await adapter.set_ready(True)

    async def test_an_observation_comes_again_until_it_is_acked(self, bench: Bench, adapter: Adapter) -> None:
        """3: a caller that could not store it just reads again and gets the same, field for field."""
        bench.latch(8750)
        bench.latch(100)
        first, _ = await observation(adapter)
        again, ack = await observation(adapter)
        assert again == first
        assert (first.type, first.rig, first.epoch, first.seq, first.fields["score"]) == (
            "item.finished",
            "LV-0001",
            3,
            1,
            8750,
        )
        assert (first.guarantee, first.source, first.mode) == ("latched", "sensor", "exam")
        await ack()
        assert (await observation(adapter))[0].fields["score"] == 100

    async def test_raw_words_and_personal_values_come_uncut_with_their_places(
        self, bench: Bench, adapter: Adapter
    ) -> None:
        """entry.md 8 and 9: the gateway can cut and commit what the adapter names."""
        bench.latch(8750)
        seen, _ = await observation(adapter)
        names, checksum = bench.areas
        assert [area.area for area in seen.raw] == names
        ticket = seen.personal["ticket"]
        for area in seen.raw:
            hidden = [area.data[at : at + size].rstrip(b"\0") for at, size in area.cut]
            assert hidden == [ticket, *([area.data[-2:]] if checksum else [])], "the ticket, and a checksum over it"

    async def test_the_order_is_that_of_the_rig(self, bench: Bench, adapter: Adapter) -> None:
        """4: by sequence number, each once."""
        for score in range(5):
            bench.latch(score)
        for score in range(5):
            seen, ack = await observation(adapter)
            assert (seen.seq, seen.fields["score"]) == (score + 1, score)
            await ack()

    async def test_the_position_says_where_to_start(self, bench: Bench) -> None:
        """4: what is stored already is not read again once the rig knows it."""
        bench.latch(1)
        bench.latch(2)
        before = bench.adapter(Position(3, 0))
        await before.connect()
        await (await observation(before))[1]()
        await bench.acked(1)
        await before.close()
        after = bench.adapter(Position(3, 1))
        await after.connect()
        seen, _ = await observation(after)
        assert (seen.type, seen.seq) == ("item.finished", 2)
        await after.close()

    async def test_a_reboot_comes_before_the_first_record_of_its_boot(self, bench: Bench, adapter: Adapter) -> None:
        """4: with the position so far as its number, without raw words."""
        bench.latch(1)
        await (await observation(adapter))[1]()
        await bench.acked(1)
        bench.reboot()
        bench.latch(2)
        with pytest.raises(NotConnected):
            await observation(adapter)
        await adapter.connect()
        reboot, ack = await observation(adapter)
        assert (reboot.type, reboot.epoch, reboot.seq, reboot.raw, reboot.mode) == ("rig.rebooted", 4, 1, (), None)
        assert reboot.fields == {"epoch": 4, "previous_epoch": 3}
        await ack()
        assert (await observation(adapter))[0].epoch == 4

    async def test_an_ack_tells_the_rig(self, bench: Bench, adapter: Adapter) -> None:
        """5, P1: and not before."""
        bench.latch(1)
        _, ack = await observation(adapter)
        await ack()
        await bench.acked(1)

    async def test_an_ack_that_cannot_be_sent_loses_nothing(self, bench: Bench, adapter: Adapter) -> None:
        """5: the entry is stored; the adapter goes on behind it."""
        bench.latch(1)
        _, ack = await observation(adapter)
        await adapter.close()
        with pytest.raises(NotConnected):
            await ack()
        bench.latch(2)
        await adapter.connect()
        seen, ack = await observation(adapter)
        assert seen.seq == 2
        await ack()
        await bench.acked(2)

    async def test_a_changed_state_is_shown(self, bench: Bench, adapter: Adapter) -> None:
        """6: live, in the rig's own words, with an ack that does nothing."""
        bench.show(9500)
        async with asyncio.timeout(5):
            while (await status(adapter)).running_score != 9500:
                pass

    async def test_a_refused_reading_is_told_and_not_skipped(self, bench: Bench, adapter: Adapter) -> None:
        """7, P5: evidence first; when the record can be read it comes, with its own number."""
        bench.latch(8750, spoiled=True)
        with pytest.raises(BadReading) as caught:
            await observation(adapter)
        bench.mend()
        evidence = caught.value.evidence
        assert (evidence.rig, evidence.asked) == ("LV-0001", 1)
        assert evidence.reason
        assert evidence.detail
        seen, _ = await observation(adapter)
        assert (seen.seq, seen.fields["score"]) == (1, 8750)

    async def test_a_bad_record_holds_back_no_good_one_and_is_never_acked_over(
        self, bench: Bench, adapter: Adapter
    ) -> None:
        """4, 5, 7, P8: the following ones come and are stored, the rig frees nothing; the bad one comes late."""
        bench.latch(100)
        await (await observation(adapter))[1]()
        await bench.acked(1)
        bench.latch(200, spoiled=True)
        bench.latch(300)
        bench.latch(400)
        with pytest.raises(BadReading) as caught:
            await observation(adapter)
        assert caught.value.evidence.asked == 2
        for seq in (3, 4):
            seen, ack = await observation(adapter)
            assert seen.seq == seq
            await ack()
        bench.show(1)
        while (await status(adapter)).unreadable != 2:
            pass
        assert bench.told == [1]
        bench.mend()
        late, ack = await observation(adapter)
        assert (late.epoch, late.seq, late.fields["score"]) == (3, 2, 200)
        assert bench.told == [1], "read is not stored"
        await ack()
        await bench.acked(4)
        assert bench.told == [1, 4]
        bench.show(2)
        while (await status(adapter)).unreadable is not None:
            pass

    async def test_a_restart_finds_everything_above_a_hole_again(self, bench: Bench) -> None:
        """4, 5: the rig kept it all; the log knows the keys, and the ack catches up."""
        bench.latch(100, spoiled=True)
        before = bench.adapter(Position(3, 0))
        await before.connect()
        bench.latch(200)
        with pytest.raises(BadReading):
            await observation(before)
        await (await observation(before))[1]()
        await before.close()
        bench.mend()
        after = bench.adapter(Position(3, 2))
        await after.connect()
        for seq in (1, 2):
            seen, ack = await observation(after)
            assert seen.seq == seq
            await ack()
        await bench.acked(2)
        await after.close()

    async def test_a_cancelled_read_loses_nothing(self, bench: Bench, adapter: Adapter) -> None:
        """8: whatever it was doing."""
        task = asyncio.create_task(observation(adapter))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.latch(1)
        await adapter.connect()
        assert (await observation(adapter))[0].seq == 1

    async def test_ready_is_written_once_per_call(self, bench: Bench, adapter: Adapter) -> None:
        """9, K5: beside a read in another task, and never by itself."""
        bench.show(1)
        await status(adapter)
        reading = asyncio.create_task(observation(adapter))
        await asyncio.sleep(0)
        for ready in (True, True, False):
            await adapter.set_ready(ready)
        async with asyncio.timeout(5):
            while len(bench.ready) < 3:
                await asyncio.sleep(0.01)
        assert bench.ready == [True, True, False]
        bench.latch(1)
        assert (await reading)[0].seq == 1

    async def test_close_may_come_twice_and_connect_goes_on(self, bench: Bench, adapter: Adapter) -> None:
        """10: a closed adapter knows where it was."""
        bench.latch(1)
        await (await observation(adapter))[1]()
        await adapter.close()
        await adapter.close()
        with pytest.raises(NotConnected):
            await adapter.read()
        bench.latch(2)
        await adapter.connect()
        assert (await observation(adapter))[0].seq == 2
