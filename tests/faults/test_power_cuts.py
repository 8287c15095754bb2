"""B2, B3, G2, G3: power cuts at any moment of a recorded life, with any part of what no fsync covered.

An honest disk keeps what was synced: nothing acknowledged is lost. A lying one may lose it, but never unnamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import log_crash_way
import pytest
from block_log import Recording
from log_crash import Oracle, Round, Zygote
from log_crash_way import WayOracle
from long_times import TIMES, times
from power_cuts import cut_logs, cut_ways, lying_cuts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.needs("strace")]

MANY = times(500)
APPENDS = 30


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Thirty records one by one, with receipts and foldings."""
    home = tmp_path_factory.mktemp("life")
    oracle = Oracle(home).start()
    with Zygote() as zygote:
        made = Round(str(home), str(oracle.told), scenario="one-by-one", appends=APPENDS, wal_bytes=60_000)
        return Recording.of(zygote, made)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same with a server at the other end."""
    home = tmp_path_factory.mktemp("way")
    oracle = WayOracle(home).start()
    with Zygote(log_crash_way.__file__) as zygote:
        return Recording.of(zygote, Round(str(home), str(oracle.told), scenario="way", appends=12))


@pytest.mark.timeout(240)
def test_a_hundred_power_cuts_of_a_log(tmp_path: Path, life: Recording) -> None:
    """B2, P1: the log opens at once, holds every acknowledged record once and in order, and fsck finds nothing."""
    assert cut_logs(life, tmp_path, 100, seed=2026) > 500


@pytest.mark.long
@pytest.mark.timeout(7200 * TIMES)
def test_many_power_cuts_of_a_log(tmp_path: Path, life: Recording) -> None:
    """B2: the same 2,000 times, about two minutes."""
    cut_logs(life, tmp_path, MANY, seed=1123)


@pytest.mark.timeout(240)
def test_power_cuts_of_log_and_server_at_once(tmp_path: Path, way: Recording) -> None:
    """B2, P2, S3: every receipt that was given is covered by the server's evidence, which opens at once."""
    assert cut_ways(way, tmp_path, 15, seed=2026) > 0


@pytest.mark.long
@pytest.mark.timeout(7200 * TIMES)
def test_many_power_cuts_of_log_and_server(tmp_path: Path, way: Recording) -> None:
    """B2: the same 1,000 times, about two minutes."""
    cut_ways(way, tmp_path, MANY // 2, seed=1123)


@pytest.mark.timeout(240)
def test_a_disk_that_lies_about_flush_is_found_out(tmp_path: Path, life: Recording) -> None:
    """B3, G3, P3: twenty losses, each named by the start, by the second file, or by the first upload."""
    assert lying_cuts(life, tmp_path, 20, seed=2026) == (20, 20)


@pytest.mark.long
@pytest.mark.timeout(7200 * TIMES)
def test_many_lies_about_flush(tmp_path: Path, life: Recording) -> None:
    """B3: 1,000 losses, about two minutes."""
    assert lying_cuts(life, tmp_path, MANY // 2, seed=1123) == (MANY // 2, MANY // 2)
