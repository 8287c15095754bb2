"""The pages in a real Chromium for people who cannot see well or use no mouse."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.async_playwright import Axe
from people_browser import fill_the_hall, log_in, tab_to, visiting
from people_site import PASSWORD, open_site, real_clock
from people_world import Log, Rig, attempt_id
from planned_hall import SESSION, small_hall
from playwright.async_api import expect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from people_site import Site
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

BY_DAY = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}
BY_NIGHT = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}  # only the colours differ
TELEPHONE = {"width": 390, "height": 844}
DESK = {"width": 1500, "height": 950}
PLANTED = """document.body.insertAdjacentHTML("beforeend",
  "<button id=planted></button><p class=planted>faint</p>");
document.querySelector(".planted").style.color = "#7f7f7f";
document.querySelector(".planted").style.backgroundColor = "#888888";"""
GRAVE = {"serious", "critical"}
PAGES = ["/", "/attempts", f"/attempts/{attempt_id(1)}", f"/attempts/{attempt_id(2)}", f"/attempts/{attempt_id(3)}"]
PAGES += ["/attempts?state=passed", "/gateways", "/gateways/gw-01", "/alerts", "/alerts?show=all", "/no-such-page"]
SITTERS = small_hall().sitters
PAGES += ["/points/hn-cs-01/rooms/A", "/sessions", f"/sessions/hn-cs-01/{SESSION}", f"/attempts/{SITTERS[0].attempt}"]
PAGES += [f"/attempts/{SITTERS[1].attempt}", "/plan", "/plan/hn-cs-01", f"/plan/hn-cs-01/sessions/{SESSION}"]


async def sit_a_plan(site: Site, log: Log) -> None:
    """One item ended and one running with a deduction and a veto; the second candidate has not begun."""
    hall = small_hall(now_s=site.clock.now_us() // 1_000_000)
    await hall.publish(site)
    hall.open_at(log)
    hall.rig("LV-K1", log).part(SITTERS[0].attempt, "K11", 1900, (2, 500), ticket=SITTERS[0].ticket)
    rig = hall.rig("LV-K2", log)
    rig.open_exam(SITTERS[0].ticket, SITTERS[0].attempt)
    rig.start("K21")
    rig.deduct(2, 500)
    rig.deduct(1, 0, veto=True)
    await site.upload(log)


async def findings(page: Page, where: str, schemes: Sequence[str]) -> list[str]:
    """What axe finds grave, in daylight and in the dark."""
    found = []
    for scheme in schemes:
        options = BY_DAY if scheme == "light" else BY_NIGHT
        await page.emulate_media(color_scheme=scheme)
        result = await Axe().run(page, options=options)
        for one in result.response["violations"]:
            if one["impact"] in GRAVE:
                places = [f"{node['target']} {node.get('failureSummary', '')[:300]}" for node in one["nodes"][:3]]
                found.append(f"{where} ({scheme}): {one['id']}: {one['help']}: {places}")
    return found


async def sideways(page: Page, where: str) -> list[str]:
    """Where a telephone would have to move the whole page to read a line; a table moves by itself."""
    await page.set_viewport_size(TELEPHONE)
    wide, seen = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    await page.set_viewport_size(DESK)
    return [] if wide <= seen else [f"{where}: {wide} px wide on a telephone of {seen}"]


LONG = pytest.mark.long
SHOWN = [("zh", ("light",)), pytest.param("zh", ("dark",), marks=LONG), pytest.param("en", ("light",), marks=LONG)]


@pytest.mark.parametrize(("language", "schemes"), SHOWN)
async def test_no_page_has_a_grave_barrier(tmp_path: Path, language: str, schemes: Sequence[str]) -> None:
    """Nothing serious or critical by axe on any page in either language; by night too, where only colours differ.

    None is wider than a telephone. A barrier that the test plants itself is found, so the finder does look.
    """
    log = Log("gw-01", Random(1)).adopt()
    async with open_site(tmp_path, real_clock()) as site:
        await fill_the_hall(site, log)
        await sit_a_plan(site, log)
        async with visiting(site, tmp_path) as (page, url):
            await page.goto(f"{url}/login?lang={language}")
            found = await findings(page, "/login", schemes)
            await log_in(page, url)
            for path in PAGES:
                await page.goto(f"{url}{path}")
                await expect(page.locator("html")).to_have_attribute("lang", re.compile(language))
                if path == "/":
                    await page.wait_for_selector('[data-rig="LV-0004"]')
                    await page.wait_for_selector('[data-rig="LV-K2"] .deduction-veto')
                for summary in await page.locator(".step summary").all():
                    await summary.click()
                found += await findings(page, path, schemes) + await sideways(page, path)
            await page.evaluate(PLANTED)
            planted = await findings(page, "planted", schemes)
    assert found == []
    rules = [re.findall(r"\((\w+)\): ([\w-]+)", one)[0] for one in planted]
    wanted = [("light", "button-name"), ("light", "color-contrast"), ("dark", "color-contrast")]
    assert rules == [one for one in wanted if one[0] in schemes]


async def test_every_main_job_is_done_by_keyboard(tmp_path: Path) -> None:
    """Log in, open an attempt, find by ticket, acknowledge, switch language, log out: Tab and Enter, focus in sight."""
    log = Log("gw-01", Random(1)).adopt()
    async with open_site(tmp_path, real_clock()) as site:
        await fill_the_hall(site, log)
        async with visiting(site, tmp_path) as (page, url):
            await logs_in(page, url)
            await opens_an_attempt(page)
            await finds_by_ticket(page)
            await acknowledges(page)
            await tab_to(page, "a[hreflang=en]")
            await page.keyboard.press("Enter")
            await expect(page.locator("html")).to_have_attribute("lang", "en")
            await tab_to(page, "form[action='/logout'] button")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/login*")
            await page.goto(f"{url}/attempts")
            await expect(page).to_have_url(re.compile("/login"))


async def test_the_live_board_says_what_it_knows_and_no_more(tmp_path: Path) -> None:
    """An unreadable record is said; a rig without an exam claims no proof; the legend keeps to one line in English."""
    log = Log("gw-01", Random(1)).adopt()
    async with open_site(tmp_path, real_clock()) as site:
        held = Rig("LV-0001", "A-01", log)
        held.open_exam("T-1", attempt_id(1))
        log.add("rig.online", rig="LV-0002", station="A-02", boot=1, interface=1)
        await site.upload(log)
        both = [{"rig": held.serial, "station": held.station, "state": "open", "last_seq": 1, "unreadable": 41}]
        site.beat(log, [*both, {"rig": "LV-0002", "station": "A-02", "state": "idle", "last_seq": 0}])
        async with visiting(site, tmp_path) as (page, url):
            await log_in(page, url)
            await page.goto(f"{url}/?lang=en")
            await expect(page.locator('[data-rig="LV-0001"] [data-f=held]')).to_have_text(
                "record no. 41 cannot be read"
            )
            await expect(page.locator('[data-rig="LV-0001"] [data-f=proof]')).to_be_visible()
            await expect(page.locator('[data-count="bad"]')).to_have_text("1")
            await expect(page.locator('[data-rig="LV-0002"] [data-f=state]')).to_be_visible()
            await expect(page.locator('[data-rig="LV-0002"] [data-f=proof]')).to_be_hidden()
            lines = await page.eval_on_selector_all(".legend li", "all => all.map((one) => one.offsetTop)")
            tall = await page.eval_on_selector_all(".legend li", "all => all.map((one) => one.offsetHeight)")
            assert len(set(lines)) == 1, lines
            assert max(tall) < 30, tall


async def logs_in(page: Page, url: str) -> None:
    """The form has the focus at once."""
    await page.goto(f"{url}/login")
    await expect(page.locator("[name=name]")).to_be_focused()
    await page.keyboard.type("chief")
    await tab_to(page, "[name=password]")
    await page.keyboard.type(PASSWORD)
    await tab_to(page, "button[type=submit].primary")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-line=connected]")
    await tab_to(page, ".rig a[href]")


async def opens_an_attempt(page: Page) -> None:
    """From the navigation to the list, from the list to one attempt, and one of its entries."""
    await page.keyboard.press("Home")
    await follows(page, "nav a[href='/attempts']", "**/attempts")
    await follows(page, f"tbody th a[href='/attempts/{attempt_id(1)}']", f"**/attempts/{attempt_id(1)}")
    await tab_to(page, ".step summary")
    await page.keyboard.press("Enter")
    await expect(page.locator(".step-body").first).to_be_visible()


async def finds_by_ticket(page: Page) -> None:
    """The search is a form that Enter sends."""
    await follows(page, "nav a[href='/attempts']", "**/attempts")
    await tab_to(page, "#search")
    await page.keyboard.type("T-1003")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody tr")).to_contain_text("T-1003")


async def acknowledges(page: Page) -> None:
    """One alert fewer waits, and the list of all names who has seen it."""
    await follows(page, "nav a[href='/alerts']", "**/alerts")
    form = await page.locator(".alert-ack").first.get_attribute("action")
    await tab_to(page, ".alert-ack input[name=note]")
    await page.keyboard.type("seen by hand")
    await tab_to(page, ".alert-ack button")
    await page.keyboard.press("Enter")
    await expect(page.locator(f".alert-ack[action='{form}']")).to_have_count(0)
    await follows(page, "a[href='/alerts?show=all']", "**/alerts?show=all")
    await expect(page.locator(".alert-seen")).to_contain_text("seen by hand")


async def follows(page: Page, link: str, address: str) -> None:
    """Tab to a link and press Enter."""
    await tab_to(page, link)
    await page.keyboard.press("Enter")
    await page.wait_for_url(address)
