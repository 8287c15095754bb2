"""The four TLS contexts of the product. TLS 1.3 between our own programs, strict X.509 everywhere.

Owns which certificates are asked for, which checks run and when the clock may be ignored. Never opens a socket.

A box whose clock is untrusted (1970 after a flat battery) must still deliver scores: `trust_clock=False` turns off the
validity dates only, never the chain or the host name, and in their place the server's key must be the pinned one.
Keep the returned context: `load_cert_chain` on it rotates the certificate for new connections without a restart.
"""

from __future__ import annotations

import hmac
import ssl
from typing import TYPE_CHECKING, Final

from certs.errors import AuthorityError, PinMismatch
from certs.identity import key_pin
from certs.keys import refuse_shared

if TYPE_CHECKING:
    from pathlib import Path

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME; Python has no name for it.
_NO_CHECK_TIME: Final = 0x200000


def gateway_client_context(
    cert: Path, key: Path, ca: Path, *, trust_clock: bool = True, pin: str | None = None
) -> ssl.SSLContext:
    """A gateway that calls its server.

    With `pin` (of `kaofen-certs show`) the server's key is compared inside the handshake, before a byte is sent. A
    caller that passes `trust_clock=False` without `pin` must call `check_pin` itself on every connection.
    """
    context = _client_context(ca, ssl.TLSVersion.TLSv1_3)
    _load_own(context, cert, key)
    if not trust_clock:
        context.verify_flags |= _NO_CHECK_TIME
    if pin is not None:
        context.sslobject_class = _pinned(pin)
    return context


def gateway_server_context(cert: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """The listener for gateways: no certificate, no handshake."""
    context = _server_context(cert, key, ssl.TLSVersion.TLSv1_3)
    _load_trusted(context, client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # a resumed session would skip the chain check of a certificate that expired meanwhile
    return context


def people_server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """The listener for browsers, some of them on old office machines: TLS 1.2 or newer, no client certificate."""
    return _server_context(cert, key, ssl.TLSVersion.TLSv1_2)


def people_client_context(ca: Path) -> ssl.SSLContext:
    """A tool or test that reads the people's listener and trusts only our root."""
    return _client_context(ca, ssl.TLSVersion.TLSv1_2)


def check_pin(ssl_object: ssl.SSLObject | ssl.SSLSocket, pin_sha256: str) -> None:
    """Raise PinMismatch unless the peer's public key is the pinned one."""
    der = ssl_object.getpeercert(binary_form=True)
    if der is None:
        raise PinMismatch("the server sent no certificate, expected the pinned key")
    found = key_pin(der)
    if not hmac.compare_digest(found, pin_sha256.lower()):
        raise PinMismatch(f"the server's key is {found}, pinned is {pin_sha256}")


def _pinned(pin_sha256: str) -> type[ssl.SSLObject]:
    class PinnedSSLObject(ssl.SSLObject):
        """asyncio makes its TLS connections of this class, so no caller can forget the comparison."""

        def do_handshake(self) -> None:
            super().do_handshake()
            check_pin(self, pin_sha256)

    return PinnedSSLObject


def _client_context(ca: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = version
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _load_trusted(context, ca)
    return context


def _server_context(cert: Path, key: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = version
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _load_own(context, cert, key)
    return context


def _load_own(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    refuse_shared(key)
    try:
        context.load_cert_chain(cert, key)
    except FileNotFoundError as error:
        raise AuthorityError(f"{cert}: no such certificate file") from error
    except ssl.SSLError as error:
        raise AuthorityError(f"{cert}, {key}: not a certificate and its key in PEM ({error.reason})") from error


def _load_trusted(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except FileNotFoundError as error:
        raise AuthorityError(f"{ca}: no such CA file") from error
    except ssl.SSLError as error:
        raise AuthorityError(f"{ca}: not a CA certificate in PEM ({error.reason})") from error
