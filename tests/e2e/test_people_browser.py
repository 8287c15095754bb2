"""The live page in a real Chromium: rows change as things happen, without a reload."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from people_site import PASSWORD, Site, open_site, real_clock, serving
from people_world import Log, Rig, attempt_id
from playwright.async_api import Page, async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
TILE = '[data-rig="LV-0001"]'


@asynccontextmanager
async def browsing(site: Site, folder: Path) -> AsyncIterator[Page]:
    """A logged-in page on the live board; any script error or console message fails the test."""
    async with serving(site, folder) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            context = await browser.new_context(ignore_https_errors=True, viewport={"width": 1500, "height": 950})
            page = await context.new_page()
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text))
            await page.goto(f"{url}/")
            await page.fill("[name=name]", "chief")
            await page.fill("[name=password]", PASSWORD)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("[data-line=connected]")
            await page.evaluate("window.loaded = 'once'")
            yield page
            assert await page.evaluate("window.loaded") == "once"
            assert complaints == []
        finally:
            await browser.close()


async def test_rows_change_as_things_happen(tmp_path: Path) -> None:
    """P6: start, deduction, score and result appear without reload, well under a second after the upload."""
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("LV-0001", "A-01", log)
    async with open_site(tmp_path, real_clock()) as site, browsing(site, tmp_path) as page:
        rig.open_exam("T-1", attempt_id(1))
        await site.upload(log)
        tile = page.locator(TILE)
        await expect(tile).to_contain_text("已核验待考")
        await expect(tile).to_contain_text("T-1")
        rig.start("K21", 1800)
        rig.deduct(2, 1250)
        await site.upload(log)
        await expect(tile).to_contain_text("按图接线，主回路和控制回路正确")
        await expect(tile.locator('[data-f="score"]')).to_have_text("87.50")
        node = await tile.element_handle()
        latencies = [await one_score(page, site, rig, number) for number in range(12)]
        assert sorted(latencies)[len(latencies) // 2] < 0.5, latencies
        rig.close(0, failed=True)
        await site.upload(log)
        await expect(tile).to_contain_text("考试结束")
        assert await node.evaluate("(old) => old.isConnected"), "the row was replaced instead of changed"


async def one_score(page: Page, site: Site, rig: Rig, number: int) -> float:
    """Seconds from the end of an item to its score in the page."""
    if not rig.item:
        rig.start("K11")
        rig.deduct(2, number)
    index = rig.finish()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await site.upload(rig.log)
    await page.wait_for_selector(f'[data-score$="/{index}"]', state="attached")
    return loop.time() - started


@pytest.mark.long
async def test_heartbeats_silence_and_receipts_are_told_apart(tmp_path: Path) -> None:
    """P6 and honesty: live values are marked, a cosignature turns stored into receipted, silence is said."""
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("LV-0001", "A-01", log)
    async with open_site(tmp_path, real_clock()) as site, browsing(site, tmp_path) as page:
        tile = page.locator(TILE)
        rig.open_exam("T-1", attempt_id(1))
        await site.upload(log, cosign=False)
        await expect(tile.locator('[data-f="proof"]')).to_have_text("已存储")
        await site.cosign(log)
        site.projector.notify()
        await expect(tile.locator('[data-f="proof"]')).to_have_text("已入链")
        told: dict[str, Any] = {"rig": rig.serial, "station": rig.station, "state": "running", "item": "K11"}
        told |= {"ordinal": 1, "elapsed_s": 5, "limit_s": 600, "running_score": 9300, "last_seq": rig.seq + 2}
        site.beat(log, [told], size=len(log.entries) + 300)
        await expect(tile.locator('[data-f="score"]')).to_have_text("93.00")
        await expect(tile.locator('[data-f="proof"]')).to_have_text("实时·未存证")
        await expect(page.locator('[data-key="gateway/gw-01"]')).to_contain_text("补传中，剩余 300 条")
        async with asyncio.timeout(15):
            await page.wait_for_selector('[data-key="gateway/gw-01"][data-state=silent]')
        await expect(tile).to_contain_text("网关失联")


async def test_the_page_finds_its_way_back(tmp_path: Path) -> None:
    """A stream id that the server no longer knows is answered by reset: the page reads its snapshot and goes on."""
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("LV-0001", "A-01", log)
    async with open_site(tmp_path, real_clock()) as site, browsing(site, tmp_path) as page:
        rig.open_exam("T-1", attempt_id(1))
        await site.upload(log)
        await expect(page.locator(TILE)).to_contain_text("T-1")
        site.hub.instance = "another"
        site.hub.close()
        site.hub._closed = False
        rig.open_exam("T-2", attempt_id(2))
        await site.upload(log)
        await expect(page.locator(TILE)).to_contain_text("T-2", timeout=15_000)
        await expect(page.locator("[data-line]")).to_have_attribute("data-line", "connected")


async def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """What the script puts into the page is text as well: no markup, no script runs."""
    hostile = "<img src=x onerror=window.loaded='twice'>"
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("LV-0001", hostile, log)
    async with open_site(tmp_path, real_clock()) as site, browsing(site, tmp_path) as page:
        rig.open_exam("<b>T-1</b>", attempt_id(1))
        await site.upload(log)
        await expect(page.locator('[data-f="station"]').first).to_have_text(hostile)
        await expect(page.locator('[data-f="ticket"]').first).to_have_text("<b>T-1</b>")


async def test_the_pages_are_usable_by_keyboard(tmp_path: Path) -> None:
    """Skip link, navigation, tiles and details are reached and opened without a mouse."""
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("LV-0001", "A-01", log)
    rig.whole_exam("T-1", attempt_id(1))
    async with open_site(tmp_path, real_clock()) as site:
        await site.upload(log)
        async with serving(site, tmp_path) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
            try:
                context = await browser.new_context(ignore_https_errors=True)
                page = await context.new_page()
                await page.goto(f"{url}/attempts/{attempt_id(1)}")
                await expect(page.locator("[name=name]")).to_be_focused()
                await page.keyboard.type("chief")
                await page.keyboard.press("Tab")
                await page.keyboard.type(PASSWORD)
                await page.keyboard.press("Enter")
                await page.wait_for_selector(".timeline")
                await page.keyboard.press("Tab")
                assert await page.evaluate("document.activeElement.className") == "skip"
                await page.keyboard.press("Enter")
                await page.locator(".step summary").first.focus()
                await page.keyboard.press("Enter")
                await expect(page.locator(".step-body").first).to_be_visible()
            finally:
                await browser.close()
