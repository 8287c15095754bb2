"""A Modbus rig that carries a candidate's ticket, name and masked id in its records, in the right place and in others.

The profile is the one of rig interface v1 with the ticket's 32 bytes shared out: 16 for the ticket (ASCII), 8 for the
name (GBK), 8 for the masked id. What a rig of the field does wrong is done with the same words: a wrong checksum, a
record shifted by some words, half a character, a foreign record, a score out of range.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from marked_names import Marks
from scripted_rig import EVENTS, Item, ScriptedRig, crc16

if TYPE_CHECKING:
    from pathlib import Path

SERIAL, STATION = "MK-0001", "M-01"
_TICKET = 'ticket = { at = 14, words = 16, type = "text", coding = "ascii", personal = "ticket" }'
_SHARED = """\
ticket = { at = 14, words = 8, type = "text", coding = "ascii", personal = "ticket" }
name = { at = 22, words = 4, type = "text", coding = "gbk", personal = "name" }
masked_id = { at = 26, words = 4, type = "text", coding = "ascii", personal = "masked_id" }"""
PERSON = (Marks.TICKET + "-9001").encode().ljust(16, b"\0") + Marks.NAME.encode("gbk") + Marks.MASKED.encode()


def profile_text(shipped: Path) -> str:
    """The shipped profile with its ticket shared out."""
    text = shipped.read_text("utf-8").replace('id = "kaofen-v1-low-voltage"', 'id = "marked-low-voltage"')
    assert text.count(_TICKET) == 2
    return text.replace(_TICKET, _SHARED)


class MarkedRig(ScriptedRig):
    """Whatever record it latches, the person is in it."""

    def __init__(self) -> None:
        super().__init__(serial=SERIAL)

    def put(self, at: int, data: bytes) -> None:
        """A record's ticket becomes the person, and its checksum fits."""
        if at >= EVENTS and data[28:60].strip(b"\0"):
            data = sealed(data[:28] + PERSON + data[60:-2])
        super().put(at, data)


def sealed(record: bytes) -> bytes:
    """With the checksum over it."""
    return record + struct.pack(">H", crc16(record))


def whole_exam(rig: MarkedRig, exam_no: int = 1) -> int:
    """Opened, one item with a deduction, closed, signed; the last number."""
    item = Item(exam_no=exam_no, score=9500, deductions=[(1, 500, 30, 0)])
    rig.latch(1, item, (1, 1, 0, 0))
    rig.latch(2, item, (600, 0, 0, 0))
    rig.latch(3, item, (1, 500, 30, 0))
    rig.latch_item(item)
    rig.latch(5, item, (0, 1, 0, 0))
    return rig.latch(8, item, (1, 0, 0, 0))


def bad_records(rig: MarkedRig, exam_no: int = 2) -> dict[int, bytes]:
    """Records with the person in them that must be refused, and how each would have been right, by number."""
    mended = {}
    for spoil in _SPOILS:
        seq = rig.latch(3, Item(exam_no=exam_no), (1, 500, 30, 0))
        at = EVENTS + 48 * (seq % 512)
        right = struct.pack(">48H", *rig.registers[at : at + 48])
        ScriptedRig.put(rig, at, spoil(right))
        mended[seq] = right
    rig.refresh()
    return mended


def mend(rig: MarkedRig, records: dict[int, bytes]) -> None:
    """As the rig should have written them: they come late."""
    for seq, right in records.items():
        ScriptedRig.put(rig, EVENTS + 48 * (seq % 512), right)


def _wrong_sum(record: bytes) -> bytes:
    return record[:-2] + bytes((record[-2] ^ 1, record[-1]))


def _shifted(record: bytes) -> bytes:
    """Everything behind the length is ten words early: the ticket stands where the serial number is expected."""
    return sealed(record[:8] + record[28:-6] + bytes(20) + record[-6:-2])


def _half_a_character(record: bytes) -> bytes:
    return sealed(record[:45] + b"\xff" + record[46:-2])


def _person_as_item(record: bytes) -> bytes:
    return sealed(record[:64] + PERSON[16:20] + record[68:-2])


def _foreign(record: bytes) -> bytes:
    return sealed(record[:8] + b"XX-9999".ljust(16, b"\0") + record[24:-2])


def _out_of_range(record: bytes) -> bytes:
    return sealed(record[:80] + b"\xff\xff" + record[82:-2])


_SPOILS: tuple[Any, ...] = (_wrong_sum, _shifted, _half_a_character, _foreign, _out_of_range)
