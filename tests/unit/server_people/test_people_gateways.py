"""The page of one gateway: everything that tells how the box is doing, with warnings in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from people_site import log_in
from people_world import attempt_id, utc
from planned_hall import small_hall

from server.live import limits

if TYPE_CHECKING:
    import httpx2
    from people_site import Site
    from people_world import Log, Rig


async def meters(client: httpx2.AsyncClient, gateway: str = "gw-01") -> dict[str, tuple[str, str, bool]]:
    """Name → value, words below it, whether it warns."""
    text = (await client.get(f"/gateways/{gateway}?lang=en")).text
    found = re.findall(r'<div class="meter( meter-warn)?"><dt>(.*?)</dt>\s*<dd>(.*?)</dd>', text, re.DOTALL)
    cells = {name: [re.sub(r"<.*?>", "", part).strip() for part in dd.partition("</b>")[::2]] for _, name, dd in found}
    return {name: (cells[name][0], cells[name][1], bool(warn)) for warn, name, _ in found}


async def test_the_page_says_how_the_box_is_doing(site: Site, log: Log, rig: Rig) -> None:
    """Log size, unsent and oldest, clock, certificate, disk, rigs with their state; nothing warns without cause."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 500)
    await site.upload(log)
    size = len(log.entries)
    site.beat(log, size=size + 3, oldest_unsent_ms=2400, clock={"utc": "x", "sync": "synced", "offset_ms": -12})
    client = await site.client()
    shown = await meters(client)
    assert shown["Log size"] == (str(size + 3), f"{size} stored here, {size} cosigned", False)
    assert shown["Unsent"] == ("3", "oldest 2 s", False)
    assert shown["Clock offset"] == ("−12 ms", "synced", False)
    assert shown["Certificate ends"] == ("26 days", "2026-12-20 08:00:00", False)
    assert shown["Disk free"] == ("60%", "64.4 / 107.4 GB", False)
    text = (await client.get("/gateways/gw-01?lang=en")).text
    assert f'<a href="/attempts/{attempt_id(1)}">T-1</a>' in text
    assert "95.00" in text
    assert "no exam plan" in text
    assert log.origin in text


WARNINGS: list[tuple[dict[str, Any], str]] = [
    ({"size": 1 + limits.CATCHING_UP_ENTRIES, "oldest_unsent_ms": 90_000}, "Unsent"),
    ({"clock": {"utc": "x", "sync": "unsynced", "offset_ms": 2001}}, "Clock offset"),
    ({"clock": {"utc": "x", "sync": "unsynced", "offset_ms": 0, "trusted": False}}, "Clock offset"),
    ({"disk": {"free_bytes": 9, "total_bytes": 100}}, "Disk free"),
    ({"certificate": {"not_after": utc(1_795_416_125 + 7 * 86_400 - 1)}}, "Certificate ends"),
    ({"certificate": {"not_after": "1970-01-01T00:00:00Z"}}, "Certificate ends"),
]


@pytest.mark.parametrize(("fields", "name"), WARNINGS, ids=[f"{name} {n}" for n, (_, name) in enumerate(WARNINGS)])
async def test_only_what_wants_attention_warns(site: Site, log: Log, fields: dict[str, Any], name: str) -> None:
    """Each limit of server/live/limits.py warns on its own value and on no other."""
    await site.enrol("gw-01")
    site.beat(log, **fields)
    shown = await meters(await site.client())
    assert [one for one, (_, _, warns) in shown.items() if warns] == [name]


async def test_at_its_limit_nothing_warns_yet(site: Site, log: Log) -> None:
    """Limit: 64 unsent, 2 s, 10 %, 7 days."""
    await site.enrol("gw-01")
    site.beat(
        log,
        size=limits.CATCHING_UP_ENTRIES,
        clock={"utc": "x", "sync": "synced", "offset_ms": -2000, "trusted": True},
        disk={"free_bytes": 10, "total_bytes": 100},
        certificate={"not_after": utc(1_795_416_125 + 7 * 86_400)},
    )
    assert not any(warns for _, _, warns in (await meters(await site.client())).values())


async def test_a_silent_gateway_says_so_on_its_page_in_ten_seconds(site: Site, log: Log) -> None:
    """P6: the page, the list and the alert on the page; the moved clock decides."""
    await site.upload(log)
    site.beat(log)
    client = await site.client()
    assert "gateway-state-online" in (await client.get("/gateways/gw-01")).text
    await site.clock.advance(limits.GATEWAY_SILENT_S)  # type: ignore[attr-defined]
    await site.board.watch()
    for path in ("/gateways/gw-01", "/gateways"):
        assert "gateway-state-silent" in (await client.get(path)).text, path
    assert "Gateway silent" in (await client.get("/gateways/gw-01?lang=en")).text.split("Alerts waiting")[1]


async def test_the_plan_s_rigs_stand_beside_what_is_heard(site: Site, log: Log) -> None:
    """Planned and unheard, outside the plan, training only; the plan's version against the box's."""
    await site.enrol("gw-01")
    for version in (1, 2):
        await small_hall().publish(site, version)
    told = [{"rig": serial, "station": "?", "state": "idle", "last_seq": 0} for serial in ("LV-K1", "LV-K4", "LV-X")]
    site.beat(log, told, plan={"version": 1, "sha256": "00"}, plan_refused="hash differs")
    text = (await (await site.client()).get("/gateways/gw-01?lang=en")).text
    rows = {
        match[1]: re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", match[0]))
        for match in re.findall(r"(<tr><th scope=\"row\">.*?<td[^>]*>(LV-\w+).*?</tr>)", text, re.DOTALL)
    }
    assert list(rows) == ["LV-X", "LV-K1", "LV-K2", "LV-K4"]
    assert "A-01" in rows["LV-K1"]
    assert "not heard yet" in rows["LV-K2"]
    assert "training only" in rows["LV-K4"]
    assert "not in the plan" in rows["LV-X"]
    assert "the gateway uses version 1" in text
    assert "hash differs" in text
    site.beat(log, told, plan={"version": 2, "sha256": "00"}, plan_refused=None)
    assert "adopted by the gateway" in (await (await site.client()).get("/gateways/gw-01?lang=en")).text


async def test_a_rig_without_tickets_shows_whom_the_plan_has_there(site: Site, log: Log) -> None:
    """P7: the ticket that the plan knows and the rig does not, for operators; a viewer reads that it is unknown."""
    hall = small_hall()
    await hall.publish(site)
    hall.open_at(log)
    first = hall.sitters[0]
    hall.rig("LV-K1", log).open_exam("", first.attempt)
    await site.upload(log)
    await site.accounts.create("guest", "a long enough word", role="viewer")
    guest = await site.client(login=False)
    await log_in(guest, "guest", "a long enough word")
    link = f'<a href="/attempts/{first.attempt}">'
    assert f"{link}{first.ticket}</a>" in (await (await site.client()).get("/gateways/gw-01?lang=en")).text
    assert f"{link}Ticket unknown</a>" in (await guest.get("/gateways/gw-01?lang=en")).text


async def test_an_unknown_gateway_is_not_there(site: Site) -> None:
    """404 in the words of the page."""
    answer = await (await site.client()).get("/gateways/gw-99?lang=en")
    assert (answer.status_code, "There is no such gateway" in answer.text) == (404, True)
