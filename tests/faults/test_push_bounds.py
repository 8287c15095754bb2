"""How long and how much a rig that pushes may take, at the edges, on virtual time (W3, D1, D2, D4; B20, P8)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest
from memory_pipes import TRAVEL_S, PipeLoop
from push_rig import PORT, Gateway, Rig, Told, plain

from device_adapters.limits import PUSH_ANSWER_S, PUSH_BURST
from gateway import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from push_rig import Ask

T = TypeVar("T")
SERIAL = "CP-0001"
HAIR_S = 0.05


def run(work: Callable[[Rig], Awaitable[T]]) -> T:
    """At a gateway that listens, with a rig that does nothing by itself."""

    async def main() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PipeLoop)
        gateway = Gateway([SERIAL], loop)
        await gateway.start()
        await asyncio.sleep(0.01)
        rig = Rig(gateway, SERIAL, count=3)
        try:
            return await work(rig)
        finally:
            rig.cut()
            await gateway.die()

    with asyncio.Runner(loop_factory=PipeLoop) as runner:
        return runner.run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def status(rig: Rig) -> Ask:
    return rig.made("status", rig.status())


@pytest.mark.parametrize(("late_s", "answer"), [(-HAIR_S, 200), (HAIR_S, 408)])
def test_a_body_has_its_time(late_s: float, answer: int) -> None:
    """D4, P8: whole just before the edge it is heard, just behind it answered 408 with Retry-After, and closed."""

    async def work(rig: Rig) -> tuple[int | None, bool]:
        ask = status(rig)
        await rig.send(ask.head, ask.body[:10], limits.PUSH_BODY_S + late_s, ask.body[10:])
        told = await rig.reply()
        await asyncio.sleep(2)
        assert rig.line is not None
        return told and told.status, rig.line[0].at_eof()

    assert run(work) == (answer, answer == 408)


def test_a_408_stores_nothing_and_the_same_record_comes_later() -> None:
    """P1, P5: half a record is none, and is no refusal of the rig's either: it was never there."""

    async def work(rig: Rig) -> list[int]:
        ask = rig.made("records", rig.records[1], (1,))
        await rig.send(ask.head, ask.body[:-1])
        told = await rig.reply()
        assert told is not None
        assert (told.status, told.document["reason"]) == (408, "slow")
        assert not rig.gateway.log[SERIAL]
        assert not [one for story in rig.gateway.stories[SERIAL] for one in story.refused]
        life = asyncio.create_task(rig.live())
        await asyncio.sleep(3)
        life.cancel()
        return [one.seq for one in rig.gateway.log[SERIAL]]

    assert run(work) == [1, 2, 3]


@pytest.mark.parametrize("first", [b"", b"POST /push/v1/CP-0001/status HTTP/1.1\r\nHost: x\r\n"], ids=["mute", "half"])
def test_a_line_without_a_whole_head_is_closed(first: bytes) -> None:
    """D4, P8: from the connection on, however slowly its head drips."""

    async def work(rig: Rig) -> float:
        began = now()
        await rig.send(first)
        assert rig.line is not None
        reader, writer = rig.line
        dripping = asyncio.create_task(_drip(writer)) if first else None
        assert await reader.read() == b""
        if dripping is not None:
            dripping.cancel()
        return now() - began

    took_s = run(work)
    assert limits.PUSH_IDLE_S <= took_s <= limits.PUSH_IDLE_S + limits.PUSH_LOOK_S + HAIR_S


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"X-A: b\r\n")
        await asyncio.sleep(1)


def test_a_line_that_says_nothing_more_is_closed_and_an_answered_one_starts_anew() -> None:
    """D4: the time counts from the last answer; a request just before the edge is answered."""

    async def work(rig: Rig) -> float:
        for _ in range(3):
            told = await plain(rig, status(rig))
            assert told is not None
            assert told.status == 200
            line, began = rig.line, now()
            await asyncio.sleep(limits.PUSH_IDLE_S - HAIR_S)
            assert rig.line is line
        assert line is not None
        await line[0].read()
        return now() - began

    assert limits.PUSH_IDLE_S - TRAVEL_S <= run(work) <= limits.PUSH_IDLE_S + limits.PUSH_LOOK_S + HAIR_S


def test_an_answer_comes_in_time_whatever_the_log_does() -> None:
    """D2, P1: never later than 4 s, and then it is "unknown", not "stored"."""

    async def work(rig: Rig) -> tuple[float, Told | None]:
        await plain(rig, status(rig))
        rig.gateway.store_s = 60.0
        began = now()
        told = await plain(rig, rig.made("records", rig.records[1], (1,)))
        return now() - began, told

    took_s, told = run(work)
    assert took_s <= PUSH_ANSWER_S + 4 * TRAVEL_S
    assert told is not None
    assert (told.status, told.document["reason"]) == (503, "unknown")
    assert told.document["records"] == [{"outcome": "unknown"}]


def test_requests_in_a_burst_have_an_edge() -> None:
    """D1, P8: one more than the burst at one instant is 429; the rate gives the next one soon."""

    async def work(rig: Rig) -> list[int]:
        heard = [await plain(rig, status(rig)) for _ in range(PUSH_BURST + 20)]
        await asyncio.sleep(1)
        heard.append(await plain(rig, status(rig)))
        return [told.status for told in heard if told is not None]

    codes = run(work)
    assert set(codes[:PUSH_BURST]) == {200}
    assert 429 in codes[PUSH_BURST:]
    assert codes[-1] == 200


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", b"\xde\xadPOST / HTTP/1.1\r\n\r\n"])
def test_bytes_that_are_no_http_get_a_problem(data: bytes) -> None:
    """What cannot be read is answered in the same form as all else, and without the bytes (P7)."""

    async def work(rig: Rig) -> tuple[Told | None, int]:
        await rig.send(data)
        return await rig.reply(), rig.gateway.listener.answers[400]

    told, counted = run(work)
    assert told is not None
    assert (told.status, told.document["reason"], counted) == (400, "http", 1)
    assert "POST" not in told.document["detail"]


def test_a_listener_has_an_edge_of_connections() -> None:
    """D4, B20: one more than the most of one address is closed without a word; a place that is left is free."""

    async def work(rig: Rig) -> list[bool]:
        most = limits.PUSH_CONNECTIONS_PER_ADDRESS_MAX
        lines = [await asyncio.open_connection("gw", PORT) for _ in range(most + 1)]
        await asyncio.sleep(0.01)
        closed = [reader.at_eof() or reader.exception() is not None for reader, _ in lines]
        for _, writer in lines:
            writer.transport.abort()
        await asyncio.sleep(0.01)
        told = await plain(rig, status(rig))
        return [*closed, told is not None and told.status == 200]

    assert run(work) == [*[False] * limits.PUSH_CONNECTIONS_PER_ADDRESS_MAX, True, True]
