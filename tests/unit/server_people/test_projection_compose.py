"""Attempts: exact totals, the pass mark compared exactly, composition over rigs and gateways."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from people_world import RUBRIC, Log, Rig, attempt_id

from server.projection import queries
from server.projection.compose import compose, rounded
from server.projection.rubrics import RubricBook

if TYPE_CHECKING:
    from people_site import Site

ATTEMPT = attempt_id(1)


def item(code: str, score: int | None, **fields: Any) -> dict[str, Any]:
    base = {
        "origin": "exam.example/gw/gw-01/0",
        "index": int(code[1:]),
        "received_us": 5,
        "rig": "LV-0001",
        "station": "A-01",
        "mode": "exam",
        "item": code,
        "ordinal": 1,
        "outcome": "finished",
        "score_recomputed": score,
        "veto_effect": None,
        "verdict": "equal",
        "rubric": BOOK_SHA,
    }
    return base | fields


def mark(kind: str, index: int = 90, **fields: Any) -> dict[str, Any]:
    return {
        "origin": "exam.example/gw/gw-01/0",
        "index": index,
        "received_us": 9,
        "rig": "LV-0001",
        "station": "A-01",
        "type": kind,
        "read_us": index,
        "fields": fields,
    }


BOOK = RubricBook()
BOOK_SHA = BOOK.take(0, "rubric", hashlib.sha256(RUBRIC).hexdigest(), RUBRIC.decode()).sha256


@pytest.mark.parametrize(("k21", "passed", "total_e6"), [(8000, True, 80_000_000), (7999, False, 79_996_000)])
def test_the_pass_mark_is_compared_exactly(k21: int, passed: bool, total_e6: int) -> None:
    """P4: 79.996 shows as 80.00 and is not 80."""
    items = [item("K11", 8000), item("K21", k21), item("K31", 8000), item("K42", 8000)]
    row = compose(ATTEMPT, items, [mark("attempt.finished")], [], BOOK).row
    assert (row["total_e6"], row["passed"], row["complete"]) == (total_e6, passed, True)
    assert rounded(row["total_e6"]) == 8000


def test_an_aborted_item_leaves_the_attempt_incomplete() -> None:
    """An aborted item scores nothing, and an incomplete attempt is not passed whatever its total."""
    items = [item("K11", 10000), item("K21", 10000), item("K31", 10000), item("K42", 0, outcome="aborted")]
    row = compose(ATTEMPT, items, [mark("attempt.aborted", reason="power")], [], BOOK).row
    assert (row["complete"], row["passed"], row["state"], row["abort_reason"]) == (False, False, "aborted", "power")


def test_practice_never_scores() -> None:
    """Design section 8: an item in practice mode is no part of an attempt's score."""
    row = compose(
        ATTEMPT, [item("K11", 9000), item("K21", 10000, mode="practice")], [mark("attempt.finished")], [], BOOK
    ).row
    assert (row["item_count"], row["total_e6"]) == (1, 18_000_000)


def test_the_same_item_twice_is_not_added_up() -> None:
    """What the rubric does not foresee has no total, and the notes say why."""
    row = compose(ATTEMPT, [item("K11", 9000), item("K11", 9000, index=12)], [], [], BOOK).row
    assert row["total_e6"] is None
    assert row["verdict"] == "impossible"
    assert "twice" in row["notes"][0]


def test_wild_fields_of_marks_do_no_harm() -> None:
    """Whatever a gateway puts into its fields, the row keeps its types."""
    marks = [
        mark("identity.checked", **{"try": "two", "verdict": 7}),
        mark("attempt.finished", 91, claimed_total="all"),
    ]
    row = compose(ATTEMPT, [], marks, ["T-2", "T-1"], BOOK).row
    assert (row["try_no"], row["identity"], row["claimed_total"], row["ticket"]) == (None, None, None, "T-1")
    assert row["notes"] == ["tickets_differ"]


async def test_an_attempt_is_composed_over_rigs_and_gateways(site: Site) -> None:
    """Design section 5: the unit at a rig is the item; the server composes the attempt, whichever log comes first."""
    logs = [Log("gw-01", Random(1)).adopt(), Log("gw-02", Random(2)).adopt()]
    rigs = [Rig("LV-0001", "A-01", logs[0]), Rig("LV-0002", "B-01", logs[1])]
    for rig, codes in zip(rigs, (("K11", "K21"), ("K31", "K42")), strict=True):
        rig.open_exam("T-9", ATTEMPT)
        for code in codes:
            rig.start(code)
            rig.finish()
    rigs[0].close(6000)
    rigs[1].close(4000)
    await site.upload(logs[1])
    await site.upload(logs[0])
    async with site.projections.reading() as db:
        row = await queries.attempt(db, ATTEMPT)
        assert await queries.alerts(db, 10) == []
    assert row is not None
    assert (row["rigs"], row["stations"]) == (["LV-0001", "LV-0002"], ["A-01", "B-01"])
    assert (row["total_e6"], row["passed"], row["item_count"], row["ticket"]) == (100_000_000, True, 4, "T-9")


def test_claims_are_no_total_while_a_rig_has_not_made_its_own() -> None:
    """The difference to the claim is of the same items: a rig that never claims (single values) leaves it open."""
    told, mute = item("K11", 9000), item("K31", 5000, rig="LS-0001")
    closed = mark("attempt.finished", 91, claimed_total=1800)
    assert compose(ATTEMPT, [told], [closed], [], BOOK).row["claimed_total"] == 1800
    assert compose(ATTEMPT, [told, mute], [closed], [], BOOK).row["claimed_total"] is None
