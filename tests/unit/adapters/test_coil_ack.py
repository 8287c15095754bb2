"""A rig that is told by one coil: never a signal too many, whatever is lost on the way, over TCP and on a bus."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from ack_point import LOST, AckPoint, on_virtual_time
from coil_rig import RELEASES, coil_profile, coil_rig, show
from hypothesis import given
from hypothesis import strategies as st
from rig_profiles import adapter_for, follow
from scripted_rig import COIL, EVENTS, TAKEN, Item

from device_adapters.contract import BackOff, Observation, Position, RigStatus
from device_adapters.language.handshake import Coil, Signals
from device_adapters.limits import COIL_AGAIN_S

PROFILES = {release: coil_profile(release) for release in RELEASES}


class Point(AckPoint):
    """Such a rig on a bus."""

    def __init__(self, release: str, at: int = 0, how: str = "", *, echo: bool = False) -> None:
        super().__init__(coil_rig(release), PROFILES[release], at, how, echo=echo)


@pytest.mark.parametrize(("release", "function"), [("rig", 5), ("rig", 15), ("gateway", 15), ("toggle", 5)])
async def test_every_record_is_told_by_one_signal_of_its_own(release: str, function: int) -> None:
    """P1's other half, over TCP: three records are three signals, in order; then the coil rests."""
    rig = coil_rig(release)
    async with rig:
        for slot in range(3):
            rig.latch_item(slot=slot)
        adapter = adapter_for(rig, Position(3, 0), coil_profile(release, function=function))
        async with asyncio.timeout(5):
            seen, refused, lost = await follow(adapter, lambda *_: rig.acked_seq == 3)
        await adapter.close()
    assert ([row.seq for row in seen], rig.acks, refused, lost) == ([1, 2, 3], [1, 2, 3], [], [])
    assert {asked[0] for asked in rig.requests if asked[0] not in {1, 2, 3, 16}} == {function}
    assert rig.coils[COIL] == {"toggle": 1}.get(release, 0)  # three times over: it stands at 1


async def test_state_and_mode_come_from_discrete_inputs() -> None:
    """A status block and the flags behind it are one status; nothing of it is read twice by two functions."""
    rig = coil_rig("rig")
    async with rig:
        show(rig, 2, 2)
        adapter = adapter_for(rig, Position(3, 0), PROFILES["rig"])
        await adapter.connect()
        async with asyncio.timeout(5):
            reading, _ = await adapter.read()
            assert isinstance(reading, RigStatus)
            assert (reading.state, reading.mode) == ("running", "practice")
            show(rig, 9, 1)
            reading, _ = await adapter.read()
            assert isinstance(reading, RigStatus)
            assert (reading.state, reading.mode) == ("fault", "exam")
        await adapter.close()
    assert set(rig.requests) == {(3, 0, 48), (2, 32, 6)}


@pytest.mark.parametrize("release", RELEASES)
def test_no_fault_at_any_place_frees_a_record_that_is_not_stored(release: str) -> None:
    """P1, P5: record 1 is stored, record 2 cannot be read: 1 is told exactly once, 2 never.

    One fault, at each request of the exchange in turn.
    """

    async def work(at: int, how: str) -> int:
        point = Point(release, at, how)
        rig = point.rig
        rig.latch_item()
        rig.latch_item(slot=1)
        rig.registers[EVENTS + 48 * 2 + 40] ^= 1
        adapter = point.adapter()
        async with asyncio.timeout(60):
            seen, refused, _ = await follow(adapter, lambda _, refused, __: rig.acked_seq == 1 and bool(refused))
        await adapter.close()
        assert [row.seq for row in seen] == [1]
        assert {one.asked for one in refused} <= {2, None, 1}
        assert rig.acks == [1], (at, how)
        await point.bus.close()
        return point.asked

    asked = on_virtual_time(work(0, ""))
    assert asked > 12
    for at, how in itertools.product(range(1, 19), ("request lost", "reply lost")):
        on_virtual_time(work(at, how))
    for at, how in zip(range(2, 19), itertools.cycle(LOST), strict=False):
        on_virtual_time(work(at, how))


@pytest.mark.parametrize("release", RELEASES)
def test_a_rig_that_does_not_answer_the_signal_is_asked_again_not_signalled_again(release: str) -> None:
    """The coil says what is under way: it is waited for, with the record kept, until the rig answers."""

    async def work() -> None:
        point = Point(release)
        rig = point.rig
        rig.latch_item()
        rig.latch_item(slot=1)
        rig.apply_acks = False
        adapter = point.adapter()
        await adapter.connect()
        backed_off = 0
        async with asyncio.timeout(60):
            while backed_off < 5:
                try:
                    _, ack = await adapter.read()
                    await ack()
                except BackOff as error:
                    backed_off += "has not answered" in error.reason
        writes = [asked for asked in rig.requests if asked[0] == 15]
        assert writes == [(15, COIL, 1)]
        rig.apply_acks = True
        rig._signalled(COIL)
        async with asyncio.timeout(60):
            await follow(adapter, lambda *_: rig.acked_seq == 2)
        assert rig.acks == [1, 2]
        await adapter.close()
        await point.bus.close()

    on_virtual_time(work())


def test_a_signal_that_freed_nothing_is_not_repeated_at_once() -> None:
    """A rig that answers before it frees breaks the rule; it still loses nothing by a hasty second signal."""

    async def work() -> None:
        point = Point("rig")
        rig = point.rig
        rig.latch_item()
        rig.latch_item(slot=1)
        signals: list[float] = []
        rig.free_oldest = lambda: signals.append(asyncio.get_running_loop().time())  # type: ignore[method-assign]
        adapter = point.adapter()
        async with asyncio.timeout(60):
            await follow(adapter, lambda *_: len(signals) == 3)
        assert all(later - sooner >= COIL_AGAIN_S for sooner, later in itertools.pairwise(signals))
        assert signals
        await adapter.close()
        await point.bus.close()

    on_virtual_time(work())


def test_a_rig_with_another_memory_is_not_signalled_for_the_old_one() -> None:
    """P1: the board was changed between the reading and the ack: its oldest record is another one."""

    async def work() -> None:
        point = Point("rig")
        rig = point.rig
        rig.latch_item()
        adapter = point.adapter()
        await adapter.connect()
        async with asyncio.timeout(60):
            while True:
                reading, ack = await adapter.read()
                if isinstance(reading, Observation):
                    break
            rig.boot += 1
            rig.last_seq = rig.oldest_seq = 0
            rig.latch_item(Item(score=100))
            with pytest.raises(BackOff, match="memory is another one"):
                await ack()
        assert rig.acks == []
        await adapter.close()
        await point.bus.close()

    on_virtual_time(work())


def test_an_echoing_line_is_no_answer_of_the_rig() -> None:
    """Function 5's answer looks like its request; behind an RS-485 echo the coil still is read back."""

    async def work() -> None:
        point = Point("rig", echo=True)
        point.rig.latch_item()
        adapter = point.adapter()
        async with asyncio.timeout(60):
            await follow(adapter, lambda *_: point.rig.acked_seq == 1)
        assert point.rig.acks == [1]
        await adapter.close()
        await point.bus.close()

    on_virtual_time(work())


@given(st.sampled_from(RELEASES), st.integers(0, 1), st.integers(0, 1))
def test_a_signal_always_changes_the_coil_and_waits_for_the_rig(release: str, coil: int, taken: int) -> None:
    """P1: from rest a signal leads to waiting, in every form; cleared or followed it rests again."""
    made = Coil(0, release, None if release == "rig" else TAKEN)
    taken = 0 if release == "rig" else taken
    if made.signals(coil, taken) is not Signals.REST:
        return
    given_ = made.signal(coil)
    assert given_ != coil
    assert made.signals(given_, taken) is Signals.WAITING
    ends = {"rig": (0, 0), "toggle": (given_, given_), "gateway": (0, 0)}[release]
    assert made.signals(*ends) is Signals.REST
