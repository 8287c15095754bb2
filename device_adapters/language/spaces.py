"""Where a word or a bit of a rig lies: the tables of Modbus, laid end to end in one range of numbers.

    0x0xxxx   holding registers   read by function 3, written by 16
    0x1xxxx   input registers     read by function 4
    0x2xxxx   discrete inputs     read by function 2, counted in bits
    0x3xxxx   coils               read by function 1, written by 15, counted in bits
    0x4xxxx   the same coils, for rigs that know function 5 only: written one at a time

So an address says by which function it is read, and a wire needs no second argument. On the wire stand the lower
sixteen bits. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE: Final = 0x10000
SPACES: Final[Mapping[str, int]] = {"holding": 0, "input": TABLE, "discrete": 2 * TABLE, "coils": 3 * TABLE}
BIT_SPACES: Final = frozenset({"discrete", "coils"})
WRITABLE: Final = frozenset({"holding", "coils"})
BITS_FROM: Final = SPACES["discrete"]  # from here on an address is one of a bit
COIL_ALONE: Final = 4 * TABLE
BITS_PER_WORD: Final = 16


def on_wire(at: int) -> int:
    """The address that a request names."""
    return at % TABLE


def words_for(bits: int) -> int:
    """How many words so many bits are handed on in, the first bit lowest in the first word."""
    return -(-bits // BITS_PER_WORD)
