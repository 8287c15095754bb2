"""What became of one message: told to whoever brought it, at the moment when it may be answered (P1).

Over MQTT every fate is a PUBACK. Over HTTP the sender waits for the answer, and each is another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.observation import Evidence


@dataclass(frozen=True, slots=True)
class Stored:
    """It is durable. `entry`: leaf hash of its entry, None where it is no entry of its own (practice)."""

    boot: int
    seq: int
    digest: bytes
    entry: bytes | None


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not believed, and that was dealt with: told once, and recorded where it was new."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class LetGo:
    """Nothing is kept of it: a status, one more of the same, or no place. Who still has it may say it again."""


LET_GO: Final = LetGo()
Fate: TypeAlias = Stored | Refused | LetGo
Settle: TypeAlias = "Callable[[Fate], None]"
