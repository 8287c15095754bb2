"""What every simulated world is made from, made once per process: keys, certificates, an empty server, empty boxes."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dst_disk import copied
from gateway_world import PROFILE

from certs.ca import create_authority, issue_gateway
from certs.keys import create_ed25519, load_ed25519
from gateway.recording.contentkey import create_content_key, load_content_key
from gateway.recording.opening import signer_of
from gateway.recording.texts import load_texts
from gateway.settings.config import parse_config
from scorelog.format.cosignature import CosignatureSigner
from scorelog.journal.clock import SystemClock
from scorelog.journal.creation import create_log
from scorelog.journal.sqlite import open_log
from server.evidence.database import create, open_evidence, open_registry
from server.evidence.seal import Sealer
from server.evidence.sql import SqlEntryStore
from server.evidence.store import Gateway
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from gateway.recording.texts import Texts
    from gateway.settings.config import Config

MESSAGES = "kaofen-interface-v1-mqtt"
DOMAIN = "kaofen.example"
GATEWAYS = ("gw-01", "gw-02", "gw-03")
RIGS_PER_GATEWAY = 2
PROJECTIONS = "projections.db"
_MIRROR = Ed25519PrivateKey.from_private_bytes(bytes(range(50, 82)))
_WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(90, 122)))
MIRROR = CosignatureSigner("mirror.example", _MIRROR)
WITNESS = CosignatureSigner("witness.example", _WITNESS)
SEALER = Sealer.of(_MIRROR)


@dataclass(frozen=True, slots=True)
class BoxParts:
    """One gateway as it left the installer's hands."""

    gateway_id: str
    folder: Path
    config: Config
    texts: Texts
    certificate: bytes
    content_key: bytes = field(repr=False)

    def at(self, folder: Path) -> Config:
        """The settings of the same box with its disk in another folder."""
        data = folder / "data"
        state, log_key, content_key = data / "state.json", data / "log.key", data / "content.key"
        return replace(self.config, data=data, state_file=state, log_key=log_key, content_key=content_key)


@dataclass(frozen=True, slots=True)
class SimParts:
    """All of it. `folder` is where worlds live: in memory, where the machine has such a place."""

    folder: Path
    server: Path
    boxes: tuple[BoxParts, ...]


def serials(gateway_id: str) -> tuple[str, ...]:
    """The rigs of one gateway."""
    return tuple(f"LV-{gateway_id[-2:]}{number:02d}" for number in range(1, RIGS_PER_GATEWAY + 1))


@cache
def sim_parts() -> SimParts:
    """Made at the first call; the folder goes with the process."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own in it, by mkdtemp
    holder = tempfile.TemporaryDirectory(prefix="kaofen-dst-", dir=memory if memory.is_dir() else None)
    _HELD.append(holder)
    folder = Path(holder.name)
    create_authority(folder / "ca")
    boxes = tuple(_box(folder, gateway_id) for gateway_id in GATEWAYS)
    (folder / "server").mkdir()
    create(folder / "server")
    asyncio.run(_enrolled(folder / "server", boxes))
    return SimParts(folder, folder / "server", boxes)


_HELD: list[tempfile.TemporaryDirectory[str]] = []


def _box(folder: Path, gateway_id: str) -> BoxParts:
    base = folder / gateway_id
    (base / "data").mkdir(parents=True)
    issue_gateway(folder / "ca", DOMAIN, gateway_id).write(base / "tls")
    config = parse_config(_settings(gateway_id).encode(), base)
    create_ed25519(config.log_key)
    create_content_key(config.content_key)
    create_log(config.log_directory, config.origin_base, signer_of(config))
    asyncio.run(_reserved(config))
    der = ssl.PEM_cert_to_DER_cert((base / "tls" / "cert.pem").read_text().partition("-----END")[0] + _END)
    image = folder / f"{gateway_id}-image"
    image.mkdir()
    copied(base / "data", image / "data")
    return BoxParts(gateway_id, image, config, load_texts(config), der, load_content_key(config.content_key))


_END = "-----END CERTIFICATE-----\n"


async def _reserved(config: Config) -> None:
    """Opened once, so that the reserve file is there: worlds share its 32 MiB by links."""
    await open_log(config.log_directory, signer_of(config), SystemClock(), config.state_file).close()


def _settings(gateway_id: str) -> str:
    head = f"""
[gateway]
id = "{gateway_id}"
domain = "{DOMAIN}"
data = "data"
[server]
url = "https://server.example"
ca = "tls/ca.pem"
cert = "tls/cert.pem"
key = "tls/cert.key"
mirror_vkey = "{MIRROR.vkey}"
[local]
listen = "127.0.0.1:0"
[limits]
heartbeat_s = 10
request_timeout_s = 3
backoff_cap_s = 4
stop_grace_s = 2
"""
    blocks = [
        f'[[rig]]\nserial = "{serial}"\nstation = "A-{number:02d}"\n{_wire(number)}'
        for number, serial in enumerate(serials(gateway_id), 1)
    ]
    return head + '[[broker]]\nid = "main"\nhost = "broker.example"\n' + "\n".join(blocks)


def _wire(number: int) -> str:
    """The first rig of a box has registers, the second one sends messages."""
    return (
        f'profile = "{PROFILE}"\nhost = "127.0.0.1"\n' if number % 2 else f'profile = "{MESSAGES}"\nbroker = "main"\n'
    )


async def _enrolled(folder: Path, boxes: tuple[BoxParts, ...]) -> None:
    evidence, registry = open_evidence(folder), open_registry(folder)
    store = SqlEntryStore(evidence, registry, SystemClock(), SEALER)
    for box in boxes:
        key = load_ed25519(box.config.log_key).public_key().public_bytes_raw()
        await store.add_gateway(Gateway(box.gateway_id, key))
    await store.close()
    await (await ProjectionStore.open(folder / PROJECTIONS)).close()
