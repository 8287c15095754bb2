"""The live board on a moved clock: what is proven, what is only told, and who is silent (P6)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from people_world import Log, attempt_id, utc

from server.live import limits
from server.live.board import LiveBoard
from server.live.hub import Hub
from server.projection.projector import Projector
from server.projection.rubrics import RubricBook

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Rig


def told(rig: Rig, **fields: Any) -> dict[str, Any]:
    base = {"rig": rig.serial, "station": rig.station, "state": "running", "mode": "exam", "item": rig.item}
    base |= {"ordinal": rig.ordinal, "elapsed_s": 90, "limit_s": 600, "running_score": 9100, "deduction_count": 3}
    return base | {"last_seq": rig.seq, "exam_no": rig.exam_no, "since_utc": utc(rig.log.now_s)} | fields


def row(site: Site, key: str) -> dict[str, Any]:
    snapshot = site.board.snapshot()
    return next(one for name in ("rigs", "gateways", "scores") for one in snapshot[name] if one["key"] == key)


RIG = "rig/gw-01/LV-0001"
GATEWAY = "gateway/gw-01"


async def test_evidence_is_shown_as_it_happens(site: Site, log: Log, rig: Rig) -> None:
    """Starts, deductions and ends appear one by one with the rubric's words and the exact running score."""
    rig.open_exam("T-1", attempt_id(1))
    await site.upload(log)
    assert (row(site, RIG)["state"], row(site, RIG)["ticket"]) == ("open", "T-1")
    rig.start("K21", 1800)
    rig.deduct(2, 500)
    await site.upload(log)
    shown = row(site, RIG)
    assert (shown["state"], shown["item"]["code"], shown["limit_s"], shown["score"]) == ("running", "K21", 1800, 9500)
    assert [(d["points"], d["zh"], d["proof"]) for d in shown["deductions"]] == [
        (500, "按图接线，主回路和控制回路正确", "receipted"),
    ]
    rig.finish()
    await site.upload(log)
    shown = row(site, RIG)
    assert (shown["state"], shown["item"], [d["score"] for d in shown["done"]]) == ("finished", None, [9500])
    assert row(site, "score/0")["score"] == 9500


async def test_a_value_says_how_sure_it_is(site: Site, log: Log, rig: Rig) -> None:
    """P2, P3: stored is not receipted, and a heartbeat proves nothing."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    await site.upload(log, cosign=False)
    assert row(site, RIG)["proof"] == "stored"
    await site.cosign(log)
    await site.projector.catch_up()
    assert row(site, RIG)["proof"] == "receipted"
    site.beat(log, [told(rig, last_seq=rig.seq + 3)])
    shown = row(site, RIG)
    assert (shown["proof"], shown["score"], shown["score_proof"], shown["deduction_count"]) == ("live", 9100, "live", 3)


async def test_a_beat_that_is_not_newer_does_not_replace_what_is_proven(site: Site, log: Log, rig: Rig) -> None:
    """The heartbeat gives the running clock; the score stays the recomputed one."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 500)
    await site.upload(log)
    site.beat(log, [told(rig)])
    shown = row(site, RIG)
    assert (shown["score"], shown["proof"], shown["elapsed_s"]) == (9500, "receipted", 90)


async def test_a_rig_known_only_by_heartbeat_is_shown_as_unproven(site: Site, log: Log, rig: Rig) -> None:
    """While a backlog is on its way the hall is visible, marked as live."""
    rig.item, rig.ordinal = "K11", 1
    site.beat(log, [told(rig)], size=500)
    shown = row(site, RIG)
    assert (shown["state"], shown["item"]["code"], shown["score_proof"]) == ("running", "K11", "live")
    gateway = row(site, GATEWAY)
    assert (gateway["unsent"], gateway["catching_up"]) == (500, True)
    await site.upload(log)
    assert row(site, GATEWAY)["unsent"] == 500 - len(log.entries)


@pytest.mark.parametrize(
    ("unsent", "catching_up"),
    [(limits.CATCHING_UP_ENTRIES, False), (limits.CATCHING_UP_ENTRIES + 1, True)],
)
async def test_catching_up_is_said_above_the_limit(site: Site, log: Log, unsent: int, catching_up: bool) -> None:
    """Limit and limit + 1."""
    site.beat(log, size=unsent)
    assert row(site, GATEWAY)["catching_up"] is catching_up


async def test_a_silent_gateway_is_an_alert_in_ten_seconds(site: Site, log: Log, rig: Rig) -> None:
    """P6: at 10 s, not before, once; its rigs are marked; the next word ends it."""
    rig.open_exam("T-1", attempt_id(1))
    await site.upload(log)
    site.beat(log)
    assert limits.GATEWAY_SILENT_S + limits.WATCH_EVERY_S < 10
    await site.clock.advance(limits.GATEWAY_SILENT_S - 0.1)  # type: ignore[attr-defined]
    await site.board.watch()
    assert await site.store.alarms() == []
    await site.clock.advance(0.1)  # type: ignore[attr-defined]
    await site.board.watch()
    await site.board.watch()
    assert [(a.kind, a.origin, a.times) for a in await site.store.alarms()] == [("gateway_silent", log.origin, 1)]
    assert (row(site, GATEWAY)["silent"], row(site, RIG)["silent"]) == (True, True)
    site.beat(log)
    assert (row(site, GATEWAY)["silent"], row(site, RIG)["silent"]) == (False, False)


async def test_a_gateway_that_never_speaks_is_silent_too(site: Site) -> None:
    """P6: an enrolled gateway is expected from the start of the server; an unenrolled one is not."""
    await site.enrol("gw-07")
    await site.clock.advance(limits.GATEWAY_SILENT_S)  # type: ignore[attr-defined]
    await site.board.watch()
    assert row(site, "gateway/gw-07")["silent"]
    site.board.forget("gw-07")
    assert [one["key"] for one in site.board.gateway_rows()] == []


async def test_a_silent_rig_is_an_alert_in_ten_seconds(site: Site, log: Log, rig: Rig) -> None:
    """P6: counted from the rig's last answer, which the gateway names; the rig coming back ends it."""
    since = utc(site.clock.now_us() / 1e6 - 3)
    site.beat(log, [told(rig, state="offline", since_utc=since)])
    await site.board.watch()
    assert not row(site, RIG)["silent"]
    await site.clock.advance(limits.RIG_SILENT_S - 3)  # type: ignore[attr-defined]
    await site.board.watch()
    assert row(site, RIG)["silent"]
    assert [a.kind for a in await site.store.alarms()] == ["rig_silent"]
    site.beat(log, [told(rig, state="idle")])
    assert not row(site, RIG)["silent"]


async def test_a_rig_held_by_an_unreadable_record_says_so(site: Site, log: Log, rig: Rig) -> None:
    """The gateway names the record that it cannot read; the row carries it until it can be read again."""
    rig.open_exam("T-1", attempt_id(1))
    await site.upload(log)
    assert row(site, RIG)["unreadable"] is None
    site.beat(log, [told(rig, state="open", unreadable=41)])
    assert (row(site, RIG)["unreadable"], row(site, RIG)["state"]) == (41, "open")
    site.beat(log, [told(rig, state="open", unreadable="<41>")])
    assert row(site, RIG)["unreadable"] is None
    site.beat(log, [told(rig, state="open", unreadable=None)])
    assert row(site, RIG)["unreadable"] is None


async def test_moving_the_wall_clock_is_no_silence(site: Site, log: Log) -> None:
    """Silence is measured on the monotonic clock."""
    site.beat(log)
    site.clock.step_wall(3600)  # type: ignore[attr-defined]
    await site.board.watch()
    assert not row(site, GATEWAY)["silent"]


async def test_a_nonsense_heartbeat_shows_nothing_and_breaks_nothing(site: Site) -> None:
    """Unproven and unlogged: what has the wrong shape is not shown."""
    log = Log("gw-01", Random(1))
    bad: dict[str, Any] = {
        "size": "many",
        "clock": 5,
        "disk": {"free_bytes": -1, "total_bytes": 0},
        "certificate": None,
    }
    site.beat(log, [{"rig": 5}, "rig", {"rig": "LV-1", "state": "flying", "elapsed_s": True}], **bad)  # type: ignore[list-item]
    assert row(site, "rig/gw-01/LV-1")["state"] == "unknown"
    assert row(site, GATEWAY)["disk_percent_free"] is None


async def test_the_board_starts_from_the_projections(site: Site, log: Log, rig: Rig) -> None:
    """A restarted server shows at once what it has proven before."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    before = site.board.snapshot()
    book = RubricBook()
    board = LiveBoard(site.clock, Hub(site.clock, "bb"), book)
    await Projector(site.store, site.projections, site.clock, book=book, listener=board).catch_up()
    after = board.snapshot()
    assert (after["rigs"], after["scores"]) == (before["rigs"], before["scores"])
    assert after["rigs"][0]["result"] == {"total_e6": 91_000_000, "passed": True, "over": True}


async def test_scores_are_a_bounded_ring(site: Site, log: Log, rig: Rig) -> None:
    """Limit: only the newest SCORES_KEPT scores are held; every one passes through."""
    rig.open_exam("T-1", attempt_id(1))
    for _ in range(limits.SCORES_KEPT + 2):
        rig.start("K11")
        rig.finish()
    await site.upload(log)
    numbers = sorted(score["number"] for score in site.board.snapshot()["scores"])
    assert numbers == list(range(3, limits.SCORES_KEPT + 3))


async def test_what_is_stored_already_is_not_unsent(site: Site, log: Log, rig: Rig) -> None:
    """A server that starts again counts as unsent only what it lacks, before the first upload as after it."""
    rig.open_exam("T-1", attempt_id(1))
    held = len(log.entries)
    fresh = LiveBoard(site.clock, Hub(site.clock, "another"), RubricBook())
    fresh.expect("gw-01", {"exam.example/gw/gw-01/7": 9, log.origin: held})
    fresh.heartbeat("gw-01", {"v": 1, "origin": log.origin, "size": held + 5, "unsent": 5}, site.clock.now_us())
    shown = next(iter(fresh.gateway_rows()))
    assert (shown["stored"], shown["unsent"], shown["catching_up"]) == (held, 5, False)
