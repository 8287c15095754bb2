"""The two-level CA: an offline root, an issuing CA, and the leaf certificates of servers and gateways.

Owns the folder `root.pem root.key issuing.pem issuing.key chain.pem` and the extensions of everything signed in it.
`root.key` is used once and then belongs into a safe: issuing needs only `issuing.key`. Never talks to a network.
Every certificate carries SKI, AKI, keyUsage and, on leaves, EKU and SAN, since Python 3.13 refuses it otherwise.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import AuthorityError
from certs.identity import gateway_uri
from certs.keys import create_p256, encode_private, load_private, sync_folder, write_private
from certs.limits import (
    BACKDATE,
    GATEWAY_DAYS,
    HOSTS_MAX,
    ISSUING_DAYS,
    LEAF_DAYS_MAX,
    ROOT_DAYS,
    SERVER_DAYS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FILES: Final = ("root.pem", "root.key", "issuing.pem", "issuing.key", "chain.pem")


@dataclass(frozen=True, slots=True)
class Issued:
    """One leaf, ready to be handed to its owner."""

    cert: bytes  # PEM: leaf, then issuing CA
    key: bytes  # PEM
    ca: bytes  # PEM: root

    def write(self, folder: Path) -> None:
        """Write `cert.key`, `cert.pem` and `ca.pem`; an existing `cert.key` is refused before anything is written."""
        folder.mkdir(parents=True, exist_ok=True)
        write_private(folder / "cert.key", self.key)
        (folder / "cert.pem").write_bytes(self.cert)
        (folder / "ca.pem").write_bytes(self.ca)
        sync_folder(folder)


@dataclass(frozen=True, slots=True)
class _Issuer:
    """A CA certificate with its key in memory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def create_authority(directory: Path, *, now: datetime | None = None) -> None:
    """Make root and issuing CA in a new or empty folder of mode 0700."""
    for name in _FILES:
        if (directory / name).exists():
            raise AuthorityError(f"{directory / name}: already there; a CA is made once")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    start = _start(now)
    root = _self_signed(start)
    issuing_key = create_p256()
    issuing = _ca_builder("Kaofen issuing CA", issuing_key, start, ISSUING_DAYS, path_length=0)
    certificate = _sign(issuing, root)
    write_private(directory / "root.key", encode_private(root.key))
    write_private(directory / "issuing.key", encode_private(issuing_key))
    (directory / "root.pem").write_bytes(_pem(root.certificate))
    (directory / "issuing.pem").write_bytes(_pem(certificate))
    (directory / "chain.pem").write_bytes(_pem(certificate) + _pem(root.certificate))
    sync_folder(directory)


def issue_gateway(
    directory: Path, domain: str, gateway_id: str, days: int = GATEWAY_DAYS, *, now: datetime | None = None
) -> Issued:
    """A short-lived client certificate whose only name is the gateway's URI."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(gateway_uri(domain, gateway_id))]
    return _issue(directory, gateway_id, names, ExtendedKeyUsageOID.CLIENT_AUTH, days, now)


def issue_server(
    directory: Path, hosts: Sequence[str], days: int = SERVER_DAYS, *, now: datetime | None = None
) -> Issued:
    """A server certificate for host names and IP addresses."""
    if not 1 <= len(hosts) <= HOSTS_MAX:
        raise AuthorityError(f"{len(hosts)} host names given, expected 1 to {HOSTS_MAX}")
    names = [_host_name(host) for host in hosts]
    return _issue(directory, hosts[0], names, ExtendedKeyUsageOID.SERVER_AUTH, days, now)


def _issue(  # noqa: PLR0917 -- private, one call per kind of leaf
    directory: Path,
    subject: str,
    names: list[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    days: int,
    now: datetime | None,
) -> Issued:
    if not 1 <= days <= LEAF_DAYS_MAX:
        raise AuthorityError(f"{days} days given, expected 1 to {LEAF_DAYS_MAX}")
    issuer, root = _load_issuer(directory)
    start = _start(now)
    end = start + BACKDATE + timedelta(days=days)
    if end > issuer.certificate.not_valid_after_utc:
        raise AuthorityError(f"{directory / 'issuing.pem'}: expires before the certificate that was asked for")
    key = create_p256()
    builder = (
        _builder(subject, key, start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    leaf = _sign(builder, issuer)
    return Issued(_pem(leaf) + _pem(issuer.certificate), encode_private(key), _pem(root))


def _load_issuer(directory: Path) -> tuple[_Issuer, x509.Certificate]:
    try:
        certificate = x509.load_pem_x509_certificate((directory / "issuing.pem").read_bytes())
        root = x509.load_pem_x509_certificate((directory / "root.pem").read_bytes())
    except FileNotFoundError as error:
        raise AuthorityError(f"{error.filename}: not there; make the CA with: kaofen-certs init {directory}") from error
    except ValueError as error:
        raise AuthorityError(f"{directory}: issuing.pem or root.pem is not a PEM certificate") from error
    key = load_private(directory / "issuing.key")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{directory / 'issuing.key'}: not an elliptic-curve key")
    if key.public_key() != certificate.public_key():
        raise AuthorityError(f"{directory}: issuing.key is not the key of issuing.pem")
    return _Issuer(certificate, key), root


def _self_signed(start: datetime) -> _Issuer:
    key = create_p256()
    builder = _ca_builder("Kaofen root CA", key, start, ROOT_DAYS, path_length=1)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    certificate = (
        builder.issuer_name(_name("Kaofen root CA"))
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Issuer(certificate, key)


def _ca_builder(
    subject: str, key: ec.EllipticCurvePrivateKey, start: datetime, days: int, *, path_length: int
) -> x509.CertificateBuilder:
    return (
        _builder(subject, key, start, start + BACKDATE + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )


def _builder(subject: str, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _sign(builder: x509.CertificateBuilder, issuer: _Issuer) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        builder.issuer_name(issuer.certificate.subject)
        .add_extension(identifier, critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host.isascii() or any(c.isspace() or c in "/:@" for c in host) or not host:
        raise AuthorityError(f"host {host!r}: expected a host name or an IP address, without scheme or port")
    return x509.DNSName(host.lower())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _start(now: datetime | None) -> datetime:
    return (datetime.now(UTC) if now is None else now) - BACKDATE
