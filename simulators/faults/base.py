"""What a fault is: something that may change the words read, the pieces or messages sent, or the rig itself."""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from simulators.modbus.frames import TCP

if TYPE_CHECKING:
    import random

    from simulators.device.rig import Rig
    from simulators.faults.spec import FaultSpec
    from simulators.modbus.frames import Frames

OFTEN = 1.0
SOMETIMES = 0.02


@dataclass(frozen=True, slots=True)
class Look:
    """One read of the registers: `words` is what a healthy rig would serve."""

    rig: Rig
    area: str
    address: int
    count: int
    words: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with the frame that a healthy rig would send back. `asked`: the frame that asked, on a bus."""

    connection: int
    area: str
    request: bytes
    frame: bytes
    frames: Frames = TCP
    asked: bytes = b""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to send after a delay; `reset` breaks the connection after them."""

    data: bytes
    delay_s: float = 0.0
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """One message as a healthy rig would publish it. `cut`: the connection is broken off before or after it."""

    area: str  # record | status
    topic: str
    payload: bytes
    retain: bool = False
    delay_s: float = 0.0
    cut: str = ""


class Bench(Protocol):
    """What a fault may do to the rig's host."""

    rig: Rig

    def refuse_connections(self, refuse: bool) -> None:
        """Close the listening port and all connections, or open it again."""
        ...

    def limit_connections(self, count: int | None) -> None:
        """Serve at most that many connections; None = the usual."""
        ...

    def lose_power(self) -> None:
        """Cut the power and come back."""
        ...

    def acknowledge_unread(self) -> None:
        """Another master writes the acknowledgement."""
        ...

    def be_impersonated(self) -> None:
        """Somebody else connects under this rig's name, where there are names."""
        ...

    def lose_memory(self) -> None:
        """Cut the power and come back without what memory held."""
        ...


class Fault:
    """One fault on one rig. The docstring's first sentence says what the rig does wrong; `catalogue` is its id."""

    name: ClassVar[str]
    catalogue: ClassVar[str]
    usual: ClassVar[float] = SOMETIMES
    areas: ClassVar[frozenset[str]] = frozenset({"status", "event", "result", "control"})

    def __init__(self, spec: FaultSpec, rng: random.Random) -> None:
        self.spec = spec
        self.rng = rng

    def words(self, look: Look) -> bytes:
        """The words served instead."""
        return look.words

    def pieces(self, exchange: Exchange, pieces: list[Piece]) -> list[Piece]:
        """The pieces sent instead."""
        return pieces

    def waiting(self, exchange: Exchange) -> list[Piece]:
        """Pieces of an earlier exchange to send before this one's, whether the fault fires now or not."""
        return []

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """The messages published instead of `now`; `healthy` is the one that everything began with."""
        return now

    def begin(self, bench: Bench) -> None:
        """The window opens."""

    def end(self, bench: Bench) -> None:
        """The window closes."""
