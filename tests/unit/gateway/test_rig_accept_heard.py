"""`rig accept` for rigs that are heard: the same report, with trials of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import plain_bench
import pytest
import spark_bench
from heard_rigs import SparkRig, ValueRig, Wire, WiredBench, WiredRig, beating

from gateway.recording.texts import profile_named
from gateway.rig.accept.acceptance import Acceptance
from gateway.rig.accept.heard_rig import HeardRig
from gateway.rig.accept.heard_session import HeardSession
from gateway.rig.accept.heard_trials import HEARD_STEPS
from gateway.rig.accept.report import Report, parse, text_of
from gateway.rig.accept.session import Wishes
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from gateway.rig.accept.report import Trial

PROFILE = profile_named("kaofen-interface-v1-mqtt", Path())
FEW = Wishes(results=3, step_s=5.0)
SHORT = Wishes(results=2, step_s=0.3)  # where nothing comes, however long one waits


async def tried(rig: WiredRig, wishes: Wishes = FEW) -> dict[str, Trial]:
    heard = HeardRig(PROFILE, rig.serial, SystemClock())
    rig.listener, heard.post = heard, Wire(rig)
    bench = WiredBench(rig.finish, rig.power_cycle, allows=rig.allows)
    beat = asyncio.create_task(beating(rig))
    try:
        async with asyncio.timeout(15):
            session = HeardSession(heard, bench, wishes, SystemClock(), lambda _: None)
            return {one.id: one for one in await Acceptance(session, HEARD_STEPS).run()}
    finally:
        beat.cancel()


def outcomes(trials: dict[str, Trial]) -> dict[str, str]:
    return {one.id: one.outcome for one in trials.values()}


async def test_a_rig_that_keeps_its_promises_passes_every_trial() -> None:
    """32 results kept over a restart, the same bytes again, acknowledged by halves, refused while nobody is ready."""
    rig = WiredRig()
    trials = await tried(rig, Wishes(step_s=5.0))
    assert set(outcomes(trials).values()) == {"passed"}, trials
    assert "32 results" in trials["kept"].en
    assert "its will was heard" in trials["restart"].en
    assert rig.acked_seq == rig.last_seq, "nothing is left on the rig"
    assert rig.ready[-1] == 0
    report = Report(*(["x"] * 12), trials=tuple(trials.values()))
    assert parse(text_of(report)) == report


@pytest.mark.parametrize(
    ("wrong", "trial", "told"),
    [
        ("forgets", "restart", "did not come again"),
        ("alters", "restart", "other bytes"),
        ("deaf", "handshake", "acked_seq did not follow"),
        ("allows", "ready", "an item began"),
    ],
)
async def test_a_rig_that_breaks_a_promise_fails_the_trial_of_it(wrong: str, trial: str, told: str) -> None:
    """The report names what is wrong; the trials that need it are not done (M6, K3, K5, H5)."""
    rig = WiredRig()
    setattr(rig, wrong, True)
    trials = await tried(rig, SHORT)
    assert trials[trial].outcome == "failed"
    assert told in trials[trial].en


async def test_a_rig_without_a_will_is_shown_in_part() -> None:
    """A rig that is gone without a word looks silent for three status intervals."""
    rig = WiredRig()
    rig.willless = True
    trials = await tried(rig)
    assert (trials["restart"].outcome, trials["kept"].outcome) == ("part", "part")


async def test_a_clock_that_is_wrong_fails() -> None:
    """As for every rig: more than a minute away."""
    rig = WiredRig()
    rig.clock_s = -300
    assert (await tried(rig))["clock"].outcome == "failed"


async def test_somebodys_results_are_never_thrown_away_unasked() -> None:
    """An acknowledgement of the tool would free a score that no log has (P1)."""
    rig = WiredRig()
    rig.listener = HeardRig(PROFILE, rig.serial, SystemClock())
    rig.finish()
    trials = await tried(rig, SHORT)
    assert outcomes(trials)["identity"] == "failed"
    assert "1 unacknowledged results" in trials["identity"].en
    assert rig.acked_seq == 0
    assert outcomes(trials)["order"] == "not-done"
    assert (await tried(rig, Wishes(results=2, step_s=2.0, discard=True)))["identity"].outcome == "passed"


async def test_a_silent_rig_fails_with_what_is_missing() -> None:
    """Nobody waits for ever."""
    heard = HeardRig(PROFILE, "CP-0001", SystemClock())
    session = HeardSession(heard, WiredBench(lambda: None, lambda: None), SHORT, SystemClock(), lambda _: None)
    trials = await Acceptance(session, HEARD_STEPS).run()
    assert [one.outcome for one in trials][:2] == ["passed", "failed"]
    assert "no live status" in trials[1].en


async def values(rig: ValueRig) -> dict[str, Trial]:
    heard = HeardRig(rig.profile, plain_bench.SERIAL, SystemClock())
    rig.listener = heard
    rig.say("link", "1")
    session = HeardSession(heard, WiredBench(rig.finish, rig.power_cycle), FEW, SystemClock(), lambda _: None)
    async with asyncio.timeout(15):
        return {one.id: one for one in await Acceptance(session, HEARD_STEPS).run()}


async def test_a_rig_that_says_each_value_once_is_judged_by_what_it_can_do() -> None:
    """Nothing is acknowledged and nothing comes again: `absent`, and the report says what that means (P5)."""
    trials = await values(ValueRig())
    assert outcomes(trials) == {
        **dict.fromkeys(("profile", "identity", "limits", "order", "restart"), "passed"),
        **dict.fromkeys(("clock", "kept", "handshake", "ready"), "absent"),
    }
    assert "misses it" in trials["kept"].en


async def test_a_sparkplug_rig_is_asked_for_its_certificates_once_and_judged() -> None:
    """Born when asked, its node's death heard at the power cut, numbers going on after the next birth."""
    rig = SparkRig()
    heard = HeardRig(rig.profile, spark_bench.SERIAL, SystemClock())
    rig.listener, heard.post = heard, rig
    session = HeardSession(heard, WiredBench(rig.finish, rig.power_cycle), FEW, SystemClock(), lambda _: None)
    async with asyncio.timeout(15):
        trials = {one.id: one for one in await Acceptance(session, HEARD_STEPS).run()}
    assert outcomes(trials)["restart"] == "passed", trials["restart"].en
    assert set(outcomes(trials).values()) <= {"passed", "absent"}, trials
    assert rig.asked == 1


async def test_numbers_that_are_left_out_fail() -> None:
    """A rig that counts shows a gap: somebody's result would be gone."""
    rig = ValueRig()
    rig.skips = 1
    assert (await values(rig))["order"].outcome == "failed"
