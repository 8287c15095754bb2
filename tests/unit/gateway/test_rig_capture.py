"""`rig capture` and `rig replay`: what a rig answered, in a file, without a person in it, and as a rig again (P7)."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_profiles import adapter_for, fast_v1, follow
from scripted_rig import ScriptedRig

from device_adapters.factory import open_adapter
from gateway.cli import main
from gateway.errors import ConfigError
from gateway.rig import limits
from gateway.rig.capturing import Plan, capture, parse_read
from gateway.rig.place import Place
from gateway.rig.recording import Recording, parse_recording, read_recording
from gateway.rig.replaying import Replay
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from device_adapters.contract import Observation

PATIENT = fast_v1(5000)  # a rig that answers is never too slow
TICKET = "20261123-0007"
HEAD = b'{"capture": 1, "unit": 1, "began": "", "personal": "hidden"}\n'
GOOD = HEAD + b'{"round": 1, "at_ms": 1, "took_ms": 1, "read": [0, 1], "reply": "002a"}\n'


async def captured(rig: ScriptedRig, **wishes: object) -> tuple[str, Recording]:
    lines: list[str] = []
    plan = Plan(**{"profile": PATIENT, "seconds": 0.1, "every_s": limits.EVERY_S_MIN, **wishes})  # type: ignore[arg-type]
    await capture(Place("tcp", "127.0.0.1", rig.port), plan, SystemClock(), lines.append)
    return "".join(lines), parse_recording("".join(lines).encode())


async def observed(port: int, count: int) -> list[Observation]:
    """What the gateway's own adapter reads there."""
    adapter = open_adapter(PATIENT, host="127.0.0.1", port=port, serial="LV-0001", unit=1, rng=random.Random(7))
    seen, refused, _ = await follow(adapter, lambda seen, refused, _: len(seen) >= count or bool(refused))
    await adapter.close()
    assert refused == []
    return seen


async def test_a_capture_replayed_gives_the_entries_that_the_rig_gave_without_the_person() -> None:
    """P7 and support far away: same fields, same numbers, no ticket, and nothing that could tell it."""
    async with ScriptedRig() as rig:
        rig.latch(1, args=(1, 1, 0, 0))
        rig.latch_item(score=8750, ticket=TICKET)
        text, recording = await captured(rig)
        assert all(function == 3 for function, _, _ in rig.requests), "nothing is written"
        adapter = adapter_for(rig)
        live, _, _ = await follow(adapter, lambda seen, _refused, _lost: len(seen) >= 3)
        await adapter.close()
    assert "0007" not in bytes.fromhex("".join(json.loads(line).get("reply", "") for line in text.splitlines())).decode(
        "latin-1"
    )
    replay = Replay(recording, FakeClock())
    async with await replay.serve("127.0.0.1", 0) as server:
        again = await observed(server.sockets[0].getsockname()[1], 3)
    assert [(one.type, one.seq, one.fields) for one in again] == [(one.type, one.seq, one.fields) for one in live]
    assert [one.personal for one in again[1:]] == [{}, {}]


async def test_what_is_not_proven_is_hidden_whole() -> None:
    """P7: a record whose checksum is wrong may hold the name anywhere; words behind a short record, too."""
    async with ScriptedRig() as rig:
        rig.latch_item(ticket=TICKET)
        rig.put(28672 + 60, b"Zhang San, a candidate before ")
        rig.registers[4096 + 48 + 40] ^= 1
        _, recording = await captured(rig)
    assert all(not any(one.reply or b"") for one in recording.exchanges if one.at >= 4096)
    async with ScriptedRig() as rig:
        rig.latch_item(ticket=TICKET)
        rig.put(28672 + 60, b"Zhang San, a candidate before ")
        _, recording = await captured(rig)
    everything = b"".join(one.reply or b"" for one in recording.exchanges)
    assert b"Zhang" not in everything
    assert TICKET.encode() not in everything
    assert any(one.hidden for one in recording.exchanges)


async def test_with_personal_everything_is_kept_and_the_file_says_so() -> None:
    """The choice is the integrator's, and it stands in the first line."""
    async with ScriptedRig() as rig:
        rig.latch_item(ticket=TICKET)
        _, recording = await captured(rig, with_personal=True)
        _, words = await captured(rig, profile=None, reads=((0, 48), (4144, 48)), with_personal=True)
    assert recording.head.personal == words.head.personal == "kept"
    assert TICKET.encode() in b"".join(one.reply or b"" for one in recording.exchanges)
    assert {(one.at, one.words) for one in words.exchanges} == {(0, 48), (4144, 48)}


async def test_silence_and_exceptions_are_captured_and_replayed() -> None:
    """What the rig refused at the site is refused in support, too."""
    async with ScriptedRig() as rig:
        rig.faults[2] = lambda request, _reply: [rig.frame(request, b"\x83\x02")]
        rig.faults[3] = lambda _request, _reply: [None]
        _, recording = await captured(rig, seconds=0.2)
    ends = [one.exception or one.failed[:10] or "words" for one in recording.exchanges]
    assert ends[:3] == ["words", 2, "connection"]
    clock = FakeClock()
    replay = Replay(recording, clock)
    ask = bytes((3, 0, 0, 0, 48))
    heard = []
    for one in recording.exchanges[:3]:
        await clock.advance(one.at_ms / 1000 - (clock.mono_us() - 1_000_000) / 1_000_000 + 0.001)
        heard.append(replay.answer(1, ask))
    assert [answer and answer[:2] for answer in heard] == [bytes((3, 96)), b"\x83\x02", None]


def test_a_replay_answers_as_a_rig_does() -> None:
    """Another unit, function, address, count: the exception of the standard; writes are taken and told."""
    told: list[str] = []
    replay = Replay(parse_recording(GOOD), FakeClock(), say=told.append)
    assert replay.answer(1, bytes((3, 0, 0, 0, 1))) == bytes((3, 2, 0, 42))
    assert replay.answer(2, bytes((3, 0, 0, 0, 1))) == b"\x83\x0b"
    assert replay.answer(1, bytes((43, 14, 1, 0))) == b"\xab\x01"
    assert replay.answer(1, bytes((3, 0, 1, 0, 1))) == b"\x83\x02"
    assert replay.answer(1, bytes((3, 0, 0, 0, 126))) == b"\x83\x03"
    assert replay.answer(1, bytes((16, 0, 100, 0, 2, 4, 0, 0, 0, 9))) == bytes((16, 0, 100, 0, 2))
    assert replay.answer(1, bytes((16, 0, 100, 0, 2, 4, 0, 0))) == b"\x90\x03"
    assert replay.answer(1, bytes((6, 0, 102, 0, 7))) == bytes((6, 0, 102, 0, 7))
    assert replay.answer(1, bytes((3, 0, 100, 0, 3))) == bytes((3, 6, 0, 0, 0, 9, 0, 7))
    assert told[1:] == ["写入 written at 100: 0000 0009", "写入 written at 102: 0007"]


async def test_a_replay_bounds_its_callers() -> None:
    """Eight connections, and none that does not speak Modbus."""
    async with asyncio.timeout(10), await Replay(parse_recording(GOOD), FakeClock()).serve("127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        peers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(limits.REPLAY_CONNECTIONS_MAX)]
        for reader, writer in peers:
            writer.write(bytes((0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1)))
            assert (await reader.readexactly(11))[-1] == 42
        one_more, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await one_more.readexactly(1)
        peers[0][1].write(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await peers[0][0].readexactly(1)
        for _, each in (*peers, (one_more, writer)):
            each.close()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"capture": 1', '"capture": 2', "1: no"),
        ('"unit": 1', '"unit": 256', "1: unit"),
        ('"hidden"', '"perhaps"', "1: personal"),
        ("[0, 1]", "[0, 126]", "2: read"),
        ("[0, 1]", "[65535, 2]", "2: read"),
        ("002a", "00", "2: reply: 1 bytes for 1 words"),
        ("002a", "zz", "2: reply: hexadecimal"),
        ('"reply": "002a"', '"exception": 300', "2: exception"),
        (', "reply": "002a"', "", "2: one of"),
        ('"at_ms": 1', '"at_ms": NaN', "2: at_ms"),
        ("{", "[", "1: not a JSON object"),
    ],
)
def test_a_file_that_is_no_capture_is_told_by_its_line(old: str, new: str, told: str) -> None:
    """What and where."""
    with pytest.raises(ConfigError, match="^" + told):
        parse_recording(GOOD.decode().replace(old, new, 1).encode())


def test_a_capture_that_was_cut_off_is_good_up_to_there() -> None:
    """A full disk or a pulled plug loses the last line only."""
    assert parse_recording(GOOD + b'{"round": 2, "at_ms"').exchanges == parse_recording(GOOD).exchanges


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda data: GOOD[:70] + data + GOOD[70:])))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    """The declared error, or a capture."""
    try:
        recording = parse_recording(data)
    except ConfigError:
        return
    Replay(recording, FakeClock()).answer(recording.head.unit, bytes((3, 0, 0, 0, 1)))


async def test_the_commands_write_and_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is never written over; what stands in it is said; wrong words end with exit code 2."""
    (tmp_path / "fast.toml").write_bytes(fast_v1(5000).text)
    out = tmp_path / "rig.jsonl"
    async with ScriptedRig() as rig:
        words = ["rig", "capture", f"127.0.0.1:{rig.port}", "--out", str(out), "--seconds", "0.01"]
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, [*words, "--profile", str(tmp_path / "fast.toml")])
        assert (ended.value.code, read_recording(out).head.sha256) == (0, fast_v1(5000).sha256)
        for more, told in (
            (["--profile", str(tmp_path / "fast.toml")], "File exists"),
            (["--read", "0:48"], "--with-personal"),
            ([], "nothing to capture"),
            (["--read", "0-48", "--with-personal"], "ADDRESS:WORDS"),
            (["--read", "0:126", "--with-personal"], "1 to 125"),
        ):
            with pytest.raises(SystemExit) as ended:
                await asyncio.to_thread(main, words + more)
            assert (ended.value.code, told in capsys.readouterr().err) == (2, True), told
    for bad in (str(tmp_path / "fast.toml"), str(tmp_path / "none")):
        with pytest.raises(SystemExit) as ended:
            main(["rig", "replay", bad, "--port", "0"])
        assert (ended.value.code, bad in capsys.readouterr().err) == (2, True)
    assert parse_read("0:48") == (0, 48)
