"""Which gateway a certificate speaks for, and the fingerprint by which it is revoked.

Owns the name `kaofen://<domain>/gw/<gateway-id>`, strict in both directions. Never decides whether a certificate is
trusted: the TLS context did that before anybody calls this.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs.errors import IdentityError

if TYPE_CHECKING:
    from datetime import datetime

# What the library raises for a certificate that is well framed and still none that it reads.
_UNREADABLE: Final = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z", re.ASCII)
_GATEWAY_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z", re.ASCII)
_URI: Final = re.compile(r"kaofen://(?P<domain>[^/]{1,253})/gw/(?P<id>[^/]{1,63})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class GatewayIdentity:
    """What the server knows about a peer before it reads a byte of the request."""

    domain: str
    gateway_id: str
    fingerprint: str  # SHA-256 of the DER certificate, hex: the unit of revocation
    not_after: datetime  # aware, UTC

    @property
    def origin_base(self) -> str:
        """All origins this peer may write are `<origin_base>/<generation>`."""
        return f"{self.domain}/gw/{self.gateway_id}"


def gateway_identity(der: bytes) -> GatewayIdentity:
    """The one gateway that this (already verified) peer certificate names."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise IdentityError("peer certificate: no subjectAltName, expected kaofen://<domain>/gw/<id>") from error
    except _UNREADABLE as error:
        raise IdentityError("peer certificate: not DER X.509") from error
    if certificate.serial_number <= 0:
        raise IdentityError("peer certificate: its serial number is not positive (RFC 5280, 4.1.2.2)")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise IdentityError(f"peer certificate: {len(uris)} URIs in subjectAltName, expected exactly one")
    domain, gateway_id = parse_gateway_uri(uris[0])
    return GatewayIdentity(domain, gateway_id, fingerprint(der), certificate.not_valid_after_utc)


def fingerprint(der: bytes) -> str:
    """SHA-256 of the certificate as sent, 64 hex digits."""
    return hashlib.sha256(der).hexdigest()


def key_pin(der: bytes) -> str:
    """SHA-256 of the certificate's SubjectPublicKeyInfo: survives a renewal that keeps the key."""
    public = x509.load_der_x509_certificate(der).public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def gateway_uri(domain: str, gateway_id: str) -> str:
    """The name that goes into a gateway's certificate; refuses what would not parse back."""
    uri = f"kaofen://{domain}/gw/{gateway_id}"
    parse_gateway_uri(uri)
    return uri


def parse_gateway_uri(uri: str) -> tuple[str, str]:
    """(domain, gateway id) of `kaofen://<domain>/gw/<id>`; anything else is refused, nothing is normalised."""
    match = _URI.match(uri)
    if match is None:
        raise IdentityError(f"{uri[:300]!r}: not of the form kaofen://<domain>/gw/<id>")
    domain, gateway_id = match["domain"], match["id"]
    if _DOMAIN.match(domain) is None:
        raise IdentityError(f"domain {domain!r}: use lower-case letters, digits, dots and hyphens")
    if _GATEWAY_ID.match(gateway_id) is None:
        raise IdentityError(f"gateway id {gateway_id!r}: use lower-case letters, digits and hyphens")
    return domain, gateway_id
