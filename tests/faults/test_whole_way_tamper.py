"""P3 over the whole way: real rigs, gateways and server; stores changed, rolled back and cloned behind their backs.

Each test leaves the world as it found it: server and gateway running, every entry receipted; only the generation of
the gateway's log may be a later one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import tamper_log as disk
import tamper_store as store
from tamper_point import Box, Point, begun, run

from certs.keys import load_ed25519
from scorelog.format.note import Ed25519Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

DAMAGED = 3  # exit code of `kaofen-gateway fsck` (docs/gateway.md)


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Point]:
    """An exam point after a small round: two rigs at the gateway, two more for a second box."""
    with begun(tmp_path_factory.mktemp("point")) as one:
        yield one


# -- (a) the gateway's store: fsck ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        pytest.param(disk.flip(9), "flip", id="flip"),
        pytest.param(disk.flip_with_leaf(9), "", id="flip-with-leaf"),
        pytest.param(disk.drop(9), "drop", id="drop"),
        pytest.param(disk.drop_and_close_up(9), "", id="drop-and-close-up", marks=pytest.mark.long),
        pytest.param(disk.swap(9, 17), "reorder", id="reorder"),
        pytest.param(disk.insert(9), "insert", id="insert"),
    ],
)
def test_gateway_fsck_names_the_entry(point: Point, tmp_path: Path, tamper: disk.Tamper, kind: str) -> None:
    """P3: whatever is done to one entry of the gateway's log, its fsck fails and names origin and index."""
    box = point.copy_of(point.finished, tmp_path)
    disk.change(box.database, tamper)
    code, said = box.fsck()
    assert code == DAMAGED
    assert any(line.startswith(f"{box.origin} entry 9: {kind}") for line in said.splitlines()), said


# -- (a) the gateway's store: start and upload ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tamper", "lost"),
    [
        pytest.param(disk.flip, 1, id="flip"),
        pytest.param(disk.drop, 1, id="drop", marks=pytest.mark.long),
        pytest.param(lambda index: disk.swap(index, index + 1), 0, id="reorder", marks=pytest.mark.long),
    ],
)
def test_entries_without_a_receipt_were_changed(point: Point, tamper: Callable[[int], disk.Tamper], lost: int) -> None:
    """P3, P1: the start refuses the log, the next generation says why, and what is still readable is logged again.

    Only the entry whose bytes somebody destroyed is missing; its index is missing among the references.
    """
    box, world = point.box, point.world
    box.restart(online=False)
    first = box.receipted_size()
    point.exams(receipted=False)
    box.stop()
    old, size = box.origin, len(box.entries())
    target = first + 8
    disk.change(box.database, tamper(target))
    assert f"{old} entry {target}: " in box.fsck()[1]
    box.restart(online=True)
    assert box.origin == _next(old)
    point.alarmed("new_generation", box.origin, 0)
    reason = point.alarmed("generation_opened", box.origin, 0)["detail"]["reason"]
    assert old in reason
    world.wait("everything receipted", box.receipted, 30)
    again = {e["previous"]["index"] for e in box.entries() if e["type"] == "relogged"}
    assert set(range(first, size)) - again == ({target} if lost else set())
    point.exams()
    if lost:
        point.forgive(box.quarantined(), target)
    point.judge()


def test_receipted_entry_was_changed(point: Point) -> None:
    """P3: a flipped byte in the last 1,024 entries is met at start: new generation, alarm; the server has it all."""
    box = point.box
    box.stop()
    old = box.origin
    disk.change(box.database, disk.flip(5))
    assert f"{old} entry 5: flip" in box.fsck()[1]
    since = box.mark()
    box.start()
    assert f"log {old} at index 5: the entry does not hash to its leaf" in box.said(since)
    assert box.origin == _next(old)
    reason = point.alarmed("generation_opened", box.origin, 0)["detail"]["reason"]
    assert f"{old} at index 5" in reason
    assert [e for e in box.entries() if e["type"] == "relogged"] == []
    point.exams()
    point.judge()


@pytest.mark.long
@pytest.mark.timeout(400)
def test_deep_history_was_changed(point: Point) -> None:
    """P3: an entry before the last 1,024 is met when the past is read back: that start ends, the next one goes on.

    Still deeper ones, which a start does not read, are named by fsck; the leaf hashes are what the tree is made of, so
    uploads go on, and the server holds every entry as it was.
    """
    box = point.box
    while len(box.entries()) < 1024 + 256 + 16:
        for _ in range(8):
            point.press()
        point.exams()
    box.stop()
    old = box.origin
    before = disk.read(box.database, 9)
    disk.change(box.database, disk.flip(9))
    code, said = box.fsck()
    assert (code, f"{old} entry 9: flip" in said) == (DAMAGED, True)
    box.dies(DAMAGED)
    assert f"log {old} at index 9: the entry does not hash to its leaf" in box.said()
    assert point.entry(old, 9) == before
    box.start()
    assert box.origin == _next(old)
    assert f"{old} at index 9" in point.alarmed("generation_opened", box.origin, 0)["detail"]["reason"]
    point.exams()
    point.judge()


def test_history_was_signed_anew(point: Point) -> None:
    """P3: whoever has the log key too is met by the second file; without that, by the next upload (422)."""
    box, world = point.box, point.world
    box.stop()
    old, size = box.origin, len(box.entries())
    signer = Ed25519Signer(old, load_ed25519(box.data / "log.key"))
    disk.change(box.database, disk.resign(disk.flip(5), signer))
    assert f"{old}: rollback: at size {size} the second file knows another root" in box.fsck()[1]
    (box.state / "log.state").unlink()
    box.dies()
    point.alarmed("forked", old, size)
    assert box.evidence("422.kaofen-upload")
    box.start()
    assert box.origin == _next(old)
    world.wait("everything receipted", box.receipted, 30)
    point.exams()
    point.judge()


# -- (b) the server's store ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tamper",
    [
        store.flip,
        store.drop,
        store.reorder,
        store.insert,
        store.opening,
        *(
            pytest.param(tamper, marks=pytest.mark.long)
            for tamper in (
                store.drop_bundle,
                store.swap_bundles,
                store.leaves,
                store.checkpoint,
                store.received,
                store.state_root,
                store.cosigned,
                store.forged_alarm,
                store.counts,
            )
        ),
    ],
)
def test_server_store_was_changed(point: Point, tamper: Callable[[store.Held], int | None]) -> None:
    """P3: what somebody changes beside the running server is an alarm after one pass, and fsck names it."""
    origin = f"{point.box.origin.rpartition('/')[0]}/0"
    # A pass that finds nothing: the same difference in a test before this one is over, and would be told again.
    assert run("kaofen-server", "audit", point.world.server_config, "--once")[0] == 0
    before = point.told()
    with store.changed(point.evidence, tamper, origin) as index:
        code, said = run("kaofen-server", "fsck", point.world.server_config)
        assert code == 1
        where = "evidence: " if index is None else f"{origin} index {index}: "
        assert any(line.startswith(where) for line in said.splitlines()), said
        alert = point.alarmed("tampered", None if index is None else origin, index, but=before)
    assert alert["severity"] == "alarm"


def test_one_audit_pass_is_enough(point: Point) -> None:
    """P3: `kaofen-server audit --once` beside the running server is one pass of that server: named, and an alarm."""
    origin = f"{point.box.origin.rpartition('/')[0]}/0"
    with store.changed(point.evidence, store.flip, origin) as index:
        code, said = run("kaofen-server", "audit", point.world.server_config, "--once")
        assert code == 1
        assert f"{origin} index {index}: " in said
        assert any(a["kind"] == "tampered" and (a["origin"], a["index"]) == (origin, index) for a in point.alerts())
    code, said = run("kaofen-server", "audit", point.world.server_config, "--once")
    assert (code, said) == (0, "audit: 0 findings\n")


# -- (c) the gateway's log is rolled back --------------------------------------------------------------------------


def test_rolled_back_without_an_uplink(point: Point, tmp_path: Path) -> None:
    """P3: the second file alone proves it, named with both sizes; scores are recorded and receipted in the next one."""
    box, old, sizes = _two_rounds(point, tmp_path)
    box.put_back(tmp_path / "copy", second_file=False)
    said = f"the second file knows size {sizes[1]}, the log holds {sizes[0]}"
    code, found = box.fsck()
    assert (code, f"{old} entry {sizes[0]}: rollback: {said}" in found) == (DAMAGED, True)
    since = box.mark()
    box.restart(online=False)
    assert f"log {old} at index {sizes[0]}: {said}" in box.said(since)
    point.exams(receipted=False)
    box.restart(online=True)
    assert box.origin == _next(old)
    assert said in point.alarmed("generation_opened", box.origin, 0)["detail"]["reason"]
    point.alarmed("new_generation", box.origin, 0)
    point.world.wait("everything receipted", box.receipted, 30)
    point.judge()


@pytest.mark.parametrize(
    "offline",
    [
        pytest.param(False, id="at-once"),
        pytest.param(True, id="signed-others-first", marks=pytest.mark.long),
    ],
)
def test_rolled_back_with_its_second_file(point: Point, tmp_path: Path, offline: bool) -> None:
    """P3: the first upload contradicts what the server holds: 422, alarm and evidence on both sides, new generation."""
    box, old, sizes = _two_rounds(point, tmp_path)
    box.put_back(tmp_path / "copy")
    if offline:
        box.restart(online=False)
        point.exams(receipted=False)
        point.exams(receipted=False)
        box.stop()
        assert len(box.entries()) > sizes[1]
        box.online(True)
    box.dies()
    point.alarmed("forked" if offline else "rolled_back", old, sizes[0])
    assert box.evidence("422.kaofen-upload")
    assert point.refused(old)
    box.start()
    assert box.origin == _next(old)
    assert "rolled back" in point.alarmed("generation_opened", box.origin, 0)["detail"]["reason"]
    point.exams()
    point.judge()


@pytest.mark.long
def test_rolled_back_by_generations(point: Point) -> None:
    """P2, P3: a box put back behind a new generation goes on above the server's newest, not in 403 for ever."""
    box = point.box
    box.stop()
    if box.origin.endswith("/0"):
        disk.change(box.database, disk.flip(5))
        box.start()
        point.world.wait("every entry receipted", box.receipted, 30)
        box.stop()
    newest = box.origin
    box.put_back(point.finished)
    old = box.origin
    box.dies()
    point.alarmed("frozen", old)
    assert box.evidence("403.kaofen-upload")
    box.start()
    assert box.origin == _next(newest)
    point.exams()
    point.judge()


def _two_rounds(point: Point, tmp_path: Path) -> tuple[Box, str, tuple[int, int]]:
    """A copy at the first size, the log at the second, all receipted, the process stopped."""
    box = point.box
    box.stop()
    first = len(box.entries())
    box.save(tmp_path / "copy")
    box.start()
    point.exams()
    box.stop()
    return box, box.origin, (first, len(box.entries()))


# -- (d) the gateway is cloned -------------------------------------------------------------------------------------


@pytest.mark.long
def test_cloned_gateway(point: Point, tmp_path: Path) -> None:
    """P3: two boxes with one key at different rigs: the second is refused at its first upload, and has to say why."""
    box = point.box
    box.stop()
    old, size = box.origin, len(box.entries())
    clone = point.clone(box.save(tmp_path / "copy"))
    box.start()
    point.exams()
    clone.dies()
    alert = point.alarmed("rolled_back", old, size)
    assert "another entry" in json.dumps(alert["detail"])
    assert point.refused(old)
    assert clone.evidence("422.kaofen-upload")
    point.world.wait("the first box is trusted", box.receipted, 10)
    assert box.origin == old
    # The copy opens the next generation; with that the server takes nothing more of the first box's.
    clone.start()
    point.exams(clone)
    assert clone.origin == _next(old)
    point.alarmed("new_generation", clone.origin, 0)
    box.stop()
    point.alarmed("frozen", old)
    # Somebody has found the two boxes, and leaves one of them in service.
    clone.stop()
    box.put_back(clone.save(tmp_path / "left"))
    box.start()
    point.exams()
    point.judge()


def _next(origin: str) -> str:
    base, _, generation = origin.rpartition("/")
    return f"{base}/{int(generation) + 1}"
