"""The gateway under overload: Retry-After is kept, a fleet spreads out, tries have a budget, slow lines get there."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_log_store import FakeLogStore
from fake_server_client import FakeServer, FakeServerClient
from gateway_parts import counted_bytes, make_recorder

from gateway import limits
from gateway.backoff import Backoff
from gateway.errors import Unreachable
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.uploader import Uploader
from scorelog.format.types import GATEWAY_STARTED

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sending.transport import UploadAnswer

CAP_S = 30.0
FLEET = 200
LINE_BYTES_S = 8_000  # 64 kbit/s
REQUEST_TIMEOUT_S = 15.0


def uploaders(seed: int = 1, *, budget: bool = True) -> Backoff:
    return Backoff(random.Random(seed), limits.UPLOAD_BACKOFF_BASE_S, CAP_S, budget=budget)


@pytest.mark.parametrize("asked", [1.0, 7.0, limits.RETRY_AFTER_MAX_S])
def test_retry_after_is_never_undercut(asked: float) -> None:
    """B13: whatever failed before, nobody comes earlier than asked, nor much later."""
    backoff = uploaders()
    for _ in range(50):
        assert asked <= backoff.after(asked) <= asked + limits.BUSY_SPREAD_MAX_S


def test_a_fleet_that_is_told_one_second_does_not_come_in_one_second() -> None:
    """S4: two hundred gateways told the same whole second spread over the next, and further when told again."""
    fleet = [uploaders(seed) for seed in range(FLEET)]
    for spread_s in (1.0, 1.0, 1.0, 1.6, 3.2, 5.0, 5.0):
        waits = sorted(each.after(1.0) for each in fleet)
        tenths = [sum(1 + spread_s * k / 10 <= one < 1 + spread_s * (k + 1) / 10 for one in waits) for k in range(10)]
        assert max(tenths) <= FLEET // 5, (spread_s, tenths)
        assert waits[-1] > 1 + 0.9 * spread_s


def test_tries_have_a_budget() -> None:
    """B13: where every second try fails, the waits become long and the tries rare; a healthy line is short at once."""
    backoff = uploaders()
    first = [backoff.next() for _ in range(1)]
    backoff.reset()
    healthy = backoff.next()
    assert max(*first, healthy) <= 2 * limits.UPLOAD_BACKOFF_BASE_S
    ceilings = []
    for _ in range(40):
        ceilings.append(max(backoff.next() for _ in range(2)))
        backoff.reset()
    assert max(ceilings[-10:]) > max(ceilings[:5])
    for _ in range(200):  # two hundred receipts pay for twenty tries
        backoff.reset()
    assert backoff.next() <= limits.UPLOAD_BACKOFF_BASE_S


def test_a_rig_has_no_budget() -> None:
    """One reading is one success: its line is polled again at once."""
    backoff = uploaders(budget=False)
    for _ in range(100):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= limits.UPLOAD_BACKOFF_BASE_S


async def test_a_heartbeat_that_finds_the_server_again_ends_the_back_off(tmp_path: Path) -> None:
    """B13, P6: after an hour of silence a fresh score waits for no back-off; a wait that was asked for is kept."""
    log, clock, server = FakeLogStore(), FakeClock(), FakeServer()
    recorder = make_recorder(log, clock, tmp_path, random=counted_bytes())
    uploader = Uploader(
        log, FakeServerClient(server), server.verifier, clock=clock, rng=random.Random(3), freezer=Freezer(tmp_path),
        meters=Meters(), backoff_cap_s=3000,
    )  # fmt: skip
    server.down = True
    running = asyncio.create_task(uploader.run())
    try:
        await recorder.note(GATEWAY_STARTED, instance="0" * 32)
        await clock.advance(3600)
        assert uploader.trouble
        server.down = False
        uploader.server_is_back()
        await clock.advance(0.001)
        assert uploader.done
        server.answer(503, retry_after=60)
        await recorder.note(GATEWAY_STARTED, instance="1" * 32)
        uploader.wake()
        await clock.advance(1)
        uploader.server_is_back()
        await clock.advance(58)
        assert not uploader.done
        await clock.advance(10)
        assert uploader.done
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class SlowLine:
    """A server behind 64 kbit/s, on a moved clock: a body that does not get through in time never arrives."""

    def __init__(self, server: FakeServer, clock: FakeClock) -> None:
        self._client = FakeServerClient(server)
        self._clock = clock
        self.lost = 0

    async def upload(self, body: bytes) -> UploadAnswer:
        took_s = len(body) / LINE_BYTES_S
        await self._clock.advance(min(took_s, REQUEST_TIMEOUT_S))
        if took_s > REQUEST_TIMEOUT_S:
            self.lost += 1
            raise Unreachable("no answer in time")
        return await self._client.upload(body)


@pytest.mark.parametrize("entries", [300, 2_000])
async def test_a_backlog_gets_through_a_slow_line(tmp_path: Path, entries: int) -> None:
    """N2, P2: pieces that do not get through in time become smaller until they do, instead of being sent for ever."""
    log, clock, server = FakeLogStore(), FakeClock(), FakeServer()
    recorder = make_recorder(log, clock, tmp_path, random=counted_bytes())
    for number in range(entries):
        await recorder.note(GATEWAY_STARTED, instance=f"{number:032x}", pad="x" * 500)
    line = SlowLine(server, clock)
    uploader = Uploader(
        log, line, server.verifier, clock=clock, rng=random.Random(3), freezer=Freezer(tmp_path), meters=Meters(),
        backoff_cap_s=CAP_S,
    )  # fmt: skip
    began_us, steps, waited_s = clock.mono_us(), 0, 0.0
    async with asyncio.timeout(50):
        while not uploader.done:
            steps += 1
            wait_s = await uploader.step()
            waited_s += wait_s
            await clock.advance(wait_s)
    bare_s = sum(map(len, log.entries(0, log.size))) / LINE_BYTES_S
    took_s = (clock.mono_us() - began_us) / 1e6
    assert server.entries(log.origin) == log.entries(0, log.size)
    assert 1 <= line.lost <= 3
    assert took_s <= 1.5 * bare_s + 60
