"""A whole gateway on a real log: from a rig's record to a stored receipt, over restarts, faults and forks."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest
from gateway_parts import RigScript
from gateway_world import World

from device_adapters.contract import Evidence, NotConnected, RawArea, RigStatus
from gateway.commands import status_text
from gateway.recording.freeze import Freezer
from scorelog.journal import failpoints
from scorelog.journal.errors import LogMissing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATUS = RigStatus("LV-0001", "running", "exam", "K21", 2, 41, 600, 9500, 1, 7, 5, 1, 0, 9)


async def until(true: Callable[[], object], within_s: float = 8) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_score_travels_from_rig_to_receipt(tmp_path: Path) -> None:
    """P1, P2: every record of an exam is acknowledged, stored, receipted, in order; the stop is orderly."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway():
        for observation in script.exam(b"440100202699"):
            rig.happen(observation)
        await rig.until_acked(script.seq)
    assert world.exit_code == 0
    kinds = [entry.type for entry in world.entries()]
    assert kinds[:4] == ["gateway.started", "config.changed", "profile.adopted", "rig.online"]
    assert [entry.seq for entry in world.entries() if entry.key] == list(range(1, script.seq + 1))
    assert kinds[-1] == "gateway.stopped"
    assert not any(b"440100202699" in entry for entry in world.stored)
    assert rig.ready[0] is True
    assert rig.ready[-1] is False, "the last word to the rig is that nobody records"


async def test_status_says_whether_an_item_was_counted(tmp_path: Path) -> None:
    """P1: results that became entries since the start, each once however often it comes; and up to which record."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    observations = script.exam(b"T1")
    made = sum(observation.type == "item.finished" for observation in observations)
    for results in (made, 0):
        async with world.gateway() as app:
            for observation in observations:
                rig.happen(observation)
            await rig.until_acked(script.seq)
            status = app.status()
        (told,) = status["rigs"]
        assert (told["stored_seq"], told["results"]) == (script.seq, results)
        assert f"stored to no. {script.seq}, {results} results since start" in status_text(status)


async def test_second_start_adopts_nothing_twice_and_goes_on(tmp_path: Path) -> None:
    """Texts and configuration are entries once; the rig goes on behind its newest stored record; the stop was clean."""
    world = World(tmp_path)
    script = RigScript()
    observations = script.exam(b"T1")
    for part in (observations[:4], observations[4:]):
        async with world.gateway():
            for observation in part:
                world.rigs["LV-0001"].happen(observation)
            await world.rigs["LV-0001"].until_acked(part[-1].seq)
    assert [entry.type for entry in world.entries()].count("profile.adopted") == 1
    assert [entry.type for entry in world.entries()].count("config.changed") == 1
    assert [entry.document["clean"] for entry in world.entries("gateway.started")] == [True, True]
    position = world.positions["LV-0001"]
    assert position is not None
    assert position.seq == 4
    assert len({entry.attempt for entry in world.entries() if entry.attempt}) == 1
    closing = world.entries("attempt.finished")[0]
    assert len(closing.leaves) == len(observations) - 1


async def test_anchor_before_items(tmp_path: Path) -> None:
    """Design section 7: a receipt becomes an anchor after a start and before an item, never because of the receipt."""
    world = World(tmp_path)
    async with world.gateway():
        await until(lambda: world.opened.log.receipted_size == world.opened.log.size)
    async with world.gateway():
        pass
    kinds = [entry.type for entry in world.entries()]
    assert kinds.count("anchor") == 1
    assert kinds.index("anchor") == kinds.index("gateway.started", 1) + 1


async def test_one_bad_rig_stops_no_other(tmp_path: Path) -> None:
    """P8: one rig is dead, one breaks its adapter, one sends rubbish: the fourth is read as if it were alone."""
    world = World(tmp_path, ("LV-0001", "LV-0002", "LV-0003", "LV-0004"))
    world.rigs["LV-0002"].refuse_connect = "cable pulled"
    world.rigs["LV-0003"]._live.append(ZeroDivisionError("adapter bug"))
    area = RawArea("event", 4096, bytes(range(96)), ((0, 96),))
    for _ in range(3):
        world.rigs["LV-0004"].refuse(Evidence("LV-0004", "crc", "0x1234, expected 0x4321", 7, 3, (area,)))
    script = RigScript()
    async with world.gateway():
        for observation in script.exam(b"T1"):
            world.rigs["LV-0001"].happen(observation)
        await world.rigs["LV-0001"].until_acked(script.seq)
        await until(lambda: len(world.rigs["LV-0002"].__dict__) and world.rigs["LV-0002"].connects > 2)
        await until(lambda: world.rigs["LV-0003"].connects > 1)
    assert world.exit_code == 0
    offline = [entry for entry in world.entries("rig.offline") if entry.rig == "LV-0002"]
    assert len(offline) == 1, "down once"
    refused = world.entries("reading.refused")
    assert len(refused) == 1, "identical refusals are one entry, then counted"
    assert refused[0].document["reason"] == "crc"
    assert refused[0].raw[0].data == bytes(96), "what is not proven to be impersonal is cut whole"


async def test_down_once_up_once(tmp_path: Path) -> None:
    """A rig that goes away and comes back is two entries, however often connecting failed in between."""
    world = World(tmp_path)
    rig = world.rigs["LV-0001"]
    async with world.gateway():
        await until(lambda: rig.ready)
        rig.refuse_connect = "no route"
        rig.drop("cable pulled")
        await until(lambda: rig.connects >= 3)
        rig.refuse_connect = None
        await until(lambda: rig.connected)
        await until(lambda: len([entry for entry in world.log if b'"rig.online"' in entry]) == 2)
    kinds = [entry.type for entry in world.entries() if entry.type.startswith("rig.")]
    assert kinds == ["rig.online", "rig.offline", "rig.online"]
    assert world.entries("rig.offline")[0].document["reason"] == "cable pulled"


async def test_failed_ack_loses_nothing(tmp_path: Path) -> None:
    """P1: the ack that did not reach the rig is the rig's repetition, and no second entry."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    rig.fail_next_ack = "reset"
    async with world.gateway():
        for observation in script.exam(b"T1"):
            rig.happen(observation)
        await rig.until_acked(script.seq)
    assert [entry.seq for entry in world.entries() if entry.key] == list(range(1, script.seq + 1))


@pytest.mark.parametrize("form", ["error", "error-after"])
@pytest.mark.parametrize("at", [1, 3])
async def test_storage_error_ends_the_process_without_an_ack(form: str, at: int, tmp_path: Path) -> None:
    """P1, G4: a failed commit, persisted or not, is final: no ack, not ready, exit 1; the next run misses nothing."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway(stop=False):
        await until(lambda: rig.ready)
        with failpoints.armed(f"journal.commit={form}@{at}"):
            for observation in script.exam(b"T1"):
                rig.happen(observation)
            await until(lambda: world.app is not None and world.app._stop.is_set())
    assert world.exit_code == 1
    assert rig.ready[-1] is False
    acked = [position.seq for position in rig.acked]
    assert acked == list(range(1, len(acked) + 1))
    assert len(acked) < at, "receipts are commits too, so the failing one may come earlier, and never later"
    rig.connected = False
    async with world.gateway():
        await rig.until_acked(script.seq)
    assert [entry.seq for entry in world.entries() if entry.key] == list(range(1, script.seq + 1))


async def test_full_disk_refuses_exams_before_it_loses_scores(tmp_path: Path) -> None:
    """No room for an exam: the rig is told not to start one; what it still sends is recorded."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway() as app:
        log = world.opened.log
        room = log.room()
        full = type(room)(room.free_bytes, room.total_bytes, 0, accepts_exams=False, accepts_entries=True)
        log.room = lambda: full
        await until(lambda: rig.ready[-1:] == [False])
        rig.happen(script.record("item.started", item="K21", ordinal=1, limit_s=600))
        await rig.until_acked(1)
        assert app.status()["accepts_exams"] is False


async def test_uplink_gone_changes_nothing_for_the_rig(tmp_path: Path) -> None:
    """P1, P2: offline is the same code path; when the server is back, everything arrives, in order."""
    world = World(tmp_path)
    world.server.down = True
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway():
        for observation in script.exam(b"T1"):
            rig.happen(observation)
        await rig.until_acked(script.seq)
        assert not world.stored
        world.server.down = False
        await until(lambda: len(world.stored) == world.opened.log.size, 30)


async def test_live_status_goes_with_the_heartbeat(tmp_path: Path) -> None:
    """P6: the running item is in the next heartbeat, unlogged; nothing personal is."""
    world = World(tmp_path)
    rig = world.rigs["LV-0001"]
    async with world.gateway():
        rig.show(STATUS)
        rig.happen(RigScript(ticket=b"440100202699").record("identity.checked", verdict="match", **{"try": 1}))
        await until(lambda: world.server.beats and world.server.beats[-1]["rigs"][0]["state"] == "running")
        beat = world.server.beats[-1]
    assert (beat["rigs"][0]["item"], beat["rigs"][0]["elapsed_s"], beat["rigs"][0]["running_score"]) == (
        "K21",
        41,
        9500,
    )
    assert beat["accepts_exams"] is True
    assert beat["origin"] == "kaofen.example/gw/gw-01/0"
    assert "440100202699" not in json.dumps(world.server.beats)
    kinds = {entry.type for entry in world.entries()}
    assert kinds == {
        *("gateway.started", "config.changed", "profile.adopted", "rig.online", "identity.checked", "gateway.stopped")
    }, "a status is no entry"


async def test_local_pages(tmp_path: Path) -> None:
    """Status, health and metrics on loopback; health is 503 with the reason when the log failed."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway() as app:
        for observation in script.exam(b"440100202699"):
            rig.happen(observation)
        await rig.until_acked(script.seq)
        pages = {path: await ask(app.pages.port, path) for path in ("/metrics", "/health", "/status")}
        assert pages["/health"][0] == 200
        assert 'kaofen_records_total{rig="LV-0001"} 8.0' in pages["/metrics"][1]
        assert json.loads(pages["/status"][1])["size"] == world.opened.log.size
        assert not any("440100202699" in body for _, body in pages.values())
        world.opened.log._writer.failed = OSError("told to fail")
        status, body = await ask(app.pages.port, "/health")
        assert status == 503
        assert "told to fail" in body
        world.opened.log._writer.failed = None


async def test_rolled_back_log_opens_the_next_generation(tmp_path: Path) -> None:
    """G8, P3: a log put back from a copy, second file and all: frozen at first contact, exit 1.

    The next start opens generation 1 with the reason, relogs what was stranded, and the exam goes on in it.
    """
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    observations = script.exam(b"T1")
    async with world.gateway():
        for observation in observations[:2]:
            rig.happen(observation)
        await rig.until_acked(2)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    async with world.gateway():
        rig.happen(observations[2])
        await rig.until_acked(3)
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "copy", tmp_path / "data")
    old = list(world.stored)
    async with world.gateway(stop=False):
        rig.happen(observations[3])
        await until(lambda: world.app is not None and world.app._stop.is_set())
    assert world.exit_code == 1
    assert Freezer(tmp_path / "data").frozen() is not None
    assert world.server.entries("kaofen.example/gw/gw-01/0") == old
    rig.connected = False
    async with world.gateway():
        for observation in observations[4:]:
            rig.happen(observation)
        await rig.until_acked(script.seq)
    assert world.exit_code == 0
    assert world.opened.log.origin == "kaofen.example/gw/gw-01/1"
    assert world.entries()[0].type == "generation.opened"
    assert "rolled back" in world.entries()[0].document["reason"]
    assert world.entries("relogged")
    assert Freezer(tmp_path / "data").frozen() is None
    attempts = {entry.attempt for entry in world.entries() if entry.attempt}
    before = {json.loads(entry).get("attempt") for entry in old} - {None}
    assert attempts <= before, "the exam that began in generation 0 is the same attempt in generation 1"


async def test_missing_log_is_refused(tmp_path: Path) -> None:
    """A fresh empty log in place of a lost one would be a fork: run never makes one."""
    world = World(tmp_path)
    shutil.rmtree(tmp_path / "data" / "log")
    with pytest.raises(LogMissing):
        async with world.gateway():
            pass


async def test_service_manager_is_told(tmp_path: Path) -> None:
    """READY after the start entries are durable, WATCHDOG from the loop, STOPPING first when it ends."""
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.setblocking(False)
    world = World(tmp_path)
    world.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}
    heard: list[str] = []

    def listen() -> int:
        while True:
            try:
                heard.append(listener.recv(4096).decode())
            except BlockingIOError:
                return sum("WATCHDOG=1" in word for word in heard)

    async with world.gateway():
        await until(lambda: listen() >= 3)
    listen()
    listener.close()
    ready = next(number for number, word in enumerate(heard) if "READY=1" in word)
    assert any("STATUS=" in word for word in heard)
    assert "STOPPING=1" in heard[-1] or any("STOPPING=1" in word for word in heard[ready:])


async def test_busy_and_broken_wire_in_every_order(tmp_path: Path) -> None:
    """BackOff keeps the connection, NotConnected makes a new one; nothing is lost in either."""
    world = World(tmp_path)
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway():
        for number, observation in enumerate(script.exam(b"T1")):
            rig.happen(observation)
            if number % 3 == 0:
                rig.busy(0.01)
            elif number % 3 == 1:
                rig.drop("reset")
        await rig.until_acked(script.seq, 8)
    assert [entry.seq for entry in world.entries() if entry.key] == list(range(1, script.seq + 1))
    assert issubclass(NotConnected, Exception)


async def ask(port: int, path: str) -> tuple[int, str]:
    """One request to the box's own page."""

    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(get)
