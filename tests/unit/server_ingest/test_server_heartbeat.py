"""Heartbeats: strict reading, the answer, and the signs of a rolled-back or cloned box."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog
from server_bench import bench

from server.errors import Refused

LOG = SampleLog().grow(5)


def beat(**changes: Any) -> bytes:
    document = {"v": 1, "origin": LOG.origin, "size": 5, "instance": "a", "unsent": 5, "rigs": []} | changes
    return json.dumps(document).encode()


async def test_the_answer_says_time_and_size() -> None:
    """The gateway learns the server's time, a fresh nonce and what of its log is stored."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        await made.send(LOG, 0, 3)
        answer = await made.heartbeats.beat("gw-01", beat(extra={"kept": 1}))
        assert answer == {
            "v": 1,
            "time": "2026-11-23T06:42:05.000000Z",
            "nonce": "0" * 32,
            "plan_version": None,
            "renew": False,
            "revoked": None,
            "size": 3,
        }
        assert made.shown[0][0] == "gw-01"
        assert made.shown[0][1]["extra"] == {"kept": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        beat(v=2),
        beat(size=-1),
        beat(size="5"),
        beat(size=True),
        beat(size=1.5),
        beat(rigs=[1]),
        beat().replace(b'"size": 5', b'"size": 5, "size": 6'),
        beat().replace(b'"size": 5', b'"size": NaN'),
        b"[" * 50_000,
        beat(instance=None),
    ],
)
async def test_what_is_no_heartbeat_is_refused(body: bytes) -> None:
    """No number for a word, no NaN, no key twice, no depth bomb (reliability.md finding 9)."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        with pytest.raises(Refused) as refused:
            await made.heartbeats.beat("gw-01", body)
        assert refused.value.status == 400
        assert made.shown == []


async def test_a_gateway_speaks_only_of_its_own_log() -> None:
    """Another origin is 403 and shown nowhere."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        with pytest.raises(Refused) as refused:
            await made.heartbeats.beat("gw-01", beat(origin=SampleLog("gw-02").origin))
        assert refused.value.status == 403


async def test_a_log_that_shrank_is_an_alarm() -> None:
    """P3: a box whose log is shorter than what it was told is stored was rolled back; a beat under way is no sign."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        await made.send(LOG, 0, 3)
        await made.heartbeats.beat("gw-01", beat(size=3))
        await made.send(LOG, 3, 5)
        await made.heartbeats.beat("gw-01", beat(size=4))  # made before the upload of 5 was answered
        assert await made.kinds() == []
        await made.heartbeats.beat("gw-01", beat(size=4))
        assert await made.kinds() == ["rolled_back"]


async def test_two_boxes_that_take_turns_are_an_alarm() -> None:
    """B18: a restart is one change of instance; a clone comes back again and again."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        for instance in ("a", "a", "b", "a", "b", "c", "c"):  # one stray beat of a dying process
            await made.heartbeats.beat("gw-01", beat(instance=instance))
        assert await made.kinds() == []
        for instance in ("b", "c", "b", "c", "b"):
            await made.heartbeats.beat("gw-01", beat(instance=instance))
        assert await made.kinds() == ["cloned"]
