"""The pages and the API on which an operator matches staged records: complete, refused in words, guarded."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import pytest
from people_site import log_in, word_of
from planned_world import A, B, Point, candidate_names, point

if TYPE_CHECKING:
    from pathlib import Path

    from people_site import Site

LOST = "c0" * 16
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ORIGIN = {"origin": "https://site.test"}


@pytest.fixture
async def here(site: Site) -> Point:
    """K21 of somebody, with a ticket that is on no list and looks like markup."""
    made = point(Random(3))
    rig = made.rigs["A-02"]
    rig.session = rig.plan = ""
    rig.part(LOST, "K21", 3400, (2, 1250), (3, 250), ticket="<b>T</b>")
    for log in made.logs.values():
        await site.upload(log)
    return made


async def test_an_operator_matches_and_takes_back_on_the_page(site: Site, here: Point) -> None:
    """S2: list, choice, reason, result; then undone, and it waits again."""
    client = await site.client(headers=ORIGIN)
    page = (await client.get("/staged")).text
    assert f'data-staged="{LOST}"' in page
    assert "<b>T</b>" not in page
    page = (await client.get(f"/staged/{LOST}")).text
    assert re.findall(r'name="planned" value="(\w+)"', page)[:2] == [A, B]
    form = {"word": word_of(page), "planned": A, "why": "准考证读取失败"}
    done = await client.post(f"/staged/{LOST}", data=form)
    assert (done.status_code, done.headers["location"]) == (303, f"/attempts/{A}")
    assert (await client.get(done.headers["location"])).status_code == 200
    page = (await client.get("/staged")).text
    assert f'data-staged="{LOST}"' not in page
    assert "准考证读取失败" in page
    page = (await client.get(f"/staged/{LOST}")).text
    undone = await client.post(f"/staged/{LOST}/undo", data={"word": word_of(page), "why": "认错了"})
    assert undone.status_code == 303
    assert f'data-staged="{LOST}"' in (await client.get("/staged")).text


@pytest.mark.parametrize(
    ("language", "form", "said"),
    [
        ("zh", {"planned": A, "why": " "}, "请写明理由。"),
        ("en", {"planned": A, "why": ""}, "Say why."),
        ("zh", {"planned": "", "why": "同一考生"}, "已采用的考试计划中没有这名考生的这场考试。"),
        ("en", {"ticket": "nobody", "why": "same person"}, "No adopted plan has this candidate"),
    ],
)
async def test_what_is_refused_is_said_in_the_words_of_the_page(
    site: Site, here: Point, language: str, form: dict[str, str], said: str
) -> None:
    """A wrong match: the page again, with what is wrong and what was written."""
    client = await site.client(headers=ORIGIN, cookies={"kaofen-lang": language})
    page = (await client.get(f"/staged/{LOST}")).text
    answer = await client.post(f"/staged/{LOST}", data={"word": word_of(page)} | form)
    assert (answer.status_code, said in answer.text) == (422, True)
    assert f'value="{form["why"]}"' in answer.text
    if language == "en":
        body = re.sub(r"[^\n]*K21[^\n]*", "", answer.text.split("<main")[1])
        assert not CHINESE.search(body), body


async def test_a_candidate_is_named_and_may_be_typed(site: Site, here: Point, tmp_path: Path) -> None:
    """P7: an operator sees tickets and names of the plan's openings on this page alone, and may type a ticket."""
    await candidate_names(tmp_path / "kept")
    client = await site.client(headers=ORIGIN)
    page = (await client.get(f"/staged/{LOST}")).text
    assert "欧阳明日" in page
    assert "S20261123-0001" in page
    form = {"word": word_of(page), "ticket": " S20261123-0002 ", "why": "监考员证实"}
    assert (await client.post(f"/staged/{LOST}", data=form)).headers["location"] == f"/attempts/{B}"


async def test_only_an_operator_with_the_form_s_word_may_match(site: Site, here: Point) -> None:
    """CSRF and roles as on every form; a viewer sees what waits and no names."""
    client = await site.client(headers=ORIGIN)
    form = {"planned": A, "why": "同一考生"}
    assert (await client.post(f"/staged/{LOST}", data=form | {"word": "wrong"})).status_code == 403
    await site.accounts.create("guest", "a long enough word", role="viewer")
    guest = await site.client(login=False, headers=ORIGIN)
    assert (await guest.get("/staged")).status_code in {303, 401}
    await log_in(guest, "guest", "a long enough word")
    page = (await guest.get(f"/staged/{LOST}")).text
    assert 'name="planned"' not in page
    assert (await guest.post(f"/staged/{LOST}", data=form | {"word": word_of(page)})).status_code == 403
    assert (await client.get("/staged/none")).status_code == (await client.get(f"/staged/{A}")).status_code == 404
    assert await site.matches.after(0) == []


async def test_a_program_matches_over_the_api(site: Site, here: Point) -> None:
    """POST /api/v1/matches: kept and answered, undone by null, refused with its reason; viewers may only look."""
    token = await site.accounts.create_token("desk", "operator")
    client = await site.client(login=False, headers={"authorization": f"Bearer {token}"})
    (waiting,) = (await client.get("/api/v1/staged")).json()["attempts"]
    assert (waiting["attempt"], waiting["staged"]) == (LOST, True)
    body = {"staged": LOST, "planned": A, "why": "同一考生"}
    made = await client.post("/api/v1/matches", json=body)
    assert (made.status_code, made.json()["number"], made.json()["planned"]) == (201, 1, A)
    attempt = (await client.get(f"/api/v1/attempts/{A}")).json()["attempt"]
    assert (attempt["total_e6"], attempt["matches"][0]["why"]) == (34_000_000, "同一考生")
    again = await client.post("/api/v1/matches", json=body)
    assert (again.status_code, "not staged" in again.json()["detail"]) == (422, True)
    assert (await client.post("/api/v1/matches", json=body | {"planned": None})).status_code == 201
    assert (await client.post("/api/v1/matches", json=body | {"planned": "x"})).status_code == 422
    reader = await site.accounts.create_token("reader", "viewer")
    viewer = await site.client(login=False, headers={"authorization": f"Bearer {reader}"})
    assert (await viewer.post("/api/v1/matches", json=body)).status_code == 403
    browser = await site.client(headers=ORIGIN)
    assert (await browser.post("/api/v1/matches", json=body)).status_code == 403
