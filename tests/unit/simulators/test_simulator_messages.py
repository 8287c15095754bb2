"""The rig's own encoder of the MQTT half against the payloads written down by hand, and what it hears (M1-M4, M7)."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig_messages import GOLDEN, SERIAL, STATUS
from sim_parts import ManualTime, rubric

from device_adapters.decoding.message import read_message, read_status
from simulators.device.codes import AbortReason, Acknowledgement, EventType, Mode, Outcome, Verdict
from simulators.device.records import Deduction, EventRecord, Measure, ResultRecord
from simulators.device.rig import Latched, Rig
from simulators.device.truth import truth_line
from simulators.errors import RigRefuses
from simulators.exam import manikin
from simulators.mqtt import payloads

NAMES = {
    "verdict": Verdict,
    "reason": AbortReason,
    "ack": Acknowledgement,
    "old": Mode,
    "new": Mode,
    "outcome": Outcome,
}
ARGS = {
    EventType.EXAM_OPENED: ("verdict", "try"),
    EventType.ITEM_STARTED: ("limit_s",),
    EventType.DEDUCTION: ("line", "points", "at_s", "veto"),
    EventType.EXAM_CLOSED: ("claimed_total", "items", "exam_failed"),
    EventType.EXAM_ABORTED: ("reason",),
    EventType.MODE_CHANGED: ("old", "new"),
    EventType.CANDIDATE_ACKNOWLEDGED: ("ack",),
    EventType.ITEM_FINISHED: (),
}
NOT_OURS = {"name", "masked_id", "operator"}  # a rig may have them; this one has not


def micros(text: str | None) -> int:
    if text is None:
        return 0
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def number(key: str, value: Any) -> int:
    return int(NAMES[key][value.upper()]) if key in NAMES else int(value)


def event_of(wanted: dict[str, Any]) -> EventRecord:
    kind = EventType[wanted["type"].upper()]
    args = tuple(number(key, wanted[key]) for key in ARGS[kind])
    return EventRecord(
        seq=wanted["seq"], type=kind, serial=wanted["serial"], boot=wanted["boot"], ticket=wanted["ticket"],
        exam_no=wanted["exam_no"], item=wanted["item"], ordinal=wanted["ordinal"], utc_us=micros(wanted["time"]),
        mode=Mode[wanted["mode"].upper()], args=(*args, 0, 0, 0, 0)[:4],
    )  # fmt: skip


def result_of(wanted: dict[str, Any]) -> ResultRecord | None:
    if wanted["type"] != "item_finished":
        return None
    return ResultRecord(
        seq=wanted["seq"], serial=wanted["serial"], boot=wanted["boot"], ticket=wanted["ticket"],
        exam_no=wanted["exam_no"], item=wanted["item"], ordinal=wanted["ordinal"],
        started_s=micros(wanted["started"]) // 1_000_000, finished_s=micros(wanted["finished"]) // 1_000_000,
        elapsed_s=wanted["elapsed_s"], limit_s=wanted["limit_s"], outcome=Outcome[wanted["outcome"].upper()],
        score=wanted["score"], mode=Mode[wanted["mode"].upper()],
        deductions=tuple(Deduction(**one) for one in wanted["deductions"]),
        measures=tuple(Measure(**one) for one in wanted["measures"]),
    )  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_the_encoder_writes_the_golden_payload(name: str) -> None:
    """M2, M3: the same keys and values in the same order as the payload written by hand."""
    wanted = {key: value for key, value in json.loads(GOLDEN[name].payload).items() if key not in NOT_OURS}
    if name == "item-started":
        wanted["time"] = wanted["time"].replace("Z", ".000Z")  # a time may have milliseconds; this rig's has
    found = json.loads(payloads.record(event_of(wanted), result_of(wanted)))
    assert found == wanted
    assert list(found) == list(wanted)


def test_the_status_has_the_keys_of_the_page_and_reads_again() -> None:
    """M4: all keys and no other, and the gateway's reader, written apart, reads the same."""
    rig = Rig(SERIAL, rubric(), ManualTime(), wire=payloads.MessageWire())
    rig.power_up()
    rig.open_exam("S20261123-0001")
    found = json.loads(payloads.status(rig.status()))
    assert set(found) == set(STATUS)
    assert (found["state"], found["last_seq"], found["oldest_seq"], found["online"]) == ("open", 1, 1, True)
    read = read_status(payloads.status(rig.status()), serial=SERIAL)
    assert read.live is not None
    assert not json.loads(payloads.offline(SERIAL, 1))["online"]


def exam_by_hand(*, ticket: str = "S20261123-0001") -> tuple[Rig, list[Latched]]:
    """Every type of record on one manikin."""
    latched: list[Latched] = []
    rig = Rig(SERIAL, rubric(), ManualTime(), wire=payloads.MessageWire(), on_latch=latched.append)
    rig.power_up()
    rig.write_ready(1)
    rig.set_mode(Mode.PRACTICE)
    rig.set_mode(Mode.EXAM)
    rig.open_exam(ticket, 2)
    rig.start_item("K42")
    rig.deduct(3, 250)
    rig.measure(*manikin.measures(rubric().item("K42"), [(20, 3, 250)]))
    rig.finish_item()
    rig.acknowledge(Acknowledgement.REFUSED)
    rig.close_exam()
    rig.open_exam(ticket)
    rig.start_item("K21")
    rig.power_cut()
    rig.power_up()
    return rig, latched


@pytest.mark.parametrize("ticket", ["S20261123-0001", "准考0001", ""])
def test_what_the_gateway_reads_is_the_truth(ticket: str) -> None:
    """P5: two ends written apart from one page agree in every field of every type of record."""
    rig, latched = exam_by_hand(ticket=ticket)
    assert {entry.event.type for entry in latched} == set(EventType)
    for entry in latched:
        found = read_message(rig.memory.event(entry.event.seq), serial=SERIAL, source="simulator")
        truth = truth_line(entry)
        assert (found.type, found.seq, found.epoch) == (truth["type"], truth["seq"], truth["boot"])
        assert dict(found.fields) == truth["fields"]
        assert (found.mode, found.rig_time) == (truth["mode"], truth["rig_time"])
        assert {name: value.decode() for name, value in found.personal.items()} == (
            {"ticket": ticket} if ticket and entry.event.exam_no else {}
        )


def test_a_manikin_measures_resuscitation_only() -> None:
    """Numbers of compressions, rate and depth stand in the record, fit the page's limits, and cost nothing."""
    taken = manikin.measures(rubric().item("K42"), [(20, 3, 800)])
    assert {"compressions", "rate_mean", "depth_mean"} <= {one.name for one in taken}
    assert all(len(one.unit) <= 8 and one.name.replace("_", "").isalnum() for one in taken)
    assert manikin.measures(rubric().item("K43"), []) == ()
    assert manikin.measures(rubric().item("K42"), [(20, 3, 800)]) == taken
    rig, latched = exam_by_hand()
    (sheet,) = [entry.result for entry in latched if entry.result and entry.result.item == "K42"]
    assert sheet.measures
    assert sheet.score == 9750
    assert rig.memory.last_seq == len(latched)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 10_000)), max_size=27))
def test_the_longest_sheet_fits(taken: list[tuple[int, int]]) -> None:
    """M1: whatever is taken off, a record has at most 16,384 bytes, and integers only."""
    rig = Rig(SERIAL, rubric(), ManualTime(), wire=payloads.MessageWire())
    rig.power_up()
    rig.write_ready(1)
    rig.open_exam("票" * 10)
    rig.start_item("K43")
    lines = [n for n, line in rubric().item("K43").lines.items() if not line.veto]
    for line, points in taken:
        rig.deduct(lines[line % len(lines)], points)
    payload = rig.memory.event(rig.finish_item().event.seq)
    assert len(payload) <= 16_384
    json.loads(payload, parse_float=pytest.fail)
    with pytest.raises(RigRefuses):
        payloads.MessageWire().check_ticket("票" * 11)


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["v", "seq", "record", "counter", "from"]),
        st.none() | st.integers() | st.text(max_size=3) | st.booleans(),
    ).map(lambda d: json.dumps(d).encode())
)
def test_nothing_that_is_heard_breaks_a_rig(payload: bytes) -> None:
    """M7: what is no answer of version 1 with numbers in their range is no answer."""
    ack, ready, resend = payloads.read_ack(payload), payloads.read_ready(payload), payloads.read_resend(payload)
    assert ack is None or (type(ack.seq) is int and isinstance(ack.record, str))
    assert ready is None or 0 <= ready <= 65_535
    assert resend is None or 0 <= resend < 2**32


def test_the_bytes_held_are_the_bytes_hashed() -> None:
    """M6: a record's payload is made once; asking again gives the same bytes."""
    rig, latched = exam_by_hand()
    first = [rig.memory.event(entry.event.seq) for entry in latched]
    rig.time.advance(100)  # type: ignore[attr-defined]
    assert [rig.memory.event(entry.event.seq) for entry in latched] == first
    assert len({hashlib.sha256(payload).hexdigest() for payload in first}) == len(first)
