"""The address space of one rig: which words a request gets, which it may write.

The map of rig interface v1 stands here; makers with maps of their own have theirs in layouts/registers.py.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from simulators.device.records import with_crc
from simulators.errors import ModbusRefusal
from simulators.limits import (
    CONTROL_AT,
    CONTROL_WORDS,
    EVENT_SLOTS,
    EVENT_WORDS,
    EVENTS_AT,
    RESULT_SLOTS,
    RESULT_WORDS,
    RESULTS_AT,
    SCORE_FULL,
    STATUS_AT,
    STATUS_WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.device.rig import Rig
    from simulators.faults.base import Look

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_COILS = 5, 15
ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4

_CONTROL = struct.Struct(">IH")
_READY_AT = CONTROL_AT + 2
_EVENTS_END = EVENTS_AT + EVENT_WORDS * EVENT_SLOTS
_RESULTS_END = RESULTS_AT + RESULT_WORDS * RESULT_SLOTS
_LENGTH_AT = 3
_SERIAL_END = 11
_BOOT_LOW_AT = 13
_TICKET_AT = 14
_EVENT_SCORE_AT = 41  # arg2, the score of an item_finished
_RESULT_SCORE_AT = 42
_STATUS_NUMBERS = {"last_seq": (16, 4), "last_seq_again": (45, 4), "heartbeat": (34, 2)}


class RegisterMap(Protocol):
    """Which words lie where in one model of rig, and what faults must know of them. `record` is a whole slot."""

    status_at: int
    full_score: bytes | None  # a full score in one word; None: no fault of sums
    reads: frozenset[int]  # the functions that read words here
    panel: Panel | None  # single inputs and coils, where there are any

    def area_of(self, address: int, function: int = READ_HOLDING) -> str:
        """The name of the area that holds the address, "" for none: status, control, event, result."""
        ...

    def read(self, rig: Rig, address: int, count: int, function: int = READ_HOLDING) -> bytes:
        """The words at [address, address + count); an area is not read past its end."""
        ...

    def write(self, rig: Rig, address: int, words: bytes) -> None:
        """Take what a gateway writes, whole numbers or nothing."""
        ...

    def slot(self, rig: Rig, area: str, address: int) -> tuple[int, int]:
        """Slot number and first word of the slot that holds the address."""
        ...

    def cut(self, look: Look, slot_words: bytes) -> bytes:
        """What a read is served when the slot that it begins in holds these words instead."""
        ...

    def record(self, rig: Rig, area: str, slot: int, *, before: bool = False) -> bytes:
        """The words of the slot; `before`: those that its present record replaced."""
        ...

    def used(self, area: str, record: bytes) -> int:
        """How many words of the slot the record uses."""
        ...

    def word_of(self, area: str, name: str) -> int:
        """A word of this value in a record: score, serial, boot, text; the last word of a number."""
        ...

    def numbers(self, area: str) -> tuple[int, ...]:
        """The first words of a record's sequence numbers."""
        ...

    def sealed(self, area: str, record: bytes) -> bytes:
        """The record, cut to what it uses, with a right checksum."""
        ...

    def status_with(self, rig: Rig, changes: Mapping[str, int]) -> bytes:
        """The status block with other numbers under a right checksum: last_seq, last_seq_again, heartbeat."""
        ...


class Panel(Protocol):
    """Single inputs (function 2) and coils (1, 5, 15)."""

    def area_of(self, address: int, function: int) -> str:
        """The name of the area that holds the bit, "" for none."""
        ...

    def read(self, rig: Rig, function: int, address: int, count: int) -> list[int]:
        """The bits at [address, address + count)."""
        ...

    def write(self, rig: Rig, address: int, values: list[int]) -> None:
        """Set coils."""
        ...


def straight_cut(look: Look, start: int, slot_words: bytes) -> bytes:
    """The part of a changed slot that the read asked for; what lies beyond the slot is served as it is."""
    offset = 2 * (look.address - start)
    part = slot_words[offset : offset + 2 * look.count]
    return part + look.words[len(part) :]


class V1Registers:
    """The map of docs/rig-interface-v1.md."""

    status_at = STATUS_AT
    full_score: bytes | None = SCORE_FULL.to_bytes(2, "big")
    reads = frozenset({READ_HOLDING})
    panel: Panel | None = None

    def area_of(self, address: int, function: int = READ_HOLDING) -> str:  # noqa: ARG002 - there is one space
        """Four areas."""
        if STATUS_AT <= address < STATUS_AT + STATUS_WORDS:
            return "status"
        if CONTROL_AT <= address < CONTROL_AT + CONTROL_WORDS:
            return "control"
        if EVENTS_AT <= address < _EVENTS_END:
            return "event"
        return "result" if RESULTS_AT <= address < _RESULTS_END else ""

    def read(self, rig: Rig, address: int, count: int, function: int = READ_HOLDING) -> bytes:  # noqa: ARG002
        """An area is not read past its end."""
        end = address + count
        if end <= STATUS_AT + STATUS_WORDS:
            return rig.status_block()[2 * address : 2 * end]
        if address >= EVENTS_AT and end <= _EVENTS_END:
            first, offset = divmod(address - EVENTS_AT, EVENT_WORDS)
            slots = range(first, (end - EVENTS_AT - 1) // EVENT_WORDS + 1)
            return b"".join(map(rig.memory.event, slots))[2 * offset : 2 * (offset + count)]
        if address >= RESULTS_AT and end <= _RESULTS_END:
            first, offset = divmod(address - RESULTS_AT, RESULT_WORDS)
            slots = range(first, (end - RESULTS_AT - 1) // RESULT_WORDS + 1)
            return b"".join(map(rig.memory.result, slots))[2 * offset : 2 * (offset + count)]
        if address >= CONTROL_AT and end <= CONTROL_AT + CONTROL_WORDS:
            return _CONTROL.pack(*rig.control_block())[2 * (address - CONTROL_AT) : 2 * (end - CONTROL_AT)]
        raise ModbusRefusal(ILLEGAL_ADDRESS)

    def write(self, rig: Rig, address: int, words: bytes) -> None:
        """Write the control block; both words of `ack_seq` or none, so that no half number is ever obeyed."""
        end = address + len(words) // 2
        if address == CONTROL_AT and end in {CONTROL_AT + 2, CONTROL_AT + 3}:
            rig.write_ack(int.from_bytes(words[:4], "big"))
        elif address != _READY_AT or end != _READY_AT + 1:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        if end == CONTROL_AT + CONTROL_WORDS:
            rig.write_ready(int.from_bytes(words[-2:], "big"))

    def slot(self, rig: Rig, area: str, address: int) -> tuple[int, int]:  # noqa: ARG002 - all lie side by side
        """Events and results lie in rings of their own."""
        base, words = (EVENTS_AT, EVENT_WORDS) if area == "event" else (RESULTS_AT, RESULT_WORDS)
        slot = (address - base) // words
        return slot, base + slot * words

    def cut(self, look: Look, slot_words: bytes) -> bytes:
        """They lie one behind the other."""
        return straight_cut(look, self.slot(look.rig, look.area, look.address)[1], slot_words)

    def record(self, rig: Rig, area: str, slot: int, *, before: bool = False) -> bytes:
        """From the rig's memory."""
        memory = rig.memory
        if area == "event":
            return (memory.event_before if before else memory.event)(slot % EVENT_SLOTS)
        return (memory.result_before if before else memory.result)(slot % RESULT_SLOTS)

    def used(self, area: str, record: bytes) -> int:  # noqa: ARG002 - both say it in the same word
        """What its length word says."""
        return int.from_bytes(record[2 * _LENGTH_AT : 2 * _LENGTH_AT + 2], "big") or len(record) // 2

    def word_of(self, area: str, name: str) -> int:
        """By the page."""
        score = {"event": _EVENT_SCORE_AT, "result": _RESULT_SCORE_AT}[area]
        return {"score": score, "serial": _SERIAL_END, "boot": _BOOT_LOW_AT, "text": _TICKET_AT}[name]

    def numbers(self, area: str) -> tuple[int, ...]:  # noqa: ARG002 - both begin and end alike
        """First in the record, and before its checksum."""
        return 0, -3

    def sealed(self, area: str, record: bytes) -> bytes:  # noqa: ARG002 - one checksum for both
        """C6."""
        return with_crc(record)

    def status_with(self, rig: Rig, changes: Mapping[str, int]) -> bytes:
        """The block with some numbers replaced."""
        block = bytearray(rig.status_block())
        for name, value in changes.items():
            at, size = _STATUS_NUMBERS[name]
            block[2 * at : 2 * at + size] = value.to_bytes(size, "big")
        return with_crc(bytes(block))


V1 = V1Registers()
