"""What the gateway writes to a rig, and how a rig is told that its records are stored.

Owns: `Word` and `Coil`, their grammar (docs/formats/profile.md rule 28), and what the signals of a coil mean. Pure:
never writes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from device_adapters.language.build_field import order_of
from device_adapters.language.spaces import COIL_ALONE, SPACES
from device_adapters.language.words import TYPES
from device_adapters.limits import REGISTERS

if TYPE_CHECKING:
    from device_adapters.language.tables import Table

HANDSHAKES = ("sequence", "echo", "coil", "none")
RELEASES = ("rig", "gateway", "toggle")
WRITE_COILS, WRITE_COIL = 15, 5  # Modbus functions


@dataclass(frozen=True, slots=True)
class Word:
    """A place that the gateway writes to; with `echo` it is read back, and only the same number there counts."""

    at: int
    words: int
    order: str
    echo: bool = False

    def encode(self, value: int) -> list[int]:
        """The register values that hold `value`."""
        data = value.to_bytes(self.words * 2, "big")
        wire = bytes(data[ord(letter) - ord("A")] for letter in self.order)
        return [int.from_bytes(wire[at : at + 2], "big") for at in range(0, len(wire), 2)]


class Signals(Enum):
    """Where an acknowledgement by coil stands."""

    REST = "nothing is under way"
    WAITING = "the rig has not answered the last signal yet"
    TAKEN = "the rig took it, and waits for the coil to be cleared"


@dataclass(frozen=True, slots=True)
class Coil:
    """A coil that frees the oldest record, one at a time. `taken`: the bit by which the rig answers.

    `release` says who ends it. `rig`: set by the gateway, cleared by the rig. `gateway`: the rig sets `taken`, the
    gateway clears the coil, the rig clears `taken`. `toggle`: turned over by the gateway, and `taken` follows.
    """

    at: int
    release: str
    taken: int | None

    def signals(self, coil: int, taken: int) -> Signals:
        """What the two bits say; `taken` is 0 where there is none."""
        if self.release == "gateway" and coil and taken:
            return Signals.TAKEN
        at_rest = coil == taken if self.release == "toggle" else not coil and not taken
        return Signals.REST if at_rest else Signals.WAITING

    def signal(self, coil: int) -> int:
        """What to write at rest, where the coil stands like this."""
        return 1 - coil if self.release == "toggle" else 1


@dataclass(frozen=True, slots=True)
class Handshake:
    """All of it; what a rig does not have is None."""

    ack: Word | None = None
    coil: Coil | None = None
    ready: Word | None = None


def handshake_of(top: Table) -> Handshake:
    """The table of a profile; a profile without one never tells its rig anything."""
    table = top.table("handshake", optional=True)
    kind = table.text("kind", among=HANDSHAKES) if "handshake" in top else "none"
    by_word = "ack" in table and kind in {"sequence", "echo"}
    made = Handshake(
        ack=word_of(table.table("ack"), echo=kind == "echo") if by_word else None,
        coil=_coil(table.table("ack")) if kind == "coil" else None,
        ready=word_of(table.table("ready")) if "ready" in table else None,
    )
    table.done()
    return made


def word_of(table: Table, *, echo: bool = False) -> Word:
    """A place to be written."""
    kind = table.text("type", among=("uint16", "uint32")) or "uint16"
    words = TYPES[kind].words or 1
    made = Word(table.number("at", 0, REGISTERS - words), words, order_of(table, words, "", kind), echo)
    table.done()
    return made


def _coil(table: Table) -> Coil:
    at = table.number("coil", 0, REGISTERS - 1)
    function = table.number("function", WRITE_COIL, WRITE_COILS, WRITE_COILS)
    if function not in {WRITE_COIL, WRITE_COILS}:
        table.wrong("function", f"a coil is written by function {WRITE_COIL} or {WRITE_COILS}")
    release = table.text("release", among=RELEASES)
    taken = _bit(table.table("taken")) if "taken" in table else None
    if (taken is None) != (release == "rig"):
        table.wrong("taken", 'is the bit by which the rig answers: needed but where release = "rig"')
    table.done()
    return Coil((SPACES["coils"] if function == WRITE_COILS else COIL_ALONE) + at, release, taken)


def _bit(table: Table) -> int:
    """`{ input = 3 }` or `{ coil = 3 }`."""
    space = "coils" if "coil" in table else "discrete"
    at = table.number("coil" if "coil" in table else "input", 0, REGISTERS - 1)
    table.done()
    return SPACES[space] + at
