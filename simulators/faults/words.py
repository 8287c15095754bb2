"""Faults of the registers (R1, R2, R3, and the foreign block of R5): the frame is right, the words in it are not."""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulators.faults.base import OFTEN, Fault, Look, Publication

if TYPE_CHECKING:
    import random

    from simulators.faults.spec import FaultSpec

_RECORDS = frozenset({"event", "result"})
_STATUS = frozenset({"status"})
_TAIL = 3  # trailing sequence number and CRC


def _slot(look: Look) -> tuple[int, int]:
    """Slot number and first word of the slot that the read begins in."""
    return look.rig.registers.slot(look.rig, look.area, look.address)


def _now(look: Look, slot: int) -> bytes:
    return look.rig.registers.record(look.rig, look.area, slot)


def _before(look: Look, slot: int) -> bytes:
    return look.rig.registers.record(look.rig, look.area, slot, before=True)


def _record_words(look: Look, record: bytes) -> int:
    """How many words of the slot the record in it uses."""
    return look.rig.registers.used(look.area, record)


def with_words(look: Look, changes: dict[int, bytes]) -> bytes:
    """The slot that the read begins in with other words in its record, under a right checksum."""
    slot, _ = _slot(look)
    whole = _now(look, slot)
    size = 2 * _record_words(look, whole)
    record = bytearray(whole[:size])
    for at, word in changes.items():
        record[2 * at : 2 * at + 2] = word
    return look.rig.registers.sealed(look.area, bytes(record)) + whole[size:]


def cut_to_read(look: Look, slot_words: bytes) -> bytes:
    """The part of a changed slot that the read asked for."""
    return look.rig.registers.cut(look, slot_words)


class TornRecord(Fault):
    """R1: The record is half old: from word `at` on, the slot still holds what was there before."""

    name, catalogue, areas = "torn-record", "R1", _RECORDS

    def words(self, look: Look) -> bytes:
        """New head, old tail."""
        slot, _ = _slot(look)
        new, old = _now(look, slot), _before(look, slot)
        at = self.rng.randrange(1, _record_words(look, new)) if self.spec.at is None else self.spec.at
        return cut_to_read(look, new[: 2 * at] + old[2 * at :])


class HalfWritten(Fault):
    """R1: The record was announced before its trailing sequence number and CRC were written (breaks K1)."""

    name, catalogue, areas = "half-written", "R1", _RECORDS

    def words(self, look: Look) -> bytes:
        """The three last words are those of before."""
        slot, _ = _slot(look)
        new, old = _now(look, slot), _before(look, slot)
        at = 2 * (_record_words(look, new) - _TAIL)
        return cut_to_read(look, new[:at] + old[at : at + 2 * _TAIL] + new[at + 2 * _TAIL :])


class ChangingRecord(Fault):
    """R1: A word of the record differs from one read to the next, each time under a right CRC (breaks C8)."""

    name, catalogue, areas = "changing-record", "R1", _RECORDS

    def words(self, look: Look) -> bytes:
        """The word `at` (usually the score) is changed and the checksum made right."""
        slot, _ = _slot(look)
        at = look.rig.registers.word_of(look.area, "score") if self.spec.at is None else self.spec.at
        value = int.from_bytes(_now(look, slot)[2 * at : 2 * at + 2], "big") ^ self.rng.randrange(1, 0x400)
        return cut_to_read(look, with_words(look, {at: value.to_bytes(2, "big")}))


class TornStatus(Fault):
    """R1: The status block was read while it was written: its two `last_seq` differ."""

    name, catalogue, areas = "torn-status", "R1", _STATUS

    def words(self, look: Look) -> bytes:
        """The trailing number is one behind."""
        return _status(look, last_seq_again=max(0, look.rig.memory.last_seq - 1))


class StuckStatus(Fault):
    """R2: The rig froze: the same status block for as long as the window lasts."""

    name, catalogue, areas, usual = "stuck-status", "R2", _STATUS, OFTEN

    def __init__(self, spec: FaultSpec, rng: random.Random) -> None:
        super().__init__(spec, rng)
        self._frozen: bytes | None = None

    def words(self, look: Look) -> bytes:
        """The block of the first read."""
        self._frozen = self._frozen or look.rig.status_block()
        return _cut(look, self._frozen)


class StuckHeartbeat(Fault):
    """R2: Everything moves but the heartbeat."""

    name, catalogue, areas, usual = "stuck-heartbeat", "R2", _STATUS, OFTEN

    def words(self, look: Look) -> bytes:
        """Heartbeat 7 for ever."""
        return _status(look, heartbeat=7)


class LastSeqBounce(Fault):
    """R3: `last_seq` falls back by one and rises again: the same result is ready twice."""

    name, catalogue, areas = "last-seq-bounce", "R3", _STATUS

    def words(self, look: Look) -> bytes:
        """One less, everywhere in the block."""
        before = max(0, look.rig.memory.last_seq - 1)
        return _status(look, last_seq=before, last_seq_again=before)


class LastSeqAhead(Fault):
    """R3: `last_seq` is raised before there is a record: a level where an edge was promised."""

    name, catalogue, areas = "last-seq-ahead", "R3", _STATUS

    def words(self, look: Look) -> bytes:
        """One more, everywhere in the block."""
        ahead = look.rig.memory.last_seq + 1
        return _status(look, last_seq=ahead, last_seq_again=ahead)


class BadStatusCrc(Fault):
    """R1: A bit of the status block is wrong and its CRC shows it."""

    name, catalogue, areas = "bad-status-crc", "R1", _STATUS

    def words(self, look: Look) -> bytes:
        """One bit of the served words flipped."""
        bit = self.rng.randrange(8 * len(look.words))
        flipped = bytearray(look.words)
        flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)


class PreviousBlock(Fault):
    """R5: The record before is served in the place of the one asked for: the previous candidate's block."""

    name, catalogue, areas = "previous-block", "R5", _RECORDS

    def words(self, look: Look) -> bytes:
        """The whole record of the slot before, valid in itself."""
        slot, _ = _slot(look)
        return cut_to_read(look, _now(look, slot - 1))


class ForeignSerial(Fault):
    """R5: A valid record of another rig is served."""

    name, catalogue, areas = "foreign-serial", "R5", _RECORDS | {"record"}

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """The serial in the payload is not the topic's."""
        return [replace(one, payload=one.payload.replace(b'"serial":"', b'"serial":"ZZ', 1)) for one in now]

    def words(self, look: Look) -> bytes:
        """The last two characters of the serial number are others, and the checksum is right."""
        at = look.rig.registers.word_of(look.area, "serial")
        return cut_to_read(look, with_words(look, {at: b"ZZ"}))


class WrongBoot(Fault):
    """R7: The record carries another boot counter than the rig has ever had, under a right CRC."""

    name, catalogue, areas = "wrong-boot", "R7", _RECORDS

    def words(self, look: Look) -> bytes:
        """The low word of `boot` is 0xEEEE."""
        at = look.rig.registers.word_of(look.area, "boot")
        return cut_to_read(look, with_words(look, {at: b"\xee\xee"}))


def _status(look: Look, **numbers: int) -> bytes:
    """The status block with some numbers replaced, checksum right."""
    return _cut(look, look.rig.registers.status_with(look.rig, numbers))


def _cut(look: Look, block: bytes) -> bytes:
    start = 2 * (look.address - look.rig.registers.status_at)
    return block[start : start + 2 * look.count]


FAULTS: tuple[type[Fault], ...] = (
    TornRecord,
    HalfWritten,
    ChangingRecord,
    TornStatus,
    BadStatusCrc,
    StuckStatus,
    StuckHeartbeat,
    LastSeqBounce,
    LastSeqAhead,
    PreviousBlock,
    ForeignSerial,
    WrongBoot,
)
