"""Bad lines between the real transport and server: half open, slow, lost replies, changed and stale bytes, flapping."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from chaos_proxy import Cut, Fault
from chaos_proxy_world import PATIENCE_S, Way, way, way_tls

from scorelog.format.upload import Upload, encode_upload, parse_size_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tls_material import TlsMaterial

SHORT_S = 0.3  # how long a request waits here before its outcome is "unknown"
FLAPS_S = 5
FLAPS = 40


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return way_tls(tmp_path_factory.mktemp("tls"))


async def body(at: Way) -> bytes:
    """The next upload, as the uploader would make it."""
    piece = await at.log.piece(at.uploader.position)
    return encode_upload(Upload(piece.start, piece.entries, piece.openings, piece.checkpoint))


async def test_a_lost_reply_is_asked_again_and_gets_the_same_receipt(tls: TlsMaterial, tmp_path: Path) -> None:
    """N5, P2: stored, and the reply is lost: 409 with the size, then the cosignature of the very same tree."""
    async with way(tls, tmp_path, timeout_s=SHORT_S) as at:
        await at.record()
        await at.drain()
        at.proxy.now(Fault(down=Cut(0, "swallow")))
        await at.record()
        assert await at.uploader.step() > 0
        assert (await at.bench.store.log(at.log.origin)).size == 2
        assert at.log.receipted_size == 1
        await at.drain()
        await at.check()
        receipt = at.log.receipt()
        async with asyncio.timeout(PATIENCE_S):
            while (await at.bench.store.log(at.log.origin)).cosigned_size != 2:
                await asyncio.sleep(0)
        assert receipt is not None
        assert (await at.bench.store.log(at.log.origin)).cosigned == receipt.note


@pytest.mark.parametrize("up", [True, False], ids=["request", "reply"])
async def test_half_open_lines_end_in_unknown(tls: TlsMaterial, tmp_path: Path, up: bool) -> None:
    """N3: send() succeeds and nothing comes, in either direction, on an open and on a new line: a deadline ends it."""
    dead = Fault(up=Cut(0, "swallow")) if up else Fault(down=Cut(0, "swallow"))
    async with way(tls, tmp_path, timeout_s=SHORT_S) as at:
        await at.record()
        await at.drain()
        for new in (False, True):
            await at.record()
            if new:
                await at.next_line(dead)
            else:
                at.proxy.now(dead)
            assert await at.uploader.step() > 0
            assert at.uploader.trouble == "no answer in time"
            await at.drain()
        await at.check()


async def test_a_line_that_drips_delivers(tls: TlsMaterial, tmp_path: Path) -> None:
    """N9: a line that hands over one byte at a time, both ways, costs time and nothing else."""
    async with way(tls, tmp_path) as at:
        at.proxy.next(Fault(bytes_a_turn=1))
        await at.record(2)
        assert await at.uploader.step() == 0
        await at.check()


async def test_the_same_upload_twice_at_once_is_stored_once(tls: TlsMaterial, tmp_path: Path) -> None:
    """I1: a request that arrives twice, on two lines at once: one is stored, the other is told the size."""
    async with way(tls, tmp_path) as at:
        await at.record(3)
        sent = await body(at)
        answers = await asyncio.gather(*(at.client.upload(sent) for _ in range(4)))
        assert sorted(each.status for each in answers) == [200, 409, 409, 409]
        assert {parse_size_answer(each.body) for each in answers if each.status == 409} == {3}
        await at.drain()
        await at.check()


def flipped(offset: int) -> Callable[[int, bytes], bytes]:
    """One bit of the byte at this offset."""

    def change(begin: int, part: bytes) -> bytes:
        at = offset - begin
        return part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :] if 0 <= at < len(part) else part

    return change


@pytest.mark.parametrize("up", [True, False], ids=["request", "reply"])
async def test_changed_bytes_never_pass_for_the_servers(tls: TlsMaterial, tmp_path: Path, up: bool) -> None:
    """N10, P2: whoever rewrites one bit on an open line breaks it; nothing wrong is stored or believed."""
    async with way(tls, tmp_path, timeout_s=SHORT_S) as at:
        for offset in (5, 20, 60, 150):  # header, body and tag of TLS records
            await at.record()
            await at.drain()
            await at.record()
            change = flipped(offset)
            at.proxy.now(Fault(change_up=change) if up else Fault(change_down=change))
            assert await at.uploader.step() > 0
            at.proxy.reset_all()
            await at.drain()
        await at.check()


async def test_a_cache_that_answers_with_old_bytes_is_not_believed(tls: TlsMaterial, tmp_path: Path) -> None:
    """N10: the recorded bytes of an earlier exchange, played again to the next request, on TLS below and above."""
    async with way(tls, tmp_path, timeout_s=SHORT_S) as at:
        heard = bytearray()

        def keep(_begin: int, part: bytes) -> bytes:
            heard.extend(part)
            return part

        def replay(begin: int, part: bytes) -> bytes:
            return bytes(heard[begin : begin + len(part)]) or part

        at.proxy.next(Fault(change_down=keep))
        await at.record()
        first = await at.client.upload(await body(at))
        await at.drain()
        await at.next_line(Fault(change_down=replay))
        await at.record()
        assert await at.uploader.step() > 0
        await at.drain()
        await at.record()
        at.uploader = at.make(Caching(at.client, first))
        assert await at.uploader.step() > 0
        assert "cosignature" in str(at.uploader.trouble)
        assert at.log.receipted_size == 2
        at.uploader = at.make(at.client)
        await at.drain()
        await at.check()


class Caching:
    """A proxy that ends TLS with a certificate everybody trusts, and answers from its cache."""

    def __init__(self, client, answer) -> None:
        self._client = client
        self._answer = answer

    async def upload(self, body: bytes):
        await self._client.upload(body)
        return self._answer


async def test_a_line_that_comes_and_goes_every_five_seconds(tls: TlsMaterial, tmp_path: Path) -> None:
    """N12, P2, I1: forty flaps on a moved clock while scores are made: all arrive, in order, once, soon after."""
    async with way(tls, tmp_path, timeout_s=2) as at:
        running = [asyncio.create_task(at.uploader.run()), asyncio.create_task(at.uploader.watch_log())]
        try:
            for flap in range(FLAPS):
                at.proxy.refusing = bool(flap % 2)
                at.proxy.reset_all()
                for _ in range(FLAPS_S):
                    await at.record()
                    await quiet(at)
                    await at.clock.advance(1)
            at.proxy.refusing = False
            await quiet(at)
            await at.clock.advance(31)  # the longest back-off
            await quiet(at)
            assert at.uploader.done
            assert at.log.size == FLAPS * FLAPS_S
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await at.check()


async def quiet(at: Way) -> None:
    """Until the uploader sleeps, or has nothing to do."""
    async with asyncio.timeout(PATIENCE_S):
        while not (at.clock.sleepers or at.uploader.done):
            await asyncio.sleep(0.001)
