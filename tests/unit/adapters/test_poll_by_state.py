"""When a rig is asked: by its state, at once for a result, and in its turn on a line that others share."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest
from fault_matrix import follow_story
from rig_profiles import v1
from scripted_bus import ScriptedBus
from scripted_rig import EVENTS, Item, ScriptedRig
from wired_loop import Place, WiredLoop, run_wired

from device_adapters.contract import Position
from device_adapters.factory import open_adapter, open_bus_adapter
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming

if TYPE_CHECKING:
    from device_adapters.contract import Adapter

PROFILE = v1()  # idle 250 ms, open, running and finished 100 ms, fault 1 s; each spread by a tenth
IDLE, RUNNING, FAULT = 0, 2, 9
SPREAD = 0.1
STEP_S = 0.01  # of the scheduler, and of the way there and back


async def asked_in_state(loop: WiredLoop, state: int) -> list[float]:
    """Pauses between two questions, for 20 s."""
    rig = ScriptedRig()
    rig.state = state
    rig.refresh()
    loop.places[1] = place = Place(rig)
    adapter = open_adapter(PROFILE, host="rig", port=1, serial=rig.serial, position=Position(3, 0), rng=Random(1))
    await follow_story(adapter, lambda _: False, 20)
    return [late - early for early, late in pairwise(place.asked_at)][2:]


@pytest.mark.parametrize(("state", "every_s"), [(IDLE, 0.25), (RUNNING, 0.1), (FAULT, 1.0)])
def test_a_rig_is_asked_as_often_as_its_state_deserves(state: int, every_s: float) -> None:
    """Design 8: slow when idle, fast in an exam; never faster than said, never much slower."""
    pauses = run_wired(lambda loop: asked_in_state(loop, state))
    assert len(pauses) > 0.8 * 20 / every_s
    assert every_s * (1 - SPREAD) - STEP_S <= min(pauses)
    assert max(pauses) <= every_s * (1 + SPREAD) + STEP_S


def test_a_result_is_read_at_once() -> None:
    """Design 8, P6: what a status announces is asked for with the very next request, without a pause."""

    async def work(loop: WiredLoop) -> None:
        rig = ScriptedRig()
        loop.places[1] = place = Place(rig)
        adapter = open_adapter(PROFILE, host="rig", port=1, serial=rig.serial, position=Position(3, 0), rng=Random(1))
        loop.call_later(5.02, rig.latch_item)
        story = await follow_story(adapter, lambda story: bool(story.seen), 20)
        assert story.seen
        first = next(at for at, (_, address, _) in enumerate(rig.requests) if address >= EVENTS)
        assert place.asked_at[first] - place.asked_at[first - 1] < STEP_S
        assert loop.time() - 5.02 < 0.25 * (1 + SPREAD) + 0.1, "from the latch, all pages included"

    run_wired(work)


def test_a_backlog_of_one_unit_takes_no_turn_of_another() -> None:
    """P8: beside a unit that gives twelve records as fast as it can, the idle ones are asked as often as alone."""

    def questions(backlog: int) -> dict[int, int]:
        async def work(loop: WiredLoop) -> dict[int, int]:
            rigs = [ScriptedRig(f"LV-{unit:04d}", unit=unit) for unit in (1, 2, 3)]
            for number in range(backlog):
                rigs[0].latch_item(Item(score=number, deductions=[]), slot=number % 32)
            copper = ScriptedBus(*rigs)
            bus = Bus(copper.line(byte_s=10 / 115200), RtuFraming(), BusTimes())
            adapters: list[Adapter] = [
                open_bus_adapter(
                    PROFILE, bus, serial=rig.serial, unit=rig.unit, position=Position(3, 0), rng=Random(rig.unit)
                )
                for rig in rigs
            ]
            busy = asyncio.gather(*(follow_story(adapter, lambda _: False, 2) for adapter in adapters))
            stories = await busy
            await bus.close()
            assert len(stories[0].seen) == backlog, "all of it came meanwhile"
            return {rig.unit: len(rig.requests) for rig in rigs}

        return run_wired(work)

    alone, beside = questions(0), questions(12)
    assert beside[1] > 3 * beside[2]
    assert all(beside[unit] >= alone[unit] - 1 for unit in (2, 3))
