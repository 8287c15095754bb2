"""The wall: where the plans say that rigs stand, who may see who sits there, and that nothing of it leaks (P7)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from people_site import log_in
from planned_hall import SESSION, small_hall

from server.live import limits as live_limits
from server.people import limits

if TYPE_CHECKING:
    import httpx2
    from people_site import Site
    from people_world import Log, Rig

TITLES = {
    "/": "Live",
    "/points/hn-cs-01": "Changsha exam point 1",
    "/points/hn-cs-01/rooms/B": "Room 2",
}


async def test_points_rooms_and_stations_are_those_of_the_newest_plan(site: Site) -> None:
    """Order, names, rigs, purpose and sessions as published; a new version takes the place of the old one."""
    client = await site.client()
    assert (await client.get("/api/v1/wall")).json() == {"points": []}
    hall = small_hall()
    await hall.publish(site)
    (point,) = (await client.get("/api/v1/wall")).json()["points"]
    assert (point["id"], point["version"], point["name"]["zh"]) == ("hn-cs-01", 1, "长沙第一考试点")
    places = [(room["id"], station["id"], rig["rig"], rig["gateway"], rig["purpose"])
              for room in point["rooms"] for station in room["stations"] for rig in station["rigs"]]  # fmt: skip
    assert places == [(room, station, serial, gateway, purpose)
                      for serial, (room, station, gateway, _, purpose) in hall.rigs.items()]  # fmt: skip
    assert [(one["id"], one["candidates"]) for one in point["sessions"]] == [(SESSION, 2)]
    del hall.rigs["LV-K4"]
    await hall.publish(site, 2)
    (point,) = (await client.get("/api/v1/wall")).json()["points"]
    assert (point["version"], "LV-K4" in str(point)) == (2, False)


@pytest.mark.parametrize("path", TITLES)
async def test_a_point_and_a_room_have_pages(site: Site, path: str) -> None:
    """The script is told what to show; what the plans do not have is not there."""
    await small_hall().publish(site)
    client = await site.client()
    text = (await client.get(f"{path}?lang=en")).text
    assert TITLES[path] in text.split("<title>")[1].split("</title>")[0]
    words = json.loads(text.split('id="words">')[1].split("</script>")[0])
    parts = path.split("/")
    assert words["scope"] == {
        "point": parts[2] if len(parts) > 2 else None,
        "room": parts[4] if len(parts) > 4 else None,
    }
    for missing in ("/points/nowhere", "/points/hn-cs-01/rooms/Z", "/points/nowhere/rooms/A"):
        assert (await client.get(missing)).status_code == 404


async def test_names_are_for_operators_alone(site: Site) -> None:
    """P7: a viewer gets no name, not from the route and not from any row; a token counts by its role."""
    hall = small_hall()
    await hall.publish(site)
    body = {"attempts": [hall.sitters[0].attempt, "00" * 16]}

    async def ask(client: httpx2.AsyncClient) -> tuple[int, Any]:
        answer = await client.post("/api/v1/candidates", json=body)
        return answer.status_code, answer.json().get("candidates")

    said = {"ticket": "S20261123-0001", "name": "李晓岚", "masked_id": "430***********0001"}
    assert await ask(await site.client()) == (200, {hall.sitters[0].attempt: said})
    await site.accounts.create("guest", "a long enough word", role="viewer")
    guest = await site.client(login=False)
    await log_in(guest, "guest", "a long enough word")
    assert await ask(guest) == (403, None)
    assert '"names": false' in (await guest.get("/")).text
    token = await site.accounts.create_token("reader", "viewer")
    reader = await site.client(login=False, headers={"authorization": f"Bearer {token}"})
    assert await ask(reader) == (403, None)
    assert await ask(await site.client(login=False)) == (401, None)


async def test_no_name_is_in_the_stream_or_an_address(site: Site, log: Log, rig: Rig) -> None:
    """P7: rows that all browsers share hold no name, nor do the places."""
    hall = small_hall()
    await hall.publish(site)
    rig.open_exam(hall.sitters[0].ticket, hall.sitters[0].attempt)
    await site.upload(log)
    client = await site.client()
    shared = [(await client.get(path)).text for path in ("/api/v1/live", "/api/v1/wall", "/", "/points/hn-cs-01")]
    shared += [event.data for event in site.hub.changes(0)]
    for sitter in hall.sitters:
        assert not any(sitter.name in text or "430***" in text for text in shared)


@pytest.mark.parametrize(("count", "status"), [(limits.PAGE_MAX, 200), (limits.PAGE_MAX + 1, 422)])
async def test_names_are_asked_for_in_bounded_numbers(site: Site, count: int, status: int) -> None:
    """Limit and limit + 1; nonsense is refused."""
    client = await site.client()
    body = {"attempts": [f"{n:032x}" for n in range(count)]}
    assert (await client.post("/api/v1/candidates", json=body)).status_code == status
    assert (await client.post("/api/v1/candidates", json={"attempts": ["T-1"]})).status_code == 422


async def test_a_new_plan_is_a_hint_to_every_browser(site: Site) -> None:
    """Snapshot plus hints: the board says that places have changed; the page then reads them again."""
    rows: list[dict[str, Any]] = []
    client = await site.client()
    site.hub.published = lambda key, data: rows.append(json.loads(data)["row"]) if key == "plan" else None
    watching = asyncio.ensure_future(site.board.run())

    async def hinted(versions: int) -> None:
        async with asyncio.timeout(10):
            while len(rows) < versions:
                await asyncio.sleep(0)
                await site.clock.advance(live_limits.WATCH_EVERY_S)  # type: ignore[attr-defined]

    try:
        await hinted(1)
        assert rows[0]["sha256"] == {}
        for version in (1, 2):
            await small_hall().publish(site, version)
            await hinted(version + 1)
    finally:
        watching.cancel()
    assert len({row["sha256"].get("hn-cs-01") for row in rows}) == 3
    assert "plan" not in json.dumps((await client.get("/api/v1/live")).json()["alerts"])


async def test_the_navigation_leads_only_where_something_is(site: Site) -> None:
    """An address in the navigation answers 200."""
    client = await site.client()
    nav = (await client.get("/alerts")).text.split("<nav")[1].split("</nav>")[0]
    links = [part.split('"')[0] for part in nav.split('<a href="')[1:]]
    assert {"/", "/attempts", "/gateways", "/alerts"} <= set(links)
    assert [(await client.get(link)).status_code for link in links] == [200] * len(links)
