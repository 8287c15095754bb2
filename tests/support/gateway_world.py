"""A whole gateway in one process: the real log on disk, rigs and server in memory, and what a test asks of them."""

from __future__ import annotations

import asyncio
import random
import secrets
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from fake_adapter import FakeAdapter
from fake_server_client import FakeServer, FakeServerClient

from certs.keys import create_ed25519
from gateway.app import App, Parts
from gateway.lifecycle import Start
from gateway.notify import Notifier
from gateway.push.identity import identities
from gateway.recording.contentkey import create_content_key
from gateway.recording.freeze import Freezer
from gateway.recording.opening import Opened, open_gateway_log, signer_of
from gateway.recording.readonly import older_generations
from gateway.recording.texts import load_texts
from gateway.reload import read_setup
from gateway.settings.config import Config, parse_config
from gateway.supervising.wires import Wires
from scorelog.format.entry import parse_entry
from scorelog.journal.clock import SystemClock
from scorelog.journal.creation import create_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from device_adapters.contract import Position
    from gateway.settings.config import RigConfig
    from scorelog.format.entry import Entry
    from scorelog.journal.clock import Clock

PROFILE = "kaofen-v1-low-voltage"


def config_text(rigs: Sequence[str], server: FakeServer, *, url: str = "https://127.0.0.1:1", tls: str = "tls") -> str:
    """The settings of a gateway with these rigs; `rigs` are serials, or `serial host port`."""
    head = f"""
[gateway]
id = "gw-01"
domain = "kaofen.example"
data = "data"
[server]
url = "{url}"
ca = "{tls}/ca.pem"
cert = "{tls}/cert.pem"
key = "{tls}/cert.key"
mirror_vkey = "{server.mirror.vkey}"
[local]
listen = "127.0.0.1:0"
[limits]
heartbeat_s = 1
request_timeout_s = 3
backoff_cap_s = 2
stop_grace_s = 2
"""
    blocks = []
    for number, rig in enumerate(rigs, 1):
        serial, host, port = [*rig.split(), "127.0.0.1", "1"][:3]
        blocks.append(
            f'[[rig]]\nserial = "{serial}"\nstation = "A-{number:02d}"\nprofile = "{PROFILE}"\n'
            f'host = "{host}"\nport = {port}\nsource = "simulator"\n'
        )
    return head + "\n".join(blocks)


class World:
    """One box with its rigs and its server. `gateway()` is one run of the process."""

    wired = False

    def __init__(self, folder: Path, rigs: Sequence[str] = ("LV-0001",)) -> None:
        self.folder = folder
        self.server = FakeServer()
        self.config_file = folder / "gateway.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(config_text(rigs, self.server))
        self.config.data.mkdir(parents=True, exist_ok=True)
        create_ed25519(self.config.log_key)
        create_content_key(self.config.content_key)
        create_log(self.config.log_directory, self.config.origin_base, signer_of(self.config))
        self.rigs: dict[str, FakeAdapter] = {rig: FakeAdapter(rig) for rig in rigs}
        self.positions: dict[str, Position | None] = {}
        self.environment: Mapping[str, str] = {}
        self.opened: Opened | None = None
        self.app: App | None = None
        self.exit_code: int | None = None

    def configure(self, text: str) -> None:
        """What the next start reads, and the next reload of a running gateway."""
        self.config_file.write_text(text)
        self.config: Config = parse_config(text.encode(), self.folder)

    @asynccontextmanager
    async def gateway(self, *, stop: bool = True) -> AsyncIterator[App]:
        """Runs until the block ends, then stops in order (or waits for its end, with `stop=False`)."""
        clock = SystemClock()
        self.opened = opened = open_gateway_log(self.config, Freezer(self.config.data), clock)
        wires = self._wires(clock)
        parts = Parts(
            log=opened.log,
            older=older_generations(self.config.log_directory),
            client=FakeServerClient(self.server),
            clock=clock,
            rng=random.Random(1),
            random=secrets.token_bytes,
            adapter=wires.adapter if wires else self._adapter,
            wires=wires,
            notifier=Notifier(self.environment),
            content_key=opened.content_key,
            read_setup=partial(read_setup, self.config_file),
        )
        start = Start(secrets.token_hex(16), "test/1", opened.reason)
        texts = load_texts(self.config)
        app = self.app = App(self.config, texts, parts, start, young_until_us=opened.young_until_us)
        ready = asyncio.Event()
        app.on_ready = lambda _port: ready.set()
        task = asyncio.create_task(app.run())
        try:
            ready_task = asyncio.create_task(ready.wait())
            await asyncio.wait({task, ready_task}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            ready_task.cancel()
            yield app
            if stop and not task.done():
                app.request_stop()
            async with asyncio.timeout(10):
                self.exit_code = await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await opened.log.close()

    def _wires(self, clock: Clock) -> Wires | None:
        """Real lines, where a test has them."""
        return Wires(self.config, load_texts(self.config), {}, clock, identities(self.config)) if self.wired else None

    def _adapter(self, rig: RigConfig, position: Position | None) -> FakeAdapter:
        self.positions[rig.serial] = position
        return self.rigs[rig.serial]

    @property
    def log(self) -> list[bytes]:
        """The entries of the newest run's log."""
        assert self.opened is not None
        return self.opened.log.entries(0, self.opened.log.size)

    @property
    def stored(self) -> list[bytes]:
        """What the server holds of that log."""
        assert self.opened is not None
        return self.server.entries(self.opened.log.origin)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """The server's entries, parsed; of one type, if asked."""
        found = [parse_entry(entry) for entry in self.stored]
        return [entry for entry in found if kind in (None, entry.type)]
