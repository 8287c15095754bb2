"""The small parts of the journal: failpoints, clocks, the second file, room, the signing plan."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

import pytest
from fake_clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from log_entries import key_of, plain, scored
from log_harness import new_log, opened

from scorelog.journal import failpoints, generation
from scorelog.journal.clock import SystemClock, read_time
from scorelog.journal.errors import LogFailed, LogFull
from scorelog.journal.failpoints import failpoint
from scorelog.journal.limits import SIGNED_EVERY_BYTES, SIGNED_EVERY_ENTRIES, SIGNED_EVERY_OPENING_BYTES
from scorelog.journal.request import SigningPlan
from scorelog.journal.room import Reserve, RoomPolicy, disk_room
from scorelog.journal.statefile import State, StateDamaged, StateWriter, parse_state, read_state, write_state

ROOT = Path(__file__).parents[3]
NAME = "journal.commit"


# --- failpoints


def test_a_failpoint_that_is_off_is_one_shared_object() -> None:
    """It costs a global check and nothing is made."""
    assert failpoint("journal.commit") is failpoint("anything")


@pytest.mark.parametrize(("action", "done"), [("error", False), ("error-after", True)])
def test_both_forms_of_a_failing_step(action: str, done: bool) -> None:
    """Not persisted, and persisted though the caller is told that it failed."""
    steps: list[str] = []
    with (
        failpoints.armed(f"{NAME}={action}"),
        pytest.raises(OSError, match=r"failpoint journal\.commit"),
        failpoint(NAME),
    ):
        steps.append("done")
    assert bool(steps) is done


def test_a_failpoint_acts_at_its_hit_only() -> None:
    """@n counts from 1; @0 is every hit."""
    acted = []
    with failpoints.armed(f" {NAME}=error@3 ; "):
        for _ in range(5):
            try:
                with failpoint(NAME):
                    acted.append(False)
            except OSError:
                acted.append(True)
    assert acted == [False, False, True, False, False]
    with failpoints.armed(f"{NAME}=error@0"):
        for _ in range(2):
            with pytest.raises(OSError, match=NAME), failpoint(NAME):
                pass


def test_a_step_that_fails_by_itself_keeps_its_own_error() -> None:
    """`error-after` and `kill-after` are about steps that were done."""
    with failpoints.armed(f"{NAME}=error-after"), pytest.raises(KeyError), failpoint(NAME):
        raise KeyError


@pytest.mark.parametrize("text", ["journal.commit", "x=", "x=kil", "x=kill@", "x=kill@-1", "x=error@one"])
def test_a_wrong_specification_is_refused(text: str) -> None:
    """A crash test that does nothing would pass."""
    with pytest.raises(ValueError, match="is not name=action"):
        failpoints.arm(text)


def test_unknown_names_are_found() -> None:
    """Before start by the list, at the latest when such a step is reached."""
    with failpoints.armed("journal.comit=kill;journal.commit=kill@99"):
        assert failpoints.unregistered() == ["journal.comit"]
        with pytest.raises(LookupError):
            failpoint("journal.nowhere")
    with pytest.raises(ValueError, match="twice"):
        failpoints.register(NAME, "another step")


def test_every_registered_name_of_the_journal_is_used_and_explained() -> None:
    """The list is complete: each name is registered once and guards a step in the tree."""
    sources = {path: path.read_text("utf-8") for path in (ROOT / "scorelog" / "journal").glob("*.py")}
    pattern = re.compile(r'(\w+)(?:: Final)? = register\(\s*"([\w.-]+)"')
    found = [match for text in sources.values() for match in pattern.findall(text)]
    names = [name for _, name in found]
    assert generation.REASON in names  # imported here, so that its names are registered too
    assert sorted(names) == sorted(set(names))
    assert set(names) <= set(failpoints.REGISTERED)
    steps = [step for text in sources.values() for step in re.findall(r"failpoint\((\w+)\)", text)]
    assert {constant for constant, _ in found} <= set(steps)
    assert all(len(failpoints.REGISTERED[name]) > 20 for name in names)


# --- clocks


async def test_the_fake_clock_wakes_sleepers_in_order() -> None:
    """Each at its own instant, and time stands still otherwise."""
    clock, woken = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.mono_us()))

    start, wall = clock.mono_us(), clock.now_us()
    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 9)]
    await clock.advance(5)
    assert woken == [(1, start + 1_000_000), (2, start + 2_000_000), (3, start + 3_000_000)]
    assert (clock.mono_us(), clock.now_us(), clock.sleepers) == (start + 5_000_000, wall + 5_000_000, 1)
    clock.step_wall(-3600)
    assert (clock.mono_us(), clock.now_us()) == (start + 5_000_000, wall - 3_595_000_000)
    await clock.advance(4)
    await asyncio.gather(*tasks)


async def test_a_woken_sleeper_may_sleep_again_within_one_advance() -> None:
    """A loop that ticks every second ticks ten times in ten seconds."""
    clock, ticks = FakeClock(), []

    async def ticking() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.mono_us())

    task = asyncio.create_task(ticking())
    await clock.advance(10)
    assert len(ticks) == 10
    task.cancel()


async def test_the_system_clock_reads_the_machine() -> None:
    """Monotonic, with the machine's boot id; the sync state is one of three words."""
    clock = SystemClock()
    first = clock.mono_us()
    await clock.sleep(0)
    assert clock.mono_us() >= first
    assert re.fullmatch("[0-9a-f]{32}", clock.boot_id())
    assert clock.boot_id() == SystemClock().boot_id()
    assert clock.sync_state() in ("synced", "unsynced", "unknown")
    assert clock.now_us() > 1_700_000_000_000_000
    assert read_time(FakeClock()).to_json()["utc"] == "2026-11-23T06:42:05.000000Z"


# --- the second file

STATES = st.builds(
    State,
    origin=st.sampled_from(["exam.example/gw/gw-01/0", "考点.example/gw/1/7"]),
    generation=st.integers(0, 99),
    size=st.integers(0, 2**53 - 1),
    root=st.binary(min_size=32, max_size=32),
    boots=st.integers(0, 2**40),
    receipt=st.none() | st.binary(max_size=400),
)


@given(STATES)
def test_a_state_reads_back(state: State) -> None:
    """What is written is what is read."""
    assert parse_state(state.encode()) == state


@given(STATES, st.data())
def test_a_changed_state_is_refused(state: State, data: st.DataObject) -> None:
    """Any flipped bit, any cut, anything behind it."""
    content = state.encode()
    at = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    for wrong in (flipped, content[:at], content + b"\n"):
        with pytest.raises(StateDamaged):
            parse_state(wrong)


def test_the_example_of_the_page_is_read(tmp_path: Path) -> None:
    """docs/formats/state-file.md shows a file as it is."""
    page = (ROOT / "docs" / "formats" / "state-file.md").read_text("utf-8")
    content = page.split("```\n")[1].encode()
    state = parse_state(content)
    assert (state.origin, state.size, state.boots, state.receipt) == ("exam.example/gw/gw-01/0", 1, 7, None)
    assert state.encode() == content


@pytest.mark.parametrize(
    "change",
    [
        (b"state/v1", b"state/v2"),
        (b'"boots":7', b'"boots":-7'),
        (b'"boots":7', b'"boots":"7"'),
        (b'"size":1', b'"size":true'),
        (b'"receipt":null', b'"receipt":"*"'),
        (b'"receipt":null', b'"receipt":7'),
        (b'"root":"', b'"root":"00'),
        (b'"boots":7,', b""),
    ],
)
def test_a_state_with_a_good_checksum_is_still_read_strictly(change: tuple[bytes, bytes]) -> None:
    """Rule 2: every field has its type and range."""
    body = State("exam.example/gw/gw-01/0", 0, 1, bytes(32), 7, None).encode().split(b"\n")[0]
    wrong = body.replace(*change)
    assert wrong != body
    with pytest.raises(StateDamaged):
        parse_state(wrong + b"\n" + hashlib.sha256(wrong).hexdigest().encode() + b"\n")


def example_state(size: int) -> State:
    return State("exam.example/gw/gw-01/0", 0, size, bytes(32), 1, None)


@pytest.mark.parametrize("step", ["state.write", "state.rename", "state.sync"])
@pytest.mark.parametrize("action", ["error", "error-after"])
def test_replacing_the_second_file_is_atomic(tmp_path: Path, step: str, action: str) -> None:
    """Whatever step fails, the old or the new content is there whole."""
    path = tmp_path / "state"
    write_state(path, example_state(1))
    with failpoints.armed(f"{step}={action}"), pytest.raises(OSError, match="failpoint"):
        write_state(path, example_state(2))
    known = read_state(path)
    assert known is not None
    assert known.size in (1, 2)
    write_state(path, example_state(3))
    assert read_state(path) == example_state(3)
    assert read_state(tmp_path / "none") is None


def test_states_that_come_fast_are_written_as_one(tmp_path: Path) -> None:
    """The newest one counts, and an orderly end writes it."""
    writer = StateWriter(tmp_path / "state", interval_s=3600)
    for size in range(1000):
        writer.offer(example_state(size))
    writer.close()
    assert read_state(tmp_path / "state") == example_state(999)


def test_a_second_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Scores go on; the failure shows until it is over."""
    writer = StateWriter(tmp_path / "gone" / "state", interval_s=0)
    writer.offer(example_state(1))
    writer.close()
    assert isinstance(writer.failed, OSError)


# --- room


class Disk:
    """A disk of the test's own: free bytes as told, less what the reserve file holds."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, path: Path) -> tuple[int, int]:
        held = sum(file.stat().st_size for file in path.glob("reserve"))
        return max(0, self.free - held), 1 << 30


def test_room_shrinks_in_steps(tmp_path: Path) -> None:
    """Everything; no new exams; the reserve; nothing. And back again."""
    kib = 1 << 10
    disk = Disk(10_000 * kib)
    reserve = Reserve(tmp_path / "reserve", RoomPolicy(2_000 * kib, 1_000 * kib, 500 * kib, disk))
    reserve.restore()
    room = reserve.room()
    assert (room.accepts_exams, room.accepts_entries) == (True, True)
    assert (room.reserve_bytes, room.free_bytes) == (1_000 * kib, 9_000 * kib)
    disk.free = 2_900 * kib
    assert (reserve.room().accepts_exams, reserve.room().accepts_entries) == (False, True)
    disk.free = 1_400 * kib
    reserve.make_room(100 * kib)
    assert (reserve.room().reserve_bytes, (tmp_path / "reserve").exists()) == (0, False)
    assert (reserve.room().accepts_exams, reserve.room().accepts_entries) == (False, True)
    disk.free = 550 * kib
    with pytest.raises(LogFull, match="nothing was written"):
        reserve.make_room(100 * kib)
    assert reserve.room().accepts_entries is False
    disk.free = 2_900 * kib
    reserve.restore()
    assert (reserve.room().accepts_exams, reserve.room().reserve_bytes) == (False, 0)
    disk.free = 3_000 * kib
    reserve.restore()
    assert (reserve.room().accepts_exams, reserve.room().reserve_bytes) == (True, 1_000 * kib)


@pytest.mark.parametrize("action", ["error", "error-after"])
def test_a_reserve_that_cannot_be_made_is_not_claimed(tmp_path: Path, action: str) -> None:
    """What room() says of the reserve is what is on the disk."""
    reserve = Reserve(tmp_path / "reserve", RoomPolicy(20_000, 10_000, 5_000, Disk(100_000)))
    with failpoints.armed(f"journal.reserve={action}"):
        reserve.restore()
    assert (reserve.room().reserve_bytes, (tmp_path / "reserve").exists()) == (0, False)
    reserve.restore()
    assert reserve.room().reserve_bytes == 10_000


async def test_a_full_disk_refuses_before_it_writes(tmp_path: Path) -> None:
    """LogFull leaves the log whole: known entries are still recognised, and it goes on when room is back."""
    disk = Disk(1 << 30)
    path = new_log(tmp_path)
    policy = RoomPolicy(64 << 20, 1 << 20, 1 << 20, disk)
    async with opened(path, room=policy) as log:
        known = scored(key_of(1))
        await log.append(known.build, known.key, known.content)
        assert log.room().accepts_exams
        disk.free = 32 << 20
        assert not log.room().accepts_exams
        await log.append(plain("a running exam goes on").build)
        disk.free = 1 << 20
        answers = await asyncio.gather(
            log.append(plain("too late").build),
            log.append(known.build, known.key, known.content),
            return_exceptions=True,
        )
        assert isinstance(answers[0], LogFull)
        assert not isinstance(answers[1], BaseException)
        assert (answers[1].index, answers[1].existing, log.size, log.failed) == (0, True, 2, None)
        assert not log.room().accepts_entries
        disk.free = 1 << 30
        await log.append(plain("room again, so the reserve is made again behind this").build)
        await log.append(plain("and is there before the next one").build)
        assert (log.size, log.room().reserve_bytes) == (4, 1 << 20)


async def test_giving_the_reserve_back_may_fail_too(tmp_path: Path) -> None:
    """A disk that refuses that is a failed disk."""
    disk = Disk(1 << 30)
    async with opened(new_log(tmp_path), room=RoomPolicy(64 << 20, 1 << 20, 1 << 20, disk)) as log:
        disk.free = 1 << 20
        with failpoints.armed("journal.reserve-give=error"), pytest.raises(LogFailed):
            await log.append(plain("one").build)


def test_the_real_disk_is_measured(tmp_path: Path) -> None:
    """Free and total, in bytes."""
    free, total = disk_room(tmp_path)
    assert 0 < free <= total


# --- checkpoints within a transaction


@given(st.lists(st.tuples(st.integers(3, 65_537), st.integers(0, 300_000)), max_size=600))
def test_no_piece_between_two_checkpoints_exceeds_an_upload(frames: list[tuple[int, int]]) -> None:
    """Entries, their bytes and their openings' bytes keep an upload's limits between neighbouring signed sizes."""
    plan, pieces = SigningPlan(), [[]]
    for frame in frames:
        if plan.due_before(*frame):
            pieces.append([])
        pieces[-1].append(frame)
    for piece in pieces:
        assert len(piece) <= SIGNED_EVERY_ENTRIES
        assert sum(entry for entry, _ in piece) <= SIGNED_EVERY_BYTES
        assert sum(openings for _, openings in piece) <= SIGNED_EVERY_OPENING_BYTES or len(piece) == 1
