"""Matches over two real server processes on one PostgreSQL: made at one, shown at both, kept through a rebuild."""

from __future__ import annotations

import re
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from planned_world import A, Point, point
from server_pair import Pair, deliver, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import ServerProcess

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

LOST = "c0" * 16


def world() -> Point:
    """A has K11 and K31; its K21 was recorded under nobody's name."""
    here = point(Random(3))
    here.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    here.rigs["B-01"].part(A, "K31", 2000)
    here.rigs["A-02"].session = here.rigs["A-02"].plan = ""
    here.rigs["A-02"].part(LOST, "K21", 3400, (2, 1250), (3, 250), ticket="")
    return here


def shows(pair: Pair, server: ServerProcess, total_e6: int) -> bool:
    found: Any = pair.pages.api(server, f"/api/v1/attempts/{A}")["attempt"]
    return bool(found["total_e6"] == total_e6)


def send(pair: Pair, server: ServerProcess, path: str, **form: str) -> tuple[int, str]:
    """Through the page's form, as an operator's browser does."""
    cookie = pair.pages.cookie(server)
    status, page = pair.pages.get(server, f"/staged/{LOST}", cookie)
    assert status == 200, page
    word = re.search(rb'name="word" value="([^"]+)"', page)
    assert word
    connection = pair.pages.people(server)
    origin = f"https://localhost:{server.ports['people']}"
    head = {"cookie": cookie, "origin": origin, "content-type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST", path, urlencode(form | {"word": word[1].decode()}), head)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("location") or ""
    finally:
        connection.close()


@pytest.mark.long
def test_a_match_made_at_one_process_shows_at_both(postgres_url: str, tmp_path: Path) -> None:
    """S2: the process that does not lead takes the match, the other one composes, both show it; fsck finds nothing.

    A plan that this server did not publish and a nonce that it did not give are alarms on the way.
    """
    pair = Pair(tmp_path, postgres_url)
    try:
        pair.run()
        _, follower = pair.leader()
        for name, log in world().logs.items():
            sent = pair.enrolled(name)
            for index, entry in enumerate(log.entries):
                sent.add(entry, tuple(one for one in log.openings if one.index == index))
            deliver(follower, sent)
        for each in pair.both:
            eventually("the records are composed", partial(shows, pair, each, 39_000_000))
        answer = send(pair, follower, f"/staged/{LOST}", planned=A, why="照片核对无误")
        assert answer == (303, f"/attempts/{A}")
        took = [eventually("the match shows", partial(shows, pair, each, 73_000_000)) for each in pair.both]
        assert max(took) < 5, took
        kinds = {one["kind"] for one in pair.pages.api(follower, "/api/v1/alerts?limit=100")["alerts"]}
        assert {"plan_not_published", "session_nonce_wrong"} <= kinds
        for each in pair.both:
            assert each.stop() == 0
        assert " 0 findings" in pair.one.ok("fsck", str(pair.one.config))
        pair.one.ok("rebuild", str(pair.one.config))
        pair.run()
        assert shows(pair, pair.two, 73_000_000)
        assert send(pair, pair.two, f"/staged/{LOST}/undo", why="认错了")[0] == 303
        eventually("the match is taken back", partial(shows, pair, pair.one, 39_000_000))
    finally:
        pair.close()
