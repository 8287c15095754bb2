"""Faults of messages (M1-M7, H3, H4): lost, doubled, late, out of form.

The rig's own memory stays right, so that what is sent again is right again and the truth does not change.
"""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from dataclasses import replace

from simulators.faults.base import Fault, Publication
from simulators.limits import PAYLOAD_BYTES_MAX

_RECORD = frozenset({"record"})
_LATE_MS = 400


class Payload(Fault):
    """A fault that changes the bytes of a record."""

    areas = _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Other bytes."""
        return [replace(one, payload=self.payload(one.payload)) for one in now]

    def payload(self, payload: bytes) -> bytes:
        """The bytes published instead."""
        raise NotImplementedError


class LostMessage(Fault):
    """R5: The record is not published although the rig thinks so: nobody but the application acknowledgement tells."""

    name, catalogue, areas = "lost-message", "R5", _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """None."""
        return []


class DuplicateMessage(Fault):
    """R5: The record is published `at` times (2)."""

    name, catalogue, areas = "duplicate-message", "R5", _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Again and again."""
        return now * (2 if self.spec.at is None else self.spec.at)


class OutOfOrder(Fault):
    """R5: The record is published `at` milliseconds late (400), after those that follow it."""

    name, catalogue, areas = "out-of-order", "R5", _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Later."""
        late_s = (_LATE_MS if self.spec.at is None else self.spec.at) / 1000
        return [replace(one, delay_s=late_s) for one in now]


class LostPuback(Fault):
    """R6: The connection breaks after the record has left and before its PUBACK came."""

    name, catalogue, areas = "lost-puback", "R6", _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Sent, and then gone."""
        return [*now[:-1], replace(now[-1], cut="after")] if now else now


class RetainedRecord(Fault):
    """R5: The record is published as retained: it would come again for ever (H3)."""

    name, catalogue, areas = "retained-record", "R5", _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """With the flag."""
        return [replace(one, retain=True) for one in now]


class BadUtf8(Payload):
    """R5: A byte of the record is not UTF-8."""

    name, catalogue = "bad-utf8", "R5"

    def payload(self, payload: bytes) -> bytes:
        """0xFF in the serial number."""
        return payload.replace(b'"serial":"', b'"serial":"\xff', 1)


class BadJson(Payload):
    """R5: The record stops after `at` bytes (half): no JSON."""

    name, catalogue = "bad-json", "R5"

    def payload(self, payload: bytes) -> bytes:
        """Cut off."""
        return payload[: len(payload) // 2 if self.spec.at is None else self.spec.at]


class DuplicateKey(Payload):
    """R5: A key stands twice in the record, with two values (breaks M1)."""

    name, catalogue = "duplicate-key", "R5"

    def payload(self, payload: bytes) -> bytes:
        """Another exam number before the closing brace."""
        return payload[:-1] + b',"exam_no":%d}' % self.rng.randrange(1000, 9999)


class Fraction(Payload):
    """R5: A number has a fraction (breaks M1)."""

    name, catalogue = "fraction", "R5"

    def payload(self, payload: bytes) -> bytes:
        """The version as 1.0."""
        return payload.replace(b'"v":1,', b'"v":1.0,', 1)


class Oversize(Payload):
    """R5: The record has more than 16,384 bytes (breaks M1); `at` more than that (1)."""

    name, catalogue = "oversize", "R5"

    def payload(self, payload: bytes) -> bytes:
        """White space is JSON, too."""
        return payload.ljust(PAYLOAD_BYTES_MAX + (1 if self.spec.at is None else self.spec.at))


class OtherBytes(Payload):
    """R5: What is sent under this number differs in its score or time from what is held (breaks M6)."""

    name, catalogue = "other-bytes", "R5"

    def payload(self, payload: bytes) -> bytes:
        """Another exam number."""
        return payload.replace(b'"exam_no":', b'"exam_no":%d' % self.rng.randrange(1, 9), 1)


FAULTS: tuple[type[Fault], ...] = (
    LostMessage,
    DuplicateMessage,
    OutOfOrder,
    LostPuback,
    RetainedRecord,
    BadUtf8,
    BadJson,
    DuplicateKey,
    Fraction,
    Oversize,
    OtherBytes,
)
