"""A whole gateway, in one process, with a rig that pushes to it; and what it and the doctor say of its listener."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from fake_server_client import FakeServer
from gateway_world import World, config_text
from push_point import PushRig, secret_of

from gateway.commands import status_text
from gateway.doctor.pushes import check_pushes
from gateway.page.render import render
from gateway.settings.config import Config, parse_config
from scorelog.format.entry import parse_entry
from scorelog.format.tree import leaf_hash

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.app import App
    from gateway.doctor.report import Finding

SERIAL = "CP-0001"


def settings(folder: Path, port: int = 0) -> str:
    (folder / "secret").write_text(secret_of(SERIAL))
    (folder / "secret").chmod(0o600)
    return (
        f'\n[[push]]\nid = "pc"\nlisten = "127.0.0.1:{port}"\n[[rig]]\nserial = "{SERIAL}"\nstation = "B-01"\n'
        'profile = "kaofen-interface-v1-http"\npush = "pc"\nsecret_file = "secret"\nsource = "simulator"\n'
    )


class PushWorld(World):
    """With real lines and listeners."""

    wired = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, [])
        self.config = parse_config((config_text([], self.server) + settings(folder)).encode(), folder)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def heard(app: App, rig: PushRig) -> None:
    """Switched on, and taken up by the gateway: before that an answer may take its whole time."""
    rig.open()
    await until(lambda: app.status()["rigs"][0]["state"] == "running")


async def test_what_is_answered_stored_is_in_the_log(tmp_path: Path) -> None:
    """P1, W1: each answer names the leaf of an entry that is there; after a restart the same answer comes again."""
    world = PushWorld(tmp_path)
    async with world.gateway() as app:
        await until(lambda: app.status()["pushes"][0]["listening"])
        rig = PushRig(SERIAL, app.status()["pushes"][0]["port"])
        await heard(app, rig)
        rig.latch("exam_opened")
        rig.latch("item_finished", score=9200)
        await rig.acked(2)
        told = {row["seq"]: row["entry"] for reply in rig.replies for row in _rows(reply.body)}
        leaves = {leaf_hash(entry).hex(): parse_entry(entry) for entry in world.log}
        assert {seq: leaves[entry].seq for seq, entry in told.items()} == {1: 1, 2: 2}
        assert rig.ready[-1] > 0
        said = json.loads(json.dumps(app.status()))
        assert said["pushes"][0]["answers"]["200"] > 2
        await rig.shut()
    payload = rig.truth[2]
    async with world.gateway() as app:
        await until(lambda: app.status()["pushes"][0]["listening"])
        rig.port = app.status()["pushes"][0]["port"]
        rig.records, rig.acked_seq, size = {2: payload}, 1, len(world.log)
        rig.withheld = {2}
        await heard(app, rig)
        rig.replies.clear()
        rig.withheld = set()
        rig.say_again()
        await rig.acked(2)
        again = {row["seq"]: row["entry"] for reply in rig.replies for row in _rows(reply.body)}
        assert again == {2: told[2]}
        assert [parse_entry(entry).type for entry in world.log[size:] if parse_entry(entry).key] == []
        await rig.shut()


def _rows(body: bytes) -> list[dict[str, Any]]:
    return [row for row in json.loads(body).get("records", ()) if row["outcome"] == "stored"]


def parsed(folder: Path, port: int) -> Config:
    return parse_config((config_text([], FakeServer()) + settings(folder, port)).encode(), folder)


def levels(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.step, one.level) for one in found]


def test_the_doctor_tries_the_place(tmp_path: Path) -> None:
    """Without a gateway beside it: the port is free, or somebody has it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        here, rig = check_pushes(parsed(tmp_path, port), None)
        assert (here.level, rig.level) == ("FAIL", "warn")
        assert "in use" in here.en
    assert levels(check_pushes(parsed(tmp_path, 0), None)) == [("push pc", "ok"), ("rig CP-0001 at B-01", "warn")]
    config = parsed(tmp_path, 0)
    (tmp_path / "secret").chmod(0o644)
    assert "chmod 600" in check_pushes(config, None)[0].en


def live(*, listening: bool = True, state: str = "idle", answers: dict[str, int] | None = None) -> dict[str, Any]:
    push = {
        "id": "pc",
        "listening": listening,
        "reason": "" if listening else "Address already in use",
        "port": 8441,
        "tls": False,
        "connections": 1,
        "answers": answers or {},
    }
    return {"pushes": [push], "rigs": [{"rig": SERIAL, "state": state}]}


@pytest.mark.parametrize(
    ("said", "expected", "words"),
    [
        (live(), ["ok", "ok"], "pushes, idle"),
        (live(listening=False), ["FAIL", "warn"], "in use"),
        (live(state="offline"), ["ok", "FAIL"], "nothing comes from it"),
        (live(state="unknown", answers={"401": 7}), ["ok", "FAIL"], "7 requests here were not proven"),
        ({"pushes": [], "rigs": []}, ["FAIL", "warn"], "restart"),
    ],
)
def test_beside_a_running_gateway_its_word_counts(
    tmp_path: Path, said: dict[str, Any], expected: list[str], words: str
) -> None:
    """Each obstacle has words of its own, in both languages."""
    found = check_pushes(parsed(tmp_path, 8441), said)
    assert [one.level for one in found] == expected
    assert any(words in one.en for one in found)
    assert all(one.zh for one in found)


def test_a_listener_that_is_down_is_shown(tmp_path: Path) -> None:
    """On the terminal and on the page, with its reason."""
    status = {
        "origin": "o", "running": True, "size": 1, "receipted": 1, "unsent": 0, "refusals": [],
        **live(listening=False), "rigs": [],
    }  # fmt: skip
    assert "push pc: not listening, Address already in use" in status_text(status)
    page = render(status, "zh", 0).decode()
    assert "HTTP 推送" in page
    assert "Address already in use" in page
