"""B2, B3, G2, G3, S3: power cuts of a real ext4, below it: one recorded life of a device, many cuts replayed.

The same laws as test_power_cuts.py, which cuts files; here the names, sizes and journal of ext4 are cut too, and its
recovery runs before ours.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import log_crash
import log_crash_way
import pytest
from block_cuts import BlockRecording
from log_crash import Oracle, Round
from log_crash_way import WayOracle
from long_times import TIMES, times
from power_cuts import cut_logs, cut_ways, lying_cuts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from log_crash import Scenario

pytestmark = [pytest.mark.root, pytest.mark.crash]


def lived(
    scenarios: Mapping[str, Scenario], scenario: str, appends: int, home: Path, tell: Callable[[str], object]
) -> Coroutine[object, object, object]:
    """A life in this process: the device is another's."""
    return scenarios[scenario](Round(str(home), "", scenario=scenario, appends=appends, wal_bytes=60_000), tell)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> BlockRecording:
    """Thirty records one by one, with receipts and foldings."""
    folder = tmp_path_factory.mktemp("life")
    live = partial(lived, log_crash.SCENARIOS, "one-by-one", 30)
    return BlockRecording.of(folder, lambda home: Oracle(home).start(), live)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> BlockRecording:
    """Twelve with a server at the other end."""
    folder = tmp_path_factory.mktemp("way")
    live = partial(lived, log_crash_way.SCENARIOS, "way", 12)
    return BlockRecording.of(folder, lambda home: WayOracle(home).start(), live)


@pytest.mark.timeout(240)
def test_power_cuts_of_a_log_on_ext4(tmp_path: Path, life: BlockRecording) -> None:
    """B2, P1: the file system mounts, the log opens at once and holds every acknowledged record once and in order."""
    assert cut_logs(life, tmp_path, 10, seed=2026) > 50


@pytest.mark.long
@pytest.mark.timeout(3600 * TIMES)
def test_a_hundred_power_cuts_of_a_log_on_ext4(tmp_path: Path, life: BlockRecording) -> None:
    """B2: the same a hundred times."""
    assert cut_logs(life, tmp_path, times(100), seed=1123) > 500


@pytest.mark.timeout(240)
def test_power_cuts_of_log_and_server_on_ext4(tmp_path: Path, way: BlockRecording) -> None:
    """B2, P2, S3: every receipt that was given is covered by the server's evidence, which opens at once."""
    assert cut_ways(way, tmp_path, 5, seed=2026) > 0


@pytest.mark.long
@pytest.mark.timeout(3600 * TIMES)
def test_a_hundred_power_cuts_of_log_and_server_on_ext4(tmp_path: Path, way: BlockRecording) -> None:
    """B2: the same a hundred times."""
    assert cut_ways(way, tmp_path, times(100), seed=1123) > 0


@pytest.mark.long
@pytest.mark.timeout(3600 * TIMES)
def test_a_device_that_lies_about_flush_is_found_out(tmp_path: Path, life: BlockRecording) -> None:
    """B3, G3, P3: twenty losses, each named by the file system, the start, the second file or the first upload."""
    assert lying_cuts(life, tmp_path, times(20), seed=2026) == (times(20), times(20))
