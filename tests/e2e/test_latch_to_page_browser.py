"""From the rig's latch to the change in the page: real rigs, gateway, server and Chromium, nothing in between faked."""

from __future__ import annotations

import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from latch_round import Round, build_hall, percentile
from playwright.sync_api import sync_playwright
from watched_page import WatchedPage
from world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from latch_round import Latched
    from watched_page import Shown

pytestmark = [pytest.mark.browser, pytest.mark.crash, pytest.mark.timeout(240)]

SCORES = [15, pytest.param(50, marks=pytest.mark.long)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A running exam point with idle rigs."""
    one = World(tmp_path)
    try:
        build_hall(one)
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("scores", SCORES)
def test_scores_from_latch_to_page(world: World, scores: int, record_property: Callable[[str, object], None]) -> None:
    """P6, P2: every latched score appears once, in order, as latched and receipted; the page is never reloaded."""
    work = Round(world, Random(20261123))
    with sync_playwright() as playwright, WatchedPage(playwright, f"https://localhost:{world.people_port}") as watched:
        work.run(scores, watched.wait_deduction)
        watched.wait_scores(scores)
        shown, deducted, untouched = watched.scores(), watched.deductions(), watched.untouched()
        complaints = list(watched.complaints)
    assert untouched
    assert complaints == []
    assert len(shown) == scores
    by_text = {one.points: one for one in shown}
    assert sorted(by_text) == sorted(score.text for score in work.scores)
    for score in work.scores:
        compare(score, by_text[score.text])
    compare_order(work, shown)
    compare_stored(world, work, shown)
    scores_ms = [by_text[one.text].at_ms - one.latched_at_us / 1000 for one in work.scores]
    deductions_ms = [deducted[one.rig, one.item, one.text] - one.latched_at_us / 1000 for one in work.deductions]
    for name, values in (("score", scores_ms), ("deduction", deductions_ms)):
        record(name, values, record_property)


def compare(latched: Latched, shown: Shown) -> None:
    """The words beside a score are those of the candidate, item and station that it belongs to."""
    assert shown.item.startswith(f"{latched.item}  ")
    assert shown.who == f"{latched.station} · {latched.ticket}"
    assert shown.receipted_ms is not None
    assert shown.proof == "已入链"
    assert not shown.changed
    assert shown.at_ms >= latched.latched_at_us // 1000


def compare_order(work: Round, shown: list[Shown]) -> None:
    """The page shows scores in the log's order, and the log holds each rig's scores in the order of latching."""
    places = [int(one.name.partition("/")[2]) for one in shown]
    assert places == sorted(places)
    for bench in work.benches:
        latched = [one.text for one in work.scores if one.rig == bench.serial]
        assert [one.points for one in shown if one.points in latched] == latched


def compare_stored(world: World, work: Round, shown: list[Shown]) -> None:
    """What the page named by its place in the log is what the server stored there, scored again and cosigned."""
    items: dict[str, Any] = {
        f"{one['origin_hash']}/{one['index']}": one for one in world.api(f"/api/v1/items?limit={len(shown)}")["items"]
    }
    latched = {one.text: one for one in work.scores}
    for row in shown:
        item, score = items[row.name], latched[row.points]
        assert (item["rig"], item["ticket"], item["item"]) == (score.rig, score.ticket, score.item)
        assert item["score_claimed"] == item["score_recomputed"] == score.score
        assert item["verdict"] == "equal"
        assert item["receipted"]


def record(name: str, values: list[float], record_property: Callable[[str, object], None]) -> None:
    """Latencies are told, never judged: bench/latch_to_page.py measures them."""
    told = {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "max": max(values)}
    record_property(f"latch_to_page_{name}_ms", {key: round(value) for key, value in told.items()})
    line = ", ".join(f"{key} {value:.0f} ms" for key, value in told.items())
    sys.stdout.write(f"{name}: latch to page {line}\n")
