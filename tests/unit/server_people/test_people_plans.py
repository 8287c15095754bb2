"""The plan's pages and GET /api/v1/plans: everything of a plan, and personal values for operators on one page only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plan_samples import PERSONS
from plan_store_contract import publication
from sqlalchemy import text

if TYPE_CHECKING:
    from people_site import Site

PERSONAL = tuple(value for person in PERSONS for value in person.values())
SESSION = "/plan/hn-cs-01/sessions/S20261123-1"


async def test_without_a_plan_the_page_says_how_to_publish_one(site: Site) -> None:
    """An empty page is no dead end; a plan that is not there is 404 in both languages."""
    client = await site.client()
    assert "kaofen-server plan publish" in (await client.get("/plan")).text
    for path in ("/plan/nowhere", "/plan/nowhere/sessions/x", "/plan/nowhere?version=3"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "没有这个计划。" in answer.text
    assert (await client.get("/api/v1/plans")).json() == {"plans": []}


async def test_the_pages_show_points_rigs_sessions_and_versions(site: Site) -> None:
    """Rooms, stations, rigs with purpose, windows in China time, candidates counted, old versions marked as such."""
    await site.plans.publish(publication())
    await site.plans.publish(publication(2, point={"region": "430101"}))
    client = await site.client()
    every = (await client.get("/plan")).text
    assert all(word in every for word in ("长沙第一考试点", "第 2 版", "S20261123-1", "2026-11-23 08:30", "12:00"))
    page = (await client.get("/plan/hn-cs-01")).text
    rigs = ("LV-0001", "LV-0002", "LV-0003", "仅训练", "考试和训练兼用", "A-02", "gw-02", "mqtt", "430101")
    assert all(word in page for word in rigs)
    assert "这是旧版本" not in page
    old = (await client.get("/plan/hn-cs-01?version=1")).text
    assert "这是旧版本" in old
    assert "430100" in old
    english = (await client.get("/plan/hn-cs-01?lang=en")).text
    assert all(word in english for word in ("Changsha exam point 1", "exam and training", "Rooms and rigs"))
    for shown in (every, page, old, english):
        assert not any(value in shown for value in PERSONAL)


async def test_names_stand_on_the_session_page_for_operators_only(site: Site) -> None:
    """P7: ticket, name and masked id are shown to who may see them; others see the same rows without."""
    made = publication()
    await site.plans.publish(made)
    client = await site.client()
    shown = (await client.get(SESSION)).text
    assert all(value in shown for value in PERSONAL)
    token = await site.accounts.create_token("api")
    bearer = await site.client(login=False, headers={"authorization": f"Bearer {token}"})
    answer = await bearer.get("/api/v1/plans")
    assert not any(value in answer.text for value in PERSONAL)
    (point,) = answer.json()["plans"]
    assert (point["point"], point["version"], point["versions"]) == ("hn-cs-01", 1, [1])
    assert point["sha256"] == made.plan.sha256
    assert point["rooms"][0]["stations"][0]["rigs"][0]["serial"] == "LV-0001"
    assert [(one["id"], one["candidates"]) for one in point["sessions"]] == [("S20261123-1", 2)]


@pytest.mark.parametrize("path", ["/plan", "/plan/hn-cs-01", SESSION, "/api/v1/plans"])
async def test_nobody_sees_a_plan_without_a_login(site: Site, path: str) -> None:
    """Pages lead to the login, the API says 401."""
    await site.plans.publish(publication())
    answer = await (await site.client(login=False)).get(path)
    assert answer.status_code == (401 if path.startswith("/api") else 303)
    assert not any(value in answer.text for value in PERSONAL)


async def test_a_plan_that_cannot_be_read_says_so(site: Site) -> None:
    """P8: the page stands, and names the point whose plan was changed from outside."""
    await site.plans.publish(publication())
    registry = site.plans._registry  # behind the store's back
    await registry.write(lambda connection: connection.execute(text("UPDATE plans SET text = x'7b7d'")))
    client = await site.client()
    assert "计划无法读取" in (await client.get("/plan")).text
    (point,) = (await client.get("/api/v1/plans")).json()["plans"]
    assert (point["version"], point["point"]) == (None, "hn-cs-01")
