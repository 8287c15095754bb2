"""The mirror's decision, pure: (what the server holds, what was sent, whose key) -> accept, cosign again, or refuse.

Owns every reason for which an upload may be refused: framing, origin, signature, size, root. Content is never one.
Never touches a clock, a socket or a database. Rules: docs/formats/upload.md; design.md section 7; tlog.md section 4.5.

    start = size, entries      the tree of size + entries has the root that the log signed -> Accept
    start = size, no entries   the same root again                                         -> Cosign
    start <> size              a lost answer, or worse: compare what overlaps               -> 409 with the size, or 422
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from scorelog.format.checkpoint import Checkpoint, parse_checkpoint
from scorelog.format.errors import FormatError, SignatureInvalid
from scorelog.format.note import open_note
from scorelog.format.tree import CompactRange, leaf_hash
from server import limits

if TYPE_CHECKING:
    from scorelog.format.keys import Verifier
    from scorelog.format.note import Note
    from scorelog.format.upload import Upload

FORKED: Final = "forked"
ROLLED_BACK: Final = "rolled_back"
BAD_SIGNATURE: Final = "bad_signature"
WRONG_ORIGIN: Final = "wrong_origin"
FROZEN: Final = "frozen"


@dataclass(frozen=True, slots=True)
class Refuse:
    """No. `kind` names the alarm that it raises (None: none), `size` is what a 409 says, `index` where it hurts."""

    status: int
    reason: str
    kind: str | None = None
    size: int | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Accept:
    """Store these entries; afterwards the log stands here."""

    checkpoint: Checkpoint
    leaves: tuple[bytes, ...]
    range_hashes: tuple[bytes, ...]
    regained: bool = False


@dataclass(frozen=True, slots=True)
class Cosign:
    """Nothing new to store: the tree is the one that is held."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Held:
    """What the server holds of the part of its log that an upload from further back repeats."""

    root: bytes | None  # the held tree's root at the size of the upload's checkpoint; None when it is larger
    leaves: tuple[bytes, ...]  # held leaf hashes from the upload's start on, at most as many as it has entries


Verdict = Accept | Cosign | Refuse


class Standing(Protocol):
    """Where a log stands: its row, or what this process remembers of it."""

    @property
    def size(self) -> int:
        """Entries that are held."""

    @property
    def root(self) -> bytes:
        """Of the tree of that size."""

    @property
    def range_hashes(self) -> tuple[bytes, ...]:
        """Its compact range."""

    @property
    def frozen(self) -> str | None:
        """Why it takes nothing more."""


def read_checkpoint(upload: Upload) -> tuple[Checkpoint, Note] | Refuse:
    """The checkpoint that the upload carries, its signature not yet checked: to find out whose key is needed."""
    try:
        checkpoint, note = parse_checkpoint(upload.checkpoint)
    except FormatError as error:
        return Refuse(400, str(error))
    if len(note.signatures) > limits.CHECKPOINT_LINES_MAX:  # stored, its receipt could never be made
        many = f"the checkpoint has {len(note.signatures)} signature lines, at most {limits.CHECKPOINT_LINES_MAX}"
        return Refuse(400, f"{many}: the receipt is one more")
    if checkpoint.size != upload.size:
        return Refuse(400, f"the checkpoint is of size {checkpoint.size}, start and entries make {upload.size}")
    return checkpoint, note


def check_signature(note: Note, verifier: Verifier) -> Refuse | None:
    """Whether the log itself signed this checkpoint."""
    try:
        open_note(note, (verifier,))
    except SignatureInvalid as error:
        return Refuse(403, str(error), BAD_SIGNATURE)
    return None


def judge(
    state: Standing | None,
    upload: Upload,
    checkpoint: Checkpoint,
    held: Held | None = None,
    *,
    receipted: bool = False,
) -> Verdict:
    """The decision on a checkpoint whose signature was verified. `held` is needed when `start` is below the size.

    `receipted`: the checkpoint carries this server's own cosignature. So the server had these entries before it was
    put back from a backup, and a frozen log takes them again.
    """
    size = state.size if state else 0
    if state is not None and state.frozen and not receipted:
        return Refuse(403, f"this log is frozen: {state.frozen}", FROZEN)
    if upload.start > size:
        return _behind(size)
    if upload.start < size:
        return _compare(size, upload, checkpoint, held or Held(None, ()))
    if not upload.entries:
        return _same_tree(state, checkpoint)
    return _extend(state, upload, checkpoint)


def _extend(state: Standing | None, upload: Upload, checkpoint: Checkpoint) -> Verdict:
    tree = CompactRange(state.size, state.range_hashes) if state else CompactRange()
    leaves = tuple(leaf_hash(entry) for entry in upload.entries)
    tree.extend(leaves)
    if tree.root() != checkpoint.root:
        reason = f"the entries [{upload.start}, {upload.size}) do not lead from the held tree to the signed root"
        return Refuse(422, reason, FORKED, index=upload.start)
    return Accept(checkpoint, leaves, tree.hashes)


def _same_tree(state: Standing | None, checkpoint: Checkpoint) -> Verdict:
    if state is not None and checkpoint.root != state.root:
        return Refuse(422, f"another tree of size {state.size} is held", FORKED, index=state.size)
    return Cosign(checkpoint)


def _compare(size: int, upload: Upload, checkpoint: Checkpoint, held: Held) -> Refuse:
    """From further back: a retry whose answer was lost repeats what is held; anything else is another history."""
    kind = FORKED if checkpoint.size >= size else ROLLED_BACK  # behind what was receipted: it signs sizes again
    for index, (entry, leaf) in enumerate(zip(upload.entries, held.leaves, strict=False), upload.start):
        if leaf_hash(entry) != leaf:
            return Refuse(422, f"another entry {index} is held", kind, index=index)
    if held.root is not None and checkpoint.root != held.root:
        return Refuse(422, f"another tree of size {checkpoint.size} is held", kind, index=checkpoint.size)
    return _behind(size)


def _behind(size: int) -> Refuse:
    return Refuse(409, f"the server holds size {size}", size=size)
