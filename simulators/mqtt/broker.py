"""Where the broker is and how a rig shows it who it is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_PORT_LAST = 65_535
_PORT_DIGITS = 5
PROTOCOLS = ("5", "3.1.1")


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker for all rigs of a fleet. A rig's user name is its serial, as in deploy/mosquitto."""

    host: str
    port: int
    protocol: str = "5"
    ca: Path | None = None  # TLS, trusting this CA only
    passwords: Path | None = field(default=None, repr=False)  # lines of serial:password
    certificates: Path | None = None  # <folder>/<serial>/cert.pem and cert.key

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InputError(f"--broker-protocol {self.protocol}: {' or '.join(PROTOCOLS)}")
        if self.certificates is not None and self.ca is None:
            raise InputError("--broker-certificates needs --broker-ca: a certificate is shown inside TLS")

    @property
    def place(self) -> str:
        """For people and ready.json."""
        return f"{self.host}:{self.port}"

    def password(self, serial: str) -> str | None:
        """The rig's own, None when the broker asks for none."""
        if self.passwords is None:
            return None
        try:
            lines = self.passwords.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--broker-passwords {self.passwords}: cannot be read ({error})") from None
        for line in lines:
            name, colon, password = line.partition(":")
            if colon and name == serial:
                return password
        raise InputError(f"--broker-passwords {self.passwords}: no line {serial}:…")

    def tls(self, serial: str) -> ssl.SSLContext | None:
        """The rig's context, None without TLS."""
        if self.ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            if self.certificates is not None:
                folder = self.certificates / serial
                context.load_cert_chain(folder / "cert.pem", folder / "cert.key")
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"TLS material of {serial} ({self.ca}, {self.certificates}): {error}") from error
        return context


def parse_broker(text: str, protocol: str = "5", **more: Path | None) -> Broker:
    """`HOST:PORT` of the command line."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or len(port) > _PORT_DIGITS or not 0 < int(port) <= _PORT_LAST:
        raise InputError(f"--broker {text}: expected HOST:PORT, such as 127.0.0.1:1883")
    return Broker(host, int(port), protocol, **more)
