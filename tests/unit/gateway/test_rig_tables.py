"""The tools at rigs with coils, flags and other tables; records that a reading clears are left alone."""

from __future__ import annotations

import asyncio
import random
import struct
from typing import TYPE_CHECKING

import pytest
from coil_rig import coil_profile, coil_rig
from fake_bench import FakeBench
from fake_clock import FakeClock
from rig_profiles import follow
from scripted_rig import ScriptedRig, text
from tree import ROOT

from device_adapters.factory import open_adapter
from device_adapters.language.profile import load_profile
from device_adapters.language.spaces import SPACES
from gateway.errors import ConfigError
from gateway.rig.accept.acceptance import Acceptance
from gateway.rig.accept.session import Session, Wishes
from gateway.rig.accept.subject import UnderTest
from gateway.rig.accept.trials import STEPS
from gateway.rig.capturing import Plan, capture, parse_read
from gateway.rig.checking import check_live
from gateway.rig.place import Place, open_wire, transport_of
from gateway.rig.probing import Look, Wanted, place_text, probe
from gateway.rig.recording import parse_recording
from gateway.rig.replaying import Replay
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from gateway.rig.recording import Recording

ONCE = load_profile((ROOT / "tests/vectors/profile/read-once-bench.toml").read_bytes())
COIL = coil_profile("toggle", timeout_ms=5000)


def place_of(rig: ScriptedRig) -> Place:
    return Place("tcp", "127.0.0.1", rig.port)


async def captured(rig: ScriptedRig, profile: Profile | None, **wishes: object) -> Recording:
    lines: list[str] = []
    plan = Plan(profile, 1, seconds=0.01, **wishes)  # type: ignore[arg-type]
    await capture(place_of(rig), plan, SystemClock(), lines.append)
    return parse_recording("".join(lines).encode())


async def test_a_record_that_a_reading_clears_is_never_read() -> None:
    """P1: a tool that only looks must not take the result from the gateway that stores it."""
    async with ScriptedRig() as rig:
        status = text("RO-1", 4) + struct.pack(">3HII", 3, 1, 0, 7, 7)
        rig.put(0, status)
        found: list[Look] = []
        await probe(place_of(rig), Wanted(ONCE, 1, looks=1), found.append)
        await captured(rig, ONCE)
        findings = await check_live(place_of(rig), ONCE, 1, SystemClock(), 0.01)
        asked = {(function, at) for function, at, _ in rig.requests}
    assert asked == {(3, 0)}, "the status and nothing else"
    assert "reading a record clears it" in found[0].tables[1].fault
    assert any("reading a record clears it" in each.en for each in findings)


async def test_flags_on_inputs_are_captured_checked_and_replayed() -> None:
    """State and mode of a status stand in another table: function 2, bit by bit, also at the replay."""
    async with coil_rig("toggle") as rig:
        rig.latch_item()
        recording = await captured(rig, COIL)
        findings = await check_live(place_of(rig), COIL, 1, SystemClock(), 0.01)
    assert [one for one in findings if one.level == "FAIL"] == []
    spaces = {one.space for one in recording.exchanges}
    assert spaces == {"holding", "discrete"}
    async with await Replay(recording, FakeClock()).serve("127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        adapter = open_adapter(COIL, host="127.0.0.1", port=port, serial="LV-0001", unit=1, rng=random.Random(7))
        async with asyncio.timeout(20):
            seen, refused, _ = await follow(adapter, lambda seen, refused, _: bool(seen or refused))
            await adapter.close()
    assert ([one.type for one in seen], refused) == (["rig.rebooted"], [])


async def test_a_rig_that_is_told_by_a_coil_is_accepted() -> None:
    """Record by record, whatever the handshake is."""
    async with coil_rig("toggle") as rig, open_wire(place_of(rig), COIL, transport_of(COIL, 1)) as wire:
        subject = UnderTest(COIL, wire, SystemClock(), 20.0)
        session = Session(subject, FakeBench(rig), Wishes(results=2, step_s=30.0), SystemClock(), lambda _: None)
        async with asyncio.timeout(60):
            trials = {trial.id: trial for trial in await Acceptance(session, STEPS).run()}
    assert trials["handshake"].outcome == "passed", trials


async def test_input_registers_are_probed_and_captured_on_request() -> None:
    """Function 4, by its own name."""
    async with ScriptedRig() as rig:
        rig.reply = lambda request: rig.frame(request, bytes((request[7], 2, 0, 42)))  # type: ignore[method-assign]
        found: list[Look] = []
        await probe(place_of(rig), Wanted(at=7, words=1, of_input=True, looks=1), found.append)
        recording = await captured(rig, None, reads=(parse_read("input:7:1"),), with_personal=True)
        assert {(function, at) for function, at, _ in rig.requests} == {(4, 7)}
    assert found[0].raw == b"\0\x2a"
    assert (recording.exchanges[0].space, recording.exchanges[0].at) == ("input", 7)
    replay = Replay(recording, FakeClock())
    assert replay.answer(1, bytes((4, 0, 7, 0, 1))) == bytes((4, 2, 0, 42))
    assert replay.answer(1, bytes((3, 0, 7, 0, 1))) == b"\x83\x02"
    assert place_text(SPACES["input"] + 7) == "input:7"


def test_a_replay_keeps_bits() -> None:
    """Coils are written one at a time or many, and read back packed, the first bit lowest."""
    head = b'{"capture": 1, "unit": 1, "began": "", "personal": "kept"}\n'
    line = b'{"round": 1, "at_ms": 0, "took_ms": 0, "read": [3, 10], "space": "coils", "reply": "0203"}\n'
    replay = Replay(parse_recording(head + line), FakeClock())
    assert replay.answer(1, bytes((1, 0, 3, 0, 10))) == bytes((1, 2, 0x03, 0x02))
    assert replay.answer(1, bytes((5, 0, 4, 0, 0))) == bytes((5, 0, 4, 0, 0))
    assert replay.answer(1, bytes((15, 0, 11, 0, 2, 1, 0b01))) == bytes((15, 0, 11, 0, 2))
    assert replay.answer(1, bytes((1, 0, 3, 0, 10))) == bytes((1, 2, 0x01, 0x01))
    assert replay.answer(1, bytes((15, 0, 11, 0, 9, 1, 0))) == b"\x8f\x03"
    for old, new in ((b'"coils"', b'"elsewhere"'), (b"0203", b"02")):
        with pytest.raises(ConfigError, match="2: "):
            parse_recording(head + line.replace(old, new))
