"""Why bytes were refused.

Everything here is a *refusal*: the bytes are wrong and will stay wrong, so nobody retries. A message says what
was found, where (line or byte offset) and what was expected. No parser lets any other exception out.

    FormatError (ValueError)
    ├── EntryError
    │   └── CanonicalError       not the one canonical encoding of a JSON object
    ├── NoteError                signed note, key text
    │   └── SignatureInvalid     a trusted key's signature is missing or does not verify
    ├── CheckpointError
    ├── ProofError               Merkle proofs and tlog-proof texts
    ├── TileError                tile paths, hash tiles, entry bundles
    ├── PolicyError              policy text, or a note that the policy does not accept
    ├── CommitmentError
    ├── UploadError              carries the HTTP status that the server answers with
    ├── RubricError
    ├── PlanError
    └── EvidenceError
"""

from __future__ import annotations


class FormatError(ValueError):
    """Bytes that do not follow their format: what, where, what was expected."""

    def __init__(self, what: str, *, where: str = "", expected: str = "") -> None:
        self.what = what
        self.where = where
        self.expected = expected
        message = f"{where}: {what}" if where else what
        super().__init__(f"{message}; expected {expected}" if expected else message)


class EntryError(FormatError):
    """Not an entry of this schema."""


class CanonicalError(EntryError):
    """Not the canonical encoding of a JSON object."""


class NoteError(FormatError):
    """Not a signed note, not a signature line, or not a key."""


class SignatureInvalid(NoteError):  # noqa: N818 - the verdict's own name
    """A trusted key's signature is missing from the note or does not verify."""


class CheckpointError(FormatError):
    """Not a checkpoint, or not of the expected log."""


class ProofError(FormatError):
    """A proof that is malformed or does not prove what it should."""


class TileError(FormatError):
    """A tile path, a hash tile or an entry bundle that is malformed."""


class PolicyError(FormatError):
    """A policy that is malformed, or a note that does not satisfy it."""


class CommitmentError(FormatError):
    """A commitment or opening that is malformed."""


class UploadError(FormatError):
    """An upload body or size answer that is malformed (400) or over a limit (413)."""

    def __init__(self, what: str, *, status: int = 400, where: str = "", expected: str = "") -> None:
        self.status = status
        super().__init__(what, where=where, expected=expected)


class RubricError(FormatError):
    """A rubric that is inconsistent, or scores that do not fit it."""


class PlanError(FormatError):
    """A plan that breaks its rules, or parts that do not make one. Never holds a personal value."""


class EvidenceError(FormatError):
    """An evidence bundle that is malformed or unsafe."""
