"""The live stream behind its login: it ends with its session, also in a busy hall, and there are not too many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from people_site import Site, log_in, word_of

from server.config import STREAMS
from server.people import limits
from server.people.accounts import sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fake_clock import FakeClock
    from httpx2 import AsyncClient

Stream = asyncio.Task[Any]


async def opened(site: Site, client: AsyncClient) -> Stream:
    """A stream that is open; the task ends with it."""
    before = site.hub.streams
    stream = asyncio.ensure_future(client.get(f"/live/events?last={site.hub.last_id}"))
    async with asyncio.timeout(5):
        while site.hub.streams == before:
            await asyncio.sleep(0.001)
    return stream


async def busy(site: Site, clock: FakeClock, seconds: float) -> None:
    """A change four times a second: never quiet enough for a beat."""
    for n in range(int(seconds * 4)):
        site.hub.publish("rig/1", {"n": n})
        await clock.advance(0.25)
        await asyncio.sleep(0.01)  # the database answers from a thread, not from the moved clock


async def ended(stream: Stream) -> bool:
    """Whether it ends now."""
    return stream in (await asyncio.wait({stream}, timeout=2))[0]


@pytest.fixture
async def clock(site: Site) -> AsyncIterator[FakeClock]:
    """The site's moved clock; its streams end with the test."""
    yield site.clock  # type: ignore[misc]
    site.hub.close()


async def test_a_logout_ends_the_stream_of_a_busy_hall(site: Site, clock: FakeClock) -> None:
    """B19: within the beat of the watch, whether anything changes or not; the streams of others go on."""
    client, other = await site.client(), await site.client()
    stream, theirs = await opened(site, client), await opened(site, other)
    await busy(site, clock, limits.SESSIONS_WATCHED_EVERY_S + 1)
    assert not stream.done()
    page = await client.get("/attempts")
    await client.post("/logout", data={"word": word_of(page.text)})
    await busy(site, clock, limits.SESSIONS_WATCHED_EVERY_S + 1)
    assert await ended(stream)
    assert not theirs.done()
    assert stream.result().content.count(b"event: row") >= 2
    site.hub.close()
    assert await ended(theirs)


async def test_an_open_stream_is_a_use_of_its_session(site: Site, clock: FakeClock) -> None:
    """A wall that is only looked at is not logged out; an idle session without a stream ends."""
    looking = await site.client(login=False)
    await log_in(looking)
    stream = await opened(site, looking)
    for _ in range(3):
        clock.step_wall(limits.SESSION_IDLE_S * 0.6)
        await clock.advance(limits.SESSIONS_WATCHED_EVERY_S + 0.1)
        await asyncio.sleep(0.05)
    assert not stream.done()
    async with site.accounts._engines.reader.connect() as db:
        (seen_us,) = (await db.execute(sa.select(sessions.c.seen_us))).one()
    assert clock.now_us() - seen_us <= limits.SESSION_IDLE_S * 1e6


async def test_streams_are_bounded(site: Site, clock: FakeClock) -> None:
    """Limit: one more than `people.streams` is told to come back (503), and the others go on."""
    client = await site.client()
    viewers = [site.hub.join(None) for _ in range(STREAMS - 1)]
    stream = await opened(site, client)
    answer = await client.get("/live/events")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert not stream.done()
    assert len(viewers) + 1 == site.hub.streams
