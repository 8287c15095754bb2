"""The attempt fold: which attempt an entry belongs to, and that a restart anywhere changes nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_log_store import FakeLogStore
from gateway_parts import RigScript, counted_bytes, exams, make_recorder, subject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.recording.rebuild import rebuild
from scorelog.format.entry import parse_entry
from scorelog.format.tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from device_adapters.contract import Observation


async def record_all(
    log: FakeLogStore, observations: Iterable[Observation], folder: Path, restart_at: frozenset[int] = frozenset()
) -> None:
    """Records observations, and forgets everything but the log before those in `restart_at`."""
    attempts = rebuild(log).attempts
    names = itertools.count()
    recorder = make_recorder(log, FakeClock(), folder, attempts=attempts, random=counted_bytes("0"))
    for number, observation in enumerate(observations):
        if number in restart_at:
            attempts = rebuild(log).attempts
            random = counted_bytes(f"r{next(names)}")
            recorder = make_recorder(log, FakeClock(), folder, attempts=attempts, random=random)
            await recorder.resume(subject(observation.rig))
        await recorder.observe(subject(observation.rig), observation)


def shape(log: FakeLogStore) -> list[tuple[object, ...]]:
    """The log's entries with attempt ids replaced by their order of appearance: ids are random, structure is not."""
    names: dict[str | None, int] = {None: -1}
    found = []
    leaves = {leaf_hash(entry).hex(): index for index, entry in enumerate(log.entries(0, log.size))}
    for entry in map(parse_entry, log.entries(0, log.size)):
        name = names.setdefault(entry.attempt, len(names))
        found.append((entry.type, entry.seq, name, entry.binding, [leaves[leaf] for leaf in entry.leaves]))
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.frozensets(st.integers(0, 45), max_size=6), tickets=st.integers(1, 5))
async def test_restart_anywhere_gives_the_same_result(cuts: frozenset[int], tickets: int, tmp_path: Path) -> None:
    """fold(prefix) + fold(rest) = fold(all): a restart anywhere in an exam goes on where it was."""
    whole, broken = FakeLogStore(), FakeLogStore()
    await record_all(whole, exams(RigScript(), tickets), tmp_path)
    await record_all(broken, exams(RigScript(), tickets), tmp_path, cuts)
    assert shape(broken) == shape(whole)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tickets=st.integers(1, 4), order=st.randoms(use_true_random=False))
async def test_live_state_equals_state_from_log(tickets: int, order: object, tmp_path: Path) -> None:
    """The state that grew live is the one that the log gives back, with two rigs mixed."""
    log = FakeLogStore()
    attempts = rebuild(log).attempts
    recorder = make_recorder(log, FakeClock(), tmp_path, attempts=attempts)
    streams = [list(exams(RigScript(serial), tickets)) for serial in ("LV-0001", "LV-0002")]
    while any(streams):
        stream = order.choice([stream for stream in streams if stream])  # type: ignore[attr-defined]
        observation = stream.pop(0)
        await recorder.observe(subject(observation.rig), observation)
    assert rebuild(log).attempts.snapshot() == attempts.snapshot()


async def test_one_attempt_per_ticket_and_try(tmp_path: Path) -> None:
    """A resit is another attempt; the same try at another rig is the same attempt."""
    log = FakeLogStore()
    first, second = RigScript("LV-0001"), RigScript("LV-0002")
    observations = [
        *first.exam(b"T1"), *first.exam(b"T1", retry=2), *second.exam(b"T1"), *second.exam(b"T2"),
    ]  # fmt: skip
    await record_all(log, observations, tmp_path)
    by_exam: dict[tuple[str | None, object], set[str | None]] = {}
    for entry in map(parse_entry, log.entries(0, log.size)):
        by_exam.setdefault((entry.rig, entry.fields["exam_no"]), set()).add(entry.attempt)
    assert all(len(attempts) == 1 for attempts in by_exam.values())
    ids = {exam: next(iter(attempts)) for exam, attempts in by_exam.items()}
    assert ids["LV-0001", 1] == ids["LV-0002", 1]
    assert len({ids["LV-0001", 1], ids["LV-0001", 2], ids["LV-0002", 2]}) == 3


async def test_closing_entry_lists_all_leaves_in_order(tmp_path: Path) -> None:
    """attempt.finished lists the leaf hashes of the attempt's entries, in the order of the log, and not its own."""
    log = FakeLogStore()
    await record_all(log, RigScript().exam(b"T1"), tmp_path, frozenset({4}))
    entries = log.entries(0, log.size)
    assert list(parse_entry(entries[-1]).leaves) == [leaf_hash(entry).hex() for entry in entries[:-1]]


async def test_a_record_read_again_is_stored_once(tmp_path: Path) -> None:
    """P1, idempotency: a rig that was not acknowledged gives its records again; nothing is stored twice."""
    log = FakeLogStore()
    observations = RigScript().exam(b"T1")
    await record_all(log, observations, tmp_path)
    size = log.size
    await record_all(log, observations, tmp_path)
    assert log.size == size
    await record_all(log, RigScript(seq=100, exam_no=1).exam(b"T1"), tmp_path)
    attempts = {parse_entry(entry).attempt for entry in log.entries(0, log.size)}
    assert len(attempts) == 1, "the same ticket and try is the same attempt after the repetition too"


async def test_position_follows_the_newest_record(tmp_path: Path) -> None:
    """The adapter starts behind what the log holds, and None says that the rig was never seen."""
    log = FakeLogStore()
    await record_all(log, RigScript().exam(b"T1"), tmp_path)
    attempts = rebuild(log).attempts
    position = attempts.position("LV-0001")
    assert position is not None
    assert (position.epoch, position.seq) == (3, 8)
    assert attempts.position("LV-0009") is None


async def test_no_ticket_no_binding(tmp_path: Path) -> None:
    """A record without a ticket is kept, as an attempt of its own per exam, bound to nobody."""
    log = FakeLogStore()
    script = RigScript()
    await record_all(log, [*script.exam(b""), *script.exam(b"")], tmp_path, frozenset({3}))
    entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
    assert {entry.binding for entry in entries} == {"none"}
    assert len({entry.attempt for entry in entries}) == 2


async def test_personal_words_are_cut_and_open(tmp_path: Path) -> None:
    """P7: no entry holds the ticket in any spelling; its openings open the commitments (the fake log checks each)."""
    log = FakeLogStore()
    await record_all(log, RigScript().exam(b"440100202699"), tmp_path)
    for entry in log.entries(0, log.size):
        assert b"440100202699" not in entry
        for area in parse_entry(entry).raw:
            assert b"440100202699" not in area.data
            assert area.cut == ((28, 32),)
    openings = log.openings(0, log.size)
    assert {opening.field for opening in openings} == {"ticket", "raw.event"}
    assert {opening.value for opening in openings if opening.field == "ticket"} == {b"440100202699"}
    assert len(openings) == 2 * log.size


@pytest.mark.parametrize("mode", ["practice", "maintenance"])
async def test_practice_never_scores(mode: str, tmp_path: Path) -> None:
    """K9: one summary per run and no item entry, wherever a restart falls."""
    log = FakeLogStore()
    script = RigScript(mode=mode)
    await record_all(log, [*script.exam(b"T1"), *script.exam(b"T2", abort=True)], tmp_path, frozenset({2, 7, 9}))
    entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
    assert [entry.type for entry in entries] == ["practice.summary", "practice.summary"]
    assert [entry.fields["ended"] for entry in entries] == ["finished", "aborted"]
    assert entries[0].fields["items_finished"] == 2
    assert len(entries[0].fields["records"]) == 8
    assert all(entry.attempt is None and not entry.candidate for entry in entries)
    assert not log.openings(0, log.size)
    position = rebuild(log).attempts.position("LV-0001")
    assert position is not None
    assert position.seq == script.seq


async def test_exam_after_an_unfinished_practice_run(tmp_path: Path) -> None:
    """An exam record ends an open practice run with a summary of its own; the exam is whole."""
    log = FakeLogStore()
    script = RigScript(mode="practice")
    run = script.exam(b"T1")[:3]
    script.mode = "exam"
    await record_all(log, [*run, *script.exam(b"T2")], tmp_path)
    entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
    assert entries[0].type == "practice.summary"
    assert entries[0].fields["ended"] == "interrupted"
    assert [entry.type for entry in entries[1:]] == [observation.type for observation in script.made[-8:]]


async def test_mode_switched_in_mid_exam_stays_in_the_exam(tmp_path: Path) -> None:
    """A record that says practice inside an open exam is an entry of that exam: no score is hidden by a switch."""
    log = FakeLogStore()
    script = RigScript()
    observations = script.exam(b"T1")[:4]
    script.mode = "practice"
    observations.append(script.record("item.started", item="K21", ordinal=2, limit_s=600))
    await record_all(log, observations, tmp_path)
    last = parse_entry(log.entries(0, log.size)[-1])
    assert last.type == "item.started"
    assert last.document["mode"] == "practice"


async def test_an_idle_rig_is_known_by_its_connection_entries(tmp_path: Path) -> None:
    """A rig whose records lie far back is followed on from what `rig.online` says, without a false gap."""
    log = FakeLogStore()
    recorder = make_recorder(log, FakeClock(), tmp_path)
    await recorder.note("rig.online", rig="LV-0007", station="A-07", reason="connected", last_seq=41, last_epoch=3)
    position = rebuild(log).attempts.position("LV-0007")
    assert position is not None
    assert (position.epoch, position.seq) == (3, 41)


async def test_the_window_reaches_back_to_the_beginning_of_an_open_exam(tmp_path: Path) -> None:
    """However much other rigs wrote since: the attempt of an open exam is found, with all its leaves."""
    log = FakeLogStore()
    recorder = make_recorder(log, FakeClock(), tmp_path)
    await recorder.note("config.changed", config="00" * 32, rigs=[])
    script = RigScript()
    observations = script.exam(b"T1")
    await recorder.observe(subject(), observations[0])
    for _ in range(30):
        await recorder.note_all([("gateway.started", {"instance": "00" * 16})] * 400)
    for observation in observations[1:3]:
        await recorder.observe(subject(), observation)
    attempts = rebuild(log).attempts
    exam = attempts.exam("LV-0001")
    assert exam is not None
    assert len(attempts.leaves(exam.attempt)) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=st.frozensets(st.integers(0, 11), max_size=8), cut=st.integers(0, 12))
async def test_late_records_go_to_their_own_attempt_and_move_nothing(
    held: frozenset[int], cut: int, tmp_path: Path
) -> None:
    """P8: records that come late join the attempt of their exam; position and open exam stay; a restart agrees."""
    whole, late = FakeLogStore(), FakeLogStore()
    records = list(exams(RigScript(), 2))
    await record_all(whole, records, tmp_path)
    order = [row for at, row in enumerate(records) if at not in held] + [
        records[at] for at in sorted(held, reverse=True)
    ]
    await record_all(late, order, tmp_path, frozenset({cut}))
    assert attempts_by_seq(late) == attempts_by_seq(whole)
    fold = rebuild(late).attempts
    assert fold.position("LV-0001") == records[-1].position
    live, again = rebuild(whole).attempts.exam("LV-0001"), fold.exam("LV-0001")
    assert live is not None
    assert again is not None
    assert (again.number, again.closed) == (live.number, live.closed)


def attempts_by_seq(log: FakeLogStore) -> list[tuple[int | None, int]]:
    """Which records belong together; attempt ids replaced by the order of sequence numbers in which they appear."""
    names: dict[str | None, int] = {}
    found = sorted(map(parse_entry, log.entries(0, log.size)), key=lambda entry: entry.seq or 0)
    return [(entry.seq, names.setdefault(entry.attempt, len(names))) for entry in found]


async def test_practice_records_that_come_again_or_late_are_each_in_one_summary(tmp_path: Path) -> None:
    """P1, P8: a record behind the position is either in a summary already, or gets one of its own: none vanishes."""
    log, script = FakeLogStore(), RigScript(mode="practice")
    run = script.exam(b"", items=1)
    held = run.pop(1)
    script.mode = "exam"
    await record_all(log, [*run, *script.exam(b"T1", items=1), held], tmp_path)
    size = log.size
    await record_all(log, [*run, held], tmp_path, frozenset({0, 2}))
    assert log.size == size, "what comes again is known by its content, after a restart too"
    summaries = [entry for entry in map(parse_entry, log.entries(0, log.size)) if entry.type == "practice.summary"]
    assert [(entry.fields["first_seq"], entry.fields["last_seq"]) for entry in summaries] == [(1, 5), (2, 2)]
    contents = [content for entry in summaries for content in entry.fields["records"]]
    assert len(set(contents)) == len(contents) == 5


async def test_a_late_exam_record_interrupts_no_practice_run(tmp_path: Path) -> None:
    """P8: the run goes on as one."""
    log, script = FakeLogStore(), RigScript()
    exam = script.exam(b"T1", items=1)
    held = exam.pop(1)
    script.mode = "practice"
    run = script.exam(b"", items=1)
    await record_all(log, [*exam, *run[:2], held, *run[2:]], tmp_path)
    summaries = [entry for entry in map(parse_entry, log.entries(0, log.size)) if entry.type == "practice.summary"]
    assert [len(entry.fields["records"]) for entry in summaries] == [len(run)]
