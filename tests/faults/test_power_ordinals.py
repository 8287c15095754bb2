"""B4, G4, G5, S3: the disk says no at the n-th call of an upload cycle, for every n: no further record is acknowledged.

strace makes the n-th call of each thread on the files of a log (and of a server's evidence) fail. The process stops
by itself; what it had acknowledged is there; the next start goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import log_crash_way
import pytest
from log_crash import FAILED, Oracle, Round, Zygote
from log_crash_way import WayOracle
from log_strace import injected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.needs("strace")]

APPENDS = 2
EVERY_TIME = [("fdatasync", "EIO"), ("fsync", "EIO"), ("pwrite64", "EIO"), ("rename", "EIO")]
AT_LENGTH = [("pwrite64", "ENOSPC"), ("ftruncate", "EIO"), ("unlink", "EIO")]
ORDINALS_MAX = 400


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as process:
        yield process


@pytest.fixture(scope="module")
def way_zygote() -> Iterator[Zygote]:
    with Zygote(log_crash_way.__file__) as process:
        yield process


def words(home: Path, files: tuple[str, ...], call: str, error: str, ordinal: int) -> tuple[str, ...]:
    """Of strace: this call fails at this ordinal, on these files only."""
    places = [word for name in files for word in ("-P", str(home / name))]
    calls = f"trace={call},write"
    return ("-y", *places, "-e", calls, "-e", f"inject={call}:error={error}:when={ordinal}", "-o", str(home / "trace"))


def sweep(zygote: Zygote, folder: Path, call: str, error: str) -> int:
    """Every ordinal of one log's life until the call is not made so often; how many there were."""
    files = ("log/log.db", "log/log.db-wal", "log/log.db-shm", "log", "state", "state.new", ".", "told")
    for ordinal in range(1, ORDINALS_MAX):
        home = folder / f"{call}-{error}-{ordinal}"
        home.mkdir()
        oracle = Oracle(home).start()
        life = {"scenario": "one-by-one", "appends": APPENDS, "wal_bytes": 20_000}
        code = zygote.run(Round(str(home), str(oracle.told), strace=words(home, files, call, error, ordinal), **life))  # type: ignore[arg-type]
        met, acknowledged_after = injected(home / "trace", "log.db")
        assert code in (0, FAILED)
        # One record may have been durable already, its answer on the way when folding failed.
        assert len(acknowledged_after) <= 1, f"{call} {error} at {ordinal}: {acknowledged_after}"
        oracle.look()
        if not met:
            assert code == 0
            return ordinal - 1
        assert zygote.run(Round(str(home), str(oracle.told), **life)) == 0  # type: ignore[arg-type]
        oracle.check()
        assert len(oracle.acks) == APPENDS, "it goes on when the disk works again"
    raise AssertionError(f"{call} is made more than {ORDINALS_MAX} times")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("call", "error"), EVERY_TIME)
def test_the_disk_of_a_log_says_no_at_every_call(tmp_path: Path, zygote: Zygote, call: str, error: str) -> None:
    """B4, P1: start, appends, receipts, folding and stop of a log, each call of its files failing once."""
    assert sweep(zygote, tmp_path, call, error) >= 1


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("call", "error"), AT_LENGTH)
def test_other_calls_of_a_log_say_no_too(tmp_path: Path, zygote: Zygote, call: str, error: str) -> None:
    """B4: cutting and removing files as well; about a minute in all."""
    assert sweep(zygote, tmp_path, call, error) >= 1


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("call", "error"), [("fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC")])
def test_the_disk_of_the_server_says_no_at_every_call(
    tmp_path: Path, way_zygote: Zygote, call: str, error: str
) -> None:
    """B4, S3, P2: each call on the evidence fails once: no further receipt, and all arrives when it works again."""
    files = ("server/evidence.db", "server/evidence.db-wal", "told")
    for ordinal in range(1, ORDINALS_MAX):
        home = tmp_path / f"{ordinal}"
        home.mkdir()
        oracle = WayOracle(home).start()
        life = {"scenario": "way", "appends": APPENDS, "patience_s": 0.5}
        strace = words(home, files, call, error, ordinal)
        way_zygote.run(Round(str(home), str(oracle.told), strace=strace, **life))  # type: ignore[arg-type]
        met, receipted_after = injected(home / "trace", "evidence.db", "receipt ")
        assert len(receipted_after) <= 1, f"{call} {error} at {ordinal}: {receipted_after}"
        oracle.look_at_both()
        assert way_zygote.run(Round(str(home), str(oracle.told), scenario="way", appends=APPENDS)) == 0
        size, held = oracle.look_at_both()
        assert size == held == oracle.receipted == APPENDS
        if not met:
            return
    raise AssertionError(f"{call} is made more than {ORDINALS_MAX} times")
