"""Seals on rows: an HMAC over the columns that no signature of a log covers (times of arrival, alarms, refusals).

Whoever can write the database but does not have the server's mirror key cannot change such a row unseen: fsck and the
audit name it. A seal proves nothing to anybody else; receipts do.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_INFO: Final = b"kaofen evidence row seal v1"


class Sealer:
    """Makes and checks seals with a key derived from the mirror key."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, mirror_key: Ed25519PrivateKey) -> Sealer:
        """The sealer of a server. One-way: the seals say nothing about the key."""
        derived = HKDF(hashes.SHA256(), 32, None, _INFO).derive(mirror_key.private_bytes_raw())
        return cls(derived)

    def seal(self, *parts: str | int | bytes | None) -> bytes:
        """The seal of these values, each with its type and length, so that no two lists look alike."""
        message: list[bytes] = []
        for part in parts:
            raw = part if isinstance(part, bytes) else repr(part).encode()
            message += (f"{type(part).__name__} {len(raw)} ".encode(), raw)
        return hmac.digest(self._key, b"".join(message), "sha256")
