"""Event and result records as words on the wire (C2-C8), written by hand from the interface page.

Pure: no clock, no socket, no state. The trailing sequence number and the CRC come last, as C8 demands of the
hardware.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from simulators.device.codes import EventType, Mode, Outcome
from simulators.device.crc import crc16
from simulators.errors import RigRefuses
from simulators.limits import (
    DEDUCTIONS_MAX,
    EVENT_WORDS,
    ITEM_BYTES,
    SERIAL_BYTES,
    STATUS_WORDS,
    TICKET_BYTES,
)

_STATUS = struct.Struct(">4H16sI2H4IHI4s11H10xI")
_EVENT = struct.Struct(">I2H16sI32sI4sHI2H4H4xI")
_RESULT_HEAD = struct.Struct(">I2H16sI32sI4sH2I7H")
_DEDUCTION = struct.Struct(">4H")
_CRC = struct.Struct(">H")
_SEQ = struct.Struct(">I")

_RESULT_FIXED_WORDS = 49
_DEDUCTION_WORDS = 4


@dataclass(frozen=True, slots=True)
class Deduction:
    """Points taken off on one rubric line, as they were taken off after the line's cap."""

    line: int
    points: int
    at_s: int | None  # None: a rig that does not tell when
    veto: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """One number that a rig took beside the score, such as a depth in mm. Only messages have room for it."""

    name: str
    value: int
    unit: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as the rig latches it."""

    seq: int
    type: EventType
    serial: str
    boot: int
    ticket: str
    exam_no: int
    item: str
    ordinal: int
    utc_us: int
    mode: Mode
    args: tuple[int, int, int, int]

    def encode(self) -> bytes:
        """The 48 words."""
        body = _EVENT.pack(
            self.seq,
            self.type,
            EVENT_WORDS,
            text(self.serial, SERIAL_BYTES),
            self.boot,
            text(self.ticket, TICKET_BYTES),
            self.exam_no,
            text(self.item, ITEM_BYTES),
            self.ordinal,
            self.utc_us // 1_000_000,
            self.utc_us // 1000 % 1000,
            self.mode,
            *self.args,
            self.seq,
        )
        return body + _CRC.pack(crc16(body))


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """The whole sheet of one item run."""

    seq: int
    serial: str
    boot: int
    ticket: str
    exam_no: int
    item: str
    ordinal: int
    started_s: int
    finished_s: int
    elapsed_s: int
    limit_s: int
    outcome: Outcome
    score: int
    mode: Mode
    deductions: tuple[Deduction, ...]
    measures: tuple[Measure, ...] = ()
    veto_count: int | None = None  # of a rig that tells it apart from its deductions

    @property
    def veto_lines(self) -> int:
        """How many veto lines occurred."""
        return len({d.line for d in self.deductions if d.veto}) if self.veto_count is None else self.veto_count

    def encode(self) -> bytes:
        """The 49 + 4 n words."""
        count = len(self.deductions)
        if count > DEDUCTIONS_MAX:
            raise RigRefuses(f"a result record holds {DEDUCTIONS_MAX} deductions, not {count}")
        head = _RESULT_HEAD.pack(
            self.seq,
            EventType.ITEM_FINISHED,
            _RESULT_FIXED_WORDS + _DEDUCTION_WORDS * count,
            text(self.serial, SERIAL_BYTES),
            self.boot,
            text(self.ticket, TICKET_BYTES),
            self.exam_no,
            text(self.item, ITEM_BYTES),
            self.ordinal,
            self.started_s,
            self.finished_s,
            self.elapsed_s,
            self.limit_s,
            self.outcome,
            self.score,
            self.veto_lines,
            self.mode,
            count,
        )
        lines = b"".join(_DEDUCTION.pack(d.line, d.points, d.at_s, d.veto) for d in self.deductions)
        body = head + lines + _SEQ.pack(self.seq)
        return body + _CRC.pack(crc16(body))


def text(value: str, width: int) -> bytes:
    """ASCII padded with NUL (C3); a text that does not fit is refused, never cut."""
    try:
        data = value.encode("ascii")
    except UnicodeEncodeError:
        raise RigRefuses(f"{value!r} is not ASCII, which is all that a register text can hold (C3)") from None
    if len(data) > width:
        raise RigRefuses(f"{value!r} is longer than {width} characters")
    return data.ljust(width, b"\0")


def encode_status(
    *,
    serial: bytes,
    boot: int,
    state: int,
    mode: int,
    last_seq: int,
    oldest_seq: int,
    acked_seq: int,
    utc_us: int,
    exam_no: int,
    item: bytes,
    counters: tuple[int, int, int, int, int, int, int, int, int, int, int],
) -> bytes:
    """The status block; `counters` are the words 29 to 39 in their order on the page."""
    body = _STATUS.pack(
        0x4B46,
        1,
        STATUS_WORDS,
        0,
        serial,
        boot,
        state,
        mode,
        last_seq,
        oldest_seq,
        acked_seq,
        utc_us // 1_000_000,
        utc_us // 1000 % 1000,
        exam_no,
        item,
        *counters,
        last_seq,
    )
    return body + _CRC.pack(crc16(body))


def with_crc(body: bytes) -> bytes:
    """`body` (a record whose last word is a checksum) with that checksum made right again; faults need it."""
    return body[:-2] + _CRC.pack(crc16(body[:-2]))
