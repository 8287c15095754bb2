"""Staged records and the matches that bring them home: refused where they cannot be right, shown, undone, kept."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from planned_world import HEIGHT, A, B, Point, adopt_plan, adopt_rubric, candidate, document, point, text_of
from projection_replay import content

from server.matches.desk import MatchDesk, Objected
from server.matches.rules import REASONS
from server.people.matchwords import MATCH_REFUSALS
from server.projection import queries
from server.projection.projector import Projector

if TYPE_CHECKING:
    from people_site import Site

LOST = "c0" * 16


def lost(here: Point, item: str = "K21", station: str = "A-02", attempt: str = LOST, total: int = 3400) -> None:
    """An exam whose ticket nobody knows: no session, no plan."""
    rig = here.rigs[station]
    session, plan, rig.session, rig.plan = rig.session, rig.plan, "", ""
    rig.part(attempt, item, total, (2, 1250), (3, 250), ticket="")
    rig.session, rig.plan = session, plan


@pytest.fixture
async def here(site: Site) -> Point:
    """A has K11 and K31, and its K21 was recorded under nobody's name."""
    made = point(Random(3))
    made.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    lost(made)
    made.rigs["B-01"].part(A, "K31", 2000)
    await upload(site, made)
    return made


async def upload(site: Site, made: Point) -> None:
    for log in made.logs.values():
        if len(log.entries) > site.sent.get(log.origin, 0):
            await site.upload(log)


def desk_of(site: Site) -> MatchDesk:
    return site.desk


async def rows(site: Site, *attempts: str) -> list[dict[str, Any]]:
    async with site.projections.reading() as db:
        return [row for attempt in attempts if (row := await queries.attempt(db, attempt))]


async def refused(site: Site, staged: str, planned: str, why: str = "同一考生") -> str:
    with pytest.raises(Objected) as caught:
        await desk_of(site).match(staged, planned, "chief", why)
    assert str(caught.value)
    return caught.value.why.code


async def test_a_match_brings_the_records_to_the_planned_attempt(site: Site, here: Point) -> None:
    """S2: at once, by the session's rubric, with who, when and why beside the score; the staged one says where to."""
    desk = desk_of(site)
    assert [row["attempt"] for row in await desk.staged()] == [LOST]
    assert [row["attempt"] for row in await desk.offers(LOST)] == [
        A,
        B,
        document()["sessions"][0]["candidates"][2]["attempt"],
    ]
    await desk.match(LOST, A, "chief", " 准考证读取失败 ")
    planned, staged = await rows(site, A, LOST)
    assert (planned["total_e6"], planned["verdict"], planned["stations"]) == (
        73_000_000,
        "equal",
        ["A-01", "A-02", "B-01"],
    )
    assert [(one["staged"], one["account"], one["why"]) for one in planned["matches"]] == [
        (LOST, "chief", "准考证读取失败")
    ]
    assert (staged["matched_to"], staged["staged"]) == (A, False)
    assert await desk.staged() == []
    async with site.projections.reading() as db:
        assert LOST not in {row["attempt"] for row in await queries.attempts(db)}
    here.rigs["B-02"].part(A, "K42", 1800, (3, 1000))
    await upload(site, here)
    (planned,) = await rows(site, A)
    assert (planned["total_e6"], planned["passed"], planned["complete"]) == (91_000_000, True, True)


async def test_an_undone_match_leaves_everything_as_before(site: Site, here: Point) -> None:
    """S2: undone by another row; then it may be matched to somebody else."""
    before = await rows(site, A, B, LOST)
    desk = desk_of(site)
    await desk.match(LOST, A, "chief", "看起来是")
    assert await refused(site, LOST, B) == "not_staged"
    await desk.undo(LOST, "second", "不是他")
    assert await rows(site, A, B, LOST) == before
    with pytest.raises(Objected, match="nothing to undo"):
        await desk.undo(LOST, "second", "不是他")
    await desk.match(LOST, B, "second", "是另一人")
    assert [row["total_e6"] for row in await rows(site, A, B)] == [39_000_000, 34_000_000]


async def test_matches_survive_the_projections(site: Site, here: Point) -> None:
    """The projections are deleted and rebuilt at will; what a person decided is not theirs."""
    await desk_of(site).match(LOST, A, "chief", "同一考生")
    grown = await content(site.projections)
    await site.projector.rebuild()
    assert await content(site.projections) == grown
    await site.projections.reset()
    site.projector.forget()
    await site.projector.catch_up()
    assert await content(site.projections) == grown
    assert len(grown["matched"]) == 1


async def test_two_servers_take_up_each_other_s_matches(site: Site, here: Point) -> None:
    """A match made in one process is taken up by whichever projects; nobody projects it twice."""
    second = Projector(site.store, site.projections, site.clock, matches=site.matches)
    await second.catch_up()
    await desk_of(site).match(LOST, A, "chief", "同一考生")
    assert (await rows(site, A))[0]["total_e6"] == 73_000_000
    second.forget()
    await second.catch_up()
    await desk_of(site).undo(LOST, "chief", "错了")
    assert (await rows(site, A))[0]["total_e6"] == 39_000_000


@pytest.mark.parametrize(
    ("staged", "planned", "why", "code"),
    [
        (LOST, A, "  ", "no_why"),
        (LOST, A, "长" * 501, "why_too_long"),
        (LOST, "ee" * 16, "同一考生", "not_planned"),
        (LOST, LOST, "同一考生", "not_planned"),
        (A, B, "同一考生", "not_staged"),
        ("ee" * 16, A, "同一考生", "not_staged"),
    ],
)
async def test_a_match_that_cannot_be_is_refused_with_its_reason(
    site: Site, here: Point, staged: str, planned: str, why: str, code: str
) -> None:
    """S2: a wrong match is refused with what is wrong about it; nothing is stored."""
    assert await refused(site, staged, planned, why) == code
    assert await site.matches.after(0) == []


async def test_an_item_that_has_ended_takes_no_second_end(site: Site, here: Point) -> None:
    """S1: each item once; the second exam of the same item stays staged."""
    here.rigs["A-02"].part(A, "K21", 4000)
    await upload(site, here)
    assert await refused(site, LOST, A) == "item_ended"


async def test_an_item_of_another_paper_is_refused(site: Site, here: Point) -> None:
    """The candidate's paper says what may be matched to it."""
    lost(here, "K12", "A-01", "c1" * 16, 1700)
    await upload(site, here)
    assert await refused(site, "c1" * 16, A) == "not_on_paper"


async def test_records_of_another_occupation_or_point_are_refused(site: Site, here: Point) -> None:
    """A score is never taken over into another occupation's exam, nor from another point's gateway."""
    far = document(version=2)
    far["point"] = far["point"] | {"id": "hn-cs-02", "gateways": ["gw-09"]}
    for station in far["rooms"][0]["stations"]:
        station["rigs"][0]["gateway"] = "gw-09"
    far["sessions"][0] |= {"id": "S-far", "candidates": [candidate("d1" * 16)]}
    other = point(Random(9), text_of(far))
    log = other.logs["gw-01"]
    log.gateway = "gw-09"
    await site.upload(log)
    assert await refused(site, LOST, "d1" * 16) == "another_point"
    high = document(version=2)
    sha256 = adopt_rubric(here.logs["gw-01"], HEIGHT)
    high["sessions"][0] |= {"id": "S-high", "rubric": sha256, "candidates": [candidate("d2" * 16)]}
    adopt_plan(here.logs["gw-01"], text_of(high))
    await upload(site, here)
    assert await refused(site, LOST, "d2" * 16) == "another_occupation"


def test_every_objection_has_its_words() -> None:
    """A page can say each in both languages."""
    assert set(MATCH_REFUSALS) == set(REASONS)
