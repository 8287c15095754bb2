"""The keys and certificates that a gateway is known by, and knows its server by, as they stand in its files."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from certs.errors import CertsError
from certs.identity import gateway_identity
from scorelog.format.keys import CosignatureVerifier, parse_vkey

if TYPE_CHECKING:
    from pathlib import Path

_END: Final = "-----END CERTIFICATE-----\n"


def mirror_verifier(vkey: str) -> CosignatureVerifier:
    """The key that receipts must verify with. Raises FormatError for another kind of key."""
    verifier = parse_vkey(vkey)
    if not isinstance(verifier, CosignatureVerifier):
        raise TypeError("the mirror key must be of the cosignature kind (type 0x04)")
    return verifier


def certificate_not_after_us(cert: Path) -> int:
    """0 when it cannot be read: recording goes on without a certificate."""
    try:
        identity = gateway_identity(ssl.PEM_cert_to_DER_cert(first_certificate(cert)))
    except (OSError, ValueError, CertsError):
        return 0
    return int(identity.not_after.timestamp() * 1_000_000)


def first_certificate(path: Path) -> str:
    """The leaf of a chain file."""
    return path.read_text().partition(_END)[0] + _END
