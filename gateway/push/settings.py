"""A `[[push]]` of the settings: where the gateway listens for rigs that push, checked in words. No IO; docs/gateway.md.

Owns: the rule that without TLS it listens on this machine, or in a network that the installer wrote down.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.settings.config import RigConfig

_SERIAL: Final = re.compile(r"[A-Za-z0-9._~-]{1,16}\Z")
_PORT_MAX: Final = 65_535
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class PushConfig:
    """One listener. `networks` empty: from anywhere (with TLS), or from this machine (without)."""

    id: str
    host: str
    port: int
    certificate: Path | None
    key: Path | None
    networks: tuple[Network, ...]

    def admits(self, address: str) -> bool:
        """Whether a connection may come from there."""
        try:
            there = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(there, ipaddress.IPv6Address) and there.ipv4_mapped is not None:
            there = there.ipv4_mapped
        if there.is_loopback:
            return True
        return any(there in network for network in self.networks) or (
            not self.networks and self.certificate is not None
        )


def push_of(table: Mapping[str, Any], label: str, base: Path) -> PushConfig:
    """From checked values. Raises ConfigError that names the key and what would be right."""
    if bool(table["certificate"]) != bool(table["key"]):
        raise ConfigError(f"{label} certificate and key belong together")
    host, port = _place(table["listen"], f"{label} listen")
    networks = tuple(_network(each, f"{label} networks") for each in table["networks"])
    made = PushConfig(
        id=table["id"],
        host=host,
        port=port,
        certificate=base / table["certificate"] if table["certificate"] else None,
        key=base / table["key"] if table["key"] else None,
        networks=networks,
    )
    address = ipaddress.ip_address(host)
    if made.certificate is None and not address.is_loopback and not any(address in each for each in networks):
        raise ConfigError(
            f"{label} listen is {table['listen']!r} without certificate and key: everybody on the line could read what "
            "the rigs say. Give a certificate, listen on 127.0.0.1, or write the rigs' own network into networks, with "
            "this address in it"
        )
    return made


def check_push_rig(rig: RigConfig, given: Mapping[str, Any], label: str, pushes: set[str]) -> None:
    """What a rig with `push` must have, and must not. Raises ConfigError."""
    for name in ("host", "port", "unit", "bus", "broker"):
        if name in given:
            raise ConfigError(f"{label} {name}: a rig with push comes by itself; take {name} out")
    if rig.push not in pushes:
        known = ", ".join(sorted(pushes)) or "none"
        raise ConfigError(f"{label} push {rig.push!r}: there is no such [[push]]; known: {known}")
    if not rig.secret_file:
        raise ConfigError(f"{label} secret_file is missing; without it anybody could push for this rig")
    if not _SERIAL.match(rig.serial):
        raise ConfigError(f"{label} serial is {rig.serial!r}; over HTTP 1-16 of A-Z a-z 0-9 . _ ~ -")


def _place(text: str, label: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.strip("[]")), int(port)
    except ValueError:
        raise ConfigError(f"{label} is {text!r}; an address and a port, as 192.168.10.1:8441 or [::1]:8441") from None
    if not 0 <= number <= _PORT_MAX:
        raise ConfigError(f"{label}: port {number} is no port")
    return str(address), number


def _network(text: object, label: str) -> Network:
    if isinstance(text, str):
        with suppress(ValueError):
            return ipaddress.ip_network(text)
    raise ConfigError(f"{label} has {text!r}; a list of networks as 192.168.10.0/24")
