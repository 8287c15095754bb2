"""From a heartbeat's word to a plan in use: fetched once, adopted before its use, refused with its reason (B1)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from gateway_parts import RigScript
from gateway_plan_bench import PlanBench
from gateway_plans import RUBRIC, RUBRIC_SHA256, PlanDraft, Seat, Sitting

from scorelog.format.plan import join
from scorelog.journal import failpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OLD, NEW = PlanDraft(), PlanDraft((Sitting((Seat("T1"), Seat("T3"))),), version=8)
ELSEWHERE = PlanDraft(gateways=("gw-02",), rigs={"LV-0003": ("A-03", "gw-02", ("K11", "K21"), "exam_only")}, version=9)
STEPS = ("plan-answer", "plan-openings", "plan-keep", "plan-drop", "plan-adopt")


@pytest.fixture
def bench(tmp_path: Path) -> PlanBench:
    """A gateway without a plan."""
    return PlanBench(tmp_path)


@asynccontextmanager
async def running(bench: PlanBench) -> AsyncIterator[None]:
    """With its task, as in the process."""
    task = asyncio.create_task(bench.keeper.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def offer(bench: PlanBench, draft: PlanDraft) -> None:
    """The server has this plan; a heartbeat says so, and the gateway does what follows."""
    await offer_body(bench, draft.answer())


async def offer_body(bench: PlanBench, body: bytes) -> None:
    """The same with any body."""
    bench.server.plan_body = body
    before = bench.keeper._not_before
    await bench.beat()
    async with asyncio.timeout(5):
        while bench.keeper._not_before is before:
            await asyncio.sleep(0.001)


def adopted(bench: PlanBench) -> list[tuple[int, str]]:
    """(version, hash) of every plan that the log adopted, its parts joined and compared with its hash."""
    found = []
    pieces: list[str] = []
    for entry in bench.of_type("plan.adopted"):
        document = entry.document
        pieces.append(document["text"])
        assert document["part"] == len(pieces)
        if document["part"] == document["of"]:
            join(pieces, document["sha256"])
            found.append((document["version"], document["sha256"]))
            pieces = []
    return found


async def test_fetched_kept_adopted_and_used(bench: PlanBench) -> None:
    """B1: rubric and plan are entries before the first record that names them; the disk has it; asked once."""
    async with running(bench):
        await offer(bench, OLD)
        for _ in range(5):
            await bench.beat()
            await asyncio.sleep(0)
    await bench.record(RigScript().exam(b"T1")[0])
    assert [entry.type for entry in bench.entries] == ["rubric.adopted", "plan.adopted", "identity.checked"]
    assert bench.entries[0].document["text"] == RUBRIC
    assert bench.entries[0].document["sha256"] == RUBRIC_SHA256
    assert adopted(bench) == [(7, OLD.sha256)]
    assert bench.entries[-1].plan == OLD.sha256
    assert bench.server.plans_asked == [None]
    assert bench.keeper.said()["plan"] == {"version": 7, "sha256": OLD.sha256}


async def test_a_new_version_takes_its_place_and_an_old_rubric_is_not_adopted_again(bench: PlanBench) -> None:
    """B1: the hash in use goes with the question; what is adopted once is adopted."""
    async with running(bench):
        await offer(bench, OLD)
        await offer(bench, NEW)
    assert bench.server.plans_asked == [None, OLD.sha256]
    assert adopted(bench) == [(7, OLD.sha256), (8, NEW.sha256)]
    assert len(bench.of_type("rubric.adopted")) == 1
    assert len(list((bench.folder / "plan").iterdir())) == 2
    assert (await bench.record(RigScript().exam(b"T3")[0])).plan == NEW.sha256


async def test_offline_for_ever_the_last_plan_stays(bench: PlanBench) -> None:
    """B1: over restarts without a server; nothing is adopted twice."""
    async with running(bench):
        await offer(bench, OLD)
    bench.server.down = True
    for _ in range(3):
        await bench.restart()
        await bench.clock.advance(86_400 / 50)
    assert adopted(bench) == [(7, OLD.sha256)]
    assert (await bench.record(RigScript().exam(b"T2")[0])).plan == OLD.sha256


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (NEW.answer(sha256="00" * 32), "another hash"),
        (NEW.answer(rubrics=[]), "named and not there"),
        (NEW.answer(openings=[one.to_json() | {"value": "T9"} for one in NEW.openings]), "4 wrong"),
        (PlanDraft(point="hn-cs-02", version=9).answer(), "hn-cs-02"),
        (ELSEWHERE.answer(), "gw-01"),
        (PlanDraft(version=6).answer(), "not newer"),
    ],
)  # fmt: skip
async def test_a_bad_plan_is_refused_with_its_reason_and_the_old_one_stays(
    bench: PlanBench, body: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """B1: said in heartbeat, status and once in the log lines, without a value (P7); asked again after a minute."""
    async with running(bench):
        await offer(bench, OLD)
        await offer_body(bench, body)
        for _ in range(5):
            await bench.beat()
            await asyncio.sleep(0.01)
        assert len(bench.server.plans_asked) == 2
        assert reason in bench.keeper.said()["plan_refused"]
        assert bench.keeper.said()["plan"]["version"] == 7
        await bench.clock.advance(61)
        await offer_body(bench, body)
        assert len(bench.server.plans_asked) == 3
        await offer(bench, PlanDraft(version=10))
        assert bench.keeper.said()["plan_refused"] is None
    assert adopted(bench) == [(7, OLD.sha256), (10, PlanDraft(version=10).sha256)]
    printed = capsys.readouterr().out
    assert printed.count("plan refused") == 1
    assert "T9" not in printed


async def test_a_server_without_a_plan_changes_nothing(bench: PlanBench) -> None:
    """Rule 7: null is no plan to fetch, and the one in use stays."""
    async with running(bench):
        await offer(bench, OLD)
        bench.server.plan_body = None
        await bench.beat()
        await asyncio.sleep(0.01)
    assert bench.server.plans_asked == [None]
    assert bench.keeper.said()["plan"]["version"] == 7


async def test_an_unreachable_server_is_asked_again_soon(bench: PlanBench) -> None:
    """B1: a fetch that broke is tried again after 5 s of heartbeats."""
    async with running(bench):
        bench.server.plan_status = 503
        await offer(bench, OLD)
        assert bench.keeper.said()["plan_refused"] == "plan answered with 503"
        bench.server.plan_status = None
        await bench.clock.advance(6)
        await offer(bench, OLD)
    assert adopted(bench) == [(7, OLD.sha256)]


@pytest.mark.parametrize("action", ["error", "error-after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_fails_leaves_the_old_or_the_new_plan(bench: PlanBench, step: str, action: str) -> None:
    """B1: failed at any step and started again: the plan in use is adopted, and offered again it is the new one."""
    async with running(bench):
        await offer(bench, OLD)
        with failpoints.armed(f"gateway.{step}={action}"):
            await offer(bench, NEW)
        assert bench.keeper.said()["plan"]["version"] in (7, 8)
    await bench.restart()
    used = bench.keeper.said()["plan"]
    assert (used["version"], used["sha256"]) in adopted(bench)
    async with running(bench):
        await bench.beat()
        async with asyncio.timeout(5):
            while bench.keeper.said()["plan"]["version"] != 8:
                await asyncio.sleep(0.001)
    assert (8, NEW.sha256) in adopted(bench)
    assert len(list((bench.folder / "plan").iterdir())) == 2


async def test_damage_on_the_disk_is_said_and_fetched_anew(bench: PlanBench) -> None:
    """B1: what does not hold is not used; records are staged until the server gives the plan again."""
    async with running(bench):
        await offer(bench, OLD)
    (bench.folder / "plan" / "plan.json").write_bytes(b"{")
    await bench.restart()
    assert "cannot be read" in bench.keeper.said()["plan_refused"]
    assert (await bench.record(RigScript().exam(b"T1")[0])).session is None
    async with running(bench):
        await offer(bench, OLD)
    assert adopted(bench) == [(7, OLD.sha256)], "this log has adopted it already"
    assert (await bench.record(RigScript("LV-0002").exam(b"T1")[0])).plan == OLD.sha256


async def test_the_largest_plan_is_adopted_in_parts(bench: PlanBench) -> None:
    """Rule 1, entry rule 14: a plan of near 1 MiB is one transaction of parts and binds its last candidate."""
    draft = PlanDraft((Sitting([Seat(f"T{number:06d}") for number in range(3_500)]),))
    assert 900_000 < len(draft.text) <= 1 << 20
    async with running(bench):
        await offer(bench, draft)
    assert adopted(bench) == [(7, draft.sha256)]
    assert (await bench.record(RigScript().exam(b"T003499")[0])).attempt == Seat("T003499").attempt


async def test_rigs_that_do_not_fit_the_plan_are_said_once(
    bench: PlanBench, capsys: pytest.CaptureFixture[str]
) -> None:
    """B7: not in the plan, of another gateway, at another station: in the log lines, and read all the same."""
    async with running(bench):
        await offer(bench, OLD)
    printed = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    for words, rig in (
        ("rig at another station", "LV-0002"),
        ("rig of another gateway", "LV-0003"),
        ("rig not in plan", "LV-0007"),
    ):
        assert sum(words in line and rig in line for line in printed) == 1
    assert len(printed) == 3
