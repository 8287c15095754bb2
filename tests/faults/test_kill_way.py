"""B1, P1, P2: gateway and server die together at moments that nobody chose; afterwards both tell the same story."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import log_crash_way
import pytest
from log_crash import Round, Zygote
from log_crash_way import WayOracle
from long_times import times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.crash

KILLS_A_HOME = 15


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(log_crash_way.__file__) as process:
        yield process


def killed_again_and_again(zygote: Zygote, home: Path, kills: int, seed: int) -> tuple[int, int]:
    """How often both ends stood at different sizes, and how many entries arrived in the end."""
    source, apart = random.Random(seed), 0
    home.mkdir()
    oracle = WayOracle(home).start()

    def live(**life: object) -> int:
        round_ = Round(str(home), str(oracle.told), first_seq=oracle.next_seq(), scenario="way", **life)  # type: ignore[arg-type]
        return zygote.run(round_)

    for _ in range(kills):
        told, within_s = (0, 0.08) if source.random() < 0.25 else (source.randrange(3000), 0.006)
        code = live(kill_after_s=source.uniform(0, within_s), kill_after_bytes=told, appends=300)
        assert code in (0, -signal.SIGKILL)
        size, held = oracle.look_at_both()
        apart += size != held
    assert live(appends=5) == 0
    size, held = oracle.look_at_both()
    assert size == held == oracle.receipted, "without faults everything drains"
    oracle.check()
    return apart, size


@pytest.mark.timeout(240)
def test_both_ends_killed_at_random_moments(tmp_path: Path, zygote: Zygote) -> None:
    """B1, P2: nothing receipted is missing, nothing is there that the gateway does not have, and all drains."""
    apart, size = killed_again_and_again(zygote, tmp_path / "way", KILLS_A_HOME, seed=2026)
    assert apart > 0, "the kills fell between storing and receipting"
    assert size > 15


@pytest.mark.timeout(120)
def test_long_pauses_double_and_lose_nothing(tmp_path: Path, zygote: Zygote) -> None:
    """G12: stopped in the middle of anything and let go again, as a machine that sleeps; all is there once."""
    source = random.Random(2026)
    oracle = WayOracle(tmp_path).start()
    for number in range(4):
        life = Round(
            str(tmp_path),
            str(oracle.told),
            first_seq=number * 10,
            appends=10,
            scenario="way",
            kill_after_s=source.uniform(0, 0.004),
            kill_after_bytes=source.randrange(1200),
            pause_s=0.05,
        )
        assert zygote.run(life) == 0
        size, held = oracle.look_at_both()
        assert size == held == oracle.receipted == (number + 1) * 10


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(times(40)))
def test_both_ends_killed_many_times(tmp_path: Path, zygote: Zygote, seed: int) -> None:
    """B1: the same 600 times, or more."""
    killed_again_and_again(zygote, tmp_path / "way", KILLS_A_HOME, seed)
