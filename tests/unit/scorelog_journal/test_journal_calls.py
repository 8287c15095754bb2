"""What an open log says when it refuses a call, goes bad or fails: frozen in tests/vectors/refusals/calls.json.

KAOFEN_WRITE_VECTORS=1 with this test writes the words again, and a person reads the difference.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import TYPE_CHECKING

import forged_log
import pytest
import refused_appends
from fake_clock import FakeClock
from log_entries import plain
from log_harness import opened, signer_for
from tree import ROOT

from scorelog.journal import failpoints
from scorelog.journal.errors import JournalError, LogUntrusted
from scorelog.journal.schema import RESERVE
from scorelog.journal.sqlite import RoomPolicy, open_log
from scorelog.journal.statefile import StateDamaged

if TYPE_CHECKING:
    from pathlib import Path


FROZEN = ROOT / "tests" / "vectors" / "refusals" / "calls.json"
WRITES = ("begin", "rows", "sign", "commit", "release")
SMALL = RoomPolicy(reserve_bytes=4096)
STARTS = ("boot", "boot-fold")


def words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


async def refused(path: Path) -> dict[str, str]:
    """Each call on one open log, which is as it was after all of them; then on the closed one."""
    found = {}
    async with opened(path) as log:
        before = log.checkpoint()
        for name, call in refused_appends.REFUSED.items():
            with pytest.raises((JournalError, IndexError)) as told:
                await call(log)
            found[name] = words(told.value)
        assert (log.checkpoint(), log.size, log.failed) == (before, 6, None)
    for name in ("append: no entry", "entries: beyond", "node: beyond"):
        with pytest.raises(JournalError) as told:
            await refused_appends.REFUSED[name](log)
        found[f"closed, {name}"] = words(told.value)
    return found


async def failing(path: Path, name: str) -> list[str]:
    """What an append is told while a step fails, what the next one is told, and the end."""
    log = open_log(path, signer_for, FakeClock(), room=SMALL)
    with failpoints.armed(f"journal.{name}=error"):
        first = await asyncio.gather(log.append(plain("first").build), return_exceptions=True)
    found = [*first, *await asyncio.gather(log.append(plain("second").build), return_exceptions=True)]
    await log.close()
    return [words(one) if isinstance(one, BaseException) else f"index {one.index}" for one in found]


def starting(path: Path, name: str) -> str:
    """What a start says while a step of it fails."""
    with failpoints.armed(f"journal.{name}=error"), pytest.raises(JournalError) as told:
        open_log(path, signer_for, FakeClock(), room=SMALL)
    return words(told.value)


async def damaged(path: Path, change: str) -> list[str]:
    """What each call on an open log says when a table, or a cell of each row, goes bad under it; calls that do not."""
    found = []
    async with opened(path) as log:
        forged_log.change(path, change)
        for name, call in refused_appends.READS.items():
            try:
                told = await call(log)
            except (JournalError, IndexError) as error:
                at = f" [{error.origin}, {error.index}]" if isinstance(error, LogUntrusted) else ""
                found.append(f"{name}: {words(error)}{at}")
            else:
                found.append(f"{name}: {told!r:.60}")
    return found


async def said(tmp_path: Path) -> dict[str, object]:
    whole = await forged_log.small_log(tmp_path)
    found: dict[str, object] = dict(await refused(whole))
    for name in (*WRITES, *STARTS):
        path = tmp_path / name
        shutil.copytree(whole, path, ignore=shutil.ignore_patterns(RESERVE))
        found[f"failing: {name}"] = await failing(path, name) if name in WRITES else starting(path, name)
    for name in refused_appends.DAMAGES:
        path = tmp_path / str(len(found))
        shutil.copytree(whole, path, ignore=shutil.ignore_patterns(RESERVE))
        found[f"damaged: {name}"] = [one.replace(str(path), "…") for one in await damaged(path, name)]
    for name, parse in refused_appends.STATES.items():
        with pytest.raises(StateDamaged) as told:
            parse()
        found[name] = words(told.value)
    return found


async def test_each_refused_call_on_a_log_says_what_it_always_said(tmp_path: Path) -> None:
    """P1, P8: a refused call changes nothing and says why; a failed one names its log, and is the last one."""
    found = await said(tmp_path)
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        FROZEN.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    assert found == json.loads(FROZEN.read_text("utf-8"))
