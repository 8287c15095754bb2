"""`rig accept` for a rig that clears a record by its being read: nothing is read before it is known to be nobody's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from heard_rigs import WiredBench
from once_rig import ONCE, OnceRig

from gateway.rig.accept.acceptance import Acceptance
from gateway.rig.accept.once_trials import ONCE_STEPS
from gateway.rig.accept.session import Session, Wishes
from gateway.rig.accept.subject import UnderTest
from gateway.rig.place import Place, open_wire, transport_of
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from gateway.rig.accept.report import Trial

FEW = Wishes(results=2, step_s=5.0)


async def tried(rig: OnceRig, wishes: Wishes = FEW) -> dict[str, Trial]:
    bench = WiredBench(lambda: rig.finish() and None, rig.reboot)
    place = Place("tcp", "127.0.0.1", rig.port)
    async with asyncio.timeout(30), open_wire(place, ONCE, transport_of(ONCE, 1)) as wire:
        session = Session(UnderTest(ONCE, wire, SystemClock(), 5.0), bench, wishes, SystemClock(), lambda _: None)
        return {one.id: one for one in await Acceptance(session, ONCE_STEPS).run()}


async def test_a_rig_that_keeps_what_nobody_read_passes() -> None:
    """Each record once, whole, cleared; unread ones survive a restart."""
    async with OnceRig() as rig:
        trials = await tried(rig)
    outcomes = {one.id: one.outcome for one in trials.values()}
    wrong = [one.en for one in trials.values() if one.outcome not in {"passed", "absent", "unseen"}]
    assert len(wrong) == 1, "its clock stands still, and nothing else is wrong"
    assert wrong[0].startswith("differs from this machine")
    assert outcomes["handshake"] == "absent"
    assert "2 unread records came" in trials["restart"].en
    assert rig.queue == []


async def test_records_that_nobody_read_are_left_alone() -> None:
    """Reading would be the end of somebody's score (P1): the tool looks at the status and says so."""
    async with OnceRig() as rig:
        rig.finish()
        trials = await tried(rig)
        assert [seq for seq, _ in rig.queue] == [1]
        assert trials["identity"].outcome == "failed"
        assert "nobody read" in trials["identity"].en
        assert trials["coherence"].outcome == "not-done"
        thrown = await tried(rig, Wishes(results=1, step_s=5.0, discard=True))
        assert thrown["identity"].outcome == "passed"


@pytest.mark.parametrize("wrong", ["keeps", "forgets"])
async def test_a_rig_that_does_not_clear_or_forgets_fails(wrong: str) -> None:
    """What was read stands there still; what nobody read is gone after the restart."""
    async with OnceRig() as rig:
        rig.clears = wrong != "keeps"
        reboot = rig.reboot

        def power() -> None:
            rig.queue.pop(0)
            reboot()

        if wrong == "forgets":
            rig.reboot = power  # type: ignore[method-assign]
        trials = await tried(rig)
    assert trials["coherence" if wrong == "keeps" else "restart"].outcome == "failed"
