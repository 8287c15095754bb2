"""Keys of signed notes: key ids, key text (vkey), signers and verifiers.

Owns what one signature line means for each suite; never a file, never a note. A suite is the type byte of C2SP
signed-note: 0x01 signs the note text, 0x04 (cosignature/v1) signs it with a time. Further suites (ML-DSA-44, SM2,
a token) are further classes behind the same two protocols.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scorelog.format.errors import NoteError
from scorelog.format.limits import NAME_CHARS_MAX, VKEY_CHARS_MAX
from scorelog.format.text import tobase64, unbase64

SUITE_ED25519: Final = 0x01
SUITE_COSIGNATURE: Final = 0x04
COSIGNATURE_TIME_MAX: Final = 2**63 - 1

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
# No control character, no plus, nothing that Unicode calls a space (the set of Go's unicode.IsSpace and category Z).
_NOT_IN_NAME = "\x00-\x20+\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff"
_NAME = re.compile(f"[^{_NOT_IN_NAME}]{{1,{NAME_CHARS_MAX}}}\\Z")
_KEY_ID = re.compile(r"[0-9a-f]{8}\Z")


class Key(Protocol):
    """What a signature line names: one key under one name."""

    @property
    def name(self) -> str:
        """The key name; for a log, its origin."""

    @property
    def key_id(self) -> bytes:
        """Four bytes that name the key together with its name."""

    @property
    def suite(self) -> int:
        """The signature type byte."""

    @property
    def vkey(self) -> str:
        """The public half as key text."""


class Signer(Key, Protocol):
    """Something that makes signature lines under one name."""

    def sign(self, message: bytes) -> bytes:
        """The signature bytes, without key id."""


class Verifier(Key, Protocol):
    """Something that checks the signature lines of one (name, key id)."""

    @property
    def public_key(self) -> bytes:
        """The bare public key."""

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature bytes, without key id, are this key's over the note text."""


def check_name(name: str, where: str = "key name") -> str:
    """The name, if it may stand in a signature line."""
    if _NAME.match(name) is None:
        raise NoteError(f"{name[:80]!r}", where=where, expected=f"1 to {NAME_CHARS_MAX} characters, no space, no '+'")
    return name


def key_id(name: str, suite: int, public_key: bytes) -> bytes:
    """The first four bytes of SHA-256(name || LF || suite || public key)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([suite]) + public_key).digest()[:4]


def encode_vkey(name: str, suite: int, public_key: bytes) -> str:
    """The key text `name+hex(key id)+base64(suite || public key)`."""
    return f"{name}+{key_id(name, suite, public_key).hex()}+{tobase64(bytes([suite]) + public_key)}"


def cosigned_message(text: bytes, time_s: int) -> bytes:
    """What a cosignature/v1 signs: two header lines and the whole note text."""
    return b"cosignature/v1\ntime %d\n" % time_s + text


class _Named:
    """Name, key id and key text, derived from name and public key."""

    __slots__ = ("key_id", "name", "public_key", "suite", "vkey")

    def __init__(self, name: str, suite: int, public_key: bytes) -> None:
        self.name = check_name(name)
        self.suite = suite
        self.public_key = public_key
        self.key_id = key_id(name, suite, public_key)
        self.vkey = encode_vkey(name, suite, public_key)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Named) and other.vkey == self.vkey

    def __hash__(self) -> int:
        return hash(self.vkey)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vkey})"


class Ed25519Signer(_Named):
    """Signs note texts with an Ed25519 key (suite 0x01)."""

    __slots__ = ("_private",)

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        super().__init__(name, SUITE_ED25519, private_key.public_key().public_bytes_raw())
        self._private = private_key

    def sign(self, message: bytes) -> bytes:
        """The 64 signature bytes."""
        return self._private.sign(message)


class _Public(_Named):
    """A public Ed25519 key, whatever the suite signs with it."""

    __slots__ = ("_public",)

    def __init__(self, name: str, suite: int, public_key: bytes) -> None:
        super().__init__(name, suite, public_key)
        try:
            self._public = Ed25519PublicKey.from_public_bytes(public_key)
        except ValueError:
            raise NoteError(f"a public key of {len(public_key)} bytes", expected="an Ed25519 key of 32 bytes") from None

    def _made(self, signature: bytes, message: bytes) -> bool:
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Ed25519Verifier(_Public):
    """Checks suite 0x01."""

    __slots__ = ()

    def __init__(self, name: str, public_key: bytes) -> None:
        super().__init__(name, SUITE_ED25519, public_key)

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether these are 64 bytes of this key over the text."""
        return len(signature) == _SIGNATURE_BYTES and self._made(signature, text)


class CosignatureVerifier(_Public):
    """Checks suite 0x04, a signature with the time at which it was made."""

    __slots__ = ()

    def __init__(self, name: str, public_key: bytes) -> None:
        super().__init__(name, SUITE_COSIGNATURE, public_key)

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether these are 72 bytes of this key over time and text."""
        if len(signature) != _TIME_BYTES + _SIGNATURE_BYTES:
            return False
        time_s = self.time_of(signature)
        if time_s > COSIGNATURE_TIME_MAX:
            return False
        return self._made(signature[_TIME_BYTES:], cosigned_message(text, time_s))

    @staticmethod
    def time_of(signature: bytes) -> int:
        """POSIX seconds in a cosignature's bytes."""
        return int.from_bytes(signature[:_TIME_BYTES], "big")


@dataclass(frozen=True, slots=True)
class _Suite:
    make: type[Ed25519Verifier | CosignatureVerifier]
    key_bytes: int = field(default=_KEY_BYTES)


_SUITES: Final = {SUITE_ED25519: _Suite(Ed25519Verifier), SUITE_COSIGNATURE: _Suite(CosignatureVerifier)}


def parse_vkey(text: str) -> Ed25519Verifier | CosignatureVerifier:
    """The verifier that a key text describes; suites 0x01 and 0x04."""
    parts = text.split("+", 2)
    if len(text) > VKEY_CHARS_MAX or len(parts) != 3:  # noqa: PLR2004 - name, id, key
        raise NoteError(f"key text {text[:80]!r}", expected="name+hex(key id)+base64(type and key)")
    name, id_text, key_text = parts
    check_name(name, "name in key text")
    if _KEY_ID.match(id_text) is None:
        raise NoteError(f"key id {id_text[:20]!r}", where="key text", expected="8 lower-case hex digits")
    raw = unbase64(key_text, "key text", NoteError)
    suite = _SUITES.get(raw[0]) if raw else None
    if suite is None:
        raise NoteError(
            f"key type 0x{raw[:1].hex()}", where="key text", expected="0x01 (Ed25519) or 0x04 (cosignature)"
        )
    if len(raw) != 1 + suite.key_bytes:
        raise NoteError(f"a key of {len(raw) - 1} bytes", where="key text", expected=f"{suite.key_bytes} bytes")
    verifier = suite.make(name, raw[1:])
    if verifier.key_id.hex() != id_text:
        raise NoteError(
            f"key id {id_text}", where="key text", expected=f"{verifier.key_id.hex()} for this name and key"
        )
    return verifier
