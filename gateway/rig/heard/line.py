"""Which broker, as an integrator writes it, and who we are there: a client of its own that leaves nothing behind.

Owns: the rule that a tool never comes under a gateway's name: the broker would close the gateway's connection, and
throw away what waits for it. Raises ConfigError that says what would be right.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigError
from gateway.rig.heard.ear import listening
from gateway.rig.limits import PORT_MAX
from gateway.settings.config import broker_of
from gateway.supervising.brokers import account

if TYPE_CHECKING:
    from device_adapters.mqtt.connection import Account
    from gateway.rig.heard.ear import Opener

PORT, PORT_TLS = 1883, 8883
_GATEWAY: Final = "kaofen-gw-"
_HERE: Final = Path()


@dataclass(frozen=True, slots=True)
class Line:
    """The options of a tool: the same as those of a gateway's `[[broker]]`."""

    place: str
    protocol: str = "5"
    ca: str = ""
    certificate: str = ""
    key: str = ""
    username: str = ""
    password_file: str = ""
    client_id: str = ""

    def opener(self) -> Opener:
        """How to hear what comes there. Raises ConfigError."""
        account = self.account()
        return lambda hearer, clock: listening(account, hearer, clock)

    def account(self) -> Account:
        """Reads the identity files. Raises ConfigError."""
        host, port = _place(self.place, PORT_TLS if self.ca else PORT)
        given = {
            "id": "tool",
            "host": host,
            "port": port,
            "protocol": self.protocol,
            "ca": self.ca,
            "certificate": self.certificate,
            "key": self.key,
            "username": self.username,
            "password_file": self.password_file,
        }
        found = account(broker_of(given, "--broker", _HERE), "")
        name = self.client_id or self.username or (_name_in(Path(self.certificate)) if self.certificate else "")
        for one in (self.client_id, self.username, name):
            if one.startswith(_GATEWAY):
                raise ConfigError(
                    f"{one} is a gateway's own name: the broker would close its connection and forget what waits for "
                    "it. Give the tool a name of its own that may read the rig's topics (docs/rig-tools.md)"
                )
        return replace(found, client_id=name or f"kaofen-tool-{secrets.token_hex(4)}", clean=True)


def _place(text: str, port: int) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, `[IPv6]:PORT`."""
    host, colon, number = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], port
    if not colon:
        return text, port
    if not number.isdecimal() or not 0 < int(number) <= PORT_MAX or not host:
        raise ConfigError(f"--broker {text!r}: HOST or HOST:PORT, such as 192.168.1.5:8883")
    return host.strip("[]"), int(number)


def _name_in(path: Path) -> str:
    """What the broker will call the owner of this certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--certificate {path}: {getattr(error, 'strerror', None) or error}") from None
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
