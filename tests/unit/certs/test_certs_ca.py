"""What the CA puts into certificates, and what it refuses to do."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from tls_material import make_tls_material

from certs.ca import create_authority, issue_gateway, issue_server
from certs.errors import AuthorityError, KeyFileError
from certs.limits import BACKDATE, HOSTS_MAX, ISSUING_DAYS, LEAF_DAYS_MAX

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def _chain(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def test_every_certificate_carries_what_strict_verifiers_ask_for(tmp_path: Path) -> None:
    """SKI, AKI, keyUsage on all; EKU and SAN on leaves; path lengths on CAs (Python 3.13 refuses less)."""
    made = make_tls_material(tmp_path)
    leaf, issuing = _chain(made.server / "cert.pem")
    root = _chain(made.authority / "root.pem")[0]
    for certificate in (leaf, issuing, root):
        for extension in (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.KeyUsage):
            certificate.extensions.get_extension_for_class(extension)
    assert [c.extensions.get_extension_for_class(x509.BasicConstraints).value for c in (leaf, issuing, root)] == [
        x509.BasicConstraints(ca=False, path_length=None),
        x509.BasicConstraints(ca=True, path_length=0),
        x509.BasicConstraints(ca=True, path_length=1),
    ]


@pytest.mark.parametrize(
    ("side", "use"),
    [("server", ExtendedKeyUsageOID.SERVER_AUTH), ("gateway", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_a_leaf_has_one_use(tmp_path: Path, side: str, use: x509.ObjectIdentifier) -> None:
    """A stolen gateway key is no server, and a server key is no gateway."""
    leaf = _chain(getattr(make_tls_material(tmp_path), side) / "cert.pem")[0]
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [use]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


def test_issuing_needs_no_root_key(tmp_path: Path) -> None:
    """The root stays offline: with root.key gone the issuing CA works on."""
    create_authority(tmp_path / "ca")
    (tmp_path / "ca" / "root.key").unlink()
    issue_server(tmp_path / "ca", ["localhost"])
    issue_gateway(tmp_path / "ca", "kaofen.example", "gw-01")


def test_a_ca_is_made_once(tmp_path: Path) -> None:
    """A second `init` in the same folder changes nothing."""
    create_authority(tmp_path / "ca")
    before = {path.name: path.read_bytes() for path in (tmp_path / "ca").iterdir()}
    with pytest.raises(AuthorityError, match="a CA is made once"):
        create_authority(tmp_path / "ca")
    assert {path.name: path.read_bytes() for path in (tmp_path / "ca").iterdir()} == before


def test_private_files_are_private(tmp_path: Path) -> None:
    """Every key 0600, the CA's folder 0700."""
    made = make_tls_material(tmp_path)
    keys = [*tmp_path.rglob("*.key")]
    assert len(keys) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert stat.S_IMODE(made.authority.stat().st_mode) == 0o700


def test_a_certificate_is_not_written_over_a_key(tmp_path: Path) -> None:
    """A refused write leaves the old pair as it was: a key never stands beside another key's certificate."""
    made = make_tls_material(tmp_path)
    before = (made.server / "cert.pem").read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        issue_server(made.authority, ["localhost"]).write(made.server)
    assert (made.server / "cert.pem").read_bytes() == before


def test_validity_is_what_was_asked_and_begins_a_little_earlier(tmp_path: Path) -> None:
    """A box that runs up to an hour late accepts a certificate made just now."""
    create_authority(tmp_path, now=NOW)
    leaf = x509.load_pem_x509_certificates(issue_gateway(tmp_path, "kaofen.example", "gw-01", 30, now=NOW).cert)[0]
    assert leaf.not_valid_before_utc == NOW - BACKDATE
    assert leaf.not_valid_after_utc == NOW + timedelta(days=30)


@pytest.mark.parametrize("days", [1, LEAF_DAYS_MAX])
def test_lives_at_the_limits_are_issued(tmp_path: Path, days: int) -> None:
    """1 and LEAF_DAYS_MAX days are in."""
    create_authority(tmp_path)
    issue_server(tmp_path, ["localhost"], days)


@pytest.mark.parametrize("days", [0, -1, LEAF_DAYS_MAX + 1])
def test_lives_beyond_the_limits_are_refused(tmp_path: Path, days: int) -> None:
    """0 and one more than LEAF_DAYS_MAX are out."""
    create_authority(tmp_path)
    with pytest.raises(AuthorityError, match=f"{days} days given"):
        issue_server(tmp_path, ["localhost"], days)


def test_no_leaf_outlives_its_issuer(tmp_path: Path) -> None:
    """A chain that would break one day at an exam point is refused on the day it is asked for."""
    create_authority(tmp_path, now=NOW)
    late = NOW + timedelta(days=ISSUING_DAYS - 10)
    issue_gateway(tmp_path, "kaofen.example", "gw-01", 10, now=late)
    with pytest.raises(AuthorityError, match=r"issuing\.pem: expires before"):
        issue_gateway(tmp_path, "kaofen.example", "gw-01", 11, now=late)


@pytest.mark.parametrize("host", ["", "a b", "https://x.example", "x.example:8443", "考分.example", "me@x.example"])
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    """A URL, a port or a space in place of a host would make a certificate that never matches."""
    create_authority(tmp_path)
    with pytest.raises(AuthorityError, match="expected a host name or an IP address"):
        issue_server(tmp_path, [host])


def test_the_number_of_hosts_is_limited(tmp_path: Path) -> None:
    """HOSTS_MAX names are in; none and one more are out."""
    create_authority(tmp_path)
    hosts = [f"h{n}.example" for n in range(HOSTS_MAX + 1)]
    issue_server(tmp_path, hosts[:HOSTS_MAX])
    for wrong in ([], hosts):
        with pytest.raises(AuthorityError, match="host names given"):
            issue_server(tmp_path, wrong)


def test_a_foreign_issuing_key_is_refused(tmp_path: Path) -> None:
    """A mixed-up folder must not sign certificates that nobody can verify."""
    create_authority(tmp_path / "a")
    create_authority(tmp_path / "b")
    (tmp_path / "a" / "issuing.key").write_bytes((tmp_path / "b" / "issuing.key").read_bytes())
    with pytest.raises(AuthorityError, match=r"issuing\.key is not the key of issuing\.pem"):
        issue_server(tmp_path / "a", ["localhost"])


def test_a_missing_ca_is_named_with_its_remedy(tmp_path: Path) -> None:
    """The message says which file is missing and which command makes it."""
    with pytest.raises(AuthorityError, match=r"issuing\.pem: not there; make the CA with: kaofen-certs init"):
        issue_server(tmp_path, ["localhost"])


def test_the_chain_file_is_issuing_then_root(tmp_path: Path) -> None:
    """chain.pem is what an auditor is handed; OpenSSL reads it leaf-ward first."""
    create_authority(tmp_path)
    subjects = [c.subject.rfc4514_string() for c in _chain(tmp_path / "chain.pem")]
    assert subjects == ["CN=Kaofen issuing CA", "CN=Kaofen root CA"]
    ssl.create_default_context(cafile=str(tmp_path / "root.pem"))
