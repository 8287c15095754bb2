"""`rig check`: does a profile fit a rig? What is wrong is named with what to do; nothing personal is quoted (P7)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from rig_profiles import fast_v1
from scripted_rig import Item, ScriptedRig, crc16

from device_adapters.language.profile import load_profile
from gateway.cli import main
from gateway.rig import limits
from gateway.rig.capturing import Plan, capture
from gateway.rig.checking import check, check_live
from gateway.rig.place import Place
from gateway.rig.recording import parse_recording
from gateway.rig.sense import better_orders, personal_looks
from gateway.rig.views import plain_field
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from device_adapters.language.profile import Profile
    from gateway.doctor.report import Finding

PATIENT = fast_v1(5000)  # a rig that answers is never too slow
TICKET = "110101199003074578"


def changed(old: str, new: str) -> Profile:
    """The fast profile with one thing wrong."""
    text = fast_v1(5000).text.decode()
    assert old in text
    return load_profile(text.replace(old, new).encode())


async def found_by(profile: Profile, rig: ScriptedRig, seconds: float = 0.3) -> dict[tuple[str, str], str]:
    """(step, level) of each finding with its words in both languages."""
    found = await check_live(Place("tcp", "127.0.0.1", rig.port), profile, 1, SystemClock(), seconds)
    assert TICKET not in str(found)
    return by_step(found)


def by_step(found: list[Finding]) -> dict[tuple[str, str], str]:
    words: dict[tuple[str, str], str] = {}
    for one in found:
        words[one.step, one.level] = words.get((one.step, one.level), "") + f"{one.en} {one.zh} "
    return words


async def test_a_profile_that_fits_has_no_failure() -> None:
    """Records, fields, checksums, numbers that move, entries that come of it, and what is personal."""
    async with ScriptedRig() as rig:
        rig.latch(1, args=(1, 1, 0, 0))
        rig.on_request[4] = lambda: rig.latch_item(ticket=TICKET) and None
        found = await found_by(PATIENT, rig)
    assert [step for step, level in found if level == "FAIL"] == []
    assert "checksum right" in found["result", "ok"]
    assert "1 → 2" in found["status.last_seq", "ok"]
    assert "87.50" in found["result.score", "ok"]
    assert "marked personal: ticket" in found["event.ticket", "ok"]
    assert "1 × identity.checked, 1 × item.finished" in found["entries", "ok"]
    assert all(function == 3 for function, _, _ in rig.requests), "nothing is written"


@pytest.mark.parametrize(
    ("old", "new", "step", "told"),
    [
        ('kind = "crc16-modbus"', 'kind = "crc16-xmodem"', "status", "crc16-modbus, order AB, from word 0"),
        (
            'boot = { at = 12, type = "uint32" }',
            'boot = { at = 12, type = "uint32", order = "CDAB" }',
            "status.boot",
            "ABCD",
        ),
        ('state = { 0 = "idle"', 'state = { 4 = "idle"', "status.state", ""),
        ("const = 0x4B46", "const = 0x4B47", "status.magic", "reads 4b46"),
        ("status = { at = 0, words = 48 }", "status = { at = 1, words = 48 }", "addresses", "address_offset = -1"),
        (
            "[entries.exam_opened]\ncode = 1",
            "[entries.exam_opened]\ncode = 21",
            "entries",
            "1 × type",
        ),
    ],
)
async def test_one_wrong_thing_is_named_with_what_fits(old: str, new: str, step: str, told: str) -> None:
    """Checksum, order, code, constant, address, entry: each has its own words."""
    async with ScriptedRig() as rig:
        rig.latch(1, args=(1, 1, 0, 0))
        found = await found_by(changed(old, new), rig, 0.1)
    named = [words for (at, level), words in found.items() if at == step and level != "ok"]
    assert named
    assert told in named[0]


async def test_personal_words_that_nobody_marked_are_found() -> None:
    """P7: an identity number in clear is a failure, before the first exam."""
    async with ScriptedRig() as rig:
        rig.latch_item(Item(ticket=TICKET))
        text = fast_v1(5000).text.decode().replace(', personal = "ticket"', "")  # the linter knows the name `ticket`
        named = text.replace("ticket = {", "label = {").replace('ticket = "ticket"', 'label = "label"')
        found = await found_by(load_profile(named.encode()), rig, 0.1)
    assert "identity numbers" in found["event.label", "FAIL"]
    field = plain_field("text", 6, "AB", "gb18030")
    assert personal_looks(field, ["张三丰".encode("gb18030")]) == "name"
    assert personal_looks(field, [b"K21"]) == ""


async def test_silence_and_a_frozen_rig_are_told() -> None:
    """A rig that answers nothing, and one whose heart stands still."""
    async with ScriptedRig() as rig:
        rig.silent = True
        found = await found_by(fast_v1(60), rig, 0.1)
        assert "no round was whole" in found["answers", "FAIL"]
        assert ("status", "FAIL") in found
    async with ScriptedRig() as rig:
        lines: list[str] = []
        plan = Plan(PATIENT, every_s=limits.EVERY_S_MIN, seconds=0.1)
        await capture(Place("tcp", "127.0.0.1", rig.port), plan, SystemClock(), lines.append)
    slow = [json.loads(line) for line in lines]
    for number, line in enumerate(slow[1:]):
        line["at_ms"] = number * 5000
    frozen = by_step(check(PATIENT, parse_recording("".join(json.dumps(line) + "\n" for line in slow).encode())))
    assert "does not move" in frozen["status.heartbeat", "FAIL"]


async def test_a_capture_without_persons_can_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Support far away sees the same, but for what is hidden; the exit code says whether it fits."""
    (tmp_path / "fast.toml").write_bytes(fast_v1(5000).text)
    (tmp_path / "bad.toml").write_bytes(changed("const = 0x4B46", "const = 0x4B47").text)
    async with ScriptedRig() as rig:
        rig.latch_item(ticket=TICKET)
        lines: list[str] = []
        await capture(Place("tcp", "127.0.0.1", rig.port), Plan(PATIENT, seconds=0.01), SystemClock(), lines.append)
    (tmp_path / "rig.jsonl").write_text("".join(lines), encoding="utf-8")
    for words, code, told in (
        (["fast.toml", "rig.jsonl"], 0, "ok    event.ticket: 已隐藏"),
        (["fast.toml", "rig.jsonl", "--strict"], 1, "warn"),
        (["bad.toml", "rig.jsonl", "--json"], 1, '"ok": false'),
        (["fast.toml", "rig.jsonl", "--lang", "fr"], 2, "zh or en"),
        (["none.toml", "rig.jsonl"], 2, "none.toml"),
        (["fast.toml", "bad.toml"], 2, "is this a capture?"),
    ):
        paths = [str(tmp_path / word) if "." in word else word for word in words]
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, ["rig", "check", *paths])
        shown = capsys.readouterr()
        assert (ended.value.code, told in shown.out + shown.err) == (code, True), (words, shown)


def test_orders_are_hinted_only_where_the_own_one_makes_no_sense() -> None:
    """A hint must fit every sample, and a field that makes sense has none."""
    field = plain_field("uint32", 2, "ABCD")
    assert better_orders(field, [b"\0\7\0\0"])[0] == "CDAB"
    assert better_orders(field, [b"\0\0\0\7"]) == ()
    assert better_orders(field, [b"\0\7\0\0", b"\x7f\7\x7f\0"]) == ()
    assert crc16(b"123456789") == 0x4B37


async def test_what_was_never_seen_is_not_called_proven() -> None:
    """Codes, kinds of entries and a veto that did not come; and scores so low that another scale would fit, too."""
    async with ScriptedRig() as rig:
        rig.latch_item(score=900)
        low = await found_by(PATIENT, rig)
        rig.latch_item(score=8750)
        high = await found_by(PATIENT, rig)
    told = low["never seen", "warn"]
    assert ["outcome: timeout, aborted, veto" in told, "finished, timeout" in told, "idle" in told] == [
        True,
        False,
        False,
    ]
    assert "at most 9.00" in low["scores", "warn"]
    assert ("scores", "warn") not in high
