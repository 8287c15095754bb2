"""The uploader against the strict server: every answer at every point, in both forms, and the forks of a log."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_log_store import FAKE_SEED, FakeLogStore
from fake_server_client import FakeServer, FakeServerClient
from gateway_parts import counted_bytes, fill, make_recorder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import GenerationFrozen, StorageFailed
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.uploader import Uploader
from scorelog.format.cosignature import verify_cosignature

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAMES = itertools.count()


class Bench:
    """A log, a server and the uploader between them."""

    def __init__(self, folder: Path, log: FakeLogStore | None = None, server: FakeServer | None = None) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.log = log or FakeLogStore()
        self.server = server or FakeServer()
        self.client = FakeServerClient(self.server)
        self.uploader = self.make()

    def make(self, young_until_us: int = 0) -> Uploader:
        """A fresh uploader, as after a restart: it knows nothing but the log's receipts."""
        return Uploader(
            self.log,
            self.client,
            self.server.verifier,
            clock=self.clock,
            rng=random.Random(7),
            freezer=Freezer(self.folder),
            meters=Meters(),
            backoff_cap_s=30,
            young_until_us=young_until_us,
        )

    async def fill(self, count: int) -> None:
        """Entries that wait to be sent."""
        recorder = make_recorder(self.log, self.clock, self.folder, random=counted_bytes(f"fill{next(NAMES)}"))
        await fill(recorder, count)

    async def drain(self, steps: int = 60) -> list[float]:
        """Steps until everything has its receipt; the waits that were asked for."""
        waits = []
        while not self.uploader.done:
            assert steps > 0, f"not drained: {self.uploader.trouble}"
            steps -= 1
            waits.append(await self.uploader.step())
        return waits

    def check(self) -> None:
        """P2: the server holds exactly the log, and the newest receipt verifies."""
        assert self.server.entries(self.log.origin) == self.log.entries(0, self.log.size)
        receipt = self.log.receipt()
        assert receipt is not None
        assert receipt.size == self.log.size
        assert verify_cosignature(receipt.note, self.server.verifier) > 0


@asynccontextmanager
async def running(uploader: Uploader) -> AsyncIterator[asyncio.Task[None]]:
    """The uploader as the process runs it."""
    tasks = [asyncio.create_task(uploader.run()), asyncio.create_task(uploader.watch_log())]
    try:
        yield tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_everything_pending_goes_at_once_in_bounded_pieces(tmp_path: Path) -> None:
    """Real time without timers: a backlog drains without one wait, in pieces of at most 256."""
    bench = Bench(tmp_path)
    await bench.fill(600)
    assert set(await bench.drain()) == {0.0}
    assert max(bench.server.uploads) <= 256
    assert sum(bench.server.uploads) == 600
    bench.check()


async def test_each_entry_leaves_as_it_comes(tmp_path: Path) -> None:
    """P6: an idle uploader sends a fresh entry at once, without any time passing."""
    bench = Bench(tmp_path)
    async with running(bench.uploader):
        for size in range(1, 6):
            await bench.fill(1)
            await bench.server.until_size(bench.log.origin, size)
            await until(lambda size=size: bench.log.receipted_size == size)
    bench.check()


TROUBLES = {
    "request lost": lambda server: server.lose_request(),
    "answer lost": lambda server: server.lose_answer(),
    "500": lambda server: server.answer(500),
    "stored, 500": lambda server: server.store_then(500),
    "502 html": lambda server: server.store_then(502, b"<html>bad gateway</html>"),
    "captive portal": lambda server: server.answer(200, b"<html>welcome</html>"),
    "stored, captive portal": lambda server: server.store_then(200, b"<html>welcome</html>"),
    "302": lambda server: server.answer(302),
    "503": lambda server: server.answer(503, retry_after=7),
    "429": lambda server: server.answer(429, retry_after=1),
    "429 without a time": lambda server: server.answer(429),
    "400": lambda server: server.answer(400),
    "413": lambda server: server.answer(413),
    "403": lambda server: server.answer(403),
    "404": lambda server: server.answer(404),
    "409 without a size": lambda server: server.answer(409, b"conflict"),
    "204": lambda server: server.answer(204),
}


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("point", [0, 1, 2])
async def test_no_answer_moves_the_position_but_a_receipt(
    trouble: str, restart: bool, point: int, tmp_path: Path
) -> None:
    """P2: whatever is answered, stored or not, at any upload, also over a restart: nothing lost, nothing twice."""
    bench = Bench(tmp_path)
    for number in range(4):
        await bench.fill(3)
        if number == point:
            TROUBLES[trouble](bench.server)
            receipted = bench.log.receipted_size
            assert await bench.uploader.step() > 0 or trouble == "request lost"
            assert bench.log.receipted_size == receipted
            assert bench.uploader.trouble
            if restart:
                bench.uploader = bench.make()
        await bench.drain()
    assert bench.uploader.trouble is None
    bench.check()
    assert not bench.server.refused


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(st.sampled_from([*sorted(TROUBLES), "entry", "entries", "restart", "step"]), max_size=25))
async def test_any_order_of_troubles_ends_with_every_receipt(script: list[str], tmp_path: Path) -> None:
    """P2: after any sequence of growth, restarts and troubles the server holds exactly the log."""
    bench = Bench(tmp_path)
    await bench.fill(1)
    for word in script:
        if word in TROUBLES:
            TROUBLES[word](bench.server)
        elif word == "restart":
            bench.uploader = bench.make()
        elif word == "step":
            await bench.uploader.step()
        else:
            await bench.fill(1 if word == "entry" else 9)
    await bench.drain(steps=200)
    bench.check()


async def test_retry_after_is_honoured(tmp_path: Path) -> None:
    """A busy server is left alone for as long as it asks, and jitter spreads the fleet."""
    bench = Bench(tmp_path)
    await bench.fill(1)
    bench.server.answer(503, retry_after=7)
    assert 7 <= await bench.uploader.step() <= 8


async def test_backoff_is_jittered_and_capped(tmp_path: Path) -> None:
    """Full jitter under a capped ceiling, without a last try."""
    bench = Bench(tmp_path)
    await bench.fill(1)
    waits = []
    for _ in range(200):
        bench.server.lose_request()
        waits.append(await bench.uploader.step())
    assert max(waits) <= 30
    assert max(waits[20:]) > 20
    assert min(waits[20:]) < 10
    assert len(set(waits)) == 200


async def test_waits_by_its_clock_and_recovers(tmp_path: Path) -> None:
    """A deadline is monotonic: a wall clock set back by a day does not delay the next try."""
    bench = Bench(tmp_path)
    bench.server.down = True
    await bench.fill(2)
    async with running(bench.uploader):
        await until(lambda: bench.uploader.trouble is not None and bench.clock.sleepers == 1)
        bench.clock.step_wall(-86_400)
        bench.server.down = False
        await bench.clock.advance(31)
        await until(lambda: bench.uploader.done)
    bench.check()


async def test_recording_goes_on_while_refused(tmp_path: Path) -> None:
    """I12: 403 and 404 alarm and are asked again slowly; the log takes everything meanwhile."""
    bench = Bench(tmp_path)
    await bench.fill(1)
    bench.server.answer(403)
    assert await bench.uploader.step() >= 30
    await bench.fill(10)
    await bench.drain()
    bench.check()


async def test_smaller_pieces_when_too_large(tmp_path: Path) -> None:
    """A 413 halves the piece, down to one entry; that one is asked again and never skipped."""
    bench = Bench(tmp_path)
    await bench.fill(8)
    for _ in range(4):
        bench.server.answer(413)
    waits = [await bench.uploader.step() for _ in range(4)]
    assert waits[3] >= 30
    await bench.drain()
    assert bench.server.uploads[0] == 1
    bench.check()


async def test_server_restored_from_a_backup_is_filled_again(tmp_path: Path) -> None:
    """The server lost what it had confirmed: the gateway has it all and sends it again, from there."""
    bench = Bench(tmp_path)
    await bench.fill(10)
    await bench.drain()
    bench.server.restore(bench.log.origin, 4)
    await bench.fill(1)
    await bench.drain()
    bench.check()


async def test_restored_server_is_noticed_by_its_heartbeat(tmp_path: Path) -> None:
    """Also when the gateway has nothing new to send."""
    bench = Bench(tmp_path)
    await bench.fill(10)
    async with running(bench.uploader):
        await until(lambda: bench.uploader.done)
        bench.server.restore(bench.log.origin, 4)
        await bench.uploader.server_holds(4, 10)
        await bench.server.until_size(bench.log.origin, 10)
        await until(lambda: bench.uploader.done)
    bench.check()


async def test_late_heartbeat_is_not_a_restored_server(tmp_path: Path) -> None:
    """A heartbeat that left before the last receipt came says nothing."""
    bench = Bench(tmp_path)
    await bench.fill(10)
    await bench.drain()
    await bench.uploader.server_holds(4, 4)
    assert bench.uploader.done


async def rolled_back(folder: Path, *, more: int) -> Bench:
    """A gateway whose log was put back to 4 of 10 receipted entries, and that went on with `more` others."""
    first = Bench(folder)
    await first.fill(4)
    copy = FakeLogStore()
    for entry, note in ((entry, None) for entry in first.log.entries(0, 4)):
        await copy.append(lambda _conflict, entry=entry: entry)
        assert note is None
    await first.fill(6)
    await first.drain()
    bench = Bench(folder, copy, first.server)
    await bench.fill(more)
    return bench


@pytest.mark.parametrize("more", [1, 5, 6, 9])
async def test_rolled_back_or_cloned_log_is_frozen(more: int, tmp_path: Path) -> None:
    """P3: rolled back or cloned, however many new entries: frozen at the first contact, evidence kept."""
    bench = await rolled_back(tmp_path, more=more)
    held = bench.server.entries(bench.log.origin)
    with pytest.raises(GenerationFrozen):
        await bench.drain()
    frozen = Freezer(tmp_path).frozen()
    assert frozen is not None
    assert frozen.origin == bench.log.origin
    assert bench.server.entries(bench.log.origin) == held
    assert list((tmp_path / "evidence").iterdir())


async def test_a_heartbeat_finds_a_rolled_back_log(tmp_path: Path) -> None:
    """The server's size in a heartbeat is beyond the log: it is asked by an upload, so that it has the evidence too."""
    bench = await rolled_back(tmp_path, more=0)
    await bench.uploader.server_holds(10, 0)
    with pytest.raises(GenerationFrozen):
        await asyncio.wait_for(bench.uploader.run(), 10)


async def test_a_larger_size_without_our_signature_freezes_nothing(tmp_path: Path) -> None:
    """A server's word is no proof: a size it cannot back with our signature is trouble, not a fork."""
    bench = Bench(tmp_path)
    await bench.fill(2)
    bench.server.answer(409, b"99\n")
    assert await bench.uploader.step() > 0
    assert Freezer(tmp_path).frozen() is None
    await bench.drain()
    bench.check()


async def test_a_young_generation_is_not_given_up_again(tmp_path: Path) -> None:
    """A server that contradicts everything cannot make a box burn generations: recording goes on, with an alarm."""
    bench = await rolled_back(tmp_path, more=9)
    bench.uploader = bench.make(young_until_us=bench.clock.mono_us() + 600_000_000)
    for _ in range(3):
        await bench.uploader.step()
    assert bench.uploader.trouble is not None
    assert Freezer(tmp_path).frozen() is None
    await bench.clock.advance(601)
    with pytest.raises(GenerationFrozen):
        await bench.drain()


async def test_a_generation_that_was_overtaken_is_given_up(tmp_path: Path) -> None:
    """P2: a clone has opened the next generation: what is here does not stay unsent, it goes on above that one."""
    bench = Bench(tmp_path)
    await bench.fill(2)
    for wrong in (b"", b"{}", b'{"newest_generation":0}', b'{"newest_generation":"5"}', b'{"newest_generation":99999}'):
        bench.server.answer(403, wrong)
        assert await bench.uploader.step() > 0
    assert Freezer(tmp_path).frozen() is None
    bench.server.answer(403, b'{"newest_generation":5}')
    with pytest.raises(GenerationFrozen):
        await bench.uploader.step()
    frozen = Freezer(tmp_path).frozen()
    assert frozen is not None
    assert (frozen.origin, frozen.newest) == (bench.log.origin, 5)
    assert [path for path in (tmp_path / "evidence").iterdir() if "403.kaofen-upload" in path.name]


async def test_receipt_of_another_key_is_none(tmp_path: Path) -> None:
    """P2: a cosignature by a key that is not the mirror's moves nothing."""
    bench = Bench(tmp_path)
    await bench.fill(1)
    stranger = FakeServer()
    stranger.mirror = type(stranger.mirror)("mirror.example", key_of(FAKE_SEED))
    lines = stranger.store(await body_of(bench)).body
    bench.server.answer(200, lines)
    assert await bench.uploader.step() > 0
    assert bench.log.receipt() is None


async def test_receipt_that_cannot_be_kept_is_fatal(tmp_path: Path) -> None:
    """P2: the position moves only after the receipt is durable; a disk that fails ends the process."""
    bench = Bench(tmp_path)
    await bench.fill(1)
    bench.log.failed = OSError("told to fail")
    with pytest.raises(StorageFailed):
        await bench.uploader.step()
    assert bench.uploader.position == 0


def key_of(seed: bytes):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    return Ed25519PrivateKey.from_private_bytes(seed)


async def body_of(bench: Bench) -> bytes:
    from scorelog.format.upload import Upload, encode_upload  # noqa: PLC0415

    piece = await bench.log.piece(0)
    return encode_upload(Upload(piece.start, piece.entries, piece.openings, piece.checkpoint))


async def until(true, within_s: float = 5) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0)
