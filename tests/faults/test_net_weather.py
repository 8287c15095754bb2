"""N1, N2, N13: real packets over an emulated bad link, the real transport and the real listener at its two ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from chaos_proxy import ChaosProxy
from chaos_proxy_world import Way, https_client, serving
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from fake_log_store import FAKE_SEED, FakeLogStore
from gateway_parts import counted_bytes, make_recorder
from sample_uploads import DOMAIN
from server_bench import bench
from tls_material import TlsMaterial, make_tls_material
from tun_link import FAR, Link, Weather, far_side, tun_link

from server.evidence.store import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.needs("tun")]

GOOD = Weather()
ROUGH = Weather(loss=0.1, delay_s=0.02, jitter_s=0.015, duplicate=0.05, bit_error=0.02)
BAD = {
    "1 %": Weather(loss=0.01, delay_s=0.05, jitter_s=0.02),
    "10 %": Weather(loss=0.1, delay_s=0.05, jitter_s=0.04, duplicate=0.1, bit_error=0.05),
    "30 %": Weather(loss=0.3, delay_s=0.02, jitter_s=0.02),
    "2 s each way": Weather(delay_s=2.0, jitter_s=0.1),
    "64 kbit/s": Weather(delay_s=0.05, bytes_a_second=8_000),
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return make_tls_material(tmp_path_factory.mktemp("tls"), domain=DOMAIN, hosts=("localhost", FAR))


@dataclass(slots=True)
class Road:
    """A gateway here, its server on the far side, and the link between them."""

    way: Way
    link: Link

    async def carry(self, entries: int, within_s: float) -> None:
        """Record and send while the weather lasts, waiting as the uploader asks."""
        async with asyncio.timeout(within_s):
            for _ in range(entries):
                await self.way.record()
            while not self.way.uploader.done:
                await asyncio.sleep(await self.way.uploader.step())
        await self.way.check()


@asynccontextmanager
async def road(tls: TlsMaterial, folder: Path, weather: Weather, *, timeout_s: float) -> AsyncIterator[Road]:
    """Everything wired; the weather begins at once."""
    clock, log = FakeClock(), FakeLogStore(f"{DOMAIN}/gw/gw-01/0")
    public = Ed25519PrivateKey.from_private_bytes(FAKE_SEED).public_key().public_bytes_raw()
    with far_side() as far:
        async with bench(FakeEntryStore(), clock) as made, tun_link(far, weather) as link:
            await made.store.add_gateway(Gateway("gw-01", public))
            far_listener = serving(made, tls, FAR)
            with far.entered():
                port = await far_listener.__aenter__()
            client = https_client(tls, port, timeout_s=timeout_s, host=FAR)
            recorder = make_recorder(log, clock, folder, random=counted_bytes("road"))
            try:
                yield Road(Way(made, ChaosProxy(port), client, log, recorder, clock, folder, port), link)
            finally:
                await client.close()
                link.weather = GOOD
                await far_listener.__aexit__(None, None, None)


async def test_everything_arrives_in_rough_weather(tls: TlsMaterial, tmp_path: Path) -> None:
    """N1, P2: loss, delay, jitter, reordering, duplicates and bit errors together: in order, exactly once."""
    async with road(tls, tmp_path, ROUGH, timeout_s=15) as at:
        for _ in range(4):
            await at.carry(5, within_s=40)
        assert at.link.dropped > 0


async def test_a_black_hole_for_large_packets_loses_nothing(tls: TlsMaterial, tmp_path: Path) -> None:
    """N13, I12: large packets vanish: no try succeeds, recording goes on; when they pass again everything arrives."""
    async with road(tls, tmp_path, GOOD, timeout_s=1) as at:
        await at.carry(2, within_s=20)
        at.link.weather = Weather(bytes_max=700)
        await at.way.record(60)
        assert await at.way.uploader.step() > 0
        assert at.way.uploader.trouble == "no answer in time"
        assert at.way.log.receipted_size == 2
        at.link.weather = GOOD
        await at.carry(3, within_s=20)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("weather", sorted(BAD))
async def test_everything_arrives_in_bad_weather(tls: TlsMaterial, tmp_path: Path, weather: str) -> None:
    """N1, N2, P2: 1 to 30 % loss, two seconds each way, 64 kbit/s, with the timeouts that the box has by default."""
    async with road(tls, tmp_path, BAD[weather], timeout_s=15) as at:
        for entries in (1, 20, 300):
            await at.carry(entries, within_s=120)
