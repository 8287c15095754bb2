"""Sessions are opened and closed in the log once each, with the server's nonce if it can be had (B2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gateway_plan_bench import PlanBench
from gateway_plans import CLOSES, OPENS, SESSION, PlanDraft, Seat, Sitting

from scorelog.format.text import utc_us

if TYPE_CHECKING:
    from pathlib import Path

NONCE = "ab" * 16
DRAFT = PlanDraft()
SEAT = Seat("T1")
TOMORROW = "2026-11-24T06:30:00Z"
YEARS = 10 * 365.25 * 86_400


@pytest.fixture
def bench(tmp_path: Path) -> PlanBench:
    """A gateway inside the window."""
    bench = PlanBench(tmp_path)
    bench.use(DRAFT)
    return bench


async def at(bench: PlanBench, text: str, seconds: float = 0) -> None:
    """Let time pass until then; into the past only by setting the clock."""
    ahead = (utc_us(text) - bench.clock.now_us()) / 1e6 + seconds
    if ahead < 0:
        bench.clock.step_wall(ahead)
    else:
        await bench.clock.advance(ahead)


async def test_opened_with_the_nonce_and_closed_at_the_end(bench: PlanBench) -> None:
    """B2: the nonce is known by then; the fields say the window and the plan; the end is written once."""
    bench.server.sessions = {SESSION: NONCE}
    await bench.beat()
    await bench.sessions.step()
    (opened,) = bench.of_type("session.opened")
    assert opened.fields == {
        "session": SESSION,
        "opens": OPENS,
        "closes": CLOSES,
        "nonce": NONCE,
        "plan": DRAFT.sha256,
    }
    assert bench.sessions.open == (SESSION,)
    await at(bench, CLOSES, -1)
    await bench.sessions.step()
    assert len(bench.session_words()) == 1
    await at(bench, CLOSES)
    for _ in range(3):
        await bench.sessions.step()
    assert bench.session_words()[1:] == [("closed", SESSION, "window")]


@pytest.mark.parametrize(("known_after", "nonce"), [(9, NONCE), (None, None)])
async def test_the_nonce_is_waited_for_ten_seconds(
    bench: PlanBench, known_after: int | None, nonce: str | None
) -> None:
    """B2: a nonce that comes within 10 s is in the entry; a point without an uplink opens without one."""
    for second in range(12):
        if second == known_after:
            bench.server.sessions = {SESSION: NONCE}
            await bench.beat()
        await bench.sessions.step()
        if second < 9:
            assert bench.session_words() == []
        await bench.clock.advance(1)
    assert bench.session_words() == [("opened", SESSION, nonce)]


async def test_a_restart_inside_the_window_opens_nothing_twice(bench: PlanBench) -> None:
    """B2: what the log opened is open, over any number of starts; and the end is written by the one that sees it."""
    bench.server.sessions = {SESSION: NONCE}
    await bench.beat()
    await bench.sessions.step()
    for _ in range(2):
        await bench.restart()
        assert bench.sessions.open == (SESSION,)
        await bench.beat()
        await bench.sessions.step()
    assert bench.session_words() == [("opened", SESSION, NONCE)]
    await at(bench, CLOSES, 86_400)
    await bench.restart()
    await bench.sessions.step()
    await bench.restart()
    await bench.sessions.step()
    assert bench.session_words() == [("opened", SESSION, NONCE), ("closed", SESSION, "window")]


async def test_the_opening_is_found_however_far_back_it_is(bench: PlanBench) -> None:
    """B2: a long session on a busy box is not opened again because the log grew."""
    bench.server.sessions = {SESSION: NONCE}
    await bench.beat()
    await bench.sessions.step()
    for _ in range(30):
        await bench.recorder.note_all([("gateway.started", {"instance": "00" * 16})] * 400)
    await bench.clock.advance(3600)
    await bench.restart()
    assert bench.sessions.open == (SESSION,)


async def test_a_start_before_and_after_the_window_opens_nothing(tmp_path: Path) -> None:
    """B2: [opens, closes)."""
    for moment, seconds in ((OPENS, -1), (CLOSES, 0)):
        bench = PlanBench(tmp_path / moment)
        await at(bench, moment, seconds)
        bench.use(DRAFT)
        bench.server.sessions = {SESSION: NONCE}
        await bench.beat()
        await bench.sessions.step()
        assert bench.session_words() == []
        assert bench.sessions.open == ()


async def test_a_clock_that_jumps_out_and_back_is_followed_in_the_log(bench: PlanBench) -> None:
    """B2: a wrong clock is recorded, never hidden: closed and opened again, beside `clock.stepped`."""
    for _ in range(11):  # without an uplink nobody says that the clock is wrong
        await bench.sessions.step()
        await bench.clock.advance(1)
    await bench.sessions.step()
    bench.clock.step_wall(4 * 3600)
    await bench.sessions.step()
    bench.clock.step_wall(-4 * 3600)
    for _ in range(11):
        await bench.sessions.step()
        await bench.clock.advance(1)
    words = [word for word, _, _ in bench.session_words()]
    assert words == ["opened", "closed", "opened"]
    assert len(bench.of_type("clock.stepped")) == 2


@pytest.mark.parametrize("seconds", [-YEARS, YEARS, -56 * YEARS / 10])
async def test_an_untrusted_clock_opens_nothing_by_itself(bench: PlanBench, seconds: float) -> None:
    """B2: ten years off: the server's word opens and ends the session, and without it nothing is opened."""
    bench.clock.step_wall(seconds)
    for _ in range(12):
        await bench.sessions.step()
        await bench.clock.advance(1)
    assert bench.session_words() == []
    bench.server.sessions = {SESSION: NONCE}
    await bench.beat(time="2026-11-23T06:42:17.000000Z")
    await bench.sessions.step()
    assert bench.session_words() == [("opened", SESSION, NONCE)]
    bench.server.sessions = {}
    await bench.beat(time="2026-11-23T06:42:20.000000Z")
    await bench.sessions.step()
    assert bench.session_words()[1:] == [("closed", SESSION, "window")]


async def test_a_clock_far_from_the_servers_opens_nothing_by_itself(bench: PlanBench) -> None:
    """B2: a box that is some hours off knows it from the heartbeat, and is right again with its clock."""
    bench.clock.step_wall(2 * 3600)
    await bench.beat(time="2026-11-23T06:42:05.000000Z")
    assert not bench.sessions.trusts_clock()
    await bench.sessions.step()
    assert bench.session_words() == []
    bench.clock.step_wall(-2 * 3600)
    assert bench.sessions.trusts_clock(), "the server's time goes on with our monotonic clock"


@pytest.mark.parametrize(
    ("sittings", "words"),
    [
        ((), [("closed", SESSION, "plan")]),
        ((Sitting((SEAT,), opens=TOMORROW, closes="2026-11-24T10:00:00Z"),), [("closed", SESSION, "plan")]),
        ((Sitting((SEAT,), closes="2026-11-23T06:40:00Z"),), [("closed", SESSION, "plan")]),
        ((Sitting((SEAT,), closes="2026-11-23T12:00:00Z"),), []),
    ],
)  # fmt: skip
async def test_a_newer_plan_ends_what_it_has_no_more(
    bench: PlanBench, sittings: tuple[Sitting, ...], words: list[tuple[str, str, str]]
) -> None:
    """B2: removed or moved away: closed in the transaction that adopts the plan; only prolonged: it goes on."""
    bench.server.sessions = {SESSION: NONCE}
    await bench.beat()
    await bench.sessions.step()
    newer = PlanDraft(sittings, version=8)
    bench.server.plan_body = newer.answer()
    await bench.keeper._once()
    await bench.sessions.step()
    assert bench.session_words()[1:] == words
    if words:
        closed = bench.of_type("session.closed")[0]
        assert closed.fields["plan"] == newer.sha256
        assert bench.entries[bench.entries.index(closed) - 1].type == "plan.adopted"
    await bench.restart()
    assert bench.session_words()[1:] == words
