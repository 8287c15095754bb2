"""One message of a rig, as it came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROVEN: Final = "proven"
UNCHECKED: Final = "unchecked"


@dataclass(frozen=True, slots=True)
class Message:
    """What came, and when by this machine's monotonic clock."""

    at_us: int
    topic: str
    payload: bytes
    retained: bool = False
    origin: str = ""  # of a pushed request: method and path
