"""One certificate in plain words: who, by whom, until when, fingerprint and pin.

Pure: bytes in, lines out. Never judges trust.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import AuthorityError
from certs.identity import fingerprint, key_pin

_USES = {ExtendedKeyUsageOID.SERVER_AUTH: "server", ExtendedKeyUsageOID.CLIENT_AUTH: "client"}


def describe_file(data: bytes) -> list[str]:
    """The lines for every certificate in a PEM file, leaf first."""
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise AuthorityError("no PEM certificate in this file") from error
    lines: list[str] = []
    for certificate in certificates:
        lines += [*_describe(certificate), ""]
    return lines[:-1]


def _describe(certificate: x509.Certificate) -> list[str]:
    der = certificate.public_bytes(serialization.Encoding.DER)
    return [
        f"subject      {_common_name(certificate.subject)}",
        f"issuer       {_common_name(certificate.issuer)}",
        f"names        {', '.join(_names(certificate)) or '-'}",
        f"use          {_use(certificate)}",
        (
            f"valid        {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        ),
        f"fingerprint  {fingerprint(der)}",
        f"pin          {key_pin(der)}",
    ]


def _common_name(name: x509.Name) -> str:
    values = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(values[0].value) if values else "-"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _use(certificate: x509.Certificate) -> str:
    if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        return "ca"
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ", ".join(_USES.get(use, use.dotted_string) for use in uses)
