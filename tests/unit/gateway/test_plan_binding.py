"""Binding by log, ticket and place: every rule by example, and all of them against a small model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from gateway_parts import RigScript, subject
from gateway_plan_bench import PlanBench
from gateway_plans import SESSION, PlanDraft, Seat, Sitting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.format.entry import Entry

ONE, TWO = Seat("T1", places=("A-01", "A-02")), Seat("T2", places=("A-01", "A-02"))
PLACED = PlanDraft((Sitting((ONE, TWO)),))
HOUR = 3600


def bound(entry: Entry) -> tuple[Any, ...]:
    """What an entry says about whose it is."""
    return entry.attempt, entry.binding, entry.session, entry.plan


@pytest.fixture
def bench(tmp_path: Path) -> PlanBench:
    """A gateway inside the window of the plan's session."""
    bench = PlanBench(tmp_path)
    bench.use(PLACED)
    return bench


async def test_a_ticket_of_the_plan_binds_to_its_attempt_at_every_rig(bench: PlanBench) -> None:
    """B3: the plan's attempt, `rig`, session and plan named, the same at two rigs; and the entries hold no ticket."""
    for serial in ("LV-0001", "LV-0002"):
        for observation in RigScript(serial).exam(b"T2\0\0 "):
            entry = await bench.record(observation)
            assert bound(entry) == (TWO.attempt, "rig", SESSION, PLACED.sha256)
    last = bench.entries[-1]
    assert len(last.leaves) == len(bench.entries) - 1, "the closing entry lists both rigs' entries"


async def test_the_try_is_compared_if_the_rig_tells_it(bench: PlanBench) -> None:
    """B3: a first try and a resit are two attempts; a try that the plan does not have is staged."""
    again = Seat("T1", try_no=2)
    bench.use(PlanDraft((Sitting((Seat("T1"), again)),)))
    told = [await bench.record(RigScript("LV-0001", exam_no=n).exam(b"T1", retry=n)[0]) for n in (1, 2, 3)]
    assert [entry.attempt for entry in told[:2]] == [Seat("T1").attempt, again.attempt]
    assert (told[2].session, told[2].plan, told[2].binding) == (None, None, "rig")
    assert told[2].attempt not in (Seat("T1").attempt, again.attempt)


async def test_without_a_told_try_the_first_that_is_not_over_is_taken(bench: PlanBench) -> None:
    """B3: a rig that does not tell the try gets the first attempt that has something left to do here."""
    first, second = Seat("T1", items=("K11",)), Seat("T1", items=("K11",), try_no=2)
    bench.use(PlanDraft((Sitting((second, first)),)))
    script = RigScript("LV-0001", ticket=b"T1", exam_no=1)
    assert (await bench.record(script.record("identity.checked", verdict="match"))).attempt == first.attempt
    await bench.record(script.record("item.finished", item="K11", ordinal=1, outcome="finished", score=1))
    await bench.record(script.record("attempt.finished", claimed_total=1, items=1, exam_failed=False))
    script.exam_no = 2
    assert (await bench.record(script.record("identity.checked", verdict="match"))).attempt == second.attempt


@pytest.mark.parametrize(
    ("seconds", "session"),
    [
        (-900 - 1, None),
        (-900, SESSION),
        (0, SESSION),
        (3.5 * HOUR - 1, SESSION),
        (4.5 * HOUR - 1, SESSION),
        (4.5 * HOUR, None),
    ],
)
async def test_a_window_binds_a_little_before_and_after(tmp_path: Path, seconds: float, session: str | None) -> None:
    """B3: from 15 min before `opens` to 60 min after `closes`; outside it a known ticket is staged (B5)."""
    bench = PlanBench(tmp_path)
    bench.clock.step_wall(-725 + seconds)  # the fake clock starts 725 s inside the window
    bench.use(PLACED)
    entry = await bench.record(RigScript().exam(b"T1")[0])
    assert (entry.session, entry.attempt == ONE.attempt) == (session, session is not None)
    assert entry.binding == "rig"


async def test_the_open_window_goes_before_one_just_over_or_about_to_begin(tmp_path: Path) -> None:
    """B3: of two sessions that bind at the same moment the open one is meant."""
    bench = PlanBench(tmp_path)
    early, late = Seat("T1"), Seat("T1", try_no=2)
    sittings = [
        Sitting((early,), "S1", "2026-11-23T04:00:00Z", "2026-11-23T06:30:00Z"),
        Sitting((late,), "S2", "2026-11-23T06:35:00Z", "2026-11-23T08:00:00Z"),
    ]
    bench.use(PlanDraft(sittings))
    script = RigScript(ticket=b"T1", exam_no=1)
    assert (await bench.record(script.record("identity.checked", verdict="match"))).session == "S2"
    bench.clock.step_wall(-600)  # 06:32: the first is over, the second not open yet
    script.exam_no = 2
    assert (await bench.record(script.record("identity.checked", verdict="match"))).session == "S1"


async def test_without_a_ticket_the_place_says_who(bench: PlanBench) -> None:
    """B4: the first in the order of the plan whose item there is not over, whatever happens at other stations."""
    first, second = RigScript("LV-0001"), RigScript("LV-0002")
    exam = first.exam(b"", items=1)
    assert bound(await bench.record(exam[0])) == (ONE.attempt, "plan", SESSION, PLACED.sha256)
    entry = await bench.record(second.exam(b"")[0])
    assert bound(entry) == (ONE.attempt, "plan", SESSION, PLACED.sha256), (
        "its records may only come before the end here"
    )
    for observation in exam[1:]:
        assert (await bench.record(observation)).attempt == ONE.attempt
    assert (await bench.record(first.exam(b"", items=1)[0])).attempt == TWO.attempt, "K11 of the first is over"


async def test_an_item_under_way_at_the_next_rig_of_the_station_is_taken(tmp_path: Path) -> None:
    """B4: of two rigs at one station the second one gets the second candidate; a third finds nobody."""
    rigs = {f"LV-000{n}": ("A-01", "gw-01", ("K11",), "exam_only") for n in (1, 2, 3)}
    seats = (Seat("T1", ("K11",), ("A-01",)), Seat("T2", ("K11",), ("A-01",)))
    bench = PlanBench(tmp_path)
    bench.use(PlanDraft((Sitting(seats),), rigs=rigs))
    found = [await bench.record(RigScript(serial).exam(b"")[0]) for serial in rigs]
    assert [entry.attempt for entry in found[:2]] == [seat.attempt for seat in seats]
    assert bound(found[2])[1:] == ("none", None, None)


async def test_nobody_is_guessed(tmp_path: Path) -> None:
    """B4, B5: no places, a rig that the plan does not know, one for training, an item that nobody sits there."""
    rigs = dict(PLACED.rigs) | {"LV-0009": ("A-01", "gw-01", ("K11",), "training_only")}
    for draft, serial, item in (
        (PlanDraft(), "LV-0001", ""),
        (PLACED, "LV-0007", ""),
        (replace(PLACED, rigs=rigs), "LV-0009", ""),
        (PLACED, "LV-0001", "K12"),
    ):
        bench = PlanBench(tmp_path / serial / item)
        bench.use(draft)
        script = RigScript(serial, ticket=b"", exam_no=1)
        entry = await bench.record(script.record("item.started", item=item, ordinal=1, limit_s=600))
        assert (entry.binding, entry.session, entry.plan) == ("none", None, None)
        assert entry.attempt


async def test_two_rigs_at_once_get_two_candidates(bench: PlanBench) -> None:
    """B4: a candidate who is bound and not yet in the log is taken already."""
    rigs = {"LV-0001": ("A-01", "gw-01", ("K11",), "exam_only"), "LV-0002": ("A-01", "gw-01", ("K11",), "exam_only")}
    seats = (Seat("T1", ("K11",), ("A-01",)), Seat("T2", ("K11",), ("A-01",)))
    bench.use(PlanDraft((Sitting(seats),), rigs=rigs))
    bench.log.pause()
    tasks = [asyncio.create_task(bench.record(RigScript(serial).exam(b"")[0])) for serial in rigs]
    for _ in range(10):
        await asyncio.sleep(0)
    bench.log.resume()
    await asyncio.gather(*tasks)
    assert {entry.attempt for entry in bench.entries} == {seat.attempt for seat in seats}


async def test_what_was_bound_stays_bound(bench: PlanBench) -> None:
    """B6: over a restart, a plan that has the candidate no more, and the end of the window."""
    observations = RigScript().exam(b"T1")
    await bench.record(observations[0])
    bench.use(PlanDraft((Sitting((TWO,)),), version=8))
    await bench.record(observations[1])
    await bench.restart()
    await bench.record(observations[2])
    bench.clock.step_wall(20 * HOUR)
    for observation in observations[3:]:
        await bench.record(observation)
    entries = [entry for entry in bench.entries if entry.rig]
    assert {entry.attempt for entry in entries} == {ONE.attempt}
    assert {(entry.session, entry.binding, entry.plan) for entry in entries} == {(SESSION, "rig", PLACED.sha256)}


async def test_a_record_that_names_another_person_is_not_of_the_exam(bench: PlanBench) -> None:
    """B6, P5: an exam bound to one candidate takes no record with the ticket of another."""
    script = RigScript("LV-0001", ticket=b"", exam_no=1)
    guessed = await bench.record(script.record("identity.checked", verdict="not_checked"))
    assert guessed.attempt == ONE.attempt
    script.ticket = b"T2"
    assert bound(await bench.record(script.record("item.started", item="K11", ordinal=1, limit_s=600)))[:2] == (
        TWO.attempt,
        "rig",
    )
    script.ticket = b"T1"
    assert (
        await bench.record(script.record("item.started", item="K11", ordinal=1, limit_s=600))
    ).attempt == ONE.attempt


async def test_a_record_without_the_ticket_goes_on_with_its_exam(bench: PlanBench) -> None:
    """B6: only the first record needs to say who it is."""
    script = RigScript("LV-0001", ticket=b"T2", exam_no=1)
    await bench.record(script.record("identity.checked", verdict="match", **{"try": 1}))
    script.ticket = b""
    entry = await bench.record(script.record("item.started", item="K11", ordinal=1, limit_s=600))
    assert bound(entry) == (TWO.attempt, "rig", SESSION, PLACED.sha256)


async def test_a_staged_exam_stays_staged_when_its_ticket_is_planned_later(tmp_path: Path) -> None:
    """B6: the exam that began before the plan was there is matched by a person; the next one is the plan's."""
    bench = PlanBench(tmp_path)
    script = RigScript()
    observations = script.exam(b"T1")
    staged = await bench.record(observations[0])
    bench.use(PLACED)
    assert bound(await bench.record(observations[1])) == (staged.attempt, "rig", None, None)
    assert bound(await bench.record(script.exam(b"T1")[0]))[0] == ONE.attempt


async def test_an_untrusted_clock_binds_tickets_without_a_window(tmp_path: Path) -> None:
    """B2, B3: ten years off in either direction; places need a window that the server opened."""
    for years in (-10, 10, -56):
        bench = PlanBench(tmp_path / str(years))
        bench.clock.step_wall(years * 365.25 * 86_400)
        bench.use(PLACED)
        assert bound(await bench.record(RigScript().exam(b"T1")[0])) == (ONE.attempt, "rig", SESSION, PLACED.sha256)
        assert (await bench.record(RigScript("LV-0002").exam(b"")[0])).binding == "none"
        bench.server.sessions = {SESSION: "ab" * 16}
        await bench.beat()
        await bench.sessions.step()
        entry = await bench.record(RigScript("LV-0002", seq=50, exam_no=9).exam(b"")[0])
        assert bound(entry) == (ONE.attempt, "plan", SESSION, PLACED.sha256)


async def test_practice_in_a_session_is_one_summary_and_bound_to_nobody(bench: PlanBench) -> None:
    """K9: practice never scores, whatever ticket it has; a rig that says practice in mid-exam stays in the exam."""
    script = RigScript("LV-0001", mode="practice")
    for observation in script.exam(b"T1"):
        await bench.recorder.observe(subject(), observation)
    (summary,) = bench.entries
    assert (summary.type, summary.attempt, summary.session) == ("practice.summary", None, None)
    script.mode = "exam"
    observations = script.exam(b"T1")
    for observation in observations[:2]:
        await bench.record(observation)
    entry = await bench.record(replace(observations[2], mode="practice"))
    assert bound(entry)[0] == ONE.attempt
    assert entry.document["mode"] == "practice"


async def test_a_rig_of_another_gateway_is_logged_and_bound_all_the_same(bench: PlanBench) -> None:
    """B7: the server alarms; no score is lost over who owns the rig."""
    entry = await bench.record(RigScript("LV-0003").exam(b"T2")[0])
    assert bound(entry)[0] == TWO.attempt


async def test_a_restart_late_in_a_long_session_knows_who_is_done(bench: PlanBench) -> None:
    """B4, B6: the log is read back to the beginning of the session, however much was written since."""
    for observation in RigScript("LV-0001").exam(b"", items=1):
        await bench.record(observation)
    for _ in range(30):
        await bench.recorder.note_all([("gateway.started", {"instance": "00" * 16})] * 400)
    await bench.restart()
    entry = await bench.record(RigScript("LV-0001", seq=90, exam_no=5).exam(b"")[0])
    assert entry.attempt == TWO.attempt


# --- all rules at once, against a model

SEATS = (
    Seat("T1", ("K11", "K21"), ("A-01", "A-02")),
    Seat("T2", ("K21", "K11"), ("A-02", "A-01")),
    Seat("T3", ("K11",), ("A-01",)),
    Seat("T1", ("K11",), ("A-01",), try_no=2),
)
VERSIONS = tuple(
    PlanDraft((Sitting(seats),), version=7 + number, rigs=PLACED.rigs | {"LV-0004": PLACED.rigs["LV-0001"]})
    for number, seats in enumerate((SEATS, SEATS[1:], SEATS[:2], SEATS, ()))
)
RIGS = {"LV-0001": "K11", "LV-0002": "K21", "LV-0004": "K11"}
BESIDE = {"LV-0001": "LV-0004", "LV-0004": "LV-0001", "LV-0002": ""}

opening = st.tuples(
    st.just("open"),
    st.sampled_from(sorted(RIGS)),
    st.sampled_from([b"", b"T1", b"T2", b"T3", b"T9"]),
    st.sampled_from([None, 1, 2]),
)
steps = st.lists(
    st.one_of(
        opening,
        opening,
        st.tuples(st.just("item"), st.sampled_from(sorted(RIGS))),
        st.tuples(st.just("close"), st.sampled_from(sorted(RIGS))),
        st.tuples(st.just("restart")),
        st.tuples(st.just("plan"), st.integers(0, len(VERSIONS) - 1)),
        st.tuples(st.just("leave")),
    ),
    max_size=30,
)


@dataclass
class Model:
    """The rules in few words. An attempt of None is one that the gateway mints."""

    seats: tuple[Seat, ...] = SEATS
    inside: bool = True
    exams: dict[str, tuple[str | None, bool]] = field(default_factory=dict)  # by rig: attempt, over
    ended: set[tuple[str, str]] = field(default_factory=set)

    def expect(self, rig: str, ticket: bytes, retry: int | None) -> tuple[str | None, str]:
        """Attempt and binding of an exam's first record."""
        seats = self.seats if self.inside else ()
        if ticket:
            mine = sorted((one for one in seats if one.ticket.encode() == ticket), key=lambda one: one.try_no)
            mine = [one for one in mine if retry in (None, one.try_no)]
            left = [one for one in mine if any((one.attempt, item) not in self.ended for item in one.items)]
            return (left or mine)[0].attempt if mine else None, "rig"
        beside, over = self.exams.get(BESIDE[rig], (None, True))
        for seat in seats:
            taken = seat.attempt == beside and not over
            if RIGS[rig] in seat.items and (seat.attempt, RIGS[rig]) not in self.ended and not taken:
                return seat.attempt, "plan"
        return None, "none"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_every_history_binds_as_the_model_says(steps: list[tuple[Any, ...]], tmp_path_factory: Any) -> None:
    """B3 to B6: exams at two rigs in any order, over restarts, versions of the plan, and the window's end."""
    bench, model = PlanBench(tmp_path_factory.mktemp("bench")), Model()
    bench.use(VERSIONS[0])
    scripts = {rig: RigScript(rig) for rig in RIGS}
    first: dict[str, Entry] = {}
    for step in steps:
        match step:
            case ("open", rig, ticket, retry):
                script = scripts[rig]
                script.ticket, script.exam_no = ticket, script.exam_no + 1
                told = {} if retry is None else {"try": retry}
                entry = await bench.record(script.record("identity.checked", verdict="match", **told))
                attempt, binding = model.expect(rig, ticket, retry)
                planned = {seat.attempt for seat in SEATS}
                assert (entry.attempt if entry.attempt in planned else None, entry.binding) == (attempt, binding)
                assert (entry.session, entry.plan is None) == (SESSION if attempt else None, attempt is None)
                model.exams[rig], first[rig] = (attempt, False), entry
            case ("item", rig) if rig in first and not model.exams[rig][1]:
                script = scripts[rig]
                entry = await bench.record(
                    script.record("item.finished", item=RIGS[rig], ordinal=1, outcome="finished", score=1)
                )
                assert bound(entry)[:3] == bound(first[rig])[:3], "B6"
                if model.exams[rig][0]:
                    model.ended.add((model.exams[rig][0], RIGS[rig]))  # type: ignore[arg-type]
            case ("close", rig) if rig in first and not model.exams[rig][1]:
                entry = await bench.record(scripts[rig].record("attempt.aborted", reason="candidate"))
                assert bound(entry)[:3] == bound(first[rig])[:3], "B6"
                model.exams[rig] = (model.exams[rig][0], True)
            case ("restart",):
                await bench.restart()
            case ("plan", number):
                bench.use(VERSIONS[number])
                model.seats = tuple(VERSIONS[number].sittings[0].seats)
            case ("leave",) if model.inside:
                bench.clock.step_wall(6 * HOUR)
                model.inside = False
