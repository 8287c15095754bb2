"""The `add-checkpoint` request of C2SP (tlog-witness, text of July 2026): old size, consistency proof, checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.errors import ProofError
from scorelog.format.limits import HASH_BYTES, PROOF_BYTES_MAX, PROOF_HASHES_MAX
from scorelog.format.text import decimal, tobase64, unbase64


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a log sends to a witness. Whether it holds is the witness's business."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint_note: bytes

    def encode(self) -> bytes:
        """The request body."""
        path = "".join(f"{tobase64(one)}\n" for one in self.hashes)
        return f"old {self.old}\n{path}\n".encode() + self.checkpoint_note


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """The request in these bytes; its checkpoint is well-formed, nothing is verified."""
    if len(data) > PROOF_BYTES_MAX:
        raise ProofError(f"{len(data)} bytes", where="add-checkpoint", expected=f"at most {PROOF_BYTES_MAX}")
    head, separator, note = data.partition(b"\n\n")
    if not separator:
        raise ProofError("no empty line", where="add-checkpoint", expected="old size, proof, empty line, checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("not ASCII", where=f"add-checkpoint byte {error.start}") from None
    if not lines[0].startswith("old "):
        raise ProofError(f"{lines[0][:60]!r}", where="add-checkpoint line 1", expected="'old <size>'")
    old = decimal(lines[0].removeprefix("old "), "add-checkpoint line 1", ProofError)
    if len(lines) - 1 > PROOF_HASHES_MAX:
        raise ProofError(f"{len(lines) - 1} hashes", where="add-checkpoint", expected=f"at most {PROOF_HASHES_MAX}")
    hashes = tuple(
        unbase64(line, f"add-checkpoint line {place}", ProofError, HASH_BYTES)
        for place, line in enumerate(lines[1:], 2)
    )
    parse_checkpoint(note)
    return AddCheckpoint(old, hashes, note)
