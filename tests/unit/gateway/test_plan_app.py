"""A whole gateway with a plan: on a real log, over starts, versions and generations."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

from gateway_parts import RigScript
from gateway_plans import SESSION, PlanDraft, Seat, Sitting
from gateway_world import World

from scorelog.format.text import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NONCE = "ab" * 16
TICKET = "440100202699"


def around_now(version: int = 7, seats: tuple[Seat, ...] = (Seat(TICKET),)) -> PlanDraft:
    """A plan whose session is open for this machine's clock."""
    us = time.time_ns() // 1000
    sitting = Sitting(seats, opens=utc_text(us - 600 * 10**6), closes=utc_text(us + 7200 * 10**6))
    return PlanDraft((sitting,), version=version, published=utc_text(us - 3600 * 10**6))


def world_with(folder: Path, draft: PlanDraft | None) -> World:
    """A box whose server has this plan, with its sessions open."""
    world = World(folder)
    world.server.time = lambda: utc_text(time.time_ns() // 1000)
    world.server.sessions = {SESSION: NONCE}
    world.server.plan_body = None if draft is None else draft.answer()
    return world


async def until(true: Callable[[], object], within_s: float = 8) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


async def test_the_first_start_of_a_box_binds_the_first_exam(tmp_path: Path) -> None:
    """B1, B3: a rig that has waited with an exam is read once the plan is there, and nothing is staged for nothing."""
    draft = around_now()
    world, script = world_with(tmp_path, draft), RigScript()
    for observation in script.exam(TICKET.encode()):
        world.rigs["LV-0001"].happen(observation)
    async with world.gateway() as app:
        await world.rigs["LV-0001"].until_acked(script.seq)
        await until(lambda: app.status()["sessions"][0]["open"])
        assert app.status()["plan"] == {"point": "hn-cs-01", "version": 7, "sha256": draft.sha256}
        await until(lambda: world.server.beats[-1]["sessions"] == [SESSION])
        assert world.server.beats[-1]["plan"] == {"version": 7, "sha256": draft.sha256}
    exam = [entry for entry in world.entries() if entry.attempt]
    assert {(entry.attempt, entry.binding, entry.session, entry.plan) for entry in exam} == {
        (Seat(TICKET).attempt, "rig", SESSION, draft.sha256)
    }
    assert [entry.fields["nonce"] for entry in world.entries("session.opened")] == [NONCE]
    assert not any(TICKET.encode() in entry for entry in world.stored)
    assert TICKET not in str(world.server.beats)


async def test_without_a_server_nobody_waits_for_a_plan(tmp_path: Path) -> None:
    """P1: offline, a box without a plan records at once; the exam is staged."""
    world, script = world_with(tmp_path, around_now()), RigScript()
    world.server.down = True
    started = time.monotonic()
    async with world.gateway(stop=False) as app:
        world.rigs["LV-0001"].happen(script.exam(TICKET.encode())[0])
        await world.rigs["LV-0001"].until_acked(1)
        assert time.monotonic() - started < 4
        world.server.down = False
        await until(lambda: app.status()["plan"])
        for observation in script.made[1:]:
            world.rigs["LV-0001"].happen(observation)
        await world.rigs["LV-0001"].until_acked(script.seq)
        app.request_stop()
    exam = [entry for entry in world.entries() if entry.attempt]
    assert {(entry.binding, entry.session) for entry in exam} == {("rig", None)}
    assert len({entry.attempt for entry in exam}) == 1, "B6"


async def test_a_new_generation_adopts_the_plan_again_and_the_exam_goes_on(tmp_path: Path) -> None:
    """B6, P4: what a log names it has adopted itself; the session is opened in it, and the attempt is the same."""
    draft = around_now()
    world, script = world_with(tmp_path, draft), RigScript()
    records = script.exam(TICKET.encode())
    async with world.gateway():
        for observation in records[:3]:
            world.rigs["LV-0001"].happen(observation)
        await world.rigs["LV-0001"].until_acked(3)
        await until(lambda: world.entries("session.opened"))
    shutil.copytree(world.config.log_directory, tmp_path / "old")
    async with world.gateway():
        world.rigs["LV-0001"].happen(records[3])
        await world.rigs["LV-0001"].until_acked(4)
    shutil.rmtree(world.config.log_directory)
    shutil.copytree(tmp_path / "old", world.config.log_directory)
    async with world.gateway():
        for observation in records[4:]:
            world.rigs["LV-0001"].happen(observation)
        await world.rigs["LV-0001"].until_acked(script.seq)
        await until(lambda: world.entries("session.opened"))
    entries = world.entries()
    assert entries[0].type == "generation.opened"
    kinds = [entry.type for entry in entries]
    exam = [entry for entry in entries if entry.attempt]
    assert {(entry.attempt, entry.session, entry.plan) for entry in exam} == {
        (Seat(TICKET).attempt, SESSION, draft.sha256)
    }
    assert kinds.index("plan.adopted") < entries.index(exam[0])
    assert kinds.count("plan.adopted") == kinds.count("session.opened") == 1
