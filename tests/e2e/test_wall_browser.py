"""Wall, session, attempt and gateway in a real Chromium: one screen, no reload, no mouse."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import pytest
from full_hall import twenty_rigs, work_the_hall
from people_browser import log_in, tab_to, visiting
from people_site import open_site, real_clock
from people_world import Log
from planned_hall import SESSION, small_hall
from playwright.async_api import expect

from server.people.words import ALERTS

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TILES = """all => all.map((one) => {
  const bottom = one.getBoundingClientRect().bottom, px = parseFloat(getComputedStyle(one).fontSize);
  return { rig: one.dataset.rig, bottom, px, cut: one.scrollHeight > one.clientHeight + 1 };
})"""


async def test_twenty_rigs_stand_on_one_screen(tmp_path: Path) -> None:
    """Each in its room by its plan, whole, at 15 px or more, with the name for an operator; an unheard rig too."""
    clock = real_clock()
    async with open_site(tmp_path, clock) as site, visiting(site, tmp_path) as (page, url):
        hall = twenty_rigs(clock.now_us() // 1_000_000)
        await work_the_hall(site, hall)
        await page.set_viewport_size({"width": 1920, "height": 1080})
        await log_in(page, url)
        await expect(page.locator(".rig")).to_have_count(20)
        await expect(page.locator('[data-rig="LV-0001"] [data-f=name]')).to_have_text(hall.sitters[0].name)
        tiles = await page.eval_on_selector_all(".rig", TILES)
        assert [one["rig"] for one in tiles] == list(hall.rigs)
        assert max(one["bottom"] for one in tiles) <= 1080
        assert [one["rig"] for one in tiles if one["cut"]] == []
        assert min(one["px"] for one in tiles) >= 15
        await expect(page.locator('[data-rig="LV-0019"] [data-f=state]')).to_have_text("尚未听到")
        await expect(page.locator('[data-rig="LV-0004"] .deduction-veto')).to_be_visible()
        await expect(page.locator('[data-room="C"] [data-f=counts]')).to_contain_text("异常")
        hall.rigs["LV-0099"] = ("D", "D-06", "gw-02", ("K11",), "exam_only")
        await hall.publish(site, 2)
        await expect(page.locator('[data-room="D"] [data-rig="LV-0099"]')).to_be_visible(timeout=10_000)
        await page.goto(f"{url}/points/hn-cs-01/rooms/C")
        await expect(page.locator(".rig")).to_have_count(5)


async def test_pages_change_without_a_reload(tmp_path: Path) -> None:
    """Hints make session, attempt and gateway read themselves again; focus, and what somebody is typing, stay."""
    clock = real_clock()
    async with open_site(tmp_path, clock) as site, visiting(site, tmp_path) as (page, url):
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        hall = small_hall(now_s=clock.now_us() // 1_000_000)
        await hall.publish(site)
        log = Log("gw-01", Random(1), now_s=clock.now_us() / 1e6).adopt()
        hall.open_at(log)
        rig, first = hall.rig("LV-K1", log), hall.sitters[0]
        rig.open_exam(first.ticket, first.attempt)
        await site.upload(log)
        await log_in(page, url)
        await page.goto(f"{url}/attempts/{first.attempt}")
        await page.evaluate("window.loaded = 'once'")
        await page.locator("a.button.quiet").focus()
        rig.start("K11")
        rig.deduct(2, 500)
        await site.upload(log)
        running = page.locator('[data-item="K11"][data-doing=running]')
        await expect(running).to_contain_text("95.00", timeout=15_000)
        assert await page.evaluate("document.activeElement.matches('a.button.quiet')")
        rig.finish()
        await site.upload(log)
        await expect(page.locator('[data-item="K11"][data-doing=ended]')).to_contain_text("95.00", timeout=15_000)
        assert await page.evaluate("window.loaded") == "once"
        await page.goto(f"{url}/sessions/hn-cs-01/{SESSION}")
        rig.close(1900)
        await site.upload(log)
        row = page.locator(f'[data-attempt="{first.attempt}"]')
        await expect(row).to_have_attribute("data-state", "between", timeout=15_000)
        await page.goto(f"{url}/gateways/gw-01")
        site.beat(log, disk={"free_bytes": 5, "total_bytes": 100})
        await expect(page.locator(".meter-warn").filter(has_text="5%")).to_be_visible(timeout=15_000)
        await keeps_a_note(page, url, site.store.alarm)
        assert complaints == []


async def keeps_a_note(page: Page, url: str, alarm: object) -> None:
    """A note that is being written is not taken away by a new alert."""
    assert callable(alarm)
    await alarm("forked", "exam.example/gw/gw-01/0", 3, "one")
    await page.goto(f"{url}/alerts")
    note, badge = page.locator(".alert-ack input[name=note]").first, page.locator("[data-alerts]")
    await note.type("half a se")
    waiting = await badge.inner_text()
    await alarm("tampered", "exam.example/gw/gw-01/0", 4, "two")
    await expect(badge).not_to_have_text(waiting, timeout=10_000)
    await expect(note).to_have_value("half a se")
    await note.fill("")
    await page.evaluate("document.activeElement.blur()")
    await alarm("frozen", "exam.example/gw/gw-01/0", 5, "three")
    await expect(page.locator(".alert").filter(has_text=ALERTS["frozen"])).to_have_count(1, timeout=15_000)


async def test_the_way_from_the_wall_to_a_score_is_keys_alone(tmp_path: Path) -> None:
    """Wall → room → session → candidate; gateway from the wall; alerts chosen, acknowledged: Tab and Enter."""
    clock = real_clock()
    async with open_site(tmp_path, clock) as site, visiting(site, tmp_path) as (page, url):
        hall = small_hall(now_s=clock.now_us() // 1_000_000)
        await hall.publish(site)
        log = Log("gw-01", Random(1), now_s=clock.now_us() / 1e6).adopt()
        hall.open_at(log)
        hall.rig("LV-K1", log).part(hall.sitters[0].attempt, "K11", 1900, (2, 500), ticket=hall.sitters[0].ticket)
        await site.upload(log)
        site.beat(log)
        await site.store.alarm("forked", log.origin, 3, "one")
        await log_in(page, url)
        await page.goto(f"{url}/?lang=en")
        await page.wait_for_selector('[data-rig="LV-K5"]')
        await follows(page, '[data-room="B"] .room-head a', "**/rooms/B")
        await page.wait_for_selector('[data-rig="LV-K5"]')
        await follows(page, ".point-sessions a", f"**/sessions/hn-cs-01/{SESSION}")
        await follows(page, f"tbody a[href='/attempts/{hall.sitters[0].attempt}']", "**/attempts/*")
        await expect(page.locator('[data-item="K11"]')).to_contain_text("95.00")
        await follows(page, "nav a[href='/']", f"{url}/")
        await page.wait_for_selector("[data-key='gateway/gw-01']")
        await follows(page, "[data-key='gateway/gw-01']", "**/gateways/gw-01")
        await follows(page, ".actions a[href='/alerts?gateway=gw-01']", "**/alerts?gateway=gw-01")
        await follows(page, ".chips a[href*='severity=alarm']", "**severity=alarm**")
        await tab_to(page, ".alert-reason summary")
        await page.keyboard.press("Enter")
        await expect(page.locator(".alert-reason p").first).to_be_visible()
        await tab_to(page, ".alert-ack button")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("severity=alarm&gateway=gw-01"))
        await expect(page.locator(".alert")).to_have_count(0)


async def follows(page: Page, link: str, address: str) -> None:
    """Tab to a link and press Enter."""
    await page.evaluate("document.activeElement.blur()")
    await tab_to(page, link)
    await page.keyboard.press("Enter")
    await page.wait_for_url(address)
