"""Commitments to personal data, so that the data can go and the proof stays (docs/formats/commitment.md).

The entry holds SHA-256(blind || field || 0x00 || value); the 32-byte blind lives and is erased with the value. Both
together are the *opening*, stored apart from the entry.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from scorelog.format.entry import Committed, Entry
from scorelog.format.errors import CommitmentError
from scorelog.format.limits import BLIND_BYTES, FIELD_CHARS_MAX, INT_MAX, OPENING_VALUE_BYTES_MAX

_FIELD = re.compile(rf"[a-z0-9][a-z0-9_.\-]{{0,{FIELD_CHARS_MAX - 1}}}\Z")


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one commitment of the entry at `index`. Personal: never in an entry, a log line or an error."""

    index: int
    field: str
    blind: bytes
    value: bytes

    def __post_init__(self) -> None:
        check_field(self.field)
        if not 0 <= self.index <= INT_MAX:
            raise CommitmentError(f"index {self.index}", expected=f"0 to {INT_MAX}")
        if len(self.blind) != BLIND_BYTES:
            raise CommitmentError(f"a blind of {len(self.blind)} bytes", expected=f"{BLIND_BYTES} bytes")
        if len(self.value) > OPENING_VALUE_BYTES_MAX:
            raise CommitmentError(f"a value of {len(self.value)} bytes", expected=f"at most {OPENING_VALUE_BYTES_MAX}")

    def __repr__(self) -> str:
        return f"Opening(index={self.index}, field={self.field!r}, value of {len(self.value)} bytes)"

    @property
    def commitment(self) -> bytes:
        """The hash that this opens."""
        return commit(self.blind, self.field, self.value)


def new_blind() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(BLIND_BYTES)


def check_field(field: str) -> str:
    """The field name, if it can be committed: no NUL, so that field and value cannot run into each other."""
    if _FIELD.match(field) is None:
        raise CommitmentError(f"field {field[:80]!r}", expected=f"1 to {FIELD_CHARS_MAX} of a-z 0-9 _ . -")
    return field


def commit(blind: bytes, field: str, value: bytes) -> bytes:
    """SHA-256(blind || field || 0x00 || value)."""
    if len(blind) != BLIND_BYTES:
        raise CommitmentError(f"a blind of {len(blind)} bytes", expected=f"{BLIND_BYTES} bytes")
    return hashlib.sha256(blind + check_field(field).encode() + b"\x00" + value).digest()


def committed(blind: bytes, field: str, value: bytes) -> Committed:
    """One element of an entry's `candidate`."""
    return Committed(field, commit(blind, field, value).hex())


def check_opening(opening: Opening, entry: Entry) -> bool:
    """Whether the opening opens one of the entry's commitments."""
    wanted = opening.commitment.hex()
    return any(one.sha256 == wanted and one.field == opening.field for one in entry.candidate)
