"""The pages in both languages: complete, escaped, honest."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from random import Random
from typing import TYPE_CHECKING

import pytest
from people_world import Log, Rig, attempt_id

from server.people import formats
from server.people.i18n import LOCALES, read_catalogue
from server.people.render import HERE
from server.people.words import REFUSED, TABLES
from server.projection import queries

if TYPE_CHECKING:
    from people_site import Site

HOSTILE = "<script>alert(1)</script>"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Checker(HTMLParser):
    """What must not stand in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name == "style"], (tag, given)
        if tag == "script":
            self.scripts.append(given)
        if "id" in given:
            self.ids.append(given["id"] or "")


def messages() -> set[str]:
    """Every text that the templates and the tables say."""
    found: set[str] = {REFUSED}
    for path in (HERE / "templates").glob("*.html"):
        text = path.read_text()
        found |= {match[1] for match in re.findall(r"""_\(\s*(["'])(.*?)\1""", text)}
        found |= {match[1] for match in re.findall(r"""_\(words\.\w+\.get\([^()]*?, (["'])([^"']+)\1\)\)""", text)}
    for table in TABLES:
        found |= set(table.values())
    return found


def test_every_text_has_its_english() -> None:
    """Both languages have every key, none is left over, and the same {names} stand in both."""
    catalogue = read_catalogue(LOCALES / "en.po")
    assert messages() - set(catalogue) == set()
    assert set(catalogue) - messages() == set()
    for chinese, english in catalogue.items():
        assert set(re.findall(r"{\w+}", chinese)) == set(re.findall(r"{\w+}", english)), chinese
        assert not CHINESE.search(english), english


def test_templates_hold_no_untranslated_text() -> None:
    """Chinese outside a call of the translator would show up on the English page."""
    for path in (HERE / "templates").glob("*.html"):
        text = re.sub(r"{[{%].*?[%}]}", "", path.read_text(), flags=re.DOTALL)
        assert set(CHINESE.findall(text)) <= {"考"}, path.name


async def hostile_site(site: Site) -> None:
    """Everything that people or rigs can name is hostile."""
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("<b>LV&1", "A'\"<i>", log)
    rig.whole_exam(HOSTILE[:31], attempt_id(1))
    rig.open_exam("=1+2|cmd", attempt_id(2))
    rig.start("K21")
    rig.deduct(2, 500)
    rig.finish(score=1)
    log.add("sequence.gap", rig="<img src=x>", station="<hr>", **{"from": HOSTILE, "to": 3}, epoch=1)
    log.add("<x>", note=HOSTILE)
    await site.upload(log)
    await site.store.alarm("<kind>", log.origin, 3, HOSTILE)
    site.beat(log, [{"rig": HOSTILE, "state": HOSTILE, "station": HOSTILE, "item": HOSTILE}], software=HOSTILE)


PAGES = ("/", "/attempts", f"/attempts/{attempt_id(1)}", f"/attempts/{attempt_id(2)}",
         "/gateways", "/alerts", "/alerts?show=all", "/nowhere")  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_from_outside_becomes_markup(site: Site, language: str) -> None:
    """Autoescape: a ticket, a serial or a field is text on every page; no inline script or handler."""
    await hostile_site(site)
    client = await site.client(cookies={"kaofen-lang": language})
    for path in PAGES:
        check_page((await client.get(path)).text, language)


def check_page(text: str, language: str) -> None:
    assert "<script>alert" not in text
    assert "<img" not in text
    checker = Checker()
    checker.feed(text)
    assert all(script.get("src", "").startswith("/static/") or script.get("type") == "application/json"  # type: ignore[union-attr]
               for script in checker.scripts)  # fmt: skip
    assert len(checker.ids) == len(set(checker.ids))
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in text
    if language == "en":
        visible = re.sub(r"<title>.*?</title>|<a class=\"quiet\".*?</a>|brand-mark.*?</span>|示范考点", "", text)
        assert not CHINESE.search(visible), CHINESE.search(visible)


async def test_the_script_block_cannot_be_left(site: Site) -> None:
    """JSON inside the page has no character that could end its element."""
    client = await site.client()
    text = (await client.get("/")).text
    block = text.split('id="words">')[1].split("</script>")[0]
    assert "<" not in block
    assert json.loads(block)["states"]["running"] == "考试中"


async def test_the_language_switch_is_remembered(site: Site) -> None:
    """Chinese first; ?lang= sets the cookie; nonsense changes nothing."""
    client = await site.client()
    assert 'lang="zh-CN"' in (await client.get("/attempts")).text
    assert 'lang="en"' in (await client.get("/attempts?lang=en")).text
    assert 'lang="en"' in (await client.get("/attempts")).text
    assert 'lang="en"' in (await client.get("/attempts?lang=fr")).text
    assert 'lang="zh-CN"' in (await client.get("/attempts?lang=zh")).text


async def test_an_attempt_page_shows_evidence(site: Site, log: Log, rig: Rig) -> None:
    """Claim and recomputation, raw words with the personal ones covered, the proof and its interval."""
    await site.upload(log)
    log.add("anchor", receipt=(await site.cosign(log)).decode())
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    text = (await (await site.client()).get(f"/attempts/{attempt_id(1)}?lang=en")).text
    assert "91.00" in text
    assert f"in the tree of size {len(log.entries)}" in text
    assert text.count("▒▒▒▒") > 16
    assert "no lower bound" not in text
    assert "equals the raw words" in text
    assert "✗" not in text


async def test_a_proof_that_does_not_verify_is_said(site: Site, log: Log, rig: Rig) -> None:
    """P3: the page verifies before it says receipted; a changed entry is shown as broken, with the reason."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    await site.store.set_gateway_status("gw-01", "active")
    (ref, bundle), *rest = site.store._bundles
    entries = list(bundle.entries)
    entries[4] = entries[4].replace(b'"sync":"synced"', b'"sync":"unsynced"')
    site.store._bundles = [(ref, replace(bundle, entries=tuple(entries))), *rest]
    text = (await (await site.client()).get(f"/attempts/{attempt_id(1)}?lang=en")).text
    assert text.count("proof-broken") == 1


@pytest.mark.parametrize(
    ("language", "missing", "exam"),
    [("zh", "没有这个页面", "没有这场考试"), ("en", "There is no such page", "There is no such exam")],
)
async def test_a_refusal_speaks_the_language_of_the_page(site: Site, language: str, missing: str, exam: str) -> None:
    """What is not there and what may not be done is said in the page's words, not in those of the API."""
    client = await site.client()
    said = []
    for path in ("/nowhere", f"/attempts/{attempt_id(9)}"):
        answer = await client.get(f"{path}?lang={language}")
        assert answer.status_code == 404
        said.append(re.sub(r"<a class=.quiet.*?</a>", "", answer.text.split("</head>")[1]))
    said.append((await client.post("/alerts/e1-1", data={"word": "stale"})).text.split("<section")[1])
    assert missing in said[0]
    assert exam in said[1]
    for text in said:
        assert bool(CHINESE.search(text.split("<section")[-1])) is (language == "zh")
        assert "there is no" not in text
        assert "form has expired:" not in text


async def test_a_used_up_line_takes_nothing_and_has_no_sign(site: Site, log: Log, rig: Rig) -> None:
    """A deduction of nothing is no "minus nothing": it says that the line was used up."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 1250)
    rig.deduct(2, 0)
    rig.finish()
    await site.upload(log)
    text = (await (await site.client()).get(f"/attempts/{attempt_id(1)}?lang=en")).text
    assert "−12.50" in text
    assert "−0.00" not in text
    assert text.count("used up") == 1
    assert (formats.minus(0), formats.minus(5), formats.minus(None)) == ("0.00", "−0.05", formats.NOTHING)


async def test_an_aborted_attempt_is_neither_passed_nor_failed(site: Site, log: Log, rig: Rig) -> None:
    """List and page say "aborted" once, and why; never "failed" beside it."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.finish()
    rig.abort("power")
    await site.upload(log)
    client = await site.client()
    for path in ("/attempts", f"/attempts/{attempt_id(1)}"):
        text = (await client.get(f"{path}?lang=en")).text
        assert text.count("tag-aborted") == 1, path
        assert "tag-failed" not in text, path
    assert "power" in text
    async with site.projections.reading() as db:
        assert (await queries.totals(db))["failed"] == 0
        assert await queries.attempts(db, state="failed") == []


async def test_an_entry_without_its_proof_says_why_in_words(site: Site, log: Log, rig: Rig) -> None:
    """What is stored and not cosigned yet is said so in the page's language."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log, cosign=False)
    client = await site.client()
    path = f"/attempts/{attempt_id(1)}"
    assert "尚未副署" in (await client.get(path)).text
    assert "not cosigned yet" in (await client.get(f"{path}?lang=en")).text


async def test_acknowledging_on_the_page(site: Site, log: Log) -> None:
    """An operator says that it is known; the list of waiting alerts is empty after it, and says who it was."""
    await site.store.alarm("forked", log.origin, 5, "another root of size 5")
    client = await site.client()
    page = (await client.get("/alerts")).text
    word = page.split('name="word" value="')[1].split('"')[0]
    assert (await client.post("/alerts/e1-1", data={"word": word, "note": "已联系"})).status_code == 303
    assert "e1-1" not in (await client.get("/alerts")).text
    assert "已联系" in (await client.get("/alerts?show=all")).text


async def test_a_silence_that_has_ended_is_marked_over(site: Site, log: Log, rig: Rig) -> None:
    """P6: the alert of a silence stays until somebody has seen it, and says when the silence is over."""
    client = await site.client()

    async def signs() -> int:
        return (await client.get("/alerts?lang=en")).text.count('tag-passed">over<')

    told = {"rig": rig.serial, "station": rig.station, "last_seq": 1}
    await site.upload(log)
    site.beat(log, [told | {"state": "offline"}])
    await site.clock.advance(11)  # type: ignore[attr-defined]
    await site.board.watch()
    assert {alarm.kind for alarm in await site.store.alarms()} == {"gateway_silent", "rig_silent"}
    assert await signs() == 0
    site.beat(log, [told | {"state": "offline"}])
    assert await signs() == 1
    site.beat(log, [told | {"state": "idle"}])
    assert await signs() == 2


async def test_the_stream_sends_changes(site: Site, log: Log, rig: Rig) -> None:
    """Snapshot, then hints: the stream goes on from the snapshot's id."""
    client = await site.client()
    snapshot = (await client.get("/api/v1/live")).json()
    rig.open_exam("T-1", attempt_id(1))
    await site.upload(log)
    site.hub.close()
    stream = site.hub.changes(int(snapshot["id"].rpartition("-")[2]))
    assert "rig/gw-01/LV-0001" in {json.loads(event.data)["key"] for event in stream}


def test_numbers_are_shown_half_up_and_exactly() -> None:
    """P4: rounding is for display only."""
    assert formats.total(79_995_000) == "80.00"
    assert formats.total(79_994_999) == "79.99"
    assert formats.exact(79_995_000) == "79.995"
    assert formats.exact(80_000_000) == "80"
    assert (formats.points(0), formats.points(5), formats.points(10000)) == ("0.00", "0.05", "100.00")


def test_times_are_shown_in_china_time() -> None:
    """Stored in UTC, shown eight hours on, over midnight too."""
    assert formats.moment(1_795_416_125_000_000) == "2026-11-23 14:42:05"
    assert formats.of_rfc("2026-11-23T20:00:00.031Z") == "04:00:00.031"
    assert formats.of_rfc("not a time") == "not a time"
