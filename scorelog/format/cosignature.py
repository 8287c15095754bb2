"""cosignature/v1 of C2SP (tlog-cosignature, suite 0x04): a signature on a checkpoint with its time.

A cosignature says: at this time this was the largest consistent tree that the cosigner had seen for the origin. Our
server's *mirror* key says besides that the entries are stored durably; that is what makes a receipt. Different
statements need different keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scorelog.format.checkpoint import parse_checkpoint_body
from scorelog.format.errors import NoteError, SignatureInvalid
from scorelog.format.keys import (
    COSIGNATURE_TIME_MAX,
    SUITE_COSIGNATURE,
    CosignatureVerifier,
    check_name,
    cosigned_message,
    encode_vkey,
    key_id,
)
from scorelog.format.note import (
    Note,
    NoteSignature,
    add_signature_lines,
    open_note,
    parse_note,
    parse_signature_lines,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class CosignatureSigner:
    """Cosigns checkpoints with an Ed25519 key."""

    __slots__ = ("_private", "key_id", "name", "public_key", "suite", "vkey")

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self.name = check_name(name)
        self._private = private_key
        self.public_key = private_key.public_key().public_bytes_raw()
        self.suite = SUITE_COSIGNATURE
        self.key_id = key_id(name, SUITE_COSIGNATURE, self.public_key)
        self.vkey = encode_vkey(name, SUITE_COSIGNATURE, self.public_key)

    def __repr__(self) -> str:
        return f"CosignatureSigner({self.vkey})"

    def cosign(self, body: str, time_s: int) -> bytes:
        """The whole signature line, with LF, over the text of a checkpoint's note."""
        parse_checkpoint_body(body)
        if not 0 < time_s <= COSIGNATURE_TIME_MAX:
            raise NoteError(f"time {time_s}", expected="POSIX seconds above 0")
        signature = self._private.sign(cosigned_message(body.encode(), time_s))
        return NoteSignature(self.name, self.key_id, time_s.to_bytes(8, "big") + signature).line.encode()


def verify_cosignature(note: bytes | Note, verifier: CosignatureVerifier) -> int:
    """The time of this cosigner's verified line, in POSIX seconds; SignatureInvalid without one."""
    opened = open_note(note, (verifier,))
    parse_checkpoint_body(opened.text)
    return verifier.time_of(opened.verified[0].signature)


def merge(checkpoint_note: bytes, lines: bytes, verifier: CosignatureVerifier | None = None) -> bytes:
    """The checkpoint with a witness's answer added; a line of the same key replaces the old one.

    With a verifier, its line must be among them and verify: only then is the result a receipt.
    """
    merged = add_signature_lines(parse_note(checkpoint_note), lines)
    if verifier is not None:
        if all((one.name, one.key_id) != (verifier.name, verifier.key_id) for one in parse_signature_lines(lines)):
            raise SignatureInvalid(f"no cosignature of {verifier.name} in the answer")
        verify_cosignature(merged, verifier)
    return merged.encode()
