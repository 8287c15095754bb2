"""What is asked of a rig's registers and bits, and what an answer may be, whatever frames carry them: the Modbus PDU.

Owns: the bodies of requests (functions 1 to 5, 15, 16; which one, the address says: `language.spaces`), what of an
answer its request alone determines, exceptions, and their words for messages. Pure. Function 6 is never used: its
answer cannot be told from an echo of its request. Function 5 has the same flaw: who uses it reads the coil back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.errors import BackOff
from device_adapters.language.spaces import TABLE, on_wire
from device_adapters.modbus.wire import ExceptionReply

if TYPE_CHECKING:
    from collections.abc import Sequence

READ, READ_INPUT, WRITE, EXCEPTION = 3, 4, 16, 0x80
READ_COILS, READ_DISCRETE, WRITE_COIL, WRITE_COILS = 1, 2, 5, 15
REGISTER_READS, BIT_READS = frozenset({READ, READ_INPUT}), frozenset({READ_COILS, READ_DISCRETE})
# By the table in which an address lies.
_READ_BY = (READ, READ_INPUT, READ_DISCRETE, READ_COILS, READ_COILS)
_WRITE_BY = {0: WRITE, 3: WRITE_COILS, 4: WRITE_COIL}
_ON = 0xFF00  # function 5's word for a set coil
BUSY = {5: "acknowledge", 6: "busy"}
TARGET_LOST = frozenset({10, 11})  # what a bridge says of a unit that does not answer it
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    8: "memory parity",
    10: "gateway path",
    11: "gateway target",
}
_NOUNS = {READ_INPUT: "input words", READ_COILS: "coils", READ_DISCRETE: "inputs", WRITE_COILS: "coils"}


def read_body(at: int, count: int) -> bytes:
    """Read `count` words, or bits, from `at`."""
    place = on_wire(at)
    return bytes((_READ_BY[at // TABLE], place >> 8, place & 0xFF, count >> 8, count & 0xFF))


def write_body(at: int, values: Sequence[int]) -> bytes:
    """Write words, or bits, from `at`. What cannot be written is no request."""
    function, place = _WRITE_BY[at // TABLE], on_wire(at)
    start = bytes((function, place >> 8, place & 0xFF))
    if function == WRITE_COIL:
        (value,) = values
        return start + (_ON if value else 0).to_bytes(2, "big")
    data = _packed(values) if function == WRITE_COILS else b"".join(value.to_bytes(2, "big") for value in values)
    return start + len(values).to_bytes(2, "big") + bytes((len(data),)) + data


def answer_head(body: bytes) -> tuple[bytes, int]:
    """How the right answer to this request begins, and how many bytes its PDU has."""
    function = body[0]
    if function in REGISTER_READS or function in BIT_READS:
        count = int.from_bytes(body[3:5], "big")
        size = 2 * count if function in REGISTER_READS else _bytes_for(count)
        return bytes((function, size)), 2 + size
    return body[:5], 5


def padding_fault(body: bytes, pdu: bytes) -> str | None:
    """Why a whole answer that begins rightly is none: bits behind the last one asked for must be 0."""
    if body[0] not in BIT_READS:
        return None
    used = int.from_bytes(body[3:5], "big") % 8
    return "padding bits that are not zero" if used and pdu[-1] >> used else None


def words_in(body: bytes, pdu: bytes) -> bytes:
    """What a read's answer carries, high byte first. Of bits sixteen make a word, the first in its lowest bit."""
    data = pdu[2:]
    if body[0] not in BIT_READS:
        return data
    data += bytes(len(data) % 2)
    return b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))


def refusal(code: int, frame: bytes, body: bytes, busy_wait_s: float) -> BackOff | ExceptionReply:
    """A well-formed exception: an answer, the connection stays."""
    if code in BUSY:
        return BackOff(busy_wait_s, f"exception {code} ({BUSY[code]}), {told(body)}")
    return ExceptionReply(code, f"exception {code} ({EXCEPTIONS.get(code, 'unknown')}), {told(body)}", frame)


def told(body: bytes) -> str:
    """The request in words, for a message; never the values written."""
    at, count = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if body[0] == WRITE_COIL:
        return f"writing a coil at {at}"
    reading = body[0] in REGISTER_READS or body[0] in BIT_READS
    return f"{'reading' if reading else 'writing'} {count} {_NOUNS.get(body[0], 'words')} at {at}"


def _bytes_for(bits: int) -> int:
    return -(-bits // 8)


def _packed(bits: Sequence[int]) -> bytes:
    """The first bit lowest in the first byte."""
    value = sum(1 << at for at, bit in enumerate(bits) if bit)
    return value.to_bytes(_bytes_for(len(bits)), "little")
