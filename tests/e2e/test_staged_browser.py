"""The pages for staged records in a real Chromium: for everybody, and by keyboard alone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from random import Random

import pytest
from axe_playwright_python.async_playwright import Axe
from people_browser import log_in, tab_to, visiting
from people_site import open_site, real_clock
from planned_world import A, candidate_names, point
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LOST, OTHER = "c0" * 16, "c1" * 16
GRAVE = {"serious", "critical"}


async def test_matching_by_keyboard_without_a_barrier(tmp_path: Path) -> None:
    """S2: list, candidate, reason and the way back by Tab and Enter; nothing grave by axe in either language."""
    here = point(Random(3))
    here.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    for rig, attempt, ticket in ((here.rigs["A-02"], LOST, "S2026112-0001"), (here.rigs["B-02"], OTHER, "")):
        rig.session = rig.plan = ""
        rig.part(attempt, "K21" if attempt == LOST else "K42", 3400, (2, 1250), (3, 250), ticket=ticket)
    async with open_site(tmp_path, real_clock()) as site:
        await candidate_names(tmp_path / "kept")
        for log in here.logs.values():
            await site.upload(log)
        async with visiting(site, tmp_path) as (page, url):
            await log_in(page, url)
            found = []
            for language in ("en", "zh"):
                for path in ("/staged", f"/staged/{LOST}"):
                    for scheme in ("light", "dark"):
                        await page.emulate_media(color_scheme=scheme)
                        await page.goto(f"{url}{path}?lang={language}")
                        result = await Axe().run(page)
                        found += [one for one in result.response["violations"] if one["impact"] in GRAVE]
                    await picture(page, f"{'match' if LOST in path else 'staged'}-{language}")
            assert found == []
            await page.goto(f"{url}/staged")
            await tab_to(page, f"a[href='/staged/{LOST}']")
            await page.keyboard.press("Enter")
            await page.wait_for_url(f"**/staged/{LOST}")
            await tab_to(page, "[name=planned]")
            await page.keyboard.press("Space")
            await tab_to(page, "#why")
            await page.keyboard.type("照片核对无误")
            await page.keyboard.press("Enter")
            await page.wait_for_url(f"**/attempts/{A}")
            await page.goto(f"{url}/staged/{LOST}")
            await expect(page.locator("dd", has_text="照片核对无误")).to_be_visible()
            await tab_to(page, "#why")
            await page.keyboard.type("认错了")
            await page.keyboard.press("Enter")
            await expect(page.locator("[name=planned]").first).to_be_visible()
            await page.goto(f"{url}/staged")
            await expect(page.locator("[data-staged]")).to_have_count(2)
            assert not re.search("认错了", await page.content())


async def picture(page, name: str) -> None:  # type: ignore[no-untyped-def]
    """For whoever wants to look: `KAOFEN_PICTURES=folder`."""
    folder = os.environ.get("KAOFEN_PICTURES")
    if folder:
        await page.emulate_media(color_scheme="light")
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
