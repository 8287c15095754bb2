"""A real Chromium on the people's side, and ways to use it as somebody without a mouse does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from people_site import PASSWORD, serving
from people_world import Log, Rig, attempt_id
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from people_site import Site
    from playwright.async_api import Page

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
STOPS_MAX = 80
# What a stop shows: the element itself, or a ring of some width around it.
RING = """() => {
  const el = document.activeElement, style = getComputedStyle(el), box = el.getBoundingClientRect();
  return {
    what: el.outerHTML.slice(0, 120), body: el === document.body, seen: box.width > 1 && box.height > 1,
    ring: el.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
}"""


@asynccontextmanager
async def visiting(site: Site, folder: Path) -> AsyncIterator[tuple[Page, str]]:
    """A page that nobody has logged in on, and the site's address. Nothing moves, so colours are what they are."""
    async with serving(site, folder) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            context = await browser.new_context(
                ignore_https_errors=True, viewport={"width": 1500, "height": 950}, reduced_motion="reduce"
            )
            yield await context.new_page(), url
        finally:
            await browser.close()


async def log_in(page: Page, url: str) -> None:
    """As `chief`; lands on the live board."""
    await page.goto(f"{url}/login")
    await page.fill("[name=name]", "chief")
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-line=connected]")


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus; every stop on the way must be visible and ringed."""
    for _ in range(STOPS_MAX):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(RING)
        if not stop["body"]:
            assert stop["seen"], f"invisible focus on {stop['what']}"
            assert stop["ring"], f"no visible focus on {stop['what']}"
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"Tab never comes to {selector}")


async def fill_the_hall(site: Site, log: Log) -> None:
    """Whatever a page can show: a good exam, a mismatch, a veto, an abort, one running, two alarms."""
    good, bad, ended, running = (Rig(f"LV-000{n}", f"A-0{n}", log) for n in range(1, 5))
    good.whole_exam("T-1001", attempt_id(1))
    bad.open_exam("T-1002", attempt_id(2), try_no=2)
    bad.start("K21")
    bad.deduct(2, 1250)
    bad.finish(score=9900)
    bad.start("K11")
    bad.deduct(1, 0, veto=True)
    bad.finish("veto")
    bad.close(3960, failed=True)
    ended.open_exam("T-1003", attempt_id(3))
    ended.start("K11")
    ended.finish("timeout")
    ended.abort("power")
    running.open_exam("T-1004", attempt_id(4))
    running.start("K21")
    running.deduct(2, 500)
    await site.upload(log)
    await site.store.alarm("rig_silent", log.origin, None, "LV-0002 · gw-01")
    await site.store.alarm("rolled_back", log.origin, 3, "")
    told = {"rig": running.serial, "station": running.station, "state": "running", "item": "K21", "ordinal": 1}
    told |= {"elapsed_s": 580, "limit_s": 600, "running_score": 9300, "last_seq": running.seq + 2}
    dead = {"rig": "LV-0009", "station": "A-09", "state": "fault", "last_seq": 1}
    site.beat(log, [told, dead])
