"""The profile of rig interface v1, as shipped and hurried up for tests."""

from __future__ import annotations

import asyncio
import random
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from device_adapters.contract import BackOff, BadReading, Evidence, NotConnected, Observation, Position
from device_adapters.factory import open_adapter
from device_adapters.language.profile import Profile, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripted_rig import ScriptedRig

    from device_adapters.contract import Adapter

V1_TEXT = files("device_adapters").joinpath("profiles/kaofen-v1-low-voltage.toml").read_bytes()
_HURRIED = (
    ("timeout_ms = 1000", "timeout_ms = {timeout_ms}"),
    ("connect_timeout_ms = 3000", "connect_timeout_ms = 300"),
    ("status_every_ms = 2000", "status_every_ms = 200"),
    (
        "{ idle = 250, open = 100, running = 100, finished = 100, fault = 1000 }",
        "{ idle = 2, open = 1, running = 1, finished = 1, fault = 5 }",
    ),
)


def v1() -> Profile:
    return load_profile(V1_TEXT)


def hurried(text: bytes) -> bytes:
    """A profile of tests/vectors with short times."""
    made = re.sub(rb"(?m)^timeout_ms = .*$", b"timeout_ms = 60", text)
    made = re.sub(rb"(?m)^connect_timeout_ms = .*$", b"connect_timeout_ms = 300\nbusy_wait_ms = 20", made)
    made = re.sub(rb"(?m)^status_every_ms = .*$", b"status_every_ms = 200", made)
    return re.sub(rb"(?m)^by_state = .*$", b"by_state = { idle = 2, running = 1, finished = 1, fault = 5 }", made)


def fast_v1(timeout_ms: int = 60, **more: int) -> Profile:
    """Interface v1 with short times. `more` are further keys of [transport]."""
    text = V1_TEXT.decode()
    for old, new in _HURRIED:
        assert old in text
        text = text.replace(old, new.replace("{timeout_ms}", str(timeout_ms)), 1)
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    for key in more:
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{key} ="))
    return load_profile(text.replace("[transport]\n", "[transport]\n" + extra, 1).encode())


FAST = fast_v1()


def adapter_for(
    rig: ScriptedRig, position: Position | None = None, profile: Profile = FAST, **changes: object
) -> Adapter:
    named = {"host": "127.0.0.1", "port": rig.port, "serial": "LV-0001", "unit": 1, "rng": random.Random(7), **changes}
    return open_adapter(profile, position=position, **named)  # type: ignore[arg-type]


async def follow(
    adapter: Adapter,
    enough: Callable[[list[Observation], list[Evidence], list[NotConnected]], bool],
    *,
    reconnects: int = 50,
) -> tuple[list[Observation], list[Evidence], list[NotConnected]]:
    """What a gateway does: connect, read, ack, reconnect, until the test has enough."""
    seen: list[Observation] = []
    refused: list[Evidence] = []
    lost: list[NotConnected] = []
    up = False
    while not enough(seen, refused, lost):
        assert len(lost) <= reconnects, f"never came back: {lost[-1]}"
        try:
            if not up:
                await adapter.connect()
                up = True
            reading, ack = await adapter.read()
            if isinstance(reading, Observation):
                seen.append(reading)
            await ack()
        except NotConnected as error:
            lost.append(error)
            up = False
        except BadReading as error:
            refused.append(error.evidence)
        except BackOff:
            pass
    return seen, refused, lost


async def next_observation(adapter: Adapter) -> Observation:
    """The next observation of a connected adapter, acked."""
    while True:
        reading, ack = await adapter.read()
        await ack()
        if isinstance(reading, Observation):
            return reading


def seqs(seen: list[Observation]) -> list[tuple[str, int, int]]:
    return [(row.type, row.epoch, row.seq) for row in seen]


async def until(seen_seq: int, rig: ScriptedRig, position: Position | None) -> list[Observation]:
    """Follow with one adapter until this sequence number was seen and acked."""
    adapter = adapter_for(rig, position)
    try:
        async with asyncio.timeout(5):
            seen, refused, _ = await follow(
                adapter, lambda seen, *_: bool(seen) and seen[-1].seq == seen_seq and rig.acked_seq >= seen_seq
            )
    finally:
        await adapter.close()
    assert not refused
    return seen
