"""The list of alerts: chosen, counted, in words of both languages, over, acknowledged with who, when and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from people_site import log_in, word_of

from server.people.alertwords import MEANINGS
from server.people.words import ALERTS

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Log, Rig

REASON = "the entries [3, 4) do not lead from the held tree to the signed root"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def body_of(page: str) -> str:
    return page.split('id="list"')[1].split("</main>", maxsplit=1)[0]


async def trouble(site: Site, log: Log, rig: Rig) -> None:
    """A fork of gw-01, a rig and a gateway that fell silent and spoke again, one restored log that is whole again."""
    told = {"rig": rig.serial, "station": rig.station, "last_seq": 1}
    await site.upload(log)
    site.beat(log, [told | {"state": "offline"}])
    await site.clock.advance(11)  # type: ignore[attr-defined]
    await site.board.watch()
    site.beat(log, [told | {"state": "idle"}])
    await site.store.alarm("forked", log.origin, 3, REASON)
    await site.store.alarm("frozen", "exam.example/gw/gw-02/0", None, "this log is frozen")


def test_every_alert_has_words_for_what_it_means() -> None:
    """Each kind has a name and says what it means and what to do, in both languages (the catalogue test has both)."""
    assert set(ALERTS) == set(MEANINGS)


@pytest.mark.parametrize(("language", "means"), [("zh", "互相矛盾"), ("en", "contradict each other")])
async def test_the_reason_is_told_in_the_words_of_the_page(
    site: Site, log: Log, rig: Rig, language: str, means: str
) -> None:
    """Technicians' English stands folded and marked as English; what a person reads is in the page's language."""
    await trouble(site, log, rig)
    text = body_of((await (await site.client()).get(f"/alerts?lang={language}")).text)
    assert means in text
    assert f'<p class="mono" lang="en">{REASON}</p>' in text
    assert bool(CHINESE.search(text)) is (language == "zh")


async def test_choices_narrow_the_list_and_are_counted(site: Site, log: Log, rig: Rig) -> None:
    """By whether it waits, by severity, by gateway; each choice says how many there are."""
    await trouble(site, log, rig)
    client = await site.client()

    async def kinds(query: str) -> list[str]:
        text = (await client.get(f"/alerts?lang=en&{query}")).text
        return [ALERTS_EN[name] for name in re.findall(r"<strong>(.*?)</strong>", text)]

    page = (await client.get("/alerts?lang=en")).text
    assert re.findall(r'tab-count">(\d+)<', page) == ["4", "2", "4"]
    assert sorted(await kinds("")) == ["forked", "frozen", "gateway_silent", "rig_silent"]
    assert sorted(await kinds("show=over")) == ["gateway_silent", "rig_silent"]
    assert await kinds("severity=warning") == ["rig_silent"]
    assert await kinds("gateway=gw-02") == ["frozen"]
    assert await kinds("gateway=nobody&severity=x&show=y") == []


ALERTS_EN = {
    "Gateway silent": "gateway_silent",
    "Rig silent": "rig_silent",
    "A gateway&#39;s log has forked": "forked",
    "Upload to a frozen log": "frozen",
}


async def test_who_has_seen_it_when_and_why_is_kept(site: Site, log: Log, rig: Rig) -> None:
    """One form for one alert comes back to the same choice; one for all that are over leaves what goes on."""
    await trouble(site, log, rig)
    client = await site.client()
    page = (await client.get("/alerts?severity=alarm&gateway=gw-02")).text
    word = word_of(page)
    chosen = page.split('name="chosen" value="')[1].split('"')[0].replace("&amp;", "&")
    target = page.split('class="alert-ack" method="post" action="')[1].split('"')[0]
    answer = await client.post(target, data={"word": word, "note": "旧箱已关", "chosen": chosen})
    assert answer.headers["location"] == "/alerts?severity=alarm&gateway=gw-02"
    assert (await client.post("/alerts/over", data={"word": word})).status_code == 303
    listed = (await client.get("/api/v1/alerts")).json()["alerts"]
    told = {one["kind"]: (one["acknowledged_by"], one["acknowledged_note"], one["over"]) for one in listed}
    assert told == {
        "forked": (None, None, False),
        "frozen": ("chief", "旧箱已关", False),
        "gateway_silent": ("chief", "", True),
        "rig_silent": ("chief", "", True),
    }
    assert (await client.post("/alerts/over", data={"word": "stale"})).status_code == 403
    left = (await client.get("/api/v1/alerts?only_open=true&severity=alarm&gateway=gw-01")).json()["alerts"]
    assert [one["kind"] for one in left] == ["forked"]


async def test_a_restored_log_is_over_when_it_is_filled_again(site: Site, log: Log) -> None:
    """What the gateway sends again ends the alarm; an older refill does not end a newer restore."""
    client = await site.client()

    async def over() -> dict[str, bool]:
        return {one["kind"]: one["over"] for one in (await client.get("/api/v1/alerts")).json()["alerts"]}

    await site.store.alarm("restored", log.origin, 5, "put back")
    assert await over() == {"restored": False}
    site.store.now_us += 1_000_000
    await site.store.alarm("refilled", log.origin, 5, "entries 5 to 8 are here again")
    assert await over() == {"restored": True, "refilled": False}
    site.store.now_us += 1_000_000
    await site.store.alarm("restored", log.origin, 5, "put back")
    assert await over() == {"restored": False, "refilled": False}


async def test_a_lost_generation_waits_for_a_person(site: Site, log: Log) -> None:
    """Files that came again may be only some of it: nothing but an acknowledgement ends the alarm."""
    await site.store.alarm("generation_lost", log.origin, 5, "export it")
    site.store.now_us += 1_000_000
    await site.store.alarm("refilled", log.origin, 5, "entries 5 to 8 are here again")
    client = await site.client()
    found = {one["kind"]: one for one in (await client.get("/api/v1/alerts")).json()["alerts"]}
    lost = found["generation_lost"]
    assert (lost["severity"], lost["over"], lost["acknowledged_by"]) == ("alarm", False, None)
    text = (await client.get("/alerts?lang=en")).text
    assert "kaofen-gateway export CONFIG DIR --generation N" in text
    assert "kaofen-server import" in text


async def test_a_viewer_reads_and_acknowledges_nothing(site: Site, log: Log) -> None:
    """Only an operator gets the forms, and only theirs are taken."""
    await site.store.alarm("forked", log.origin, 3, REASON)
    await site.accounts.create("guest", "a long enough word", role="viewer")
    client = await site.client(login=False)
    await log_in(client, "guest", "a long enough word")
    page = (await client.get("/alerts")).text
    assert "alert-ack" not in page
    assert (await client.post("/alerts/e1-1", data={"word": word_of(page)})).status_code == 403
