"""TLS material made at test time, and a handshake in memory: two real TLS stacks, no socket, no clock."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certs.ca import create_authority, issue_gateway, issue_server

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """Folders of one CA, one server (localhost, 127.0.0.1) and one gateway, each with cert.pem, cert.key, ca.pem."""

    authority: Path
    server: Path
    gateway: Path


def make_tls_material(
    folder: Path,
    *,
    domain: str = "kaofen.example",
    gateway_id: str = "gw-01",
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
    now: datetime | None = None,
) -> TlsMaterial:
    """A fresh CA and one certificate for each side."""
    made = TlsMaterial(folder / "ca", folder / "server", folder / "gateway")
    create_authority(made.authority, now=now)
    issue_server(made.authority, hosts, now=now).write(made.server)
    issue_gateway(made.authority, domain, gateway_id, now=now).write(made.gateway)
    return made


def handshake(
    client: ssl.SSLContext, server: ssl.SSLContext, *, host: str = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Run one handshake to its end and one byte each way; raises what either side raises.

    The byte matters: in TLS 1.3 a client learns only from its first read that its certificate was refused.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [near, far]
    for _ in range(20):
        pending = [side for side in pending if not _finished(side)]
        if not pending:
            break
    else:
        raise AssertionError("handshake did not end")
    far.write(b"s")
    assert near.read(1) == b"s"
    near.write(b"c")
    assert far.read(1) == b"c"
    return near, far


def _finished(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
