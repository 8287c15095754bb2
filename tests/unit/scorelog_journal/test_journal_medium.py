"""What a disk does not give is told apart from what it gives wrongly, before anything is put aside."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from fake_clock import FakeClock
from log_harness import new_log, signer_for

from scorelog.journal.errors import Damaged, LogFailed, Suspected
from scorelog.journal.medium import confirmed, read_through
from scorelog.journal.schema import DATABASE, LOCK
from scorelog.journal.sqlite import open_log

MAGIC = 16  # bytes at the beginning of every SQLite file


def test_a_file_that_cannot_be_read_is_the_disk_and_not_the_log(tmp_path: Path) -> None:
    """G3: the refusal names the file and says what to do; a file that is not there is no failure of the disk."""
    read_through(tmp_path)
    (tmp_path / DATABASE).mkdir()
    with pytest.raises(LogFailed, match=rf"{DATABASE} cannot be read: .*the disk and not the log.*save a copy"):
        read_through(tmp_path)


def test_a_suspicion_that_does_not_come_again_is_the_disk(tmp_path: Path) -> None:
    """G3: SQLite said malformed once and not twice: nothing is given up, and the start is refused."""
    said = iter([Suspected("log", None, "malformed")])

    def work() -> str:
        for suspected in said:
            raise suspected
        return "read"

    with pytest.raises(LogFailed, match=r"a read failed and the next did not \(malformed\)"):
        confirmed(tmp_path, work)
    assert confirmed(tmp_path, work) == "read"


def test_a_suspicion_that_comes_again_is_damage(tmp_path: Path) -> None:
    """G6: every byte was given, and they contradict the log again."""

    def work() -> None:
        raise Suspected("log", 7, "malformed")

    with pytest.raises(Damaged, match="malformed"):
        confirmed(tmp_path, work)


def test_a_lock_that_cannot_be_opened_refuses_the_start_in_words(tmp_path: Path) -> None:
    """G3: what is in the way is named; nothing is changed."""
    path = new_log(tmp_path)
    (path / LOCK).unlink(missing_ok=True)
    (path / LOCK).mkdir()
    with pytest.raises(LogFailed, match=r"could not be opened: .*nothing was changed"):
        open_log(path, signer_for, FakeClock())


def test_a_file_that_is_no_database_is_damage_and_is_not_kept_open(tmp_path: Path) -> None:
    """G6: what is put aside can be moved and copied while somebody still holds the error."""
    path = new_log(tmp_path)
    database = path / DATABASE
    database.write_bytes(b"\0" * MAGIC + database.read_bytes()[MAGIC:])
    with pytest.raises(Damaged) as held:
        open_log(path, signer_for, FakeClock())
    assert held.value is not None
    assert database not in _open_files()


def _open_files() -> set[Path]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one of this very listing
            found.add(descriptor.readlink())
    return found
