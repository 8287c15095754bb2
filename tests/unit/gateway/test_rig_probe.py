"""`rig probe`: what a live rig says, raw beside decoded; it never writes, and personal words stay hidden (P7)."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import TYPE_CHECKING

import pytest
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig

from gateway.cli import main
from gateway.errors import ConfigError
from gateway.rig import limits
from gateway.rig.place import Place, place_of
from gateway.rig.probing import Look, Wanted, as_document, as_lines, probe
from gateway.rig.views import views_of

if TYPE_CHECKING:
    from pathlib import Path

PATIENT = fast_v1(5000)  # a rig that answers is never too slow


async def looks(rig: ScriptedRig, wanted: Wanted) -> list[Look]:
    found: list[Look] = []
    async with asyncio.timeout(10):
        await probe(Place("tcp", "127.0.0.1", rig.port), wanted, found.append)
    return found


async def test_a_rig_is_shown_down_to_the_record_that_its_newest_event_names() -> None:
    """Raw words beside values, names for codes, scores in points; tickets and checksums over them hidden (P7)."""
    async with ScriptedRig() as rig:
        rig.latch_item(score=8750, ticket="20261123-0007")
        (found,) = await looks(rig, Wanted(PATIENT, looks=1))
    rows = {(table.name, row.name): row for table in found.tables for row in table.rows}
    assert found.good
    assert (rows["result", "score"].raw.hex(), rows["result", "score"].value) == ("222e", "87.50")
    assert rows["result", "outcome"].value == "finished (1)"
    assert rows["result", "deductions[1].points"].value == "7.50"
    assert rows["status", "serial"].value == "LV-0001"
    told = "\n".join(as_lines(found, Wanted(PATIENT), None)) + json.dumps(as_document(found))
    assert "0007" not in told
    assert rows["result", "crc"].raw == b""
    assert all(function == 3 for function, _, _ in rig.requests), "nothing is written"


async def test_a_record_that_is_not_proven_is_hidden_whole_unless_asked_for() -> None:
    """In another layout nobody knows which words are the name (P7); the status is shown field by field."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        rig.registers[4096 + 48 + 40] ^= 1
        rig.registers[14] = 77
        (found,) = await looks(rig, Wanted(PATIENT, looks=1))
        (shown,) = await looks(rig, Wanted(PATIENT, looks=1, with_personal=True))
    status, event = found.tables
    assert "crc" in status.fault
    assert next(row for row in status.rows if row.name == "state").value.startswith("unknown")
    assert (event.rows, "hidden whole" in event.fault) == ((), True)
    assert any(row.value == "20261123-0007" for row in shown.tables[1].rows)
    assert not found.good


async def test_what_changed_is_marked_and_a_rig_that_comes_back_is_read_again() -> None:
    """A `*` before what changed; silence is a line, not the end."""
    async with ScriptedRig() as rig:
        rig.faults[2] = lambda _request, _reply: [None]
        wanted = Wanted(PATIENT, looks=3, every_s=limits.EVERY_S_MIN)
        rig.on_request[3] = rig.refresh
        first, lost, again = await looks(rig, wanted)
    assert (first.good, bool(lost.fault), again.good) == (True, True, True)
    changed = [line.split()[2] for line in as_lines(again, wanted, first) if line.startswith("*")]
    assert changed == ["heartbeat", "crc"]
    assert "无应答" in as_lines(lost, wanted, first)[0]


@pytest.mark.parametrize("hostile", ["silent", "endless", "other"])
async def test_a_hostile_rig_never_holds_the_tool(hostile: str) -> None:
    """Silence, endless bytes and another protocol each end in words within the profile's deadline."""
    async with ScriptedRig() as rig:
        if hostile == "silent":
            rig.silent = True
        elif hostile == "endless":
            rig.faults[1] = lambda _request, _reply: [b"\xff" * 65536] * 20
        else:
            rig.on_accept = lambda _number: b"HTTP/1.1 400 Bad Request\r\n\r\n"
        (found,) = await looks(rig, Wanted(fast_v1(60), looks=1))
    assert found.fault
    assert not found.good


async def test_a_serial_line_is_probed_like_a_socket(tmp_path: Path) -> None:
    """RTU on a port, unit by unit; a unit that is not there is told."""
    copper = ScriptedBus(ScriptedRig("LV-0002", unit=7))
    async with copper.serve_pty(tmp_path / "tty") as device:
        found: list[Look] = []
        await probe(place_of(str(device)), Wanted(PATIENT, 7, looks=1), found.append)
        await probe(place_of(str(device)), Wanted(fast_v1(60), 8, looks=1), found.append)
    assert (found[0].good, found[1].good) == (True, False)


def test_all_orders_stand_side_by_side() -> None:
    """87.5 as a float with its low word first is found under CDAB; a name in GBK under gbk; a BCD date as a date."""
    data = struct.pack(">f", 87.5)
    views = {(view.type, view.words): view.values for view in views_of(data[2:] + data[:2])}
    assert views["float32", 2]["CDAB"] == "87.5"
    name = {view.type: view.values for view in views_of("张三丰".encode("gbk"))}
    assert (name["gbk"]["AB"], name["ascii"]["AB"]) == ("张三丰", "-")
    date = {view.type: view.values for view in views_of(bytes.fromhex("261123101500"))}
    assert date["time-bcd"]["ABCDEF"] == "2026-11-23T10:15:00Z"
    terminal = {view.type: view.values for view in views_of(b"\x1b[2J")}
    assert "\x1b" not in terminal["ascii"]["AB"], "a rig never moves the cursor"


def test_the_command_tells_what_is_wrong_with_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    """What, where, what to do; exit code 2."""
    for words, told in (
        (["127.0.0.1"], "--profile NAME, or --at ADDRESS"),
        (["127.0.0.1:70000", "--at", "0"], "port 70000"),
        (["one two", "--at", "0"], "HOST:PORT"),
        (["127.0.0.1", "--at", "65535", "--words", "2"], "counted from 0"),
        (["127.0.0.1", "--profile", "no-such"], "shipped:"),
        (["127.0.0.1", "--profile", "kaofen-interface-v1-mqtt"], "MQTT"),
        (["127.0.0.1", "--profile", "kaofen-v1-low-voltage", "--at", "4110"], "--with-personal"),
        (["/dev/null", "--at", "0", "--baud", "9601"], "--baud 9601"),
        (["127.0.0.1", "--at", "0", "--every", "0"], "--every 0"),
        (["127.0.0.1", "--at", "0", "--unit", "256"], "--unit 256"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["rig", "probe", *words, "--once"])
        assert (ended.value.code, told in capsys.readouterr().err) == (2, True), words


@pytest.mark.parametrize(("words", "good"), [(0, False), (1, True), (limits.VIEW_WORDS_MAX, True), (65, False)])
def test_words_at_a_chosen_address_are_bounded(words: int, good: bool) -> None:
    """The limit itself is allowed, one more is not."""
    if good:
        assert Wanted(at=0, words=words).words == words
    else:
        with pytest.raises(ConfigError, match="--words"):
            Wanted(at=0, words=words)


async def test_the_command_prints_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json: one document a look; exit code 1 when the rig is not what the profile says."""
    (tmp_path / "fast.toml").write_bytes(fast_v1(5000).text)
    async with ScriptedRig() as rig:
        rig.registers[0] = 1
        words = ["rig", "probe", f"127.0.0.1:{rig.port}", "--profile", str(tmp_path / "fast.toml"), "--once", "--json"]
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, words)
    document = json.loads(capsys.readouterr().out)
    assert (ended.value.code, document["records"][0]["record"]) == (1, "status")
    assert document["records"][0]["fields"][0]["wrong"]
