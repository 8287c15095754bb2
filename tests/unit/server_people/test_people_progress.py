"""One candidate's attempt over its rigs, and the candidates of a session: planned, ended, running, how sure."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from people_site import log_in
from people_world import START_S, Log
from planned_hall import SESSION, Hall, small_hall

from server.people import formats
from server.people.progress import progress_of

if TYPE_CHECKING:
    import httpx2
    from people_site import Site
    from planned_world import BoundRig

PLANNED = [{"item": "K11", "place": "A-01"}, {"item": "K21", "place": "A-02"}]


def run(item: str, index: int, *, counts: bool = True, guarantee: str = "latched") -> dict[str, Any]:
    return {"item": item, "origin": "o", "index": index, "counts": counts, "guarantee": guarantee}


def live(item: str | None, state: str = "running") -> dict[str, Any]:
    return {"item": {"code": item} if item else None, "state": state, "closed": None}


def test_steps_stand_in_the_order_of_the_plan_and_the_rest_behind() -> None:
    """Ended, running, to do; an item that no plan has is kept; a repeat is running although it ended before."""
    made = progress_of(PLANNED, [run("K31", 4, counts=False), run("K11", 2)], [live("K21")], {"o": 3})
    assert [(one.item, one.doing, one.planned) for one in made.steps] == [
        ("K11", "ended", True), ("K21", "running", True), ("K31", "ended", False)]  # fmt: skip
    assert (made.ended, made.planned, len(made.at)) == (1, 2, 1)
    again = progress_of(PLANNED, [run("K11", 2, counts=False), run("K11", 5)], [live("K11")], {})
    assert (again.steps[0].doing, again.steps[0].run, len(again.steps[0].others)) == ("running", again.steps[0].run, 1)
    nobody = progress_of([], [run("K12", 1)], [live("K11"), live(None, "open")], {})
    assert [(one.item, one.planned) for one in nobody.steps] == [("K12", True), ("K11", True)]


@pytest.mark.parametrize(
    ("cosigned", "guarantees", "proof", "guarantee"),
    [
        (9, ("latched", "latched"), "receipted", "latched"),
        (5, ("latched", "single-read"), "stored", "single-read"),
        (9, ("unacknowledged", "double-read"), "receipted", "unacknowledged"),
    ],
)
def test_the_whole_is_as_sure_as_its_least_sure_part(
    cosigned: int, guarantees: tuple[str, str], proof: str, guarantee: str
) -> None:
    """P5, P2: the weakest guarantee and the least proof of what counts; what does not count does not weaken it."""
    runs = [run("K11", 2, guarantee=guarantees[0]), run("K21", 8, guarantee=guarantees[1])]
    runs.append(run("K31", 99, counts=False, guarantee="unacknowledged"))
    made = progress_of(PLANNED, runs, [], {"o": cosigned})
    assert (made.proof, made.guarantee) == (proof, guarantee)


def test_a_difference_to_the_claim_is_exact() -> None:
    """P4: what rounding hides is shown."""
    assert formats.difference(79_995_000, 8000) == "−0.005"
    assert formats.difference(80_000_000, 8000) == "0"
    assert formats.difference(80_000_001, 8000) == "+0.000001"
    assert formats.difference(None, 8000) == formats.difference(1, None) == formats.NOTHING


async def under_way(site: Site) -> tuple[Hall, dict[str, Log], dict[str, BoundRig]]:
    """The first candidate: K11 ended at gw-01, K31 running at gw-02 with a deduction; the second not begun."""
    hall = small_hall()
    await hall.publish(site)
    logs = {name: Log(name, Random(n)).adopt() for n, name in enumerate(("gw-01", "gw-02"))}
    for log in logs.values():
        hall.open_at(log)
    first = hall.sitters[0]
    rigs = {serial: hall.rig(serial, logs[hall.rigs[serial][2]]) for serial in hall.rigs}
    rigs["LV-K1"].part(first.attempt, "K11", 1900, (2, 500), ticket=first.ticket)
    rigs["LV-K3"].open_exam(first.ticket, first.attempt)
    rigs["LV-K3"].start("K31")
    rigs["LV-K3"].deduct(1, 250)
    await site.upload(logs["gw-01"])
    await site.upload(logs["gw-02"], cosign=False)
    return hall, logs, rigs


def cards(text: str) -> dict[str, tuple[str, str]]:
    """Item → what it is doing and its words."""
    found = re.findall(r'data-item="(\w+)" data-doing="(\w+)">(.*?)</article>', text, re.DOTALL)
    return {item: (doing, re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", body))) for item, doing, body in found}


async def test_an_attempt_shows_what_was_planned_what_ended_and_what_runs(site: Site) -> None:
    """Over two rigs of two gateways, each value with its guarantee and proof; exact total so far; who it is."""
    hall, logs, _ = await under_way(site)
    client = await site.client()
    path = f"/attempts/{hall.sitters[0].attempt}?lang=en"
    text = (await client.get(path)).text
    shown = cards(text)
    assert {item: doing for item, (doing, _) in shown.items()} == {
        "K11": "ended", "K21": "todo", "K31": "running", "K42": "todo"}  # fmt: skip
    for word in ("95.00", "Receipted", "latched", "A-01 · LV-K1 · gw-01", "−5.00"):
        assert word.lower() in shown["K11"][1].lower(), word
    for word in ("97.50", "Stored", "B-01 · LV-K3 · gw-02", "−2.50"):
        assert word.lower() in shown["K31"][1].lower(), word
    assert "planned at A-02" in shown["K21"][1]
    assert "S20261123-0001 李晓岚" in text
    assert f'href="/sessions/hn-cs-01/{SESSION}"' in text
    assert ">1 / 4 · " in text
    await site.cosign(logs["gw-02"])
    await site.projector.catch_up()
    assert "Receipted" in cards((await client.get(path)).text)["K31"][1]


async def test_the_part_that_changes_is_read_without_the_timeline(site: Site) -> None:
    """What a hint makes the page read again costs no proofs; the whole page has them."""
    hall, _, _ = await under_way(site)
    client = await site.client()
    path = f"/attempts/{hall.sitters[0].attempt}"
    assert 'class="timeline"' in (await client.get(path)).text
    part = (await client.get(f"{path}?part=now")).text
    assert ('class="timeline"' in part, 'id="now"' in part) == (False, True)


async def test_a_planned_attempt_without_a_record_is_there(site: Site) -> None:
    """Before anything happens its page says what is planned; an id that nobody knows is not there."""
    hall, _, _ = await under_way(site)
    client = await site.client()
    text = (await client.get(f"/attempts/{hall.sitters[1].attempt}?lang=en")).text
    assert {doing for doing, _ in cards(text).values()} == {"todo"}
    assert text.count("not begun") == 5
    assert (await client.get(f"/attempts/{'0' * 32}")).status_code == 404


async def rows(client: httpx2.AsyncClient) -> dict[str, tuple[str, str]]:
    text = (await client.get(f"/sessions/hn-cs-01/{SESSION}?lang=en")).text
    found = re.findall(r'<tr data-attempt="(\w+)" data-state="(\w+)">(.*?)</tr>', text, re.DOTALL)
    return {attempt: (state, re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", body))) for attempt, state, body in found}


async def test_a_session_says_how_far_each_candidate_is(site: Site) -> None:
    """In the order of the plan: items ended of those planned, where somebody is now, score so far, result, proof."""
    hall, _, rigs = await under_way(site)
    client = await site.client()
    first, second = hall.sitters
    shown = await rows(client)
    assert list(shown) == [first.attempt, second.attempt]
    assert (shown[first.attempt][0], shown[second.attempt][0]) == ("running", "waiting")
    for word in ("李晓岚", "1/4", "K11 95.00", "K31 97.50 In progress B-01", "19.00", "Receipted"):
        assert word in shown[first.attempt][1], word
    rigs["LV-K3"].finish()
    rigs["LV-K3"].close(1950)
    await site.upload(rigs["LV-K3"].log)
    assert (await rows(client))[first.attempt][0] == "between"
    at = next(row for row in site.board.rig_rows() if row["rig"] == "LV-K3")
    assert (at["closed"], at["result"]["over"], at["result"]["passed"]) == ("finished", False, None)
    listed = (await client.get("/sessions?lang=en")).text
    numbers = re.findall(r'<td class="num">(?:<span class="bad">)?(\d+)', listed)
    assert numbers == ["2", "1", "0", "0", "0", "0"]
    assert (await client.get("/sessions/hn-cs-01/nothing")).status_code == 404


async def test_a_session_over_midnight_says_on_which_day_it_ends(site: Site) -> None:
    """From 23:27 to 02:42 of the next day in China: an end without its day would be before the beginning."""
    await small_hall(now_s=START_S + 9 * 3600).publish(site)
    client = await site.client()
    for path in ("/sessions", f"/sessions/hn-cs-01/{SESSION}", "/plan"):
        words = re.sub(r"<.*?>", "", (await client.get(path)).text)
        assert "2026-11-23 23:27 – 2026-11-24 02:42" in words, path


async def test_an_occupation_is_named_in_the_reader_s_language(site: Site) -> None:
    """By the rubric of the session; its bare id only where nobody has that rubric."""
    await under_way(site)
    client = await site.client()
    for path in ("/plan", "/plan/hn-cs-01", f"/plan/hn-cs-01/sessions/{SESSION}"):
        assert "低压电工作业" in (await client.get(path)).text, path
        assert "Low-voltage electrician" in (await client.get(f"{path}?lang=en")).text, path
        await client.get("/plan?lang=zh")


async def test_a_viewer_sees_progress_without_names(site: Site) -> None:
    """P7: no name and no masked id for a viewer, on either page."""
    hall, _, _ = await under_way(site)
    await site.accounts.create("guest", "a long enough word", role="viewer")
    guest = await site.client(login=False)
    await log_in(guest, "guest", "a long enough word")
    for path in (f"/sessions/hn-cs-01/{SESSION}", f"/attempts/{hall.sitters[0].attempt}"):
        text = (await guest.get(path)).text
        assert "李晓岚" not in text
        assert "430***" not in text
        assert "95.00" in text
