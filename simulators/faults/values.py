"""Faults of what a record says (R10-R13): the frame is right, so is the checksum, and the value cannot be.

They work on the maps of all makers. Another master and a slipped mode switch belong here, too: the rig really does
what they make of it, so the truth says it.
"""

from __future__ import annotations

from typing import ClassVar

from simulators.device.codes import Mode
from simulators.faults.base import OFTEN, Bench, Fault, Look
from simulators.faults.words import cut_to_read, with_words

_RECORDS = frozenset({"event", "result"})
_RESULTS = frozenset({"result"})


class _Word(Fault):
    """A record with one word that cannot be."""

    areas = _RECORDS
    value: ClassVar[str]
    word: ClassVar[bytes]

    def words(self, look: Look) -> bytes:
        """Under a right checksum."""
        at = look.rig.registers.word_of(look.area, self.value) if self.spec.at is None else self.spec.at
        return cut_to_read(look, with_words(look, {at: self.word}))


class ImpossibleValue(_Word):
    """R10: The score has all its bits set under a right CRC: above every maximum, no digit, not a number."""

    name, catalogue, areas = "impossible-value", "R10", _RESULTS
    value, word = "score", b"\xff\xff"


class SwappedWords(Fault):
    """R10: The two words of every sequence number in the record are in the other order, under a right CRC."""

    name, catalogue, areas = "swapped-words", "R10", _RECORDS

    def words(self, look: Look) -> bytes:
        """As a firmware writes that was compiled for the other order."""
        registers = look.rig.registers
        slot, _ = registers.slot(look.rig, look.area, look.address)
        record = registers.record(look.rig, look.area, slot)
        used = registers.used(look.area, record)
        changes = {}
        for first in registers.numbers(look.area):
            at = first if first >= 0 else used + first
            changes[at], changes[at + 1] = record[2 * at + 2 : 2 * at + 4], record[2 * at : 2 * at + 2]
        return cut_to_read(look, with_words(look, changes))


class WrongSum(Fault):
    """R10: The score is full although points were taken off, under a right CRC. Only on rigs of interface v1."""

    name, catalogue, areas = "wrong-sum", "R10", _RESULTS

    def words(self, look: Look) -> bytes:
        """What a maker of another map adds up, nobody knows."""
        full = look.rig.registers.full_score
        if full is None:
            return look.words
        return cut_to_read(look, with_words(look, {look.rig.registers.word_of(look.area, "score"): full}))


class HalfCharacter(_Word):
    """R11: A text of the record ends in the first half of a character, under a right CRC."""

    name, catalogue = "half-character", "R11"
    value, word = "text", b"\x81\0"


class ControlCharacter(_Word):
    """R11: A text of the record has control characters, under a right CRC."""

    name, catalogue = "control-character", "R11"
    value, word = "text", b"\x07\x07"


class NulInText(_Word):
    """R11: A text of the record goes on after a NUL, under a right CRC."""

    name, catalogue = "nul-in-text", "R11"
    value, word = "text", b"\0A"


class ForeignAck(Fault):
    """R12: Another master acknowledges all records, read by the gateway or not, when the window opens."""

    name, catalogue, usual = "foreign-ack", "R12", OFTEN

    def begin(self, bench: Bench) -> None:
        """Once."""
        bench.acknowledge_unread()


class ModeSlip(Fault):
    """R13: The key switch slips to practice while the window lasts, in mid-exam if it must be, and nothing says so."""

    name, catalogue, usual = "mode-slip", "R13", OFTEN

    def begin(self, bench: Bench) -> None:
        """Practice from here on."""
        self._turn(bench, Mode.PRACTICE)

    def end(self, bench: Bench) -> None:
        """An exam again."""
        self._turn(bench, Mode.EXAM)

    @staticmethod
    def _turn(bench: Bench, mode: Mode) -> None:
        memory = bench.rig.memory
        memory.mode = mode
        if memory.exam is not None:
            memory.exam.mode = mode


FAULTS: tuple[type[Fault], ...] = (
    ImpossibleValue,
    SwappedWords,
    WrongSum,
    HalfCharacter,
    ControlCharacter,
    NulInText,
    ForeignAck,
    ModeSlip,
)
