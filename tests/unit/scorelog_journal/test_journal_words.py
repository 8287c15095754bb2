"""What fsck and a start say of a spoilt log is what an operator acts on: which log, where, what, and what to do.

The words for each way of spoiling are frozen in tests/vectors/refusals/journal.json: KAOFEN_WRITE_VECTORS=1 with this
test writes them again, and a person reads the difference.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from fake_clock import FakeClock
from forged_log import ORIGIN, small_log
from log_harness import mirror_verifier, signer_for
from spoilt_logs import SPOILT
from tree import ROOT

from scorelog.journal.errors import Damaged, JournalError, LogFailed, LogRefused, LogUntrusted, RolledBack
from scorelog.journal.fsck import fsck
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from pathlib import Path

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
        log = open_log(path, signer_for, FakeClock(), path.parent / "state")
    except JournalError as error:
        where = f" [{error.index}]" if isinstance(error, LogUntrusted) else ""
        kind = next(kind for kind in FAMILIES if isinstance(error, kind))
        return f"{kind.__name__}{where}: {error}"
    log._close()
    return f"opens with {log.size}"


async def said(tmp_path: Path) -> dict[str, list[str]]:
    """Way of spoiling → what the start says, then what the check says."""
    whole = tmp_path / "whole"
    whole.mkdir()
    await small_log(whole)
    found = {}
    for number, (name, spoil) in enumerate(SPOILT.items()):
        case = tmp_path / f"case{number}"
        shutil.copytree(whole, case)
        spoil(case / "log")
        words = checked(case / "log")
        found[name] = [one.replace(str(case), "…") for one in (started(case / "log"), *words)]
        shutil.rmtree(case)
    return found


async def test_each_spoilt_log_is_told_as_it_always_was(tmp_path: Path) -> None:
    """P3, S8: each way of spoiling is named with log, index and kind, in words that do not change unseen."""
    found = await said(tmp_path)
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        FROZEN.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    assert found == json.loads(FROZEN.read_text("utf-8"))
    assert [name for name, words in found.items() if len(words) < 3 and words[0].startswith("opens")] == [
        "nothing",
        "an opening gone",
    ]
