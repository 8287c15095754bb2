"""The gateway's name in its certificate: strict in both directions."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given
from hypothesis import strategies as st
from tls_material import make_tls_material

from certs.ca import create_authority, issue_gateway
from certs.errors import IdentityError
from certs.identity import fingerprint, gateway_identity, gateway_uri, key_pin, parse_gateway_uri
from certs.keys import create_p256

if TYPE_CHECKING:
    from pathlib import Path


def _der(folder: Path) -> bytes:
    pem = (folder / "cert.pem").read_text()
    return ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----END CERTIFICATE-----") + 26])


def _leaf_named(tmp_path: Path, names: list[x509.GeneralName] | None, serial: int = 7) -> bytes:
    """A certificate as a stranger's CA would make it; only its names matter here."""
    real = x509.load_der_x509_certificate(_der(make_tls_material(tmp_path).gateway))
    key = create_p256()
    builder = (
        x509.CertificateBuilder()
        .subject_name(real.subject)
        .issuer_name(real.issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(real.not_valid_before_utc)
        .not_valid_after(real.not_valid_after_utc)
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return bytes(der)


def test_the_identity_is_what_was_issued(tmp_path: Path) -> None:
    """Certificate -> gateway -> the only origins it may write (design section 11)."""
    der = _der(make_tls_material(tmp_path).gateway)
    found = gateway_identity(der)
    assert (found.domain, found.gateway_id) == ("kaofen.example", "gw-01")
    assert found.origin_base == "kaofen.example/gw/gw-01"
    assert found.fingerprint == fingerprint(der)
    assert found.not_after == x509.load_der_x509_certificate(der).not_valid_after_utc


def test_a_new_certificate_has_a_new_fingerprint_and_a_new_pin(tmp_path: Path) -> None:
    """Revocation names one certificate, never all certificates of a gateway."""
    create_authority(tmp_path / "ca")
    for name in ("a", "b"):
        issue_gateway(tmp_path / "ca", "kaofen.example", "gw-01").write(tmp_path / name)
    first, second = _der(tmp_path / "a"), _der(tmp_path / "b")
    assert fingerprint(first) != fingerprint(second)
    assert key_pin(first) != key_pin(second)


@pytest.mark.parametrize(
    "names",
    [
        None,
        [x509.DNSName("localhost")],
        [x509.UniformResourceIdentifier("https://kaofen.example/gw/gw-01")],
        [
            x509.UniformResourceIdentifier("kaofen://kaofen.example/gw/gw-01"),
            x509.UniformResourceIdentifier("kaofen://kaofen.example/gw/gw-02"),
        ],
    ],
    ids=["no-san", "dns-only", "foreign-scheme", "two-names"],
)
def test_a_certificate_that_names_no_single_gateway_is_refused(
    tmp_path: Path, names: list[x509.GeneralName] | None
) -> None:
    """None, another kind, or two names: the peer is nobody, never the first match."""
    with pytest.raises(IdentityError, match=r"peer certificate|not of the form"):
        gateway_identity(_leaf_named(tmp_path, names))


def test_a_serial_number_that_is_not_positive_is_refused(tmp_path: Path) -> None:
    """RFC 5280, 4.1.2.2; a later version of the library would refuse it with an exception of its own."""
    der = _leaf_named(tmp_path, [x509.UniformResourceIdentifier("kaofen://kaofen.example/gw/gw-01")], serial=1 << 150)
    number = (1 << 150).to_bytes(19, "big")
    assert der.count(number) == 1
    with pytest.raises(IdentityError, match="not positive"):
        gateway_identity(der.replace(number, b"\x80" + number[1:]))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    """Whatever a peer sends, the answer is a refusal and never another exception."""
    with pytest.raises(IdentityError):
        gateway_identity(data)


@given(st.text(max_size=60))
def test_a_uri_parses_only_to_what_builds_it_again(tail: str) -> None:
    """Strict: whatever is accepted is exactly what `gateway_uri` writes."""
    uri = f"kaofen://{tail}"
    try:
        domain, gateway_id = parse_gateway_uri(uri)
    except IdentityError:
        return
    assert gateway_uri(domain, gateway_id) == uri


@pytest.mark.parametrize(
    ("domain", "gateway_id"),
    [
        ("Kaofen.example", "gw-01"),
        ("kaofen..example", "gw-01"),
        ("-kaofen.example", "gw-01"),
        ("", "gw-01"),
        ("kaofen.example", ""),
        ("kaofen.example", "gw/01"),
        ("kaofen.example", "GW"),
        ("kaofen.example", "gw 1"),
        ("kaofen.example", "gw+1"),
        ("kaofen.example", "gw-01\n"),
        ("kaofen.example", "g" * 64),
        ("考分.example", "gw-01"),
    ],
)
def test_names_that_could_be_mistaken_are_refused(domain: str, gateway_id: str) -> None:
    """Case, spaces, plus signs (which a signed note cannot carry), slashes and look-alikes are refused when issuing."""
    with pytest.raises(IdentityError):
        gateway_uri(domain, gateway_id)


def test_the_longest_gateway_id_is_accepted() -> None:
    """63 characters at the limit; 64 are refused above."""
    assert parse_gateway_uri(gateway_uri("kaofen.example", "g" * 63)) == ("kaofen.example", "g" * 63)
