"""P1: the steps of a log's life in their order, as the failpoints see them: none is left out, doubled or moved."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from log_entries import key_of, plain, scored
from log_harness import cosigned, new_log, signer_for

from scorelog.journal import failpoints
from scorelog.journal.errors import LogFull
from scorelog.journal.generation import open_generation, quarantine
from scorelog.journal.room import Reserve, RoomPolicy
from scorelog.journal.sqlite import open_log
from scorelog.journal.statefile import State, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = RoomPolicy(reserve_bytes=4096)
WRITTEN = ["begin", "rows", "sign", "commit", "release", "answer"]


class Seen:
    """Steps since they were last asked for."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.steps.append(name.removeprefix("journal."))
        yield

    def take(self) -> list[str]:
        steps, self.steps = self.steps, []
        return steps


async def test_each_step_of_a_log_comes_in_its_turn(tmp_path: Path) -> None:
    """P1, G1: made, started, written, receipted, folded, stopped, put aside and gone on with."""
    seen = Seen()
    with failpoints.observed(seen.step):
        path = new_log(tmp_path)
        assert seen.take() == ["create", "rename", "rename-sync"]
        log = open_log(path, signer_for, FakeClock(), room=SMALL)
        assert seen.take() == ["drop", "boot", "boot-fold", "reserve"]
        await log.append(plain("one").build)
        await log.close()
        assert seen.take() == [*WRITTEN, "close"]
        log = open_log(path, signer_for, FakeClock(), room=SMALL, wal_bytes=0)
        assert seen.take() == ["drop", "boot", "boot-fold"]
        request = scored(key_of(1))
        await log.append(request.build, request.key, request.content)
        await log.save_receipt(cosigned(log.checkpoint()))
        await log.append(request.build, request.key, request.content)
        await log.close()
        assert seen.take() == [*WRITTEN, "fold", *WRITTEN, "fold", "answer", "fold", "close"]
        aside = quarantine(path, "x")
        assert seen.take() == ["quarantine", "rename", "rename-sync"]
        await open_generation(path, aside, signer_for, FakeClock(), room=SMALL).close()
        assert seen.take() == ["create", "rename", "rename-sync", "drop", "boot", "boot-fold", "reserve", "close"]


def test_each_step_of_the_small_files_comes_in_its_turn(tmp_path: Path) -> None:
    """G8, B14: the second file is written, renamed, synced; the reserve is made and given back."""
    seen = Seen()
    with failpoints.observed(seen.step):
        write_state(tmp_path / "state", State("a.example/gw/g/0", 0, 0, bytes(32), 1, None))
        assert seen.take() == ["state.write", "state.rename", "state.sync"]
        free = [1 << 30]
        reserve = Reserve(tmp_path / "reserve", RoomPolicy(1, 4096, 1, lambda _: (free[0], 1 << 30)))
        reserve.restore()
        free[0] = 100
        reserve.make_room(10)
        free[0] = 5
        with pytest.raises(LogFull):
            reserve.make_room(10)
        assert seen.take() == ["reserve", "reserve-give"]
