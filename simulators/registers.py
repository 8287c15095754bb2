"""The address space of one rig: which words a request gets, which it may write. The map is the interface page's."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

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
    STATUS_AT,
    STATUS_WORDS,
)

if TYPE_CHECKING:
    from simulators.rig import Rig

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4

_CONTROL = struct.Struct(">IH")
_READY_AT = CONTROL_AT + 2
_EVENTS_END = EVENTS_AT + EVENT_WORDS * EVENT_SLOTS
_RESULTS_END = RESULTS_AT + RESULT_WORDS * RESULT_SLOTS


def area_of(address: int) -> str:
    """The name of the area that holds the address, "" for none."""
    if STATUS_AT <= address < STATUS_AT + STATUS_WORDS:
        return "status"
    if CONTROL_AT <= address < CONTROL_AT + CONTROL_WORDS:
        return "control"
    if EVENTS_AT <= address < _EVENTS_END:
        return "event"
    return "result" if RESULTS_AT <= address < _RESULTS_END else ""


def read_words(rig: Rig, address: int, count: int) -> bytes:
    """The words at [address, address + count); an area is not read past its end."""
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


def write_words(rig: Rig, address: int, words: bytes) -> None:
    """Write the control block; both words of `ack_seq` or none, so that no half number is ever obeyed."""
    end = address + len(words) // 2
    if address == CONTROL_AT and end in {CONTROL_AT + 2, CONTROL_AT + 3}:
        rig.write_ack(int.from_bytes(words[:4], "big"))
    elif address != _READY_AT or end != _READY_AT + 1:
        raise ModbusRefusal(ILLEGAL_ADDRESS)
    if end == CONTROL_AT + CONTROL_WORDS:
        rig.write_ready(int.from_bytes(words[-2:], "big"))
