"""Attempts of a plan over several rigs and gateways: composed the same in any order, scored by their session."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned_world import (
    HEIGHT,
    RESIT,
    SESSION,
    STATIONS,
    A,
    B,
    BoundRig,
    Point,
    adopt_plan,
    adopt_rubric,
    candidate,
    document,
    point,
    text_of,
)
from projection_replay import Tables, replay

from server.projection import queries
from server.projection.projector import Projector

if TYPE_CHECKING:
    from people_site import Site


@pytest.fixture
def here() -> Point:
    return point(Random(3))


async def shown(site: Site, point_: Point, *order: str) -> None:
    for log in (point_.logs[gateway] for gateway in order or point_.logs):
        if len(log.entries) > site.sent.get(log.origin, 0):
            await site.upload(log)


async def row_of(site: Site, attempt: str = A) -> dict[str, Any]:
    async with site.projections.reading() as db:
        row = await queries.attempt(db, attempt)
    assert row is not None
    return row


async def alerts(site: Site) -> list[tuple[str, str | None]]:
    async with site.projections.reading() as db:
        return sorted((one["kind"], one["rig"]) for one in await queries.alerts(db, 100))


async def test_an_attempt_is_whole_when_all_its_items_ended_at_any_rig(site: Site, here: Point) -> None:
    """S1: four rigs of two gateways, one result; a rig that closes its part closes nothing else."""
    here.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    await shown(site, here)
    row = await row_of(site)
    assert (row["state"], row["passed"], row["complete"], row["total_e6"]) == ("open", None, False, 19_000_000)
    here.rigs["B-01"].part(A, "K31", 2000)
    here.rigs["A-02"].part(A, "K21", 3400, (2, 1250), (3, 250))
    here.rigs["B-02"].part(A, "K42", 1800, (3, 1000))
    await shown(site, here, "gw-02", "gw-01")
    row = await row_of(site)
    assert (row["state"], row["passed"], row["complete"], row["total_e6"]) == ("finished", True, True, 91_000_000)
    assert (row["claimed_total"], row["verdict"], row["notes"], row["staged"]) == (9100, "equal", [], False)
    assert [(run["item"], run["place"], run["score"]) for run in row["runs"]] == [
        ("K11", "A-01", 9500),
        ("K21", "A-02", 8500),
        ("K31", "B-01", 10000),
        ("K42", "B-02", 9000),
    ]
    assert await alerts(site) == []


async def test_what_is_planned_can_be_asked_before_and_while_it_happens(site: Site, here: Point) -> None:
    """Item 7 of the live view: planned items, runs and running rigs of each attempt of a session."""
    here.rigs["A-01"].open_exam("T-1", A)
    here.rigs["A-01"].start("K11")
    here.rigs["A-01"].deduct(2, 500)
    await shown(site, here)
    async with site.projections.reading() as db:
        (plan,) = await queries.plans(db)
        session = await queries.session_attempts(db, plan["sha256"], SESSION)
        detail = await queries.attempt_detail(db, A)
        unknown = await queries.attempt_detail(db, "0" * 32)
        waiting = await queries.attempt_detail(db, B)
    assert (plan["point"], plan["sessions"][0]["stations"]) == ("hn-cs-01", sorted(STATIONS))
    assert [(one["attempt"], one["attempt_row"] is not None) for one in session] == [
        (A, True), (B, False), (RESIT, False),
    ]  # fmt: skip
    assert detail is not None
    assert waiting is not None
    assert [(one["rig"], one["item"], one["deductions"][0]["points"]) for one in detail["running"]] == [
        ("LV-0001", "K11", 500)
    ]
    assert (waiting["attempt"], waiting["planned"]["items"], unknown) == (None, ["K11", "K21", "K31", "K42"], None)


async def test_the_session_names_the_rubric_where_codes_repeat(site: Site) -> None:
    """P4: two adopted rubrics have a K11; the plan's session says which one scores, and nobody guesses."""
    here = point(Random(3))
    for log in here.logs.values():
        adopt_rubric(log, HEIGHT)
    here.whole(A)
    here.rigs["A-01"].session = here.rigs["A-01"].plan = ""
    here.rigs["A-01"].part("c0" * 16, "K11", 1900, (2, 500))
    await shown(site, here)
    assert (await row_of(site))["total_e6"] == 91_000_000
    lost = await row_of(site, "c0" * 16)
    assert (lost["total_e6"], lost["staged"], lost["verdict"]) == (None, True, "impossible")


async def test_without_the_session_s_rubric_nothing_is_scored_until_it_comes(site: Site) -> None:
    """P4: a missing rubric is said, an attempt waits for it, and its arrival in any log of the server scores it."""
    here = point(Random(3), text_of(document(rubric=_sha(HEIGHT_V))))
    here.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    await shown(site, here)
    row = await row_of(site)
    assert (row["total_e6"], row["passed"], row["rubric"]) == (None, None, _sha(HEIGHT_V))
    assert row["notes"] == ["session_rubric_not_adopted"]
    assert [kind for kind, _ in await alerts(site)] == ["attempt_not_scored", "not_recomputable"]
    adopt_rubric(here.logs["gw-02"], HEIGHT_V)
    await shown(site, here)
    row = await row_of(site)
    assert (row["total_e6"], row["verdict"]) == (19_000_000, "equal")
    assert [kind for kind, _ in await alerts(site)] == ["not_recomputable"]


async def test_a_rig_s_wrong_claims_are_alarmed_and_change_nothing(site: Site, here: Point) -> None:
    """P4: item score and closing total of a rig against the session's rubric; the server's numbers count."""
    rig = here.rigs["A-02"]
    rig.open_exam("T-1", A)
    rig.run("K21", (2, 1250), score=8000)
    rig.close(3200)
    await shown(site, here)
    row = await row_of(site)
    assert (row["total_e6"], row["claimed_total"], row["verdict"]) == (35_000_000, 3200, "mismatch")
    assert row["runs"][0]["differences"] == [{"what": "score", "claimed": 8000, "recomputed": 8750}]
    assert await alerts(site) == [("recompute_mismatch", "LV-0002")] * 2


async def test_what_is_not_planned_is_noted_and_not_counted(site: Site, here: Point) -> None:
    """S1: an item beyond the paper, another place, an item twice, an end after an abort: shown, never dropped."""
    here.rigs["A-01"].open_exam("T-1", A)
    here.rigs["A-01"].run("K12")
    here.rigs["A-01"].run("K11", outcome="aborted")
    here.rigs["A-01"].run("K11")
    here.rigs["B-02"].part(A, "K21", 4000)
    here.rigs["B-01"].part(A, "K31", 2000)
    await shown(site, here)
    row = await row_of(site)
    assert [(run["item"], run["why"], run["elsewhere"]) for run in row["runs"]] == [
        ("K11", "aborted", False),
        ("K11", None, False),
        ("K21", None, True),
        ("K31", None, False),
        ("K12", "beyond_plan", False),
    ]
    assert (row["total_e6"], row["notes"]) == (80_000_000, ["beyond_plan", "elsewhere", "item_after_abort"])
    here.rigs["B-01"].part(A, "K31", 2000)
    await shown(site, here)
    row = await row_of(site)
    assert (row["total_e6"], row["passed"], "item_twice" in row["notes"]) == (None, None, True)


async def test_a_gateway_of_another_point_changes_no_result(site: Site, here: Point) -> None:
    """P3: attempt ids are public; what a foreign gateway writes under one is kept, alarmed, and counts for nothing."""
    here.whole(A)
    await shown(site, here)
    before = await row_of(site)
    thief = point(Random(8)).logs["gw-01"]
    thief.gateway = "gw-66"
    rig = BoundRig("XX-0001", "X-01", thief)
    rig.open_exam("T-9", A)
    rig.run("K21", (7, 0), outcome="aborted")
    rig.run("K11", (1, 9000))
    rig.abort("candidate")
    await site.upload(thief)
    row = await row_of(site)
    assert [row[name] for name in ("total_e6", "passed", "state")] == [
        before[name] for name in ("total_e6", "passed", "state")
    ]
    assert row["notes"] == ["another_point", "tickets_differ"]
    assert ("attempt_of_another_point", None) in await alerts(site)


async def test_a_closed_session_leaves_no_attempt_open(site: Site, here: Point) -> None:
    """S1: what is not complete when every gateway closed the session is not passed; a later end is counted still."""
    here.rigs["A-01"].part(A, "K11", 2000)
    for log in here.logs.values():
        log.add("session.closed", fields={"session": SESSION, "reason": "window", "plan": here.plan})
    await site.upload(here.logs["gw-01"])
    assert (await row_of(site))["state"] == "finished"  # the other gateway has not opened it yet, as far as is known
    await site.upload(here.logs["gw-02"])
    row = await row_of(site)
    assert (row["state"], row["passed"], row["complete"]) == ("finished", False, False)


async def test_a_resit_is_an_attempt_of_its_own(site: Site, here: Point) -> None:
    """A retake of the failed items alone is complete, and nobody calls it passed or failed by itself."""
    rig = here.rigs["A-02"]
    rig.open_exam("T-1", RESIT, try_no=1)
    rig.run("K21")
    rig.close(4000)
    await shown(site, here)
    row = await row_of(site, RESIT)
    assert (row["try_no"], row["complete"], row["passed"], row["total_e6"]) == (2, True, None, 40_000_000)
    assert row["notes"] == ["partial_paper", "try_differs"]


async def test_a_plan_in_parts_over_several_uploads_is_one(site: Site) -> None:
    """Rule 14 of entry.md: the plan is adopted with its last part, wherever the uploads were cut."""
    here = point(Random(3), max_bytes=300)
    log = here.logs["gw-01"]
    here.rigs["A-01"].part(A, "K11", 2000)
    for stop in range(1, len(log.entries) + 1):
        await site.upload(log, stop=stop)
    assert (await row_of(site))["session"] == SESSION
    assert await alerts(site) == []


async def test_texts_of_one_version_must_be_the_same(site: Site, here: Point) -> None:
    """The same text of several gateways is one plan; another text of the same version is an alarm."""
    await shown(site, here)
    async with site.projections.reading() as db:
        assert len(await queries.plans(db)) == 1
    other = document()
    other["published"] = "2026-11-22T10:00:00Z"
    adopt_plan(here.logs["gw-02"], text_of(other))
    foreign = document()
    foreign["point"]["gateways"] = ["gw-02"]
    for room in foreign["rooms"]:
        for station in room["stations"]:
            station["rigs"][0]["gateway"] = "gw-02"
    adopt_plan(here.logs["gw-01"], text_of(foreign))
    await shown(site, here)
    assert [kind for kind, _ in await alerts(site)] == ["adoption_unusable", "plan_differs"]


async def test_practice_in_a_session_and_an_exam_on_a_training_rig_are_alarms(site: Site) -> None:
    """S3 and B7: each with the plan that the log itself had adopted."""
    plan = document()
    rigs = [station["rigs"][0] for station in plan["rooms"][0]["stations"]]
    rigs[0]["gateway"] = "gw-02"
    rigs[1]["purpose"] = "training_only"
    plan["sessions"][0]["candidates"] = [candidate(A, ("K11", "K42"), ())]
    here = point(Random(3), text_of(plan))
    here.rigs["A-02"].part(A, "K21", 4000)
    here.rigs["A-01"].part(A, "K11", 2000)
    log = here.logs["gw-02"]
    log.add(
        "practice.summary",
        rig="LV-0004", station="B-02", mode="practice", epoch=3, seq=9, ordinal=0, raw=[],
        fields={"mode": "practice", "started": "2026-11-22T06:00:00Z", "finished": "2026-11-22T06:10:00Z"},
    )  # fmt: skip
    log.now_s -= 3 * 3600
    log.add("rig.mode", rig="LV-0004", station="B-02", fields={"old": "exam", "new": "practice"}, raw=[])
    await shown(site, here)
    kinds = [one for one in await alerts(site) if one[0] != "not_recomputable"]
    assert kinds == [
        ("exam_on_training_rig", "LV-0002"),
        ("practice_in_session", "LV-0004"),
        ("rig_not_owned", "LV-0001"),
    ]
    assert "training_rig" in (await row_of(site))["notes"]


class OfThisServer:
    """A server that published one plan and told one nonce."""

    def __init__(self, plan: str, nonce: str | None) -> None:
        self._plan, self._nonce = plan, nonce

    async def published(self, sha256: str) -> bool:
        return sha256 == self._plan

    async def nonce(self, session_id: str) -> str | None:
        return self._nonce if session_id == SESSION else None


@pytest.mark.parametrize(
    ("nonce", "kinds"),
    [("ab" * 16, []), ("cd" * 16, ["session_nonce_wrong"] * 2), (None, ["session_nonce_wrong"] * 2)],
)
async def test_a_nonce_that_was_not_told_is_an_alarm(
    site: Site, here: Point, nonce: str | None, kinds: list[str]
) -> None:
    """Plan rule 7: only the server's own nonce makes an entry younger than it."""
    known = OfThisServer(here.plan, nonce)
    projector = Projector(site.store, site.projections, site.clock, known=known)
    for log in here.logs.values():
        await site.upload(log, project=False)
    await projector.catch_up()
    assert [kind for kind, _ in await alerts(site)] == kinds


async def test_a_plan_that_was_not_published_goes_behind_one_that_was(site: Site, here: Point) -> None:
    """A gateway's own plan, of whatever version, is an alarm and composes nobody's attempt anew."""
    forged = document(version=99)
    forged["sessions"][0]["candidates"] = [candidate(A, ("K11",), ())]
    adopt_plan(here.logs["gw-02"], text_of(forged))
    here.whole(A)
    known = OfThisServer(here.plan, "ab" * 16)
    projector = Projector(site.store, site.projections, site.clock, known=known)
    for log in here.logs.values():
        await site.upload(log, project=False)
    await projector.catch_up()
    row = await row_of(site)
    assert (row["plan"], row["total_e6"]) == (here.plan, 91_000_000)
    assert [kind for kind, _ in await alerts(site)] == ["plan_not_published"]


def _two_candidates() -> Point:
    here = point(Random(5), max_bytes=700)
    here.whole(A)
    here.rigs["A-01"].part(B, "K11", 1900, (2, 500), ticket="T-2")
    here.rigs["B-02"].open_exam("T-2", B)
    here.rigs["B-02"].run("K42")
    here.rigs["B-02"].abort("candidate")
    other = document(version=2)
    other["sessions"][0]["candidates"] = [candidate(A), candidate(B, ("K11", "K42"), ())]
    adopt_plan(here.logs["gw-02"], text_of(other))
    here.rigs["A-02"].session = here.rigs["A-02"].plan = ""
    here.rigs["A-02"].part("d0" * 16, "K21", 4000, ticket="")
    for log in here.logs.values():
        log.add("session.closed", fields={"session": SESSION, "reason": "window", "plan": here.plan})
    return here


_REFERENCE: Tables = {}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), max_size=12),
    steps=st.sets(st.integers(0, 14)),
)
def test_any_order_of_arrival_composes_the_same_attempts(pieces: list[tuple[int, int]], steps: set[int]) -> None:
    """However the logs of two gateways are cut, interleaved and projected: the same tables, alarms included."""
    with TemporaryDirectory() as folder:
        found = asyncio.run(replay(Path(folder), list(_two_candidates().logs.values()), pieces, steps))
    if not _REFERENCE:
        _REFERENCE.update(found)
    assert found == _REFERENCE
    assert len(found["attempts"]) == 3


HEIGHT_V = b"".join(
    b'version = "2014-default.other"\n' if line.startswith(b"version") else line
    for line in (Path(__file__).resolve().parents[3] / "server" / "rubrics" / "low-voltage-electrician.toml")
    .read_bytes()
    .splitlines(keepends=True)
)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
