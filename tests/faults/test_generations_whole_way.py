"""Generations and damage end to end, with real rigs, gateway and server: nothing is lost, nothing counts twice.

Each test leaves the world as it found it: server and gateway running, every entry receipted; only the generation of
the gateway's log may be a later one.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import oracle
import pytest
import tamper_log as disk
from tamper_point import Box, Point, begun, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600), pytest.mark.xdist_group("generations")]


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Point]:
    """An exam point after a small round: two rigs at the gateway, two more for a second box."""
    with begun(tmp_path_factory.mktemp("point")) as one:
        yield one


def attempts(point: Point) -> dict[str, dict[str, Any]]:
    """What the server shows of every attempt, but for when it received it: what comes again comes later."""
    found = point.world.api("/api/v1/attempts?limit=500")["attempts"]
    times = {"first_at", "last_at", "received_us"}

    def timeless(shown: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in shown.items() if name not in times}

    return {one["attempt"]: timeless(one) | {"runs": [timeless(run) for run in one["runs"]]} for one in found}


def settled(point: Point) -> dict[str, dict[str, Any]]:
    """The same, once the last record of every exam is shown: its end, and whether the candidate signed."""
    truth = [record["type"] for record in oracle.read_truth(point.world.truth) if oracle.in_exam(record)]
    signed = truth.count("candidate.acknowledged")

    def over() -> bool:
        found = attempts(point).values()
        return sum(one["ack"] is not None for one in found) == signed and all(one["state"] != "open" for one in found)

    point.world.wait("every attempt is over", over, 30)
    return attempts(point)


def proven(point: Point, folder: Path, besides: frozenset[str] = frozenset()) -> None:
    """The evidence of every closed attempt but those of before verifies offline, whatever generations it is from."""
    folder.mkdir()
    policy = folder / "policy.txt"
    policy.write_bytes(point.world.fetch("/api/v1/policy"))
    bundles = []
    for attempt, shown in attempts(point).items():
        if shown["state"] != "open" and attempt not in besides:
            bundles.append(folder / f"{attempt}.zip")
            bundles[-1].write_bytes(point.world.fetch(f"/api/v1/attempts/{attempt}/evidence"))
    code, printed = run("kaofen-verify", "attempt", *bundles, "--policy", policy)
    assert code == 0, "\n".join(line for line in printed.splitlines() if line.startswith("not proven"))
    assert printed.count(" as a whole, ") == len(bundles) >= 2


def relogged(box: Box) -> list[dict[str, Any]]:
    return [entry for entry in box.entries() if entry["type"] == "relogged"]


def next_of(origin: str) -> str:
    base, _, generation = origin.rpartition("/")
    return f"{base}/{int(generation) + 1}"


# -- quarantine and the next generation ----------------------------------------------------------------------------


def test_exams_over_two_generations_are_whole(point: Point, tmp_path: Path) -> None:
    """P1, P3: damage in the receipted part, scores stranded behind it: an alarm, and every attempt whole and proven."""
    box, world = point.box, point.world
    box.restart(online=False)
    point.exams(receipted=False)
    stranded = len(box.entries()) - box.receipted_size()
    box.stop()
    old = box.origin
    disk.change(box.database, disk.flip(5))
    box.restart(online=True)
    assert box.origin == next_of(old)
    point.alarmed("new_generation", box.origin, 0)
    world.wait("everything receipted", box.receipted, 30)
    assert len(relogged(box)) >= stranded > 20
    assert not [entry for entry in relogged(box) if "doubt" in entry]
    point.exams()
    point.judge()
    proven(point, tmp_path / "evidence")


@pytest.mark.long
def test_what_the_server_had_already_is_not_counted_twice(point: Point, tmp_path: Path) -> None:
    """P2, P4: the answers to the last uploads were lost, then the log is damaged: all comes again, the scores stay."""
    box = point.box
    first = box.receipted_size()
    point.exams()
    before = settled(point)
    box.stop()
    old = box.origin
    shutil.rmtree(box.state)
    box.state.mkdir()
    disk.change(box.database, lambda rows: rows.execute("DELETE FROM receipt WHERE size > ?", (first,)))
    disk.change(box.database, disk.flip(5))
    box.start()
    point.world.wait("everything receipted", box.receipted, 30)
    again = relogged(box)
    assert box.origin == next_of(old)
    assert {entry["previous"]["origin"] for entry in again} == {old}
    assert len(again) > 20
    assert attempts(point) == before
    point.judge()
    proven(point, tmp_path / "evidence")


@pytest.mark.long
def test_what_was_altered_with_its_leaf_is_marked(point: Point) -> None:
    """P3: an entry without a receipt, changed so that only the signed roots contradict it: an alarm names it."""
    box, world = point.box, point.world
    box.restart(online=False)
    first = box.receipted_size()
    point.exams(receipted=False)
    box.stop()
    target = first + 8
    disk.change(box.database, disk.flip_with_leaf(target))
    box.restart(online=True)
    world.wait("everything receipted", box.receipted, 30)
    doubts = {entry["previous"]["index"]: entry.get("doubt") for entry in relogged(box)}
    assert doubts[target] == "altered"
    assert doubts[first] is None
    assert doubts[max(doubts)] == "unproven"
    index = next(at for at, entry in enumerate(box.entries()) if entry.get("previous", {}).get("index") == target)
    point.alarmed("relogged_altered", box.origin, index)
    point.alarmed("relogged_unproven", box.origin, None)
    point.exams()
    point.judge()


# -- the server is put back from a backup --------------------------------------------------------------------------


@pytest.mark.long
def test_a_restored_server_is_refilled_to_the_last_entry(point: Point, tmp_path: Path) -> None:
    """P2: what a backup lacks comes again from the gateways by itself; alarms say from where and what."""
    world, box = point.world, point.box
    code, printed = run("kaofen-server", "backup", world.server_config, tmp_path / "backup")
    assert code == 0, printed
    start = len(box.entries())
    point.exams()
    stop, held = len(box.entries()), point.entry(box.origin, len(box.entries()) - 1)
    before = settled(point)
    world.server.stop()
    code, printed = run("kaofen-server", "restore", world.server_config, tmp_path / "backup", "--force")
    assert code == 0, printed
    world.server.start()
    world.wait("the server answers", world.serving, 30)
    refilled = point.alarmed("refilled", box.origin, start)
    assert f"entries {start} to {stop - 1} are here again" in refilled["detail"]["reason"]
    assert str(start) in point.alarmed("restored", box.origin, start)["detail"]["reason"]
    assert point.entry(box.origin, stop - 1) == held
    world.wait("every attempt is as it was", lambda: attempts(point) == before, 30)
    point.exams()
    point.judge()


@pytest.mark.long
def test_a_server_restored_to_before_a_generation_is_refilled_by_file(point: Point, tmp_path: Path) -> None:
    """P2: receipted entries of a log that was put aside since the backup: an alarm says how, and all are back."""
    world, box = point.world, point.box
    code, printed = run("kaofen-server", "backup", world.server_config, tmp_path / "backup")
    assert code == 0, printed
    start, old, earlier = len(box.entries()), box.origin, frozenset(attempts(point))
    point.exams()
    before = settled(point)
    box.stop()
    disk.change(box.database, disk.flip(5))
    box.start()
    world.wait("everything receipted", box.receipted, 30)
    assert box.origin == next_of(old)
    world.server.stop()
    code, printed = run("kaofen-server", "restore", world.server_config, tmp_path / "backup", "--force")
    assert code == 0, printed
    world.server.start()
    world.wait("the server answers", world.serving, 30)
    lost = point.alarmed("generation_lost", old, start)
    assert "export CONFIG DIR --generation" in lost["detail"]["reason"]
    generation = old.rpartition("/")[2]
    code, printed = run("kaofen-gateway", "export", box.config, tmp_path / "x", "--generation", "77")
    assert (code, "generation 77: there is nothing of it" in printed) == (1, True), printed
    words = ("--generation", generation, "--start", str(start))
    code, printed = run("kaofen-gateway", "export", box.config, tmp_path / "stick", *words)
    assert code == 0, printed
    files = sorted((tmp_path / "stick").iterdir())
    for _ in range(2):
        code, printed = run("kaofen-server", "import", world.server_config, *files)
        assert code == 0, printed
    point.alarmed("refilled", old, start)
    world.wait("every attempt is as it was", lambda: attempts(point) == before, 30)
    proven(point, tmp_path / "evidence", besides=earlier)  # a test before this one leaves an attempt that is marked
    point.exams()
    point.judge()


# -- a point without an uplink: files ------------------------------------------------------------------------------


@pytest.mark.long
def test_uploads_and_receipts_as_files(point: Point, tmp_path: Path) -> None:
    """P2: several files, in the wrong order, twice, damaged, foreign: each refusal says what and what to do."""
    world, box = point.world, point.box
    first, one, two = _without_an_uplink(point, tmp_path / "stick")
    body = one.read_bytes()
    torn, spoilt, altered, foreign, unknown = (tmp_path / name for name in ("torn", "spoilt", "altered", "far", "new"))
    torn.write_bytes(body[:20_000])
    spoilt.write_bytes(body.replace(b'"salt":"', b'"salt":"0', 1))
    altered.write_bytes(disk.flipped(body))
    foreign.write_bytes(body.replace(b"exam.example/gw/gw-01/", b"test.example/gw/gw-01/"))
    unknown.write_bytes(body.replace(b"exam.example/gw/gw-01/", b"exam.example/gw/gw-77/"))
    for file, expected in (
        (two, rf"the server holds {first} entries of {box.origin}, the file begins with {first + 256}; import the"),
        (torn, r"not an upload file, or damaged on the way: export it again"),
        (spoilt, r"not an upload file, or damaged on the way: export it again"),
        (altered, r"do not lead from the held tree to the signed root; damaged on the way, or changed: export"),
        (foreign, r"test.example/gw/gw-01 is not enrolled at this server; `kaofen-server gateway add`"),
        (unknown, r"exam.example/gw/gw-77 is not enrolled at this server; `kaofen-server gateway add`"),
        (box.config, r"not an upload file, or damaged on the way: export it again"),
        (tmp_path / "nowhere", r"No such file"),
    ):
        code, printed = run("kaofen-server", "import", world.server_config, file)
        assert (code, bool(re.search(f"{re.escape(str(file))}: .*{expected}", printed))) == (1, True), printed
        assert "Traceback" not in printed
    for _ in range(2):
        code, printed = run("kaofen-server", "import", world.server_config, one, two)
        assert (code, printed.count(".receipt: ")) == (0, 2), printed
    for file, expected in ((torn, "neither a cosigned checkpoint"), (one, "as FILE.receipt")):
        code, printed = run("kaofen-gateway", "import-receipt", box.config, file)
        assert (code, expected in printed) == (1, True), printed
    for file in (two, one, two):  # the wrong order and twice do no harm
        code, printed = run("kaofen-gateway", "import-receipt", box.config, f"{file}.receipt")
        assert code == 0, printed
    assert box.receipted_size() >= first + 257
    box.restart(online=True)
    point.exams()
    point.judge()


def _without_an_uplink(point: Point, stick: Path) -> tuple[int, Path, Path]:
    """More entries than one file holds; where they begin, and the first two files."""
    world, box = point.world, point.box
    box.restart(online=False)
    first = box.receipted_size()
    while len(box.entries()) < first + 300:
        for _ in range(4):
            point.press()
        world.press(cmd="wait", done=True, timeout_s=60)
    code, printed = run("kaofen-gateway", "export", box.config, stick)
    assert code == 0, printed
    one, two, *_ = sorted(stick.iterdir())
    return first, one, two
