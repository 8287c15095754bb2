"""Faults of the registers (R1, R2, R3, and the foreign block of R5): the frame is right, the words in it are not."""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulators.faults.base import OFTEN, Fault, Look, Publication
from simulators.limits import EVENT_SLOTS, EVENT_WORDS, EVENTS_AT, RESULT_SLOTS, RESULT_WORDS, RESULTS_AT
from simulators.records import with_crc

if TYPE_CHECKING:
    import random

    from simulators.faults.spec import FaultSpec

_RECORDS = frozenset({"event", "result"})
_STATUS = frozenset({"status"})
_ARG_AT = 41  # event: arg2, the score of an item_finished
_SCORE_AT = 42  # result
_SERIAL_END = 11
_WORDS_AT = 3
_BOOT_LOW_AT = 13
_TAIL = 3  # trailing sequence number and CRC
_LAST_SEQ = (16, 45)
_HEARTBEAT_AT = 34


def _slot(look: Look) -> tuple[int, int]:
    """Slot number and first word of the slot that the read begins in."""
    base, words = (EVENTS_AT, EVENT_WORDS) if look.area == "event" else (RESULTS_AT, RESULT_WORDS)
    slot = (look.address - base) // words
    return slot, base + slot * words


def _now(look: Look, slot: int) -> bytes:
    memory = look.rig.memory
    return memory.event(slot % EVENT_SLOTS) if look.area == "event" else memory.result(slot % RESULT_SLOTS)


def _before(look: Look, slot: int) -> bytes:
    return look.rig.memory.event_before(slot) if look.area == "event" else look.rig.memory.result_before(slot)


def _record_words(record: bytes) -> int:
    """How many words of the slot the record in it uses."""
    return int.from_bytes(record[2 * _WORDS_AT : 2 * _WORDS_AT + 2], "big") or len(record) // 2


def _window(look: Look, start: int, slot_words: bytes) -> bytes:
    """The part of a changed slot that the read asked for; what lies beyond the slot is served as it is."""
    offset = 2 * (look.address - start)
    part = slot_words[offset : offset + 2 * look.count]
    return part + look.words[len(part) :]


class TornRecord(Fault):
    """R1: The record is half old: from word `at` on, the slot still holds what was there before."""

    name, catalogue, areas = "torn-record", "R1", _RECORDS

    def words(self, look: Look) -> bytes:
        """New head, old tail."""
        slot, start = _slot(look)
        new, old = _now(look, slot), _before(look, slot)
        at = self.rng.randrange(1, _record_words(new)) if self.spec.at is None else self.spec.at
        return _window(look, start, new[: 2 * at] + old[2 * at :])


class HalfWritten(Fault):
    """R1: The record was announced before its trailing sequence number and CRC were written (breaks K1)."""

    name, catalogue, areas = "half-written", "R1", _RECORDS

    def words(self, look: Look) -> bytes:
        """The three last words are those of before."""
        slot, start = _slot(look)
        new, old = _now(look, slot), _before(look, slot)
        at = 2 * (_record_words(new) - _TAIL)
        return _window(look, start, new[:at] + old[at : at + 2 * _TAIL] + new[at + 2 * _TAIL :])


class ChangingRecord(Fault):
    """R1: A word of the record differs from one read to the next, each time under a right CRC (breaks C8)."""

    name, catalogue, areas = "changing-record", "R1", _RECORDS

    def words(self, look: Look) -> bytes:
        """The word `at` (usually the score) is changed and the checksum made right."""
        slot, start = _slot(look)
        whole = _now(look, slot)
        record, rest = whole[: 2 * _record_words(whole)], whole[2 * _record_words(whole) :]
        usual = _ARG_AT if look.area == "event" else _SCORE_AT
        at = 2 * (usual if self.spec.at is None else self.spec.at)
        value = int.from_bytes(record[at : at + 2], "big") ^ self.rng.randrange(1, 0x400)
        changed = with_crc(record[:at] + value.to_bytes(2, "big") + record[at + 2 :])
        return _window(look, start, changed + rest)


class TornStatus(Fault):
    """R1: The status block was read while it was written: its two `last_seq` differ."""

    name, catalogue, areas = "torn-status", "R1", _STATUS

    def words(self, look: Look) -> bytes:
        """The trailing number is one behind."""
        return _status(look, {_LAST_SEQ[1]: max(0, look.rig.memory.last_seq - 1)})


class StuckStatus(Fault):
    """R2: The rig froze: the same status block for as long as the window lasts."""

    name, catalogue, areas, usual = "stuck-status", "R2", _STATUS, OFTEN

    def __init__(self, spec: FaultSpec, rng: random.Random) -> None:
        super().__init__(spec, rng)
        self._frozen: bytes | None = None

    def words(self, look: Look) -> bytes:
        """The block of the first read."""
        self._frozen = self._frozen or look.rig.status_block()
        return self._frozen[2 * look.address : 2 * (look.address + look.count)]


class StuckHeartbeat(Fault):
    """R2: Everything moves but the heartbeat."""

    name, catalogue, areas, usual = "stuck-heartbeat", "R2", _STATUS, OFTEN

    def words(self, look: Look) -> bytes:
        """Heartbeat 7 for ever."""
        block = look.rig.status_block()
        return _cut(look, with_crc(block[: 2 * _HEARTBEAT_AT] + b"\x00\x07" + block[2 * _HEARTBEAT_AT + 2 :]))


class LastSeqBounce(Fault):
    """R3: `last_seq` falls back by one and rises again: the same result is ready twice."""

    name, catalogue, areas = "last-seq-bounce", "R3", _STATUS

    def words(self, look: Look) -> bytes:
        """One less, everywhere in the block."""
        return _status(look, dict.fromkeys(_LAST_SEQ, max(0, look.rig.memory.last_seq - 1)))


class LastSeqAhead(Fault):
    """R3: `last_seq` is raised before there is a record: a level where an edge was promised."""

    name, catalogue, areas = "last-seq-ahead", "R3", _STATUS

    def words(self, look: Look) -> bytes:
        """One more, everywhere in the block."""
        return _status(look, dict.fromkeys(_LAST_SEQ, look.rig.memory.last_seq + 1))


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
        slot, start = _slot(look)
        return _window(look, start, _now(look, slot - 1))


class ForeignSerial(Fault):
    """R5: A valid record of another rig is served."""

    name, catalogue, areas = "foreign-serial", "R5", _RECORDS | {"record"}

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """The serial in the payload is not the topic's."""
        return [replace(one, payload=one.payload.replace(b'"serial":"', b'"serial":"ZZ', 1)) for one in now]

    def words(self, look: Look) -> bytes:
        """The last two characters of the serial number are others, and the checksum is right."""
        slot, start = _slot(look)
        whole = _now(look, slot)
        size = 2 * _record_words(whole)
        record = whole[: 2 * _SERIAL_END] + b"ZZ" + whole[2 * _SERIAL_END + 2 : size]
        return _window(look, start, with_crc(record) + whole[size:])


class WrongBoot(Fault):
    """R7: The record carries another boot counter than the rig has ever had, under a right CRC."""

    name, catalogue, areas = "wrong-boot", "R7", _RECORDS

    def words(self, look: Look) -> bytes:
        """The low word of `boot` is 0xEEEE."""
        slot, start = _slot(look)
        whole = _now(look, slot)
        size = 2 * _record_words(whole)
        record = whole[: 2 * _BOOT_LOW_AT] + b"\xee\xee" + whole[2 * _BOOT_LOW_AT + 2 : size]
        return _window(look, start, with_crc(record) + whole[size:])


def _status(look: Look, numbers: dict[int, int]) -> bytes:
    """The status block with some 32-bit numbers replaced, checksum right."""
    block = bytearray(look.rig.status_block())
    for at, value in numbers.items():
        block[2 * at : 2 * at + 4] = value.to_bytes(4, "big")
    return _cut(look, with_crc(bytes(block)))


def _cut(look: Look, block: bytes) -> bytes:
    return block[2 * look.address : 2 * (look.address + look.count)]


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
