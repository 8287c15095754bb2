"""The simulators' encoders against bytes derived by hand from docs/rig-interface-v1.md (C1-C8)."""

from __future__ import annotations

import modbus_probe
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_parts import long, wire_vector, word

from simulators.device.codes import EventType, Mode, Outcome
from simulators.device.crc import crc16
from simulators.device.records import Deduction, EventRecord, ResultRecord, encode_status, text
from simulators.errors import RigRefuses

EVENT = EventRecord(
    seq=42,
    type=EventType.ITEM_FINISHED,
    serial="LV-0001",
    boot=3,
    ticket="S20261123-0001",
    exam_no=7,
    item="K21",
    ordinal=2,
    utc_us=1_779_600_749_031_000,
    mode=Mode.EXAM,
    args=(5, 1, 8750, 2),
)
RESULT = ResultRecord(
    seq=42,
    serial="LV-0001",
    boot=3,
    ticket="S20261123-0001",
    exam_no=7,
    item="K21",
    ordinal=2,
    started_s=1_779_600_337,
    finished_s=1_779_600_749,
    elapsed_s=412,
    limit_s=1800,
    outcome=Outcome.FINISHED,
    score=8750,
    mode=Mode.EXAM,
    deductions=(Deduction(2, 50, 65, veto=False), Deduction(3, 1200, 200, veto=False)),
)


def test_crc_has_the_check_value_of_the_page() -> None:
    """C6: the nine bytes 123456789 give 0x4B37."""
    assert crc16(b"123456789") == 0x4B37


@given(st.binary(max_size=330))
def test_crc_equals_the_definition_bit_by_bit(data: bytes) -> None:
    """C6: the fast table and the bitwise definition agree on every input."""
    assert crc16(data) == modbus_probe.crc16(data)


def test_event_record_is_the_hand_written_one() -> None:
    """C2-C8: an item_finished event is byte for byte the vector."""
    assert EVENT.encode() == wire_vector("event-item-finished")


def test_result_record_is_the_hand_written_one() -> None:
    """C2-C8: a result with two deductions is byte for byte the vector."""
    assert RESULT.encode() == wire_vector("result-item-finished")


def test_status_block_is_the_hand_written_one() -> None:
    """C2-C6: the status block is byte for byte the vector."""
    block = encode_status(
        serial=text("LV-0001", 16),
        boot=3,
        state=2,
        mode=1,
        last_seq=42,
        oldest_seq=41,
        acked_seq=40,
        utc_us=1_779_600_749_031_000,
        exam_no=7,
        item=text("K21", 4),
        counters=(2, 65, 1800, 9950, 1, 0x1234, 1, 512, 32, 1, 0),
    )
    assert block == wire_vector("status-running")


@given(st.integers(0, 27))
def test_result_record_says_its_own_length(count: int) -> None:
    """A result has 49 + 4 n words, fits its slot of 160, and ends with seq and CRC."""
    deductions = tuple(Deduction(1 + i, 50 * i, i, veto=i == 3) for i in range(count))
    data = ResultRecord(
        **{name: getattr(RESULT, name) for name in RESULT.__slots__} | {"deductions": deductions}
    ).encode()
    assert len(data) // 2 == word(data, 3) == 49 + 4 * count <= 160
    assert long(data, 46 + 4 * count) == 42
    assert word(data, 48 + 4 * count) == modbus_probe.crc16(data[:-2])
    assert word(data, 43) == (1 if count > 3 else 0)


def test_a_text_that_does_not_fit_is_refused() -> None:
    """C3: no text is ever cut or written in another coding."""
    with pytest.raises(RigRefuses):
        text("K2100", 4)
    with pytest.raises(RigRefuses):
        text("考", 4)
    with pytest.raises(RigRefuses):
        ResultRecord(
            **{name: getattr(RESULT, name) for name in RESULT.__slots__} | {"deductions": RESULT.deductions * 14}
        ).encode()
