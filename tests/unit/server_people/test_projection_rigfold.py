"""What a rig is doing now, folded from its entries."""

from __future__ import annotations

from random import Random

from people_world import Log, Rig, attempt_id

from server.evidence.store import StoredEntry
from server.projection.facts import Fact, read_fact
from server.projection.rigfold import RigState, fold


def facts_of(log: Log) -> list[Fact]:
    return [
        read_fact(StoredEntry(log.origin, index, data, 1, tuple(log.openings_in(index, index + 1))), 1)
        for index, data in enumerate(log.entries)
    ]


def folded(facts: list[Fact]) -> RigState:
    state = None
    for fact in facts:
        state = fold(state, fact, None)
    assert state is not None
    return state


def test_a_late_record_tells_what_was_and_not_what_is() -> None:
    """P8: a record that became readable only after its followers leaves the running exam on the board."""
    log = Log("gw-01", Random(1))
    rig = Rig("LV-0001", "A-01", log)
    rig.open_exam("S1", attempt_id(1))
    rig.start("K11")
    rig.seq += 1  # the record that cannot be read for a while
    rig.open_exam("S2", attempt_id(2))
    rig.start("K21")
    before = folded(facts_of(log))
    newest, rig.seq, rig.ticket, rig.attempt, rig.item = rig.seq, 2, "S1", attempt_id(1), "K11"
    rig.finish()
    after = folded(facts_of(log))
    assert (after.attempt, after.item, after.state, after.seq) == (attempt_id(2), "K21", "running", newest)
    assert after.index == before.index + 1


def test_numbers_may_begin_anew_after_a_reboot() -> None:
    """R7: a rig whose numbers restarted is shown as it is, not as late."""
    log = Log("gw-01", Random(1))
    rig = Rig("LV-0001", "A-01", log, seq=40)
    rig.open_exam("S1", attempt_id(1))
    log.add("rig.rebooted", rig="LV-0001", station="A-01", epoch=3, previous_epoch=3)
    rig.seq = 0
    rig.open_exam("S2", attempt_id(2))
    assert folded(facts_of(log)).attempt == attempt_id(2)
