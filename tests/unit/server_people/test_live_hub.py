"""The fan-out: newest row per key, resume by id, reset, bounded for slow browsers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from server.live import limits
from server.live.hub import Event, Hub, Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fake_clock import FakeClock


def told(chunk: bytes | None) -> list[Event]:
    """The events of a chunk, read as a browser reads them."""
    events = []
    for block in (chunk or b"").decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append(Event(fields["event"], fields["data"], fields.get("id")))
    return events


async def take(viewer: Viewer, clock: FakeClock, seconds: float = 0.0) -> list[Event]:
    """The next chunk, with time passing while it is waited for."""
    waiting = asyncio.ensure_future(viewer.chunk())
    for _ in range(100):
        await clock.advance(seconds)
        if waiting.done():
            break
    return told(await waiting)


def keys(batch: list[Event]) -> list[str]:
    return [json.loads(event.data)["key"] for event in batch]


@pytest.fixture
async def hub(fake_clock: FakeClock) -> AsyncIterator[Hub]:
    """A hub that is closed in the end, with its rounds."""
    made = Hub(fake_clock, "aa")
    yield made
    made.close()


async def test_a_stream_without_an_id_is_reset_first(hub: Hub) -> None:
    """A page must read its snapshot before changes mean anything to it."""
    hub.publish("rig/1", {"n": 1})
    (event,) = told(await hub.join(None).chunk())
    assert (event.name, event.id) == ("reset", "aa-1")


async def test_an_unknown_id_is_reset(hub: Hub) -> None:
    """Ids of another process, of the future, of no process at all, or of too many digits: read everything again."""
    for last in ("bb-1", "aa-7", "aa-", "aa-x", "aa-\u0661", "aa-" + "0" * 5000, "nonsense", ""):
        (event,) = told(await hub.join(last).chunk())
        assert event.name == "reset", last[:20]


async def test_a_known_id_resumes_without_loss(hub: Hub) -> None:
    """Everything newer than the id, each key once, in the order of its last change."""
    hub.publish("rig/1", {"n": 1})
    last = hub.last_id
    for n in (1, 2, 3):
        hub.publish("rig/2", {"n": n})
        hub.publish("rig/3", {"n": n})
    batch = told(await hub.join(last).chunk())
    assert keys(batch) == ["rig/2", "rig/3"]
    assert [json.loads(event.data)["row"]["n"] for event in batch] == [3, 3]
    assert batch[-1].id == hub.last_id


async def test_a_slow_browser_costs_nothing_and_gets_the_newest(hub: Hub, fake_clock: FakeClock) -> None:
    """Bounded: what is held does not grow with changes, only with keys; no change of a key is the last word lost."""
    slow = hub.join(hub.last_id)
    hub.publish("rig/1", {"n": 0})
    await take(slow, fake_clock)
    for n in range(10_000):
        hub.publish(f"rig/{n % 5}", {"n": n})
        if n % 1000 == 0:
            await fake_clock.advance(limits.REST_S_MAX)  # a round goes out while it is still sending
    batch = await take(slow, fake_clock, 0.1)
    assert sorted(keys(batch)) == [f"rig/{n}" for n in range(5)]
    assert max(json.loads(event.data)["row"]["n"] for event in batch) == 9_999
    assert len(hub._rows) == 5


async def test_all_that_wait_get_the_same_bytes(hub: Hub, fake_clock: FakeClock) -> None:
    """A change is encoded once, whoever listens; whoever got further by itself is told nothing twice."""
    viewers = [hub.join(hub.last_id) for _ in range(limits.VIEWERS_AT_ONCE + 1)]
    hub.publish("rig/1", {"n": 0})
    early = hub.join("aa-0")
    waiting = [asyncio.ensure_future(one.chunk()) for one in (*viewers, early)]
    await fake_clock.advance(0)
    chunks = [await one for one in waiting]
    assert len({id(chunk) for chunk in chunks[:-1]}) == 1
    assert {chunk for chunk in chunks if chunk} == {chunks[0]}
    hub.publish("rig/2", {"n": 1})
    assert keys(await take(early, fake_clock, 0.1)) == ["rig/2"]


async def test_what_changes_within_milliseconds_is_one_round(hub: Hub, fake_clock: FakeClock) -> None:
    """The first change goes out at once; those that follow it wait REST_S_MIN and come together."""
    viewer = hub.join(hub.last_id)
    hub.publish("gateway/gw-01", {"n": 0})
    assert keys(await take(viewer, fake_clock)) == ["gateway/gw-01"]
    hub.publish("score/0", {"n": 0})
    hub.publish("rig/1", {"n": 0})
    waiting = asyncio.ensure_future(viewer.chunk())
    await fake_clock.advance(limits.REST_S_MIN * 0.9)
    assert not waiting.done()
    await fake_clock.advance(limits.REST_S_MIN * 0.2)
    assert keys(told(await waiting)) == ["score/0", "rig/1"]


async def test_a_batch_is_bounded(hub: Hub, fake_clock: FakeClock) -> None:
    """Limit: a round holds BATCH_ROWS rows; the rest follows in the next."""
    viewer = hub.join(hub.last_id)
    for n in range(limits.BATCH_ROWS + 1):
        hub.publish(f"rig/{n}", {})
    assert len(await take(viewer, fake_clock)) == limits.BATCH_ROWS
    assert keys(await take(viewer, fake_clock, 0.1)) == [f"rig/{limits.BATCH_ROWS}"]


async def test_the_first_change_after_quiet_is_sent_at_once(hub: Hub, fake_clock: FakeClock) -> None:
    """P6: no timer stands between a change and its event; busy streams rest a little, quiet ones beat."""
    viewer = hub.join(hub.last_id)
    assert [event.name for event in await take(viewer, fake_clock, limits.BEAT_EVERY_S)] == ["beat"]
    waiting = asyncio.ensure_future(viewer.chunk())
    await asyncio.sleep(0)
    hub.publish("rig/1", {})
    async with asyncio.timeout(5):
        assert keys(told(await waiting)) == ["rig/1"]


async def test_closing_ends_every_stream(hub: Hub) -> None:
    """An open stream must not hold up an orderly stop; one that comes too late ends at once."""
    viewers = [hub.join(hub.last_id) for _ in range(3)]
    waiting = [asyncio.ensure_future(one.chunk()) for one in viewers]
    await asyncio.sleep(0)
    assert hub.streams == 3
    hub.close()
    late = hub.join(hub.last_id)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting, late.chunk()) == [None] * 4


async def test_rounds_stop_with_the_last_viewer_and_begin_with_the_next(hub: Hub, fake_clock: FakeClock) -> None:
    """No task and no timer runs while nobody looks; a page that resumes after such a time misses nothing."""
    first = hub.join(hub.last_id)
    first.leave()
    await fake_clock.advance(0)
    assert (hub.streams, fake_clock.sleepers) == (0, 0)
    hub.publish("rig/1", {})
    assert keys(await take(hub.join("aa-0"), fake_clock)) == ["rig/1"]
    assert fake_clock.sleepers == 1


async def test_a_failure_of_the_rounds_sends_the_browsers_away_and_heals(hub: Hub, fake_clock: FakeClock) -> None:
    """P8: whatever breaks the fan-out ends the streams, so that pages ask again and find it running."""
    viewer = hub.join(hub.last_id)
    rows, hub._rows = hub._rows, None  # type: ignore[assignment]  # a defect, whichever
    hub.version += 1
    async with asyncio.timeout(5):
        assert await viewer.chunk() is None
    hub._rows = rows
    viewer.leave()
    again = hub.join(hub.last_id)
    hub.publish("rig/1", {})
    assert keys(await take(again, fake_clock)) == ["rig/1"]


def test_an_event_is_one_block() -> None:
    """Framing of server-sent events."""
    assert Event("row", '{"a":1}', "aa-3").encode() == b'id: aa-3\nevent: row\ndata: {"a":1}\n\n'
