"""What fsck and a start say of a spoilt log is what an operator acts on: which log, where, what, and what to do.

The words for each way of spoiling are frozen in tests/vectors/refusals/journal.json: KAOFEN_WRITE_VECTORS=1 with this
test writes them again, and a person reads the difference.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from forged_log import ORIGIN, small_log
from log_harness import mirror_verifier, signer_for
from spoilt_logs import SPOILT
from tree import ROOT

from scorelog.journal.errors import Damaged, JournalError, LogFailed, LogRefused, LogUntrusted, RolledBack
from scorelog.journal.fsck import fsck
from scorelog.journal.schema import RESERVE
from scorelog.journal.sqlite import RoomPolicy, open_log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

GROUPS = range(8)
SMALL = RoomPolicy(reserve_bytes=4096)
FAMILIES = (Damaged, RolledBack, LogFailed, LogRefused)  # what the caller does about it
FROZEN = ROOT / "tests" / "vectors" / "refusals" / "journal.json"


def checked(path: Path) -> list[str]:
    """What the check says, and of which size."""
    try:
        report = fsck(path, signer_for(ORIGIN).vkey, path.parent / "state", [mirror_verifier()])
    except JournalError as error:
        return [f"{type(error).__name__}: {error}"]
    return [f"size {report.size}", *map(str, report.findings)]


def started(path: Path) -> str:
    """What the start says."""
    try:
        log = open_log(path, signer_for, FakeClock(), path.parent / "state", room=SMALL)
    except JournalError as error:
        where = f" [{error.index}]" if isinstance(error, LogUntrusted) else ""
        kind = next(kind for kind in FAMILIES if isinstance(error, kind))
        return f"{kind.__name__}{where}: {error}"
    log._close()
    return f"opens with {log.size}"


async def said(tmp_path: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Way of spoiling → what the start says, then what the check says."""
    whole = tmp_path / "whole"
    whole.mkdir()
    await small_log(whole)
    found = {}
    for number, name in enumerate(names):
        case = tmp_path / f"case{number}"
        shutil.copytree(whole, case, ignore=shutil.ignore_patterns(RESERVE))  # 32 MiB a log
        SPOILT[name](case / "log")
        words = checked(case / "log")
        found[name] = [one.replace(str(case), "…") for one in (started(case / "log"), *words)]
        shutil.rmtree(case)
    return found


@pytest.mark.parametrize("group", GROUPS)
async def test_each_spoilt_log_is_told_as_it_always_was(tmp_path: Path, group: int) -> None:
    """P3, S8: each way of spoiling is named with log, index and kind, in words that do not change unseen."""
    found = await said(tmp_path, [name for number, name in enumerate(SPOILT) if number % len(GROUPS) == group])
    frozen = json.loads(FROZEN.read_text("utf-8")) if FROZEN.exists() else {}
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        kept = {name: words for name, words in frozen.items() if name in SPOILT}
        FROZEN.write_text(json.dumps({**kept, **found}, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
        return
    assert found == {name: frozen[name] for name in found}


def test_only_what_is_allowed_goes_unsaid() -> None:
    """An opening may be erased; every other way of spoiling is a finding or a refusal."""
    frozen = json.loads(FROZEN.read_text("utf-8"))
    assert set(frozen) == set(SPOILT)
    assert [name for name, words in frozen.items() if len(words) < 3 and words[0].startswith("opens")] == [
        "an opening gone",
        "nothing",
    ]
