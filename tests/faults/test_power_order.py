"""P1, G2, G3: the order of system calls, which is all that a power cut respects. No root, no device: strace.

What is written is dirty until its fsync returned. Nothing is acknowledged while the log is dirty; a name counts when
its folder was synced; a start reads from the disk and not from memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import log_crash_way
import pytest
from log_crash import Round, Zygote
from log_crash_way import WayOracle
from log_strace import Trace

if TYPE_CHECKING:
    from pathlib import Path

    from log_strace import Call

pytestmark = [pytest.mark.crash, pytest.mark.needs("strace")]

CALLS = "pwrite64,pread64,write,fsync,fdatasync,rename,renameat,renameat2,fadvise64,mkdir"
WRITES, SYNCS = {"pwrite64", "write"}, {"fsync", "fdatasync"}


def traced(zygote: Zygote, home: Path, name: str, **life: object) -> tuple[Call, ...]:
    """The calls of one life."""
    out = home / f"{name}.trace"
    words = ("-y", "-s", "48", "-e", f"trace={CALLS}", "-o", str(out))
    assert zygote.run(Round(str(home), str(home / "told"), strace=words, **life)) == 0  # type: ignore[arg-type]
    return Trace.read(out).calls


def acknowledged_while_dirty(calls: tuple[Call, ...], word: str, files: tuple[str, ...]) -> list[str]:
    """The lines that were told while one of the files held what was not synced."""
    dirty: set[str] = set()
    early: list[str] = []
    for call in calls:
        if call.name in WRITES and call.path.endswith(files):
            dirty.add(call.path)
        elif call.name in SYNCS:
            dirty.discard(call.path)
        elif call.name == "write" and call.path.endswith("/told") and f'"{word} ' in call.words and dirty:
            early.append(call.words)
    return early


def test_nothing_is_acknowledged_before_its_fsync(tmp_path: Path) -> None:
    """P1: at each acknowledgement every written byte of the log was synced before; folding included."""
    with Zygote() as zygote:
        calls = traced(zygote, tmp_path, "one", scenario="one-by-one", appends=8, wal_bytes=20_000)
    told = [call for call in calls if call.path.endswith("/told")]
    assert len(told) == 8
    assert acknowledged_while_dirty(calls, "ack", ("/log.db-wal",)) == []
    synced = [call for call in calls if call.name in SYNCS and call.path.endswith("/log.db-wal")]
    assert len(synced) >= 8
    folded = [call for call in calls if call.name in WRITES and call.path.endswith("/log.db")]
    assert folded, "the log was folded meanwhile"


def test_a_new_log_is_synced_before_and_after_it_gets_its_name(tmp_path: Path) -> None:
    """P3, G4: files first, then the name, then the folder; only then the first acknowledgement."""
    with Zygote() as zygote:
        calls = traced(zygote, tmp_path, "new", scenario="one-by-one", appends=1)
    steps = [
        next(n for n, call in enumerate(calls) if call.name.startswith("rename") and '/log"' in call.words),
        next(n for n, call in enumerate(calls) if call.path.endswith("/told")),
    ]
    synced = {n: call.path for n, call in enumerate(calls) if call.name in SYNCS}
    assert any(n < steps[0] and path.endswith("/identity.json") for n, path in synced.items())
    following = next(n for n in synced if n > steps[0])
    assert synced[following] == str(tmp_path), "before anything else is done with it"
    assert following < steps[1]


def test_the_second_file_is_replaced_in_order(tmp_path: Path) -> None:
    """G2: written, synced, renamed, and the folder synced, so that a cut leaves the old one or the new one."""
    with Zygote() as zygote:
        calls = traced(zygote, tmp_path, "two", scenario="one-by-one", appends=2)
    own = [
        call.name if call.name in SYNCS or call.name == "write" else "rename"
        for call in calls
        if call.path.endswith("/state.new") or (call.name.startswith("rename") and '/state"' in call.words)
    ]
    assert len(own) >= 3
    assert own == ["write", "fsync", "rename"] * (len(own) // 3)
    last = max(n for n, call in enumerate(calls) if call.name.startswith("rename") and '/state"' in call.words)
    assert any(call.name == "fsync" and call.path == str(tmp_path) for call in calls[last:])


def test_a_start_reads_the_disk_and_not_the_memory(tmp_path: Path) -> None:
    """P1, finding 1 of the fault catalogue: after a failed fsync memory shows a page that the disk never got."""
    with Zygote() as zygote:
        traced(zygote, tmp_path, "first", scenario="one-by-one", appends=3)
        calls = traced(zygote, tmp_path, "again", scenario="one-by-one", first_seq=3, appends=1)
    names = [
        (call.name, "DONTNEED" in call.words) for call in calls if call.path.endswith("/log.db") and call.name in
        {"fadvise64", "fdatasync", "pread64"}
    ]  # fmt: skip
    assert names[:3] == [("fadvise64", True), ("fdatasync", False), ("fadvise64", True)]


def test_no_receipt_leaves_before_the_servers_fsync(tmp_path: Path) -> None:
    """P1, P2: between two receipts the server's write-ahead log was written and then synced."""
    WayOracle(tmp_path).start()
    with Zygote(log_crash_way.__file__) as zygote:
        calls = traced(zygote, tmp_path, "way", scenario="way", appends=6)
    written = synced = False
    receipts: list[str] = []
    for call in calls:
        if call.path.endswith("/evidence.db-wal"):
            written, synced = (True, False) if call.name in WRITES and not written else (written, synced)
            synced = synced or (written and call.name in SYNCS)
        elif call.path.endswith("/told") and '"receipt ' in call.words and call.words not in receipts:
            assert written, call.words
            assert synced, call.words
            written = synced = False
            receipts.append(call.words)
    assert receipts
