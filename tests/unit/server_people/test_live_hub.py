"""The fan-out: newest row per key, resume by id, reset, bounded for slow browsers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from fake_clock import FakeClock

from server.live import limits
from server.live.hub import Event, Hub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def take(stream: AsyncIterator[list[Event]], clock: FakeClock, seconds: float = 0.0) -> list[Event]:
    """The next batch, with time passing while it is waited for."""
    waiting = asyncio.ensure_future(anext(stream))
    for _ in range(100):
        await clock.advance(seconds)
        if waiting.done():
            break
    return await waiting


def keys(batch: list[Event]) -> list[str]:
    return [json.loads(event.data)["key"] for event in batch]


async def test_a_stream_without_an_id_is_reset_first() -> None:
    """A page must read its snapshot before changes mean anything to it."""
    hub = Hub(FakeClock(), "aa")
    hub.publish("rig/1", {"n": 1})
    (event,) = await anext(hub.stream(None))
    assert (event.name, event.id) == ("reset", "aa-1")


async def test_an_unknown_id_is_reset() -> None:
    """Ids of another process, of the future, or of no process at all: read everything again."""
    hub = Hub(FakeClock(), "aa")
    for last in ("bb-1", "aa-7", "aa-", "aa-x", "aa-\u0661", "nonsense", ""):
        (event,) = await anext(hub.stream(last))
        assert event.name == "reset", last


async def test_a_known_id_resumes_without_loss() -> None:
    """Everything newer than the id, each key once, in the order of its last change."""
    hub = Hub(FakeClock(), "aa")
    hub.publish("rig/1", {"n": 1})
    last = hub.last_id
    for n in (1, 2, 3):
        hub.publish("rig/2", {"n": n})
        hub.publish("rig/3", {"n": n})
    batch = await anext(hub.stream(last))
    assert keys(batch) == ["rig/2", "rig/3"]
    assert [json.loads(event.data)["row"]["n"] for event in batch] == [3, 3]
    assert batch[-1].id == hub.last_id


async def test_a_slow_browser_costs_nothing_and_gets_the_newest() -> None:
    """Bounded: what is held does not grow with changes, only with keys; no change of a key is the last word lost."""
    clock = FakeClock()
    hub = Hub(clock, "aa")
    stream = hub.stream(hub.last_id)
    hub.publish("rig/1", {"n": 0})
    await take(stream, clock)
    for n in range(10_000):
        hub.publish(f"rig/{n % 5}", {"n": n})
    batch = await take(stream, clock, 0.1)
    assert sorted(keys(batch)) == [f"rig/{n}" for n in range(5)]
    assert max(json.loads(event.data)["row"]["n"] for event in batch) == 9_999
    assert len(hub._rows) == 5


async def test_a_batch_is_bounded() -> None:
    """Limit: a batch holds BATCH_ROWS rows; the rest follows in the next."""
    clock = FakeClock()
    hub = Hub(clock, "aa")
    stream = hub.stream(hub.last_id)
    for n in range(limits.BATCH_ROWS + 1):
        hub.publish(f"rig/{n}", {})
    assert len(await take(stream, clock)) == limits.BATCH_ROWS
    assert keys(await take(stream, clock, 0.1)) == [f"rig/{limits.BATCH_ROWS}"]


async def test_the_first_change_after_quiet_is_sent_at_once() -> None:
    """P6: no timer stands between a change and its event; busy streams rest a little, quiet ones beat."""
    clock = FakeClock()
    hub = Hub(clock, "aa")
    stream = hub.stream(hub.last_id)
    assert [event.name for event in await take(stream, clock, limits.BEAT_EVERY_S)] == ["beat"]
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    hub.publish("rig/1", {})
    async with asyncio.timeout(5):
        assert keys(await waiting) == ["rig/1"]


async def test_closing_ends_every_stream() -> None:
    """An open stream must not hold up an orderly stop."""
    clock = FakeClock()
    hub = Hub(clock, "aa")
    streams = [asyncio.ensure_future(anext(hub.stream(hub.last_id), None)) for _ in range(3)]
    await asyncio.sleep(0)
    assert hub.streams == 3
    hub.close()
    async with asyncio.timeout(5):
        await clock.advance(limits.BEAT_EVERY_S)
        for one in await asyncio.gather(*streams):
            assert one is None or one[0].name == "beat"


def test_an_event_is_one_block() -> None:
    """Framing of server-sent events."""
    assert Event("row", '{"a":1}', "aa-3").encode() == b'id: aa-3\nevent: row\ndata: {"a":1}\n\n'
