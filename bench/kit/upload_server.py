"""The real server as a process with many enrolled gateways, and a measured load on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service import ROOT, Service, WorldError, command

from certs.ca import create_authority, issue_gateway, issue_server
from kit.cpu import Span
from kit.uploads import DOMAIN
from server.config import read_config
from server.evidence.store import Gateway
from server.opened import opened_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kit.uploads import Uploads

KIT: Final = Path(__file__).parent
READY_S: Final = 60


class UploadServer:
    """One `kaofen-server run` in a folder, over SQLite or the PostgreSQL database at a URL."""

    def __init__(self, folder: Path, database: str = "") -> None:
        self.folder = folder
        self.ports: dict[str, int] = {}
        self.tls, self._authority = folder / "tls", folder / "ca"
        self.config = folder / "server" / "server.toml"
        create_authority(self._authority)
        issue_server(self._authority, ("localhost", "127.0.0.1")).write(self.tls)
        command(
            "kaofen-server", "init", self.config.parent, "--domain", DOMAIN, "--host", "127.0.0.1", "--tls", self.tls,
            "--gateway-port", "0", "--people-port", "0", "--local", "127.0.0.1:0", "--database", database,
        )  # fmt: skip
        self.service = Service("server", ("kaofen-server", "run", str(self.config)), folder / "server.log")

    def enrol(self, uploads: Sequence[Uploads]) -> None:
        """As `kaofen-server gateway add` and `kaofen-certs gateway` do, many at once."""

        async def add() -> None:
            async with opened_registry(read_config(self.config)) as registry:
                for each in uploads:
                    await registry.add_gateway(Gateway(each.gateway_id, each.public_key))

        asyncio.run(add())
        for each in uploads:
            issue_gateway(self._authority, DOMAIN, each.gateway_id).write(self.folder / each.gateway_id)

    @property
    def pid(self) -> int:
        """Of the running process."""
        return _process(self.service).pid

    def start(self) -> None:
        """Until it says that it is ready."""
        self.ports = ports_of(self.service)

    def metrics(self) -> dict[str, float]:
        """Its own figures, without their prefix."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['local']}/metrics", timeout=20) as answer:
            lines = [each.split() for each in answer.read().decode().splitlines() if not each.startswith("#")]
        return {name.removeprefix("kaofen_server_"): float(value) for name, value in lines}

    def load(self, uploads: Sequence[Uploads], seconds: float) -> Loaded:
        """Send them for so long, each gateway over its own connection."""
        return send(self.folder, self.ports["gateways"], self.pid, uploads, seconds)


def ports_of(service: Service) -> dict[str, int]:
    """Start it; the ports of its line `ready name=port ...`."""
    service.log.unlink(missing_ok=True)
    service.start()
    for _ in range(READY_S * 20):
        ready = next((line for line in service.log.read_text().splitlines() if line.startswith("ready ")), None)
        if ready is not None:
            return {name: int(port) for name, _, port in (word.partition("=") for word in ready.split()[1:])}
        if not service.running():
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            _process(service).wait(0.05)
    raise WorldError(f"{service.name} did not start\n{service.tail()}")


class Loaded:
    """What one load did, and what the measured process used meanwhile."""

    def __init__(self, answer: dict[str, Any], span: Span, sender: Span) -> None:
        self.uploads = int(answer["uploads"])
        self.seconds = float(answer["seconds"])
        self.sent_away = int(answer["sent_away"])
        self.latencies: list[float] = answer["latencies"]
        self.span = span
        self.sender = sender

    @property
    def rate(self) -> float:
        """Uploads per second."""
        return self.uploads / self.seconds

    @property
    def cpu_us(self) -> float:
        """Of the measured process, per upload."""
        return self.span.cpu_us(self.uploads)


def send(folder: Path, port: int, pid: int, uploads: Sequence[Uploads], seconds: float) -> Loaded:
    """Run the load generator against a port, watching the process that listens there."""
    spec = folder / "load.json"
    gateways = [
        {"folder": str(folder / each.gateway_id), "requests": str(folder / f"{each.gateway_id}.requests")}
        for each in uploads
    ]
    spec.write_text(json.dumps({"port": port, "seconds": seconds, "gateways": gateways}))
    words = [sys.executable, str(KIT / "upload_load.py"), str(spec)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            _expect(process, "begin")
            span, sender = Span.begin((pid,)), Span.begin((process.pid,))
            _expect(process, "end")
            span.end(), sender.end()
            answer = json.loads(_line(process))
        finally:
            process.kill()
    if trouble := answer.get("trouble"):
        raise WorldError(f"an upload was not stored: {trouble}")
    return Loaded(answer, span, sender)


def _expect(process: subprocess.Popen[str], word: str) -> None:
    line = _line(process).strip()
    if line != word:
        raise WorldError(f"the load generator says {line!r}, expected {word!r}")


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout else ""


def _process(service: Service) -> subprocess.Popen[bytes]:
    if service.process is None:
        raise WorldError(f"{service.name} does not run")
    return service.process


@contextlib.contextmanager
def served(folder: Path, uploads: Sequence[Uploads], database: str = "") -> Iterator[UploadServer]:
    """A running server that knows these gateways; stopped afterwards."""
    made = UploadServer(folder, database)
    for each in uploads:
        each.write(folder)
    made.enrol(uploads)
    made.start()
    try:
        yield made
    finally:
        made.service.stop()


@contextlib.contextmanager
def noop_served(folder: Path, tls: Path) -> Iterator[tuple[int, int]]:
    """(port, pid) of a listener on the same TLS stack whose handler does nothing."""
    service = Service("noop", ("python", str(KIT / "noop_listener.py"), str(tls)), folder / "noop.log")
    ports = ports_of(service)
    try:
        yield ports["gateways"], _process(service).pid
    finally:
        service.stop()
