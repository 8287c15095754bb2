"""Where rigs push to and how they show who they are: an address, the rigs' secrets, the CA of the listener.

Owns: reading these files once, with words for people when something is wrong.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simulators.errors import InputError
from simulators.push.signing import Secret

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Desk:
    """One listener of a gateway, for all rigs of a fleet."""

    host: str
    port: int
    secrets: Path  # lines of serial:secret
    ca: Path | None = None
    signed: bool = True
    secure: bool = False

    @property
    def place(self) -> str:
        """For people and ready.json."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"

    def secret(self, serial: str) -> Secret:
        """The rig's own."""
        try:
            lines = self.secrets.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--push-secrets {self.secrets}: cannot be read ({error})") from None
        for line in lines:
            name, colon, text = line.partition(":")
            if colon and name == serial:
                return Secret(serial, text, self.signed)
        raise InputError(f"--push-secrets {self.secrets}: no line {serial}:…")

    def tls(self) -> ssl.SSLContext | None:
        """None for http."""
        if not self.secure:
            return None
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"--push-ca {self.ca}: {error}") from error


def parse_desk(url: str, secrets: Path | None, ca: Path | None = None, *, signed: bool = True) -> Desk:
    """`http://HOST:PORT` of the command line."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
        raise InputError(f"--push {url!r}: expected http://HOST:PORT or https://HOST:PORT")
    if secrets is None:
        raise InputError("--push needs --push-secrets: a file with lines of SERIAL:SECRET")
    return Desk(host, port, secrets, ca, signed, parts.scheme == "https")
