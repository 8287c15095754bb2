"""The box's own page in a real Chromium: readable by everybody, without a script, renewing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.async_playwright import Axe
from gateway_parts import RigScript
from gateway_world import World
from people_browser import ARGS, CHROMIUM, tab_to
from playwright.async_api import async_playwright, expect

from device_adapters.contract import Evidence, RigStatus

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}
STATUS = RigStatus("LV-0001", "running", "exam", "K21", 2, 41, 600, 9500, 1, 7, 5, 1, 0, 9)


async def test_the_box_page_is_readable_by_everybody(tmp_path: Path) -> None:
    """No finding of axe in either language, by day and by night; its links work by Tab and Enter; it renews itself."""
    world = World(tmp_path, ("LV-0001", "LV-0002"))
    rig, script = world.rigs["LV-0001"], RigScript()
    world.rigs["LV-0002"].refuse_connect = "refused"
    async with world.gateway() as app, async_playwright() as playwright:
        for observation in script.exam(b"440100202699"):
            rig.happen(observation)
        rig.refuse(Evidence("LV-0001", "crc", "", 9, 3, ()))
        rig.show(STATUS)
        await rig.until_acked(script.seq)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            context = await browser.new_context(java_script_enabled=True, viewport={"width": 1200, "height": 900})
            page = await context.new_page()
            url = f"http://127.0.0.1:{app.pages.port}"
            assert await findings(page, f"{url}/?renew=off") == []
            assert await findings(page, f"{url}/?lang=en&renew=off") == []
            await expect(page.locator("tr.bad", has_text="LV-0002")).to_contain_text("offline")
            await walks(page, url)
        finally:
            await browser.close()


async def findings(page: Page, address: str) -> list[str]:
    """Everything that axe finds, by day and by night."""
    await page.goto(address)
    found = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        result = await Axe().run(page, options=RULES)
        found += [f"{scheme} {one['id']}: {one['help']}" for one in result.response["violations"]]
    return found


async def walks(page: Page, url: str) -> None:
    """Renewing is stopped and started, the language changed, by keyboard alone; then a reading comes by itself."""
    await page.goto(url)
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await tab_to(page, "header a[href*='renew=off']")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?lang=zh&renew=off")
    await tab_to(page, "header a[hreflang=en]")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?lang=en&renew=off")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await tab_to(page, "header a[href='/?lang=en']")
    await page.keyboard.press("Enter")
    shown = await page.locator("time").inner_text()
    await expect(page.locator("time")).not_to_have_text(shown, timeout=15_000)
