"""B18, P3: clones, roll-backs and old copies of a log over the real transport and listener, on good and bad lines."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from chaos_proxy import Cut, Fault
from chaos_proxy_world import PATIENCE_S, Way, way, way_tls
from fake_log_store import FakeLogStore
from gateway_parts import counted_bytes, make_recorder
from server_bench import MIRROR_VERIFIER

from gateway.errors import GenerationFrozen
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.uploader import Uploader
from scorelog.format.types import GATEWAY_STARTED

if TYPE_CHECKING:
    from pathlib import Path

    from tls_material import TlsMaterial

HELD = 5
LINES = {
    "reply lost": Fault(down=Cut(6000, "swallow")),
    "cut in the handshake": Fault(up=Cut(300)),
    "drips": Fault(bytes_a_turn=64),
}
# (entries of the original that the copy has, entries that it then makes itself, those of the original meanwhile)
ROWS = {
    "clone, both go on": (HELD, 1, 1),
    "clone, only the copy goes on further": (HELD, 3, 1),
    "rolled back, nothing new": (3, 0, 0),
    "rolled back, shorter than before": (3, 1, 0),
    "rolled back, as long as before": (3, 2, 0),
    "rolled back, longer than before": (3, 4, 0),
    "fresh log under the old name": (0, 2, 0),
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return way_tls(tmp_path_factory.mktemp("tls"))


async def copy_of(at: Way, size: int, fresh: int, folder: Path) -> tuple[FakeLogStore, Uploader]:
    """Another box with this log as it was at `size`, and with entries of its own behind."""
    copy = FakeLogStore(at.log.origin)
    for entry in at.log.entries(0, size):
        await copy.append(lambda _conflict, entry=entry: entry)
    recorder = make_recorder(copy, at.clock, folder, random=counted_bytes("copy"))
    for number in range(fresh):
        await recorder.note(GATEWAY_STARTED, instance=f"{number:032x}")
    uploader = Uploader(
        copy, at.client, MIRROR_VERIFIER, clock=at.clock, rng=random.Random(3), freezer=Freezer(folder),
        meters=Meters(), backoff_cap_s=30,
    )  # fmt: skip
    return copy, uploader


async def contact(uploader: Uploader) -> None:
    """Until it has given up its generation."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await uploader.step()


@pytest.mark.parametrize("row", sorted(ROWS))
async def test_every_fork_is_seen_at_its_first_contact(tls: TlsMaterial, tmp_path: Path, row: str) -> None:
    """B18, P3: whatever the line does: frozen with evidence, nothing of the original lost, and the original goes on."""
    size, fresh, meanwhile = ROWS[row]
    bad = sorted(LINES)[sorted(ROWS).index(row) % len(LINES)]
    for line, fault in {"none": Fault(), bad: LINES[bad]}.items():
        folder = tmp_path / line.replace(" ", "-")
        (folder / "copy").mkdir(parents=True)
        async with way(tls, folder, timeout_s=0.5) as at:
            await at.record(HELD)
            await at.drain()
            copy, uploader = await copy_of(at, size, fresh, folder / "copy")
            await at.record(meanwhile)
            await at.drain()
            uploader.wake()
            await uploader.server_holds(at.log.size, 0)
            await at.next_line(fault)
            with pytest.raises(GenerationFrozen):
                await contact(uploader)
            frozen = Freezer(folder / "copy").frozen()
            assert frozen is not None
            assert frozen.origin == copy.origin
            assert list((folder / "copy" / "evidence").iterdir())
            await copy.append(lambda _conflict: at.log.entries(0, 1)[0])  # recording goes on until the restart
            await at.record()
            await at.drain()
            held = await at.bench.store.entries(at.log.origin, 0, 99)
            assert [each.data for each in held] == at.log.entries(0, at.log.size)
            if fresh:  # otherwise the server hears of it by the next generation, which is an alarm there
                assert set(await at.bench.kinds()) & {"forked", "rolled_back"}
