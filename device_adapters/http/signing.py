"""Whether a request was signed by who it says: a strict subset of HTTP Message Signatures.

Owns: the grammar of `Signature-Input`, `Signature` (RFC 9421, hmac-sha256) and `Content-Digest` (RFC 9530, sha-256),
and the signature base (docs/rig-interface-v1-http.md, W5). Whatever is allowed there and not here is refused by name,
never half read. Pure: no clock, no wire.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from device_adapters.errors import NotProven
from device_adapters.limits import NONCE_CHARS_MAX, NONCE_CHARS_MIN

COVERED: Final = '("@method" "@path" "content-digest")'
_LABEL: Final = r"([a-z][a-z0-9_-]{0,15})"
_INPUT: Final = re.compile(_LABEL + "=" + re.escape(COVERED) + r"((?:;[a-z]+=[^;]*){3,4})")
_VALUE: Final = re.compile(_LABEL + r"=:([A-Za-z0-9+/]{43}=):")
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_PARAMETERS: Final = {
    "created": re.compile(r"(0|[1-9][0-9]{0,11})"),
    "nonce": re.compile(rf'"([A-Za-z0-9+/=_-]{{{NONCE_CHARS_MIN},{NONCE_CHARS_MAX}}})"'),
    "keyid": re.compile(r'"([A-Za-z0-9._~-]{1,16})"'),
    "alg": re.compile(r'"(hmac-sha256)"'),
}


@dataclass(frozen=True, slots=True)
class Signature:
    """What the headers of one request claim, and the bytes that must have been signed. Nothing is proven yet."""

    key_id: str
    created: int
    nonce: str
    digest: bytes
    base: bytes
    value: bytes

    def verify(self, secret: bytes) -> None:
        """Raises NotProven."""
        if not hmac.compare_digest(hmac.digest(secret, self.base, hashlib.sha256), self.value):
            raise NotProven("signature", "the signature does not fit this request and the rig's secret")


def read_signature(method: str, path: str, said: str, value: str, digest: str) -> Signature:
    """From `Signature-Input`, `Signature` and `Content-Digest`. Raises NotProven."""
    parts, signed, whole = _INPUT.fullmatch(said), _VALUE.fullmatch(value), _DIGEST.fullmatch(digest)
    if parts is None:
        raise NotProven("malformed", f"Signature-Input must be a label, {COVERED}, created, nonce, keyid and maybe alg")
    if signed is None:
        raise NotProven("malformed", "Signature must be a label and 32 bytes in base64 between colons")
    if whole is None:
        raise NotProven("malformed", "Content-Digest must be sha-256 and 32 bytes in base64 between colons")
    if parts[1] != signed[1]:
        raise NotProven("malformed", "Signature and Signature-Input have different labels")
    found = _parameters(parts[2])
    base = f'"@method": {method}\n"@path": {path}\n"content-digest": {digest}\n"@signature-params": {COVERED}{parts[2]}'
    return Signature(
        key_id=found["keyid"],
        created=int(found["created"]),
        nonce=found["nonce"],
        digest=_bytes(whole[1], "Content-Digest"),
        base=base.encode("ascii"),
        value=_bytes(signed[2], "Signature"),
    )


def check_digest(body: bytes, digest: bytes) -> None:
    """Whether the body is the one that was signed. Raises NotProven."""
    if hashlib.sha256(body).digest() != digest:
        raise NotProven("digest", "the body is not the one of Content-Digest")


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text[1:].split(";"):
        name, _, value = part.partition("=")
        grammar = _PARAMETERS.get(name)
        if grammar is None:
            raise NotProven("malformed", f"Signature-Input: a parameter is none of {', '.join(_PARAMETERS)}")
        match = grammar.fullmatch(value)
        if match is None or name in found:
            raise NotProven("malformed", f"Signature-Input: {name} is there twice, or not as it must be")
        found[name] = match[1]
    for name in ("created", "nonce", "keyid"):
        if name not in found:
            raise NotProven("malformed", f"Signature-Input: {name} is missing")
    return found


def _bytes(text: str, header: str) -> bytes:
    """Of one spelling only: the last character must not carry bits that decoding drops."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotProven("malformed", f"{header} is not base64") from None
    if base64.b64encode(found).decode() != text:
        raise NotProven("malformed", f"{header} is not base64 as it must be written")
    return found
