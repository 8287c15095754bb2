"""Killing a whole way at once: log, uploader and a server's ingest with its evidence store, in one forked process.

A zygote like `log_crash`, whose lives also tell

    receipt <size>                        the uploader's position moved

What a gateway and its server know after a common death must agree: nothing receipted is missing at the server, and
the server never holds what the gateway's log does not.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from log_crash import ROOM, WAL_BYTES, Oracle, Round, Tell, serve, tell_root
from log_entries import key_of, opening, scored
from log_harness import ORIGIN_BASE, new_log, signer_for
from sample_uploads import DOMAIN
from server_bench import MIRROR_VERIFIER, SEALER, ask, bench
from tls_material import make_tls_material

from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.transport import UploadAnswer
from gateway.sending.uploader import Uploader
from scorelog.format.keys import Ed25519Verifier, parse_vkey
from scorelog.journal.clock import SystemClock
from scorelog.journal.sqlite import open_log
from server.evidence.database import create, open_evidence, open_registry
from server.evidence.sql import SqlEntryStore
from server.evidence.store import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server_bench import Bench

    from scorelog.journal.log import SqliteLog

GATEWAY = "gw-01"
ORIGIN = f"{ORIGIN_BASE}/0"
CERTIFICATE = "gateway.der"
UPLOAD = "/gateway/v1/upload"


class Direct:
    """The gateway's client seam over the server's own application, without a wire between them."""

    def __init__(self, server: Bench, der: bytes) -> None:
        self._server = server
        self._der = der

    async def upload(self, body: bytes) -> UploadAnswer:
        headers = ((b"content-length", b"%d" % len(body)),)
        status, said, answer = await ask(self._server.app, "POST", UPLOAD, body, der=self._der, headers=headers)
        wait = said.get(b"retry-after")
        return UploadAnswer(status, answer, None if wait is None else float(wait))

    async def checkpoint(self, origin: str) -> bytes | None:
        state = await self._server.store.log(origin)
        return None if state is None else state.cosigned


def open_store(folder: Path) -> SqlEntryStore:
    return SqlEntryStore(open_evidence(folder), open_registry(folder), SystemClock(), SEALER)


@asynccontextmanager
async def both(life: Round, tell: Tell) -> AsyncIterator[tuple[SqliteLog, Uploader]]:
    """Both ends of the way, running."""
    home = Path(life.directory)
    log = open_log(home / "log", signer_for, SystemClock(), home / "state", room=ROOM, wal_bytes=WAL_BYTES)
    async with bench(open_store(home / "server"), SystemClock()) as server:
        uploader = Uploader(
            log,
            Direct(server, (home / CERTIFICATE).read_bytes()),  # type: ignore[arg-type]  # it needs no more of the seam
            MIRROR_VERIFIER,
            clock=SystemClock(),
            rng=random.Random(life.first_seq),
            freezer=Freezer(home),
            meters=Meters(),
            backoff_cap_s=0.05,
        )
        tasks = [asyncio.create_task(work) for work in (uploader.run(), uploader.watch_log(), _listen(uploader, tell))]
        try:
            yield log, uploader
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    await log.close()


async def _listen(uploader: Uploader, tell: Tell) -> None:
    """Tells each size that the gateway believes to be receipted."""
    told = 0
    while True:
        receipted = uploader.position
        if receipted != told:
            told = receipted
            tell(f"receipt {told}")
        await asyncio.sleep(0.0005)


async def _way(life: Round, tell: Tell) -> None:
    async with both(life, tell) as (log, uploader):
        tell_root(log.checkpoint(), tell)
        for seq in range(life.first_seq, life.first_seq + life.appends):
            request = scored(key_of(seq, rig="LV-0"), note=str(seq), openings=[opening("ticket", f"T-{seq}")])
            answer = await log.append(request.build, request.key, request.content, request.openings)
            tell(f"ack {answer.index} {answer.leaf.hex()} 0 {seq}")
            tell_root(log.checkpoint(), tell)
        async with asyncio.timeout(life.patience_s):
            while not uploader.done:
                await asyncio.sleep(0.001)
        tell(f"receipt {uploader.position}")


@dataclass(slots=True)
class WayOracle(Oracle):
    """Both ends after a common death."""

    receipted: int = 0

    def start(self) -> WayOracle:
        """A log, an empty server that knows its gateway, and the gateway's certificate."""
        new_log(self.directory)
        made = make_tls_material(self.directory / "tls", domain=DOMAIN)
        pem = (made.gateway / "cert.pem").read_text().split("-----END CERTIFICATE-----")[0]
        (self.directory / CERTIFICATE).write_bytes(ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----\n"))
        (self.directory / "server").mkdir()
        create(self.directory / "server")
        asyncio.run(self._enrol())
        return self

    async def _enrol(self) -> None:
        key = parse_vkey(signer_for(ORIGIN).vkey)
        assert isinstance(key, Ed25519Verifier)
        store = open_store(self.directory / "server")
        await store.add_gateway(Gateway(GATEWAY, key.public_key))
        await store.close()

    def heard(self, word: str, rest: list[str]) -> None:
        if word == "receipt":
            self.receipted = max(self.receipted, int(rest[0]))
        else:
            Oracle.heard(self, word, rest)

    def look_at_both(self) -> tuple[int, int]:
        """The sizes of both ends; what is receipted is at the server, and it holds nothing but the log."""
        size = self.look()
        held = asyncio.run(self._held())
        assert held == self.entries[: len(held)], "the server holds what the log does not"
        assert len(held) >= self.receipted, f"{self.receipted} entries are receipted, the server holds {len(held)}"
        return size, len(held)

    async def _held(self) -> list[bytes]:
        store = open_store(self.directory / "server")
        try:
            return [one.data for one in await store.entries(ORIGIN, 0, 1 << 30)]
        finally:
            await store.close()


SCENARIOS = {"way": _way}

if __name__ == "__main__":
    serve(SCENARIOS)
