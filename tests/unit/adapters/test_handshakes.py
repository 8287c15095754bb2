"""The handshakes by word, and none: what a rig is told, over TCP and on a bus, with one fault at each request in turn.

The handshake by coil: test_coil_ack.py.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest
from ack_point import LOST, AckPoint, on_virtual_time
from rig_profiles import adapter_for, fast_v1, follow
from scripted_rig import CONTROL, EVENTS, ScriptedRig

from device_adapters.contract import Position
from device_adapters.language.profile import Profile, load_profile

TEXT = fast_v1(100, busy_wait_ms=30).text
BY_WORD = b'kind = "sequence"\nack = { at = 100, type = "uint32", order = "ABCD" }\n'
PROFILES: dict[str, Profile] = {
    "sequence": load_profile(TEXT),
    "echo": load_profile(TEXT.replace(BY_WORD, BY_WORD.replace(b"sequence", b"echo"))),
    "none": load_profile(
        TEXT.replace(BY_WORD, b'kind = "none"\n').replace(b'guarantee = "latched"', b'guarantee = "unacknowledged"')
    ),
}


def rig_with(records: int) -> ScriptedRig:
    rig = ScriptedRig()
    for slot in range(records):
        rig.latch_item(slot=slot)
    return rig


@pytest.mark.parametrize("kind", PROFILES)
async def test_what_is_told_over_tcp(kind: str) -> None:
    """P1's other half: the number is written after the ack, read back where it must echo, and never without an ack."""
    rig = rig_with(2)
    async with rig:
        adapter = adapter_for(rig, Position(3, 0), PROFILES[kind])
        async with asyncio.timeout(5):
            seen, refused, _ = await follow(adapter, lambda seen, *_: len(seen) == 2)
        await adapter.close()
    assert ([row.seq for row in seen], refused) == ([1, 2], [])
    assert rig.acks == ([] if kind == "none" else [1, 2])
    assert rig.requests.count((3, CONTROL, 2)) == (2 if kind == "echo" else 0)
    assert {row.guarantee for row in seen} == {"unacknowledged" if kind == "none" else "latched"}


@pytest.mark.parametrize("kind", PROFILES)
def test_no_fault_at_any_place_tells_more_than_is_stored(kind: str) -> None:
    """P1, P5: record 1 is stored, record 2 cannot be read: 1 is told in the end, 2 never; without ack nothing is."""

    async def work(at: int, how: str) -> None:
        point = AckPoint(rig_with(2), PROFILES[kind], at, how)
        rig = point.rig
        rig.registers[EVENTS + 48 * 2 + 40] ^= 1
        adapter = point.adapter()
        async with asyncio.timeout(60):
            seen, refused, _ = await follow(
                adapter, lambda seen, refused, _: bool(refused) and bool(seen) and rig.acked_seq == (kind != "none")
            )
        await adapter.close()
        await point.bus.close()
        assert [row.seq for row in seen] == [1]
        assert {one.asked for one in refused} <= {1, 2, None}
        assert set(rig.acks) == (set() if kind == "none" else {1}), (at, how)

    for at, how in itertools.product(range(2, 11), LOST):
        on_virtual_time(work(at, how))


def test_an_echo_that_does_not_stay_is_told_again_on_a_bus() -> None:
    """The write is confirmed and nothing is kept: the rig is told again by itself, until the number stands there."""

    async def work() -> None:
        point = AckPoint(rig_with(1), PROFILES["echo"])
        rig = point.rig
        forgets = [CONTROL] * 2

        def forget(_: int) -> None:
            if forgets and rig.requests[-1] == (3, CONTROL, 2):
                forgets.pop()
                rig.registers[CONTROL : CONTROL + 2] = [0, 0]
                rig.acked_seq, rig.oldest_seq = 0, 1
                rig.refresh()

        point.line._steps = lambda request: (rig_sees(request), point._steps(request))[1]  # type: ignore[method-assign]

        def rig_sees(request: bytes) -> None:
            rig.requests.append((request[1], int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")))
            forget(0)
            rig.requests.pop()

        adapter = point.adapter()
        async with asyncio.timeout(60):
            await follow(adapter, lambda *_: rig.acked_seq == 1 and not forgets and rig.registers[CONTROL + 1] == 1)
        assert rig.acks == [1, 1, 1]
        await adapter.close()
        await point.bus.close()

    on_virtual_time(work())
