"""The proof of C2SP (tlog-proof): one entry is in the tree of a checkpoint; offline, self-contained.

    c2sp.org/tlog-proof@v1
    index 42
    <base64 hash, leaf's sibling first>...

    <checkpoint with all its signatures>

With the entry's bytes and a policy this is the receipt that a candidate can take home.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.checkpoint import Checkpoint, parse_checkpoint
from scorelog.format.errors import ProofError
from scorelog.format.limits import HASH_BYTES, PROOF_BYTES_MAX, PROOF_EXTRA_BYTES_MAX, PROOF_HASHES_MAX
from scorelog.format.text import decimal, tobase64, unbase64
from scorelog.format.tree import NodeSource, inclusion_proof, leaf_hash, verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scorelog.format.policy import Policy

MAGIC = "c2sp.org/tlog-proof@v1"
FILE_SUFFIX = ".tlog-proof"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Index, audit path and cosigned checkpoint. `extra` is not authenticated."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_note: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The text of the proof."""
        extra = "" if self.extra is None else f"extra {tobase64(self.extra)}\n"
        path = "".join(f"{tobase64(one)}\n" for one in self.hashes)
        return f"{MAGIC}\n{extra}index {self.index}\n{path}\n".encode() + self.checkpoint_note

    @property
    def checkpoint(self) -> Checkpoint:
        """What the checkpoint states, unverified."""
        return parse_checkpoint(self.checkpoint_note)[0]


@dataclass(frozen=True, slots=True)
class Proven:
    """What a verified proof says; times in POSIX seconds."""

    origin: str
    index: int
    size: int
    cosigned_by: tuple[tuple[str, int], ...]


def make_proof(index: int, checkpoint_note: bytes, node: NodeSource) -> TlogProof:
    """The proof of the entry at `index` under a checkpoint, from a node source that covers its size."""
    checkpoint, _ = parse_checkpoint(checkpoint_note)
    return TlogProof(index, tuple(inclusion_proof(index, checkpoint.size, node)), checkpoint_note)


def parse_proof(data: bytes) -> TlogProof:
    """The proof in these bytes; its checkpoint is well-formed, nothing is verified."""
    if len(data) > PROOF_BYTES_MAX:
        raise ProofError(f"{len(data)} bytes", where="proof", expected=f"at most {PROOF_BYTES_MAX}")
    head, separator, note = data.partition(b"\n\n")
    if not separator:
        raise ProofError("no empty line", where="proof", expected="head, empty line, checkpoint")
    lines = _lines(head)
    if lines[0] != MAGIC:
        raise ProofError(f"{lines[0][:60]!r}", where="proof line 1", expected=repr(MAGIC))
    extra = None
    at = 1
    if len(lines) > at and lines[at].startswith("extra "):
        extra = _extra(lines[at].removeprefix("extra "))
        at += 1
    if len(lines) <= at or not lines[at].startswith("index "):
        raise ProofError("no index", where=f"proof line {at + 1}", expected="'index <n>'")
    index = decimal(lines[at].removeprefix("index "), f"proof line {at + 1}", ProofError)
    hashes = _hashes(lines[at + 1 :], at + 2)
    parse_checkpoint(note)
    return TlogProof(index, hashes, note, extra)


def verify_proof(proof: TlogProof, entry: bytes, policy: Policy) -> Proven:
    """What the proof proves about these entry bytes; ProofError, PolicyError or SignatureInvalid otherwise."""
    result = policy.check(proof.checkpoint_note)
    checkpoint = result.checkpoint
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return Proven(checkpoint.origin, proof.index, checkpoint.size, result.cosigned_by)


def _lines(head: bytes) -> list[str]:
    try:
        return head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("not ASCII", where=f"proof byte {error.start}") from None


def _extra(text: str) -> bytes:
    extra = unbase64(text, "proof line 2 (extra)", ProofError)
    if len(extra) > PROOF_EXTRA_BYTES_MAX:
        raise ProofError(
            f"{len(extra)} bytes", where="proof line 2 (extra)", expected=f"at most {PROOF_EXTRA_BYTES_MAX}"
        )
    return extra


def _hashes(lines: Sequence[str], first_line: int) -> tuple[bytes, ...]:
    if len(lines) > PROOF_HASHES_MAX:
        raise ProofError(f"{len(lines)} hashes", where="proof", expected=f"at most {PROOF_HASHES_MAX}")
    return tuple(
        unbase64(line, f"proof line {first_line + place}", ProofError, HASH_BYTES) for place, line in enumerate(lines)
    )
