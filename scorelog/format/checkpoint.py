"""The checkpoint of C2SP (tlog-checkpoint v1.0.0): origin, size, root hash in a signed note.

Exactly three lines. Extension lines are refused: readers disagree on whether a cosignature covers them
(C2SP pull request 238), so what belongs to a log goes into its entries.
"""

from __future__ import annotations

from dataclasses import dataclass

from scorelog.format.errors import CheckpointError, NoteError
from scorelog.format.keys import Signer, Verifier, check_name
from scorelog.format.limits import HASH_BYTES, INT_MAX
from scorelog.format.note import Note, open_note, parse_note, sign_note
from scorelog.format.text import decimal, tobase64, unbase64
from scorelog.format.tree import EMPTY_ROOT

_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How large the log of this origin is, and the root hash of its tree."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        try:
            check_name(self.origin, "origin")
        except NoteError as error:
            raise CheckpointError(str(error)) from None
        if not 0 <= self.size <= INT_MAX:
            raise CheckpointError(f"size {self.size}", expected=f"0 to {INT_MAX}")
        if len(self.root) != HASH_BYTES:
            raise CheckpointError(f"a root of {len(self.root)} bytes", expected=f"{HASH_BYTES} bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError(f"root {self.root.hex()} at size 0", expected="SHA-256 of nothing")

    def body(self) -> str:
        """The note text."""
        return f"{self.origin}\n{self.size}\n{tobase64(self.root)}\n"


def parse_checkpoint_body(text: str) -> Checkpoint:
    """The checkpoint that a note text states."""
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[-1]:
        raise CheckpointError(
            f"{len(lines) - 1} lines", where="checkpoint", expected="origin, size, root hash; no more"
        )
    size = decimal(lines[1], "checkpoint line 2 (size)", CheckpointError)
    root = unbase64(lines[2], "checkpoint line 3 (root hash)", CheckpointError, HASH_BYTES)
    return Checkpoint(lines[0], size, root)


def parse_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """The checkpoint and its note, with no signature checked: to find out whose keys are needed."""
    note = parse_note(data)
    return parse_checkpoint_body(note.text), note


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The signed note of a checkpoint; the key's name is the origin."""
    if signer.name != checkpoint.origin:
        raise CheckpointError(f"key of {signer.name}", expected=f"the key of origin {checkpoint.origin}")
    return sign_note(checkpoint.body(), (signer,))


def open_checkpoint(data: bytes, verifier: Verifier) -> tuple[Checkpoint, Note]:
    """The checkpoint, its log's signature verified; the note keeps the lines of all keys."""
    checkpoint, note = parse_checkpoint(data)
    if checkpoint.origin != verifier.name:
        raise CheckpointError(f"origin {checkpoint.origin}", expected=f"origin {verifier.name}")
    open_note(note, (verifier,))
    return checkpoint, note
