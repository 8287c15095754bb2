"""The two ways through a message's JSON say the same: member by member at once, and token by token (M1, P5, P7)."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_messages import GOLDEN, status

from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node, read_object
from device_adapters.language.shape import INTERFACE_V1
from device_adapters.messages.fates import LET_GO
from device_adapters.messages.mailbox import Mailbox

FAR = ((10**9, 1),)  # a range that is nowhere: then every token is looked at by itself
LEAVES = st.one_of(st.integers(-(10**22), 10**22), st.booleans(), st.none(), st.text(max_size=8), st.floats(0, 9))
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


def both(data: bytes) -> tuple[Any, Any]:
    found: list[Any] = []
    for erased in ((), FAR):
        try:
            found.append(read_object(data, erased))
        except DecodeError as error:
            found.append((error.reason, error.detail))
    return found[0], found[1]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=6), TREES, max_size=6), st.booleans(), st.sampled_from([None, 1]))
def test_both_ways_agree_on_any_object(document: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    """Values, places and refusals, in their own words."""
    one, other = both(json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass"))
    assert one == other


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_both_ways_agree_on_spoilt_messages(name: str) -> None:
    """Golden payloads with one byte changed, doubled or taken away."""
    rng, payload = random.Random(name), GOLDEN[name].payload
    for _ in range(60):
        at = rng.randrange(len(payload))
        middle = rng.choice([b"", payload[at : at + 1] * 2, bytes((rng.randrange(256),)), b'"', b",", b"\\", b"0"])
        one, other = both(payload[:at] + middle + payload[at + 1 :])
        assert one == other


def test_places_are_exact() -> None:
    """P7: what would be cut lies exactly there, whatever stands around it."""
    data = '{"a" : "考分" , "b":-12,\t"c":null,"d":{"e":"x"}}'.encode()
    found = read_object(data)
    assert {key: data[at : at + length].decode() for key, node in found.items() for at, length in [node.span]} == {
        "a": "考分",
        "b": "-12",
        "c": "null",
        "d": '{"e":"x"}',
    }
    assert found["b"] == Node(-12, (data.index(b"-12"), 3))


def test_a_status_with_other_bytes_is_read_anew() -> None:
    """What makes the kept status stale is one byte of another; and what is refused is refused each time."""
    box = Mailbox("CP-0001", INTERFACE_V1)

    async def say(payload: bytes) -> Any:
        return box.deliver_status(payload, lambda fate: fate is LET_GO, retained=False)

    async def work() -> None:
        for elapsed in (77, 77, 78, 77):
            assert await say(status(elapsed_s=elapsed)) is None
            assert box.status is not None
            assert box.status.live is not None
            assert box.status.live.elapsed_s == elapsed
        for _ in range(2):
            refused = await say(status(elapsed_s="77"))
            assert refused is not None
            assert refused.reason == "wrong_kind"
        assert box.statuses == 4
        assert await say(status()) is None

    asyncio.run(work())
