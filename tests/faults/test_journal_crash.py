"""P1: the writing process dies, or the disk refuses, at every step; afterwards the log tells no lie.

No acknowledged entry is lost, none is there twice, order is kept, no two roots of one size were released, and the
next start takes less than 5 s.
"""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import pytest
from log_crash import FAILED, Oracle, Round, Zygote
from long_times import times

from scorelog.journal import failpoints
from scorelog.journal.identity import find_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.crash

APPENDING = [
    ("journal.drop", 1),
    ("journal.boot", 1),
    ("journal.boot-fold", 1),
    ("journal.begin", 4),
    ("journal.rows", 4),
    ("journal.sign", 4),
    ("journal.commit", 4),
    ("journal.release", 4),
    ("journal.answer", 4),
    ("journal.fold", 1),
    ("journal.close", 1),
    ("state.write", 1),
    ("state.rename", 1),
    ("state.sync", 1),
]
AT_START = {"journal.drop", "journal.boot", "journal.boot-fold"}
SURVIVED = {"state.write", "state.rename", "state.sync"}  # an error there does not stop the recording
CREATING = ["journal.create", "journal.rename", "journal.rename-sync"]
GENERATION = ["journal.quarantine", "journal.rename", "journal.rename-sync", "journal.create", "journal.boot"]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as process:
        yield process


def expected_exit(name: str, action: str) -> int:
    if action.startswith("kill"):
        return -signal.SIGKILL
    return 0 if name in SURVIVED else FAILED


def live(zygote: Zygote, oracle: Oracle, **life: object) -> int:
    return zygote.run(Round(str(oracle.directory), str(oracle.told), first_seq=oracle.next_seq(), **life))  # type: ignore[arg-type]


@pytest.mark.parametrize("action", failpoints.ACTIONS)
@pytest.mark.parametrize(("name", "late"), APPENDING)
def test_a_crash_at_every_step_of_appending(tmp_path: Path, zygote: Zygote, name: str, late: int, action: str) -> None:
    """P1, both forms of a failing step (not persisted, persisted), early and in the middle of the work."""
    oracle = Oracle(tmp_path).start()
    for hit in sorted({1, late}):
        assert live(zygote, oracle, failpoints=f"{name}={action}@{hit}") == expected_exit(name, action)
        oracle.check()
    assert live(zygote, oracle) == 0
    oracle.check()


@pytest.mark.parametrize("action", failpoints.ACTIONS)
@pytest.mark.parametrize("name", CREATING)
def test_a_crash_while_a_log_is_made(tmp_path: Path, zygote: Zygote, name: str, action: str) -> None:
    """Either there is no log and `init` may be repeated, or there is a whole one."""
    oracle = Oracle(tmp_path)
    code = live(zygote, oracle, failpoints=f"{name}={action}", scenario="create")
    assert code == expected_exit(name, action)
    made = (tmp_path / "log").exists()
    assert live(zygote, oracle, scenario="append" if made else "create") == 0
    assert oracle.check() == 4 * 12


@pytest.mark.parametrize("action", failpoints.ACTIONS)
@pytest.mark.parametrize("name", GENERATION)
def test_a_crash_between_two_generations(tmp_path: Path, zygote: Zygote, name: str, action: str) -> None:
    """The stranded entries are logged again once, the receipted keys are known, wherever the change-over broke off."""
    oracle = Oracle(tmp_path).start()
    assert live(zygote, oracle, appends=47) == 0
    oracle.check()
    hit = 1
    code = live(zygote, oracle, failpoints=f"{name}={action}@{hit}", scenario="generation", appends=1)
    assert code == expected_exit(name, action)
    oracle.listen()
    done = (tmp_path / "log").exists() and oracle_generation(tmp_path) == 1
    oracle.roots.clear()  # of generation 0; those of the next one are checked from here on
    acknowledged = set(oracle.acks)
    oracle.acks.clear()
    life = Round(str(tmp_path), str(oracle.told), appends=50, scenario="append" if done else "generation")
    assert zygote.run(life) == 0
    oracle.listen()
    assert acknowledged <= set(oracle.acks)
    known = {pair for pair, (index, _) in oracle.acks.items() if index < 0}
    assert known, "the keys of the receipted entries were forgotten"
    for pair in known:
        del oracle.acks[pair]
    relogged_and_new = oracle.check() - 1
    assert relogged_and_new == len(oracle.acks)
    assert len(known) + len(oracle.acks) == 4 * 50


def oracle_generation(directory: Path) -> int:
    return find_identity(directory / "log").generation


KILLS_A_LOG = 60  # a longer log only makes looking at it dearer


def random_kills(zygote: Zygote, folder: Path, kills: int, seed: int) -> int:
    """Kill, look at what is left, start again; now and then open it and go on. How many entries came of it."""
    source, entries = random.Random(seed), 0
    for number in range(0, kills, KILLS_A_LOG):
        home = folder / str(number)
        home.mkdir()
        oracle = Oracle(home).start()
        for _ in range(min(KILLS_A_LOG, kills - number)):
            # While it starts, or at some time of its work.
            told, within_s = (0, 0.03) if source.random() < 0.2 else (source.randrange(4000), 0.004)
            moment = source.uniform(0, within_s)
            code = live(zygote, oracle, kill_after_s=moment, kill_after_bytes=told, appends=400)
            assert code in (0, -signal.SIGKILL)
            oracle.look()
        assert live(zygote, oracle, appends=10) == 0
        entries += oracle.check()
    return entries


@pytest.mark.timeout(300)
def test_kills_at_random_moments(tmp_path: Path, zygote: Zygote) -> None:
    """B1, P1 under load, at 300 moments that nobody chose: nothing lost, doubled, reordered; no fork."""
    assert random_kills(zygote, tmp_path, 300, seed=2026) > 1000


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(times(10)))
def test_many_kills_at_random_moments(tmp_path: Path, zygote: Zygote, seed: int) -> None:
    """B1: the same 10,000 times, about eight minutes, or more."""
    assert random_kills(zygote, tmp_path, 1000, seed) > 3000


def test_every_failpoint_of_the_journal_is_crashed_somewhere() -> None:
    """A new step of the journal comes with its crash test."""
    elsewhere = {"journal.reserve", "journal.reserve-give"}  # tests/unit/journal/test_journal_parts.py
    tested = {name for name, _ in APPENDING} | set(CREATING) | set(GENERATION) | elsewhere
    known = {name for name in failpoints.REGISTERED if name.startswith(("journal.", "state."))}
    assert known <= tested
