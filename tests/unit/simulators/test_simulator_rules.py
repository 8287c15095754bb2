"""The rules K1-K9 of docs/rig-interface-v1.md, one by one, on a rig whose clock moves only when told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sim_parts import long, rig_with_power, word

from simulators.device.codes import AbortReason, Acknowledgement, EventType, Mode, Outcome, State
from simulators.errors import RigRefuses

if TYPE_CHECKING:
    from simulators.device.rig import Latched, Rig


def types(latched: list[Latched]) -> list[EventType]:
    return [entry.event.type for entry in latched]


def run_item(rig: Rig, code: str = "K31") -> Latched:
    rig.start_item(code)
    return rig.finish_item()


def test_k1_last_seq_is_raised_after_event_and_result() -> None:
    """K1: at every moment the record that last_seq counts is complete in its slot, and its result too."""
    rig, _, _ = rig_with_power()
    seen: list[int] = []

    def look(latched: Latched) -> None:
        status = rig.status_block()
        event = rig.memory.event(long(status, 16) % 512)
        assert long(event, 0) == long(event, 45) == long(status, 16) == latched.event.seq
        if latched.result is not None:
            assert long(rig.memory.result(word(event, 39)), 0) == latched.event.seq
        seen.append(latched.event.seq)

    rig._on_latch = look
    rig.open_exam("T1")
    run_item(rig)
    assert seen == [1, 2, 3]


def test_k2_records_survive_a_power_cut_until_acknowledged() -> None:
    """K2, K4: ring, results, ack_seq and sequence numbers are the same after a power cut."""
    rig, _, _ = rig_with_power()
    rig.open_exam("T1")
    run_item(rig)
    rig.close_exam()
    rig.write_ack(2)
    before = [rig.memory.event(slot) for slot in range(6)], rig.memory.result(0)
    rig.power_cut()
    rig.power_up()
    assert ([rig.memory.event(slot) for slot in range(6)], rig.memory.result(0)) == before
    status = rig.status_block()
    assert (long(status, 12), long(status, 16), long(status, 18), long(status, 20), word(status, 38)) == (2, 4, 3, 2, 1)
    assert rig.control_block() == (2, 0)


def test_k2_k3_thirty_two_results_are_kept_and_the_thirty_third_item_is_refused() -> None:
    """K2, K3: 32 unacknowledged results are held; then no item starts until one is acknowledged."""
    rig, _, _ = rig_with_power()
    rig.open_exam("T1")
    results = [run_item(rig) for _ in range(32)]
    assert rig.memory.unacked_results == 32
    with pytest.raises(RigRefuses, match="no result slot free"):
        rig.start_item("K31")
    kept = [rig.memory.result(slot) for slot in range(32)]
    assert sorted(long(data, 0) for data in kept) == [entry.event.seq for entry in results]
    rig.write_ack(results[0].event.seq)
    run_item(rig)
    assert [rig.memory.result(slot) for slot in range(1, 32)] == kept[1:]


def test_k3_fewer_than_32_event_slots_refuse_exam_item_and_mode() -> None:
    """K3: with 31 free event slots nothing new begins, with 32 it does; an item always fits what is left."""
    rig, _, _ = rig_with_power()
    rig.set_mode(Mode.PRACTICE)
    rig.open_exam("T1")
    while rig.memory.event_room > 33:
        rig.acknowledge(Acknowledgement.PENDING)
    assert rig.memory.event_room == 33
    rig.start_item("K31")
    for _ in range(27):
        rig.deduct(1, 0)
    with pytest.raises(RigRefuses, match="27 deductions"):
        rig.deduct(1, 0)
    rig.finish_item()
    with pytest.raises(RigRefuses, match="event slots free"):
        rig.start_item("K31")
    rig.close_exam()
    with pytest.raises(RigRefuses, match="event slots free"):
        rig.open_exam("T2")
    with pytest.raises(RigRefuses, match="event slots free"):
        rig.set_mode(Mode.EXAM)
    assert rig.memory.event_room > 0


def test_k4_an_acknowledgement_out_of_range_is_ignored() -> None:
    """K4: lower than acked_seq or higher than last_seq changes nothing; in between frees everything up to it."""
    rig, _, _ = rig_with_power()
    rig.open_exam("T1")
    for _ in range(3):
        run_item(rig)
    for seq, acked, oldest in ((8, 0, 1), (0, 0, 1), (4, 4, 5), (3, 4, 5), (0xFFFFFFFF, 4, 5), (7, 7, 0)):
        rig.write_ack(seq)
        status = rig.status_block()
        assert (long(status, 20), long(status, 18)) == (acked, oldest), f"after ack {seq}"
        assert rig.control_block()[0] == seq


def test_k5_no_item_without_a_fresh_gateway() -> None:
    """K5: never written, 0, or unchanged for more than 10 s refuse; a change makes fresh again; 10 s is still fresh."""
    rig, time, _ = rig_with_power(ready=False)
    rig.open_exam("T1")
    with pytest.raises(RigRefuses, match="gateway not ready"):
        rig.start_item("K31")
    rig.write_ready(7)
    time.advance(10)
    assert rig.gateway_fresh
    time.advance(0.000001)
    assert not rig.gateway_fresh
    rig.write_ready(7)
    assert not rig.gateway_fresh
    assert word(rig.status_block(), 35) == 0
    rig.write_ready(8)
    assert word(rig.status_block(), 35) == 1
    rig.write_ready(0)
    with pytest.raises(RigRefuses, match="gateway not ready"):
        rig.start_item("K31")


def test_k5_a_running_item_goes_on_without_a_gateway() -> None:
    """K5: the gateway goes away in mid-item; the result is kept all the same."""
    rig, time, latched = rig_with_power()
    rig.open_exam("T1")
    rig.start_item("K31")
    time.advance(60)
    assert not rig.gateway_fresh
    rig.deduct(1, 500)
    rig.finish_item()
    assert latched[-1].result is not None
    assert latched[-1].result.score == 9500


def test_k5_practice_needs_no_gateway() -> None:
    """K5, K9: practice runs without a gateway, and is recorded with its mode."""
    rig, _, latched = rig_with_power(ready=False)
    rig.set_mode(Mode.PRACTICE)
    rig.open_exam("P1")
    run_item(rig)
    assert [entry.event.mode for entry in latched] == [Mode.PRACTICE] * 4
    assert latched[0].event.args[:2] == (1, 2)
    assert latched[-1].result is not None
    assert latched[-1].result.mode is Mode.PRACTICE


def test_k7_a_power_cut_in_mid_item_ends_item_and_exam_under_the_new_boot() -> None:
    """K7: item_finished (aborted), then exam_aborted (power), both with the new boot; the timer stands still."""
    rig, time, latched = rig_with_power()
    rig.open_exam("T1")
    rig.start_item("K21")
    time.advance(100)
    rig.deduct(2, 500)
    rig.power_cut()
    time.advance(1000)
    rig.power_up()
    item, exam = latched[-2:]
    assert types(latched[-2:]) == [EventType.ITEM_FINISHED, EventType.EXAM_ABORTED]
    assert (item.event.boot, exam.event.boot) == (2, 2)
    assert item.result is not None
    assert (item.result.outcome, item.result.score, item.result.elapsed_s) == (Outcome.ABORTED, 0, 100)
    assert item.result.boot == 2
    assert len(item.result.deductions) == 1
    assert exam.event.args[0] == AbortReason.POWER
    assert exam.event.ticket == "T1"
    assert rig.state is State.IDLE


def test_k7_power_up_of_an_idle_rig_adds_no_record() -> None:
    """K7: only what was open is ended; the boot counter rises at every power-up."""
    rig, _, latched = rig_with_power()
    for boot in range(2, 5):
        rig.power_cut()
        rig.power_up()
        assert long(rig.status_block(), 12) == boot
    assert latched == []


def test_k8_exactly_one_end_follows_each_start() -> None:
    """K8: an abort, a veto, a time-out and a finish each end the item once, before the exam ends."""
    rig, _, latched = rig_with_power()
    rig.open_exam("T1")
    rig.start_item("K11")
    rig.deduct(1, 2000)
    with pytest.raises(RigRefuses):
        rig.finish_item()
    rig.start_item("K21")
    rig.time_out()
    rig.start_item("K31")
    with pytest.raises(RigRefuses):
        rig.close_exam()
    rig.abort(AbortReason.CANDIDATE)
    expected = [
        EventType.EXAM_OPENED,
        EventType.ITEM_STARTED,
        EventType.DEDUCTION,
        EventType.ITEM_FINISHED,
        EventType.ITEM_STARTED,
        EventType.ITEM_FINISHED,
        EventType.ITEM_STARTED,
        EventType.ITEM_FINISHED,
        EventType.EXAM_ABORTED,
    ]
    assert types(latched) == expected
    ends = [entry.result for entry in latched if entry.result]
    assert [end.outcome for end in ends] == [Outcome.VETO, Outcome.TIMEOUT, Outcome.ABORTED]
    assert [end.score for end in ends] == [0, 10000, 0]
    assert ends[1].elapsed_s == 1800
    assert [end.ordinal for end in ends] == [1, 2, 3]
    assert [entry.event.seq for entry in latched] == list(range(1, 10))


def test_a_veto_that_fails_the_exam_lets_no_further_item_start() -> None:
    """The two effects of a veto differ: item_zeroed goes on, exam_failed ends the exam."""
    rig, _, latched = rig_with_power()
    rig.open_exam("T1")
    rig.start_item("K21")
    rig.deduct(7, 500)
    with pytest.raises(RigRefuses, match="failed by veto"):
        rig.start_item("K31")
    rig.close_exam()
    assert latched[-1].event.args == (0, 1, 1, 0)


def test_line_cap_and_running_score() -> None:
    """A line's deductions carry the points actually taken off; the running score follows them."""
    rig, time, latched = rig_with_power()
    rig.open_exam("T1")
    rig.start_item("K13")
    time.advance(65)
    for points in (1500, 1500, 1500):
        rig.deduct(1, points)
    assert [entry.event.args[:3] for entry in latched[-3:]] == [(1, 1500, 65), (1, 500, 65), (1, 0, 65)]
    status = rig.status_block()
    assert (word(status, 14), word(status, 30), word(status, 31), word(status, 32), word(status, 33)) == (
        2,
        65,
        600,
        8000,
        3,
    )
    rig.finish_item()
    status = rig.status_block()
    assert (word(status, 14), word(status, 32)) == (3, 8000)


def test_total_is_weighted_and_rounded_half_up() -> None:
    """The exam's total is the weighted sum of item scores, exact until one rounding."""
    rig, _, latched = rig_with_power()
    rig.open_exam("T1")
    for code, points in (("K13", 50), ("K21", 1), ("K31", 1), ("K42", 2)):
        rig.start_item(code)
        rig.deduct(1, points)
        rig.finish_item()
    rig.close_exam()
    # 0.2 * 9950 + 0.4 * 9999 + 0.2 * 9999 + 0.2 * 9998 = 9989.0
    assert latched[-1].event.args == (9989, 4, 0, 0)


def test_status_tells_no_clock_as_zero_and_counts_the_heart() -> None:
    """C5: a rig without a clock shows 0; the heartbeat moves at least once a second."""
    rig, time, _ = rig_with_power()
    rig.clock_error_us = None
    before = rig.status_block()
    time.advance(1)
    assert long(before, 22) == 0
    assert word(rig.status_block(), 34) > word(before, 34)
