"""The signed note of C2SP (signed-note v1.0.0): a text, an empty line, signature lines.

Owns parsing, writing and opening of notes; what the text says is the checkpoint's business. Signature lines of
unknown keys are kept and ignored; a line of a known key that fails rejects the whole note. Two lines of the same
(name, key id) have no defined meaning (C2SP issue 257) and are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.errors import NoteError, SignatureInvalid
from scorelog.format.keys import (
    CosignatureVerifier,
    Ed25519Signer,
    Ed25519Verifier,
    Signer,
    Verifier,
    check_name,
    parse_vkey,
)
from scorelog.format.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from scorelog.format.text import plain_text, tobase64, unbase64

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "CosignatureVerifier",
    "Ed25519Signer",
    "Ed25519Verifier",
    "Note",
    "NoteSignature",
    "OpenedNote",
    "Signer",
    "Verified",
    "Verifier",
    "add_signature_lines",
    "open_note",
    "parse_note",
    "parse_signature_lines",
    "parse_vkey",
    "sign_note",
]

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_UNFIT = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note, with its LF."""
        return f"— {self.name} {tobase64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in LF, and its signature lines in their order."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The bytes of the note."""
        return (self.text + "\n" + "".join(one.line for one in self.signatures)).encode()

    def by(self, verifier: Verifier) -> NoteSignature | None:
        """The line of one key, unverified."""
        wanted = (verifier.name, verifier.key_id)
        return next((one for one in self.signatures if (one.name, one.key_id) == wanted), None)


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature line that its key vouches for."""

    verifier: Verifier
    signature: bytes


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note of which at least one known key's signature verifies, and no known key's fails."""

    note: Note
    verified: tuple[Verified, ...]

    @property
    def text(self) -> str:
        """The signed text."""
        return self.note.text


def parse_note(data: bytes) -> Note:
    """The note in these bytes; no signature is checked."""
    text = _decode(data)
    cut = text.rfind("\n\n")
    if cut < 0:
        raise NoteError("no empty line", where="note", expected="a text, an empty line and signature lines")
    body = text[: cut + 1]
    lines_before = body.count("\n") + 1
    return Note(body, _signatures(text[cut + 2 :], lines_before))


def parse_signature_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """The signature lines alone, as a witness answers them."""
    return _signatures(_decode(data), 0)


def sign_note(text: str, signers: Iterable[Signer]) -> bytes:
    """The note that these signers make of a text."""
    _check_text(text)
    message = text.encode()
    lines = tuple(NoteSignature(one.name, one.key_id, one.sign(message)) for one in signers)
    if not lines:
        raise NoteError("no signer", expected="at least one")
    return Note(text, lines).encode()


def open_note(data: bytes | Note, verifiers: Iterable[Verifier]) -> OpenedNote:
    """The note with the lines that these keys vouch for; SignatureInvalid if none does or a known one fails."""
    note = data if isinstance(data, Note) else parse_note(data)
    message = note.text.encode()
    known: list[Verified] = []
    for verifier in verifiers:
        line = note.by(verifier)
        if line is None:
            continue
        if not verifier.verify(message, line.signature):
            raise SignatureInvalid(f"the signature of {verifier.name} (key id {verifier.key_id.hex()}) does not verify")
        known.append(Verified(verifier, line.signature))
    if not known:
        signed_by = ", ".join(f"{one.name} {one.key_id.hex()}" for one in note.signatures[:4])
        raise SignatureInvalid(f"no signature of a known key (signed by {signed_by})")
    return OpenedNote(note, tuple(known))


def add_signature_lines(note: Note, lines: bytes | Sequence[NoteSignature]) -> Note:
    """The note with further lines; a line of the same key replaces the old one in its place."""
    new = parse_signature_lines(lines) if isinstance(lines, bytes) else tuple(lines)
    merged = {(one.name, one.key_id): one for one in (*note.signatures, *new)}
    if len(merged) > NOTE_SIGNATURES_MAX:
        raise NoteError(f"{len(merged)} signature lines", expected=f"at most {NOTE_SIGNATURES_MAX}")
    return Note(note.text, tuple(merged.values()))


def _decode(data: bytes) -> str:
    return plain_text(data, NOTE_BYTES_MAX, _CONTROL, "note", NoteError)


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _UNFIT.search(text) is not None:
        raise NoteError(
            f"text {text[-40:]!r}",
            expected="a text that ends in LF, without other control characters or lone surrogates",
        )


def _signatures(text: str, lines_before: int) -> tuple[NoteSignature, ...]:
    if not text.endswith("\n"):
        raise NoteError("no LF at the end", where="signature lines", expected="at least one complete line")
    lines = text[:-1].split("\n")
    if len(lines) > NOTE_SIGNATURES_MAX:
        raise NoteError(f"{len(lines)} signature lines", expected=f"at most {NOTE_SIGNATURES_MAX}")
    found = tuple(_signature(line, f"line {lines_before + place}") for place, line in enumerate(lines, 1))
    if len({(one.name, one.key_id) for one in found}) != len(found):
        raise NoteError("two signature lines of the same name and key id", expected="one line a key")
    return found


def _signature(line: str, where: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":  # noqa: PLR2004 - dash, name, base64
        raise NoteError(f"{line[:60]!r}", where=where, expected="'— <name> <base64>'")
    name = check_name(parts[1], where)
    raw = unbase64(parts[2], where, NoteError)
    if len(raw) <= _KEY_ID_BYTES:
        raise NoteError(f"a signature of {len(raw)} bytes", where=where, expected="a key id of 4 bytes and a signature")
    return NoteSignature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])
