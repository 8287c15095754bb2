"""A rig's supervisor after the storage has failed, until its process has ended."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from fake_adapter import FakeAdapter
from fake_clock import FakeClock
from fake_log_store import FakeLogStore
from gateway_parts import RigScript, make_recorder, subject

from gateway.meters import Meters
from gateway.supervising.board import Board
from gateway.supervising.supervise import RigSupervisor

if TYPE_CHECKING:
    from pathlib import Path

    from device_adapters.contract import Reading


async def test_a_halted_supervisor_does_not_ask_for_the_same_record_again_and_again(tmp_path: Path) -> None:
    """P1: once halted nothing is acknowledged; a record that stays unacknowledged is read once more and not for ever.

    Found by seed 1043 of the three-minute worlds: the loop of a gateway whose log was frozen did nothing else any more.
    """
    rig, log, clock, meters = FakeAdapter("LV-0001"), FakeLogStore(), FakeClock(), Meters()
    given: list[Reading] = []
    rig.on_yield = given.append
    supervisor = RigSupervisor(
        subject(),
        lambda _: rig,
        make_recorder(log, clock, tmp_path, meters=meters),
        board=Board([subject()], clock),
        clock=clock,
        rng=Random(1),
        meters=meters,
        accepts_exams=lambda: True,
    )
    supervisor.halt()
    rig.happen(RigScript().record("identity.checked", verdict="match"))
    task = asyncio.create_task(supervisor.run())
    while not given:
        await asyncio.sleep(0)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert (len(given), rig.acked, task.done()) == (1, [], False)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
