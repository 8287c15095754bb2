"""A backlog's next piece is made ready while the server works on the last one, and is never more than that."""

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
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.uploader import Uploader
from scorelog.format import types
from scorelog.format.upload import parse_upload

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sending.transport import UploadAnswer
    from scorelog.journal.store import Piece

PIECE = limits.PIECE_ENTRIES_MAX
BACKLOG = 3 * PIECE + 9


class CountedLog(FakeLogStore):
    """Says which pieces were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    async def piece(self, start: int, max_entries: int = 256, max_bytes: int = 1 << 20) -> Piece:
        """As the log, noted."""
        self.read.append(start)
        return await super().piece(start, max_entries, max_bytes)


class SlowClient(FakeServerClient):
    """Answers once the clock has moved on by a second."""

    def __init__(self, server: FakeServer, clock: FakeClock) -> None:
        super().__init__(server)
        self.clock = clock
        self.sent: list[int] = []
        self.under_way = 0

    async def upload(self, body: bytes) -> UploadAnswer:
        """One at a time."""
        self.under_way += 1
        assert self.under_way == 1, "two requests at once"
        self.sent.append(parse_upload(body).start)
        await self.clock.sleep(1)
        self.under_way -= 1
        return await super().upload(body)


class Line:
    """A log with a backlog, a slow server and the uploader."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.log, self.server = FakeClock(), CountedLog(), FakeServer()
        self.client = SlowClient(self.server, self.clock)
        self.recorder = make_recorder(self.log, self.clock, folder, random=counted_bytes("ahead"))
        self.uploader = Uploader(
            self.log,
            self.client,
            self.server.verifier,
            clock=self.clock,
            rng=random.Random(7),
            freezer=Freezer(folder),
            meters=Meters(),
            backoff_cap_s=1,
        )

    async def fill(self, count: int) -> None:
        """Entries that wait to be sent."""
        await self.recorder.note_all([(types.RIG_ONLINE, {"rig": "LV-0001", "n": number}) for number in range(count)])

    async def step(self) -> list[int]:
        """One request and its answer a second later; the starts of the pieces that were read meanwhile."""
        before = len(self.log.read)
        task = asyncio.create_task(self.uploader.step())
        while not task.done():
            await self.clock.advance(0.5)
        await task
        return self.log.read[before:]


@pytest.fixture
async def line(tmp_path: Path) -> Line:
    """With three full pieces and a rest."""
    made = Line(tmp_path)
    await made.fill(BACKLOG)
    return made


async def test_the_next_piece_is_read_during_the_wait_and_sent_after_it(line: Line) -> None:
    """P2: one request at a time and in order; each piece is read once, a last short one only when it is its turn."""
    assert [await line.step() for _ in range(4)] == [[0, PIECE], [2 * PIECE], [], [3 * PIECE]]
    assert line.client.sent == [0, PIECE, 2 * PIECE, 3 * PIECE]
    assert line.uploader.done
    assert line.server.entries(line.log.origin) == line.log.entries(0, line.log.size)


@pytest.mark.parametrize("status", [503, 500, 404, 400])
async def test_what_was_made_ready_is_not_sent_after_an_answer_that_moved_nothing(line: Line, status: int) -> None:
    """P2: the same piece is sent again, and nothing beyond it."""
    line.server.answer(status)
    assert await line.step() == [0, PIECE]
    assert (await line.step())[0] == 0
    assert line.client.sent == [0, 0]
    assert line.uploader.position > 0


async def test_a_lost_answer_costs_one_question_and_no_entry(line: Line) -> None:
    """P2, F: stored and not heard of: the server's 409 says so, and the way goes on from there."""
    line.server.lose_answer()
    while not line.uploader.done:
        await line.step()
    assert line.client.sent == [0, 0, PIECE, 2 * PIECE, 3 * PIECE]
    assert line.server.entries(line.log.origin) == line.log.entries(0, line.log.size)


async def test_without_a_backlog_nothing_is_read_ahead(tmp_path: Path) -> None:
    """P6: a fresh score is in the next request whole; no half-filled piece was made ready before it came."""
    line = Line(tmp_path)
    await line.fill(PIECE)
    assert await line.step() == [0]
