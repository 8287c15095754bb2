"""What is asked of a rig's registers, and what an answer may be, whatever frames carry them: the Modbus PDU.

Owns: the bodies of the two requests (functions 3 and 16), exceptions, and their words for messages. Pure. Function 6
is never used: its answer cannot be told from an echo of its request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.errors import BackOff
from device_adapters.modbus.wire import ExceptionReply

if TYPE_CHECKING:
    from collections.abc import Sequence

READ, WRITE, EXCEPTION = 3, 16, 0x80
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


def read_body(at: int, words: int) -> bytes:
    """Read `words` holding registers from `at`."""
    return bytes((READ, at >> 8, at & 0xFF, words >> 8, words & 0xFF))


def write_body(at: int, values: Sequence[int]) -> bytes:
    """Write holding registers from `at`."""
    count = len(values)
    head = bytes((WRITE, at >> 8, at & 0xFF, count >> 8, count & 0xFF, 2 * count))
    return head + b"".join(value.to_bytes(2, "big") for value in values)


def answer_head(body: bytes) -> tuple[bytes, int]:
    """How the right answer to this request begins, and how many bytes its PDU has."""
    if body[0] == READ:
        size = 2 * int.from_bytes(body[3:5], "big")
        return bytes((READ, size)), 2 + size
    return body[:5], 5


def refusal(code: int, frame: bytes, body: bytes, busy_wait_s: float) -> BackOff | ExceptionReply:
    """A well-formed exception: an answer, the connection stays."""
    if code in BUSY:
        return BackOff(busy_wait_s, f"exception {code} ({BUSY[code]}), {told(body)}")
    return ExceptionReply(code, f"exception {code} ({EXCEPTIONS.get(code, 'unknown')}), {told(body)}", frame)


def told(body: bytes) -> str:
    """The request in words, for a message; never the values written."""
    at, count = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return f"{'reading' if body[0] == READ else 'writing'} {count} words at {at}"
