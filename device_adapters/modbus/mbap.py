"""The frames of Modbus TCP: what is sent, how its answer begins, and why a reply is or is not that answer. Pure.

    transaction id | 0 | length | unit | PDU

A reply is judged byte by byte against the one request sent; nothing of what came is ever said in a message (P7).
"""

from __future__ import annotations

from device_adapters.modbus.pdu import EXCEPTION, REGISTER_READS, answer_head, padding_fault

HEADER = 7
READ_HEAD = HEADER + 2  # of a read's reply: function and byte count


class Question:
    """A request and how its answer begins, but for the transaction id: made once, asked over and over."""

    __slots__ = ("_answer", "_tail", "body")

    def __init__(self, unit: bytes, body: bytes) -> None:
        self.body = body
        self._tail = b"\0\0" + (1 + len(body)).to_bytes(2, "big") + unit + body
        self._answer = b""
        if body[0] in REGISTER_READS:
            size = body[4] * 2  # at most 250
            self._answer = b"\0\0" + (3 + size).to_bytes(2, "big") + unit + body[:1] + bytes((size,))

    def under(self, tid: int) -> tuple[bytes, bytes]:
        """The request under this id, and how the right answer begins where it is a read of registers; else empty."""
        name, answer = tid.to_bytes(2, "big"), self._answer
        return name + self._tail, name + answer if answer else b""


def frame_length(received: bytes) -> int:
    """Length of the frame that begins here, by its header."""
    return 6 + int.from_bytes(received[4:6], "big")


def reply_fault(request: bytes, received: bytes) -> str | None:
    """Why `received` cannot be the answer to `request`, nor the beginning of it; None while it can."""
    body = request[HEADER:]
    head, size = answer_head(body)
    length = 1 + size
    expected = request[:4] + length.to_bytes(2, "big") + request[6:7] + head
    refusal = request[:4] + b"\x00\x03" + request[6:7] + bytes((body[0] | EXCEPTION,))
    if len(received) <= 6 + length and received[: len(expected)] == expected[: len(received)]:
        return padding_fault(body, received) if len(received) == 6 + length else None
    if len(received) <= 9 and received[: len(refusal)] == refusal[: len(received)]:  # noqa: PLR2004  (its length)
        return None
    return _difference(expected, refusal, received)


def _difference(expected: bytes, refusal: bytes, received: bytes) -> str:
    """In words, what is wrong first. Never a byte of what came: in a misaligned reply it may be a candidate's (P7)."""
    for name, start, end in (("transaction id", 0, 2), ("protocol id", 2, 4)):
        if received[start:end] != expected[start : min(end, len(received))]:
            return f"wrong {name}"
    if received[6:7] not in {b"", expected[6:7]}:
        return "wrong unit"
    if received[7:8] not in {b"", expected[7:8], refusal[7:8]}:
        return "wrong function"
    lengths = [frame[4:6] for frame in (expected, refusal) if received[7:8] in {b"", frame[7:8]}]
    if not any(received[4:6] == length[: len(received) - 4] for length in lengths):
        return "wrong length"
    if received[: len(expected)] == expected or received[: len(refusal)] == refusal:
        return "bytes after the end of the reply"
    return "another count or address than asked for"
