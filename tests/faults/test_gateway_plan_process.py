"""The exam plan in the real process: killed at every step of taking it up, in the middle of exams."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from fake_https_server import https_server
from gateway_plans import PlanDraft, Seat, Sitting
from gateway_process import Fleet, GatewayBox, judge

from scorelog.format.entry import parse_entry
from scorelog.format.plan import join
from scorelog.format.text import utc_text

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.format.entry import Entry

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]
ORIGIN = "kaofen.example/gw/gw-01/0"
MARK = "ZQPLAN7"
STEPS = ("answer", "openings", "keep", "adopt", "drop")
ITEMS = tuple(
    f"K{subject}{item}" for subject, items in ((1, 3), (2, 5), (3, 2), (4, 3)) for item in range(1, items + 1)
)


def now() -> str:
    """Of this machine, as the server tells it."""
    return utc_text(time.time_ns() // 1000)


def plan(version: int, exams: int) -> PlanDraft:
    """A session around this moment, with a first try and a resit for every ticket of the fleet."""
    us = time.time_ns() // 1000
    seats = [Seat(f"{MARK}-{n:04d}", ("K11",), try_no=retry) for n in range(1, exams + 1) for retry in (1, 2)]
    sitting = Sitting(seats, opens=utc_text(us - 600 * 10**6), closes=utc_text(us + 7200 * 10**6))
    rigs = {f"LV-{n:04d}": (f"A-{n:02d}", "gw-01", ITEMS, "exam_only") for n in (1, 2)}
    return PlanDraft((sitting,), version=version, gateways=("gw-01",), rigs=rigs, published=utc_text(us - 10**9))


async def test_killed_at_every_step_of_a_plan(tmp_path: Path) -> None:
    """B1, B2, B6, P1: killed before and after every step of every new version, while candidates sit their exams.

    Every record is stored once and bound; each plan that an entry names was adopted before it; one exam is one attempt;
    the session is opened once; and the tickets are in one private file.
    """
    box = GatewayBox(tmp_path)
    box.server.time = now
    options = ("--rigs", "2", "--exams", "10", "--speed", "1200", "--practice", "1", "--timeout", "300")
    fleet = Fleet(tmp_path, *options, "--session", MARK)
    points = [*(f"{step}=kill" for step in STEPS), "keep=kill-after", "adopt=kill-after"]
    versions = [plan(7 + number, 10) for number in range(len(points) + 1)]
    try:
        rigs = await fleet.start()
        async with https_server(box.server, box.tls) as url:
            box.configure([f"{rig['serial']} {rig['host']} {rig['port']}" for rig in rigs], url)
            assert (await box.command("init"))[0] == 0
            box.server.sessions = {versions[0].sittings[0].id: "ab" * 16}
            codes = []
            for version, point in zip(versions, points, strict=False):
                box.server.plan_body = version.answer()
                await box.start({"KAOFEN_FAILPOINTS": f"gateway.plan-{point}"})
                assert box.process is not None
                codes.append(await asyncio.wait_for(box.process.wait(), 20))
            box.server.plan_body = versions[-1].answer()
            await box.start()
            await fleet.done(300)
            await box.drained()
            code, shown = await box.command("plan")
            _, status = await box.command("status")
            assert await box.end() == 0
            assert (code, f"version {versions[-1].version}," in shown) == (0, True), shown
            assert (await box.command("fsck"))[0] == 0
        assert codes == [-signal.SIGKILL] * len(codes)
        stored = box.server.entries(ORIGIN)
        judge(fleet.truth, stored)
        entries = [parse_entry(entry) for entry in stored]
        adopted = check_named_after_adoption(entries)
        assert adopted[-1] == versions[-1].sha256
        check_bound(entries, fleet.truth)
        assert [entry.fields["nonce"] for entry in entries if entry.type == "session.opened"] == ["ab" * 16]
        assert not [entry for entry in entries if entry.type == "session.closed"]
        for where in (shown, status, box.output, str(box.server.beats), b"".join(stored).decode()):
            assert MARK not in where
        check_files(tmp_path / "data", versions[-1])
        assert not box.server.refused
    finally:
        await box.kill_for_sure()
        await fleet.kill_for_sure()


def check_named_after_adoption(entries: list[Entry]) -> list[str]:
    """Hashes of the adopted plans, in their order; a plan is named only behind its last part."""
    adopted: list[str] = []
    pieces: list[str] = []
    for entry in entries:
        if entry.type == "plan.adopted":
            pieces = [*(pieces if entry.document["part"] > 1 else []), entry.document["text"]]
            if entry.document["part"] == entry.document["of"]:
                join(pieces, entry.document["sha256"])
                adopted.append(entry.document["sha256"])
        assert entry.plan in (None, *adopted)
        assert entry.type != "session.opened" or entry.fields["plan"] in adopted
    return adopted


def check_bound(entries: list[Entry], truth: list[dict[str, Any]]) -> None:
    """One exam, one attempt; of the exams that began under a plan it is that of ticket and try."""
    whose = {
        (one["serial"], one["exam_no"]): (one["ticket"], one["try"])
        for one in truth
        if one["type"] == "identity.checked"
    }
    first = next(number for number, entry in enumerate(entries) if entry.type == "plan.adopted")
    exams: dict[tuple[str, int], set[tuple[Any, ...]]] = {}
    began: dict[tuple[str, int], int] = {}
    for number, entry in enumerate(entries):
        if entry.attempt is not None:
            exam = (str(entry.rig), entry.fields["exam_no"])
            began.setdefault(exam, number)
            exams.setdefault(exam, set()).add((entry.attempt, entry.binding, entry.session))
    assert all(len(found) == 1 for found in exams.values()), exams
    planned = [exam for exam, number in began.items() if number > first]
    assert len(planned) >= 6
    for exam in planned:
        ticket, retry = whose[exam]
        assert exams[exam] == {(Seat(ticket, try_no=retry).attempt, "rig", "S20261123-1")}


def check_files(data: Path, draft: PlanDraft) -> None:
    """Tickets stand in the log's openings and in one private file."""
    files = {path.name: path for path in (data / "plan").iterdir()}
    private = f"openings-{draft.sha256}.json"
    assert sorted(files) == sorted(["plan.json", private])
    assert MARK in files[private].read_text()
    assert files[private].stat().st_mode & 0o077 == 0
    for path in data.rglob("*"):
        if path.is_file() and path.name != private and "log" not in path.parts:
            assert MARK.encode() not in path.read_bytes(), path
