"""The box's own page: what it says of a box, for whom it is, and what it never says."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from gateway_parts import RigScript
from gateway_world import World

from device_adapters.contract import Evidence
from gateway.page.facts import Facts
from gateway.page.render import render
from gateway.page.words import WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.page.facts import Row
    from gateway.page.words import Language

NOW_US = 1_795_419_600_000_000  # 2026-11-23 15:40 in China
DAY_US = 86_400_000_000
RIG = {
    "rig": "LV-0001", "station": "A-01", "state": "running", "mode": "exam", "item": "K21", "elapsed_s": 41,
    "limit_s": 600, "last_seq": 7, "unreadable": None, "since_utc": "2026-11-23T07:00:00Z", "reason": "",
}  # fmt: skip
GOOD: dict[str, Any] = {
    "origin": "exam.example/gw/gw-01/0", "size": 57, "receipted": 57, "unsent": 0, "oldest_unsent_ms": None,
    "upload_trouble": "", "trouble": None, "accepts_exams": True, "free_bytes": 50 << 30, "total_bytes": 60 << 30,
    "server": {"url": "https://exam.example", "answers": True, "reason": "", "revoked": None},
    "server_offset_ms": 12, "clock_sync": "synced", "certificate_not_after": "2026-12-23T06:42:05Z",
    "software": "kaofen-gateway/0.1.0", "rigs": [RIG], "refusals": [],
}  # fmt: skip


def rows(status: dict[str, Any], language: Language = "en") -> dict[str, Row]:
    return {row.cells[0]: row for row in Facts(status, language, NOW_US).box()}


class Texts(HTMLParser):
    """Tags and texts as a browser takes them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_good_box_says_so() -> None:
    """Nothing is marked that needs nobody; in both languages the page begins with the sum of it."""
    assert {row.mark for row in rows(GOOD).values()} == {"ok"}
    assert "✓ All is well" in Texts(render(GOOD, "en", NOW_US)).texts
    assert "✓ 一切正常" in Texts(render(GOOD, "zh", NOW_US)).texts


@pytest.mark.parametrize(
    ("changed", "row", "mark", "words"),
    [
        ({"server": {"url": "u", "answers": False, "reason": "timed out"}}, "Server", "bad", "does not answer"),
        ({"server": {"url": "u", "answers": None}}, "Server", "warn", "not known yet"),
        ({"server": {"url": "u", "answers": True, "revoked": "lost"}}, "Enrolment", "bad", "revoked"),
        ({"upload_trouble": "403 Forbidden"}, "Upload", "bad", "403 Forbidden"),
        ({"unsent": 3, "oldest_unsent_ms": 400}, "Unsent", "ok", "3 entries"),
        ({"unsent": 3, "oldest_unsent_ms": 190_000}, "Unsent", "warn", "the oldest waits for 3 min"),
        ({"trouble": "disk full", "accepts_exams": False}, "Recording", "bad", "disk full"),
        ({"accepts_exams": False}, "Recording", "bad", "no new exam can begin"),
        ({"free_bytes": 200 << 20}, "Disk", "warn", "200 MiB"),
        ({"server_offset_ms": -61_000}, "Clock", "warn", "+61.0 s"),
        ({"server_offset_ms": 12}, "Clock", "ok", "+0.0 s"),
        ({"clock_sync": "unsynced"}, "Clock", "warn", "not synchronised"),
        ({"certificate_not_after": "1970-01-01T00:00:00Z"}, "Certificate", "bad", "cannot be read"),
        ({"certificate_not_after": "2026-11-22T00:00:00Z"}, "Certificate", "bad", "expired"),
        ({"certificate_not_after": "2026-11-30T00:00:00Z"}, "Certificate", "warn", "6 days"),
        ({"plan": None}, "Exam plan", "", "none"),
        ({"plan": {"point": "hn-cs-01", "version": 7}}, "Exam plan", "ok", "hn-cs-01 version 7"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_row(changed: dict[str, Any], row: str, mark: str, words: str) -> None:
    """What is wrong is marked and said on the row where somebody looks for it; nothing else is marked with it."""
    found = rows({**GOOD, **changed})
    assert found[row].mark == mark
    assert words in found[row].cells[1]
    assert {key for key, one in found.items() if one.mark in ("warn", "bad")} <= {row}


def test_the_clock_of_1970_is_named() -> None:
    """A box that has not heard the time says that it is the clock."""
    row = Facts(GOOD, "en", 0).box()[-2]
    assert (row.mark, "set the time" in row.cells[1]) == ("bad", True)


def test_rigs_sessions_and_brokers_are_rows() -> None:
    """A dead or held rig and a lost broker are marked; what a document does not have is not on the page."""
    held = {**RIG, "rig": "LV-0002", "station": "A-02", "unreadable": 41}
    dead = {
        **RIG,
        "rig": "LV-0003",
        "station": "A-03",
        "state": "offline",
        "mode": None,
        "item": "",
        "reason": "silent",
    }
    broker = {"id": "main", "online": False, "reason": "refused"}
    session = {"id": "S1", "opens": "2026-11-23T00:30:00Z", "closes": "2026-11-23T04:00:00Z", "open": True}
    status = {**GOOD, "rigs": [dead, RIG, held], "brokers": [broker], "sessions": [session]}
    facts = Facts(status, "en", NOW_US)
    assert [(row.cells[0], row.mark) for row in facts.rigs()] == [("A-01", "ok"), ("A-02", "bad"), ("A-03", "bad")]
    assert "no. 41" in facts.rigs()[1].cells[-1]
    assert facts.brokers()[0].mark == "bad"
    assert facts.sessions()[0].cells == ("S1", "open", "2026-11-23 08:30:00", "2026-11-23 12:00:00")
    assert "MQTT brokers" not in render(GOOD, "en", NOW_US).decode()


def test_every_word_has_both_languages() -> None:
    """Chinese first, English second, neither empty."""
    assert [key for key, both in WORDS.items() if len(both) != 2 or not all(both)] == []


def test_a_text_from_elsewhere_stays_a_text() -> None:
    """A server's reason or a rig's code is never markup on this page."""
    bad = '"><script>alert(1)</script>'
    status = {**GOOD, "upload_trouble": bad, "rigs": [{**RIG, "reason": bad, "item": bad}], "origin": bad}
    page = Texts(render(status, "zh", NOW_US))
    assert "script" not in page.tags
    assert any("alert(1)" in text for text in page.texts)


async def test_the_page_of_a_running_box(tmp_path: Path) -> None:
    """P7: rigs and refusals of a real exam are on it, the candidate's ticket is not; GET only, by a local name only."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway() as app, aiohttp.ClientSession(f"http://127.0.0.1:{app.pages.port}") as browser:
        for observation in script.exam(b"440100202699"):
            rig.happen(observation)
        rig.refuse(Evidence("LV-0001", "crc", "", 9, 3, ()))
        await rig.until_acked(script.seq)
        async with asyncio.timeout(8):
            while "(crc)" not in (page := await (await browser.get("/?lang=en")).text()):
                await asyncio.sleep(0.02)
        assert "LV-0001" in page
        assert "440100202699" not in page
        async with browser.get("/") as answer:
            assert answer.headers["Refresh"] == "5"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async with browser.get("/?renew=off") as answer:
            assert "Refresh" not in answer.headers
        async with browser.post("/") as answer:
            assert answer.status == 405
        for path in ("/", "/status", "/metrics"):
            async with browser.get(path, headers={"Host": "evil.example"}) as answer:
                assert answer.status == 403
