"""The TLS contexts, through real handshakes of two OpenSSL stacks."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from tls_material import TlsMaterial, handshake, make_tls_material

from certs.ca import issue_server
from certs.contexts import (
    check_pin,
    gateway_client_context,
    gateway_server_context,
    people_client_context,
    people_server_context,
)
from certs.errors import AuthorityError, KeyFileError, PinMismatch
from certs.identity import gateway_identity, key_pin
from certs.keys import create_p256, encode_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = datetime.now(UTC) - timedelta(days=365)


def _client(made: TlsMaterial, *, trust_clock: bool = True, pin: str | None = None) -> ssl.SSLContext:
    folder = made.gateway
    return gateway_client_context(
        folder / "cert.pem", folder / "cert.key", folder / "ca.pem", trust_clock=trust_clock, pin=pin
    )


def _server(made: TlsMaterial) -> ssl.SSLContext:
    folder = made.server
    return gateway_server_context(folder / "cert.pem", folder / "cert.key", folder / "ca.pem")


def _pin(folder: Path) -> str:
    leaf = x509.load_pem_x509_certificates((folder / "cert.pem").read_bytes())[0]
    return key_pin(leaf.public_bytes(serialization.Encoding.DER))


def test_gateway_and_server_know_each_other(tmp_path: Path) -> None:
    """Strict X.509 on both sides, TLS 1.3, and the server learns which gateway speaks."""
    made = make_tls_material(tmp_path)
    client, server = _client(made), _server(made)
    assert client.verify_flags & ssl.VERIFY_X509_STRICT
    assert server.verify_flags & ssl.VERIFY_X509_STRICT
    near, far = handshake(client, server)
    assert near.version() == far.version() == "TLSv1.3"
    der = far.getpeercert(binary_form=True)
    assert der is not None
    assert gateway_identity(der).origin_base == "kaofen.example/gw/gw-01"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_chain_passes_the_strict_default_context(tmp_path: Path, host: str) -> None:
    """What Python 3.13 checks by default is checked here on every version, by name and by address."""
    made = make_tls_material(tmp_path)
    client = ssl.create_default_context(cafile=str(made.server / "ca.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    handshake(client, people_server_context(made.server / "cert.pem", made.server / "cert.key"), host=host)


def test_the_people_listener_asks_for_no_certificate(tmp_path: Path) -> None:
    """A browser has none, and gets in."""
    made = make_tls_material(tmp_path)
    server = people_server_context(made.server / "cert.pem", made.server / "cert.key")
    _, far = handshake(people_client_context(made.server / "ca.pem"), server)
    assert far.getpeercert(binary_form=True) is None


def test_a_certificate_without_identifiers_is_refused(tmp_path: Path) -> None:
    """The strict flag is really on: the same leaf without SKI and AKI fails."""
    made = make_tls_material(tmp_path)
    ca, out = made.authority, tmp_path / "lax"
    out.mkdir()
    issuer = x509.load_pem_x509_certificate((ca / "issuing.pem").read_bytes())
    issuer_key = load_pem_private_key((ca / "issuing.key").read_bytes(), password=None)
    key = create_p256()
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (out / "cert.pem").write_bytes(leaf.public_bytes(pem) + issuer.public_bytes(pem))
    write_private(out / "cert.key", encode_private(key))
    server = people_server_context(out / "cert.pem", out / "cert.key")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)key identifier"):
        handshake(people_client_context(ca / "root.pem"), server)


def test_a_gateway_without_certificate_is_refused(tmp_path: Path) -> None:
    """No certificate, no handshake: nothing of ours runs for a stranger."""
    made = make_tls_material(tmp_path)
    with pytest.raises(ssl.SSLError, match=r"(?i)peer did not return a certificate"):
        handshake(people_client_context(made.server / "ca.pem"), _server(made))


def test_a_gateway_of_another_ca_is_refused(tmp_path: Path) -> None:
    """A certificate with the right name and the wrong root names nobody."""
    made, other = make_tls_material(tmp_path / "a"), make_tls_material(tmp_path / "b")
    stranger = gateway_client_context(other.gateway / "cert.pem", other.gateway / "cert.key", made.gateway / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(stranger, _server(made))


def test_a_server_of_another_ca_is_refused(tmp_path: Path) -> None:
    """A gateway never sends a score to a server of a foreign CA."""
    made, other = make_tls_material(tmp_path / "a"), make_tls_material(tmp_path / "b")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(_client(made), _server(other))


def test_a_server_certificate_is_no_gateway(tmp_path: Path) -> None:
    """The EKU is checked: the server's own key opens no gateway session."""
    made = make_tls_material(tmp_path)
    wrong = gateway_client_context(made.server / "cert.pem", made.server / "cert.key", made.server / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)purpose"):
        handshake(wrong, _server(made))


def test_a_gateway_certificate_is_no_server(tmp_path: Path) -> None:
    """A stolen box cannot play the server for the other boxes."""
    made = make_tls_material(tmp_path)
    folder = made.gateway
    fake = gateway_server_context(folder / "cert.pem", folder / "cert.key", folder / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)purpose"):
        handshake(_client(made), fake)


def test_the_host_name_is_checked(tmp_path: Path) -> None:
    """The right CA does not make the right server."""
    made = make_tls_material(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        handshake(_client(made), _server(made), host="other.example")


def test_tls_1_2_is_refused_between_our_own_programs(tmp_path: Path) -> None:
    """Old protocol versions are for browsers only."""
    made = make_tls_material(tmp_path)
    old = _client(made)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)unsupported protocol|protocol version"):
        handshake(old, _server(made))


def test_an_expired_server_is_refused_by_a_box_with_a_clock(tmp_path: Path) -> None:
    """With a trusted clock, expiry counts."""
    made = make_tls_material(tmp_path, now=LONG_AGO)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)expired"):
        handshake(_client(made), people_server_context(made.server / "cert.pem", made.server / "cert.key"))


def test_a_box_without_a_clock_reaches_its_server_by_the_pin(tmp_path: Path) -> None:
    """A wrong clock never stops collection (design section 10): the pinned key stands in for the dates."""
    made = make_tls_material(tmp_path, now=LONG_AGO)
    server = people_server_context(made.server / "cert.pem", made.server / "cert.key")
    near, _ = handshake(_client(made, trust_clock=False, pin=_pin(made.server)), server)
    check_pin(near, _pin(made.server))
    check_pin(near, _pin(made.server).upper())
    with pytest.raises(PinMismatch, match="pinned is"):
        check_pin(near, "0" * 64)


def test_without_a_clock_chain_and_host_still_count(tmp_path: Path) -> None:
    """Only the dates are ignored: a foreign CA and a foreign host stay refused, even with the right pin."""
    made, other = make_tls_material(tmp_path / "a"), make_tls_material(tmp_path / "b")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)issuer|self"):
        handshake(_client(made, trust_clock=False, pin=_pin(other.server)), _server(other))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname"):
        handshake(_client(made, trust_clock=False, pin=_pin(made.server)), _server(made), host="other.example")


def test_another_key_of_the_same_ca_fails_inside_the_handshake(tmp_path: Path) -> None:
    """A pin cannot be forgotten by a caller: the handshake itself fails, before a byte of a score leaves."""
    made = make_tls_material(tmp_path)
    pin = _pin(made.server)
    issue_server(made.authority, ["localhost"]).write(tmp_path / "second")
    second = gateway_server_context(
        tmp_path / "second" / "cert.pem", tmp_path / "second" / "cert.key", made.server / "ca.pem"
    )
    handshake(_client(made, pin=pin), _server(made))
    with pytest.raises(PinMismatch):
        handshake(_client(made, pin=pin), second)


async def test_over_a_socket_a_wrong_pin_is_a_failed_connection(tmp_path: Path) -> None:
    """The event loop's own connections obey the pin, and tell it as a certificate error."""
    made = make_tls_material(tmp_path)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=_server(made))
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        good = _client(made, trust_clock=False, pin=_pin(made.server))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=good)
        assert await reader.read() == b"hello"
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=_client(made, pin="0" * 64))


def test_a_shared_key_is_not_served(tmp_path: Path) -> None:
    """A listener with a key that others can read does not start."""
    made = make_tls_material(tmp_path)
    (made.server / "cert.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        _server(made)


def test_missing_or_wrong_files_are_named(tmp_path: Path) -> None:
    """Every start-up refusal names the file."""
    made = make_tls_material(tmp_path)
    key = made.server / "cert.key"
    with pytest.raises(AuthorityError, match=r"none\.pem: no such certificate file"):
        people_server_context(tmp_path / "none.pem", key)
    with pytest.raises(AuthorityError, match="not a certificate and its key"):
        people_server_context(made.gateway / "cert.pem", key)
    with pytest.raises(AuthorityError, match=r"none\.pem: no such CA file"):
        people_client_context(tmp_path / "none.pem")
    with pytest.raises(AuthorityError, match="not a CA certificate in PEM"):
        people_client_context(key)
