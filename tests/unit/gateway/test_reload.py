"""A changed configuration taken into use by a running gateway: whole, logged, and only where it differs."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from fake_adapter import FakeAdapter
from fake_server_client import FakeServer
from gateway_parts import RigScript
from gateway_world import PROFILE, World, config_text
from rig_profiles import V1_TEXT
from scripted_rig import ScriptedRig

from gateway import limits
from gateway.errors import ConfigError
from gateway.recording.documents import own_entry
from gateway.reload import whole
from gateway.settings.config import parse_config
from scorelog.format import canonical, types
from scorelog.format.limits import ENTRY_BYTES_MAX
from scorelog.journal import failpoints
from scorelog.journal.clock import SystemClock, read_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.app import App


async def until(true: Callable[[], object], within_s: float = 10) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


async def reloaded(app: App) -> dict[str, Any]:
    """Ask for it and wait for what became of it."""
    before = app.status()["configuration"]["tried"]
    app.request_reload()
    await until(lambda: app.status()["configuration"]["tried"] > before)
    told: dict[str, Any] = app.status()["configuration"]
    return told


def kinds(world: World) -> list[str]:
    return [canonical.decode(entry)["type"] for entry in world.log]


def told(world: World) -> list[tuple[str, Any]]:
    return [(one["type"], one.get("rig")) for one in map(canonical.decode, world.log)]


def changed(world: World) -> list[dict[str, Any]]:
    return [one for one in map(canonical.decode, world.log) if one["type"] == "config.changed"]


def exam(world: World, serial: str, script: RigScript, ticket: bytes) -> None:
    for observation in script.exam(ticket):
        world.rigs[serial].happen(observation)


async def test_rigs_come_go_and_change_while_others_are_read(tmp_path: Path) -> None:
    """P1, P2, P8: each record of each rig once, over a reload between their exams; the log stays open."""
    world = World(tmp_path, ("LV-0001", "LV-0002", "LV-0003"))
    world.rigs["LV-0004"] = FakeAdapter("LV-0004")
    scripts = {serial: RigScript(serial) for serial in world.rigs}
    own = tmp_path / "own.toml"
    own.write_bytes(V1_TEXT.replace(b"status_every_ms = 2000", b"status_every_ms = 1900"))
    async with world.gateway() as app:
        log, first = world.opened, world.config.sha256
        for serial in ("LV-0001", "LV-0002", "LV-0003"):
            exam(world, serial, scripts[serial], b"T1")
        connects = world.rigs["LV-0001"].connects
        text = config_text(("LV-0001", "LV-0002", "LV-0004"), world.server)
        world.configure(text.replace(f'"A-02"\nprofile = "{PROFILE}"', '"A-02"\nprofile = "own.toml"'))
        told = await reloaded(app)
        assert (told["refused"], told["sha256"]) == (None, world.config.sha256)
        for serial in ("LV-0001", "LV-0002", "LV-0004"):
            exam(world, serial, scripts[serial], b"T2")
            await world.rigs[serial].until_acked(scripts[serial].seq)
        assert world.opened is log
        assert world.rigs["LV-0001"].connects == connects, "its connection stays"
        assert world.rigs["LV-0003"].ready[-1] is False, "it was told that nobody records it any more"
        assert not world.rigs["LV-0003"].connected
        assert [rig["rig"] for rig in app.status()["rigs"]] == ["LV-0001", "LV-0002", "LV-0004"]
        assert kinds(world).count("profile.adopted") == 2
        one, other = changed(world)
        assert "before" not in one
        assert (other["before"], other["config"]) == (first, world.config.sha256)
        assert {rig["rig"]: rig["profile"] for rig in other["rigs"]}.keys() == {"LV-0001", "LV-0002", "LV-0004"}
    assert world.exit_code == 0
    for serial in ("LV-0001", "LV-0002", "LV-0004"):
        seqs = [entry.seq for entry in world.entries() if entry.key and entry.document["rig"] == serial]
        assert seqs == list(range(1, scripts[serial].seq + 1)), serial
    profiles = {e.document["profile"] for e in world.entries() if e.key and e.document["rig"] == "LV-0002"}
    assert len(profiles) == 2, "each record names the profile that it was read by"
    async with world.gateway():
        assert len(changed(world)) == 2, "the next start finds nothing new"


async def test_a_removed_rig_is_gone_from_metrics_and_may_come_back(tmp_path: Path) -> None:
    """P2: it goes on behind its newest stored record, by the log, without a restart."""
    world = World(tmp_path, ("LV-0001", "LV-0002"))
    both, script = world.config_file.read_text(), RigScript("LV-0002")
    async with world.gateway() as app:
        exam(world, "LV-0002", script, b"T1")
        await world.rigs["LV-0002"].until_acked(script.seq)
        world.configure(config_text(("LV-0001",), world.server))
        await reloaded(app)
        assert app._meters.registry.get_sample_value("kaofen_rig_up", {"rig": "LV-0002"}) is None
        world.configure(both)
        await reloaded(app)
        await until(lambda: app._meters.registry.get_sample_value("kaofen_rig_up", {"rig": "LV-0002"}) == 1)
        position = world.positions["LV-0002"]
        assert position is not None
        assert (position.epoch, position.seq) == (script.epoch, script.seq)
        states = ["rig.online", "rig.offline", "rig.online"]
        await until(lambda: [k for k, rig in told(world) if k.startswith("rig.o") and rig == "LV-0002"] == states)


BROKEN = {
    "not TOML": (lambda text: text + "\n[[rig", "not TOML"),
    "an unknown key": (lambda text: text + 'colour = "red"\n', "line 26: [[rig]] 1 colour: unknown key"),
    "a profile that is not there": (lambda text: text.replace(PROFILE, "none.toml"), "none.toml"),
    "another log": (lambda text: text.replace('id = "gw-01"', 'id = "gw-09"'), "started again"),
    "the file is gone": (lambda _: None, "No such file"),
}


async def test_a_wrong_configuration_changes_nothing_and_says_what_is_wrong(tmp_path: Path) -> None:
    """P8: one that cannot be used whole is not used at all; file and line are told; the rigs notice nothing."""
    world = World(tmp_path)
    good = world.config_file.read_text()
    async with world.gateway() as app:
        rig, script = world.rigs["LV-0001"], RigScript()
        await until(lambda: "rig.online" in kinds(world))
        size = len(world.log)
        for name, (spoil, words) in BROKEN.items():
            text = spoil(good)
            world.config_file.unlink() if text is None else world.config_file.write_text(text)
            told = await reloaded(app)
            assert words in told["refused"], name
            assert str(tmp_path) in told["refused"] or name == "another log"
            assert told["sha256"] == world.config.sha256
        assert (len(world.log), rig.connects) == (size, 1)
        world.config_file.write_text(good)
        assert (await reloaded(app))["refused"] is None
        assert len(world.log) == size, "the same again is no change"
        exam(world, "LV-0001", script, b"T1")
        await rig.until_acked(script.seq)


@pytest.mark.parametrize(
    ("place", "form"),
    [
        ("gateway.reload-record", "error-after"),
        ("gateway.reload-apply", "error"),
        pytest.param("gateway.reload-record", "error", marks=pytest.mark.long),
        pytest.param("gateway.reload-apply", "error-after", marks=pytest.mark.long),
    ],
)
async def test_a_process_that_ends_in_the_middle_begins_with_the_new_configuration(
    place: str, form: str, tmp_path: Path
) -> None:
    """P1, P2: whichever step it reached, the next start uses the file, logs it once, and no record is lost or twice."""
    world = World(tmp_path, ("LV-0001", "LV-0002"))
    world.rigs["LV-0003"] = FakeAdapter("LV-0003")
    scripts = {serial: RigScript(serial) for serial in world.rigs}
    with failpoints.armed(f"{place}={form}"):
        async with world.gateway(stop=False) as app:
            exam(world, "LV-0001", scripts["LV-0001"], b"T1")
            world.configure(config_text(("LV-0001", "LV-0003"), world.server))
            app.request_reload()
    assert world.exit_code == 1
    async with world.gateway() as app:
        exam(world, "LV-0003", scripts["LV-0003"], b"T3")
        for serial in ("LV-0001", "LV-0003"):
            await world.rigs[serial].until_acked(scripts[serial].seq)
        assert app.status()["configuration"]["sha256"] == world.config.sha256
        assert [one["config"] for one in changed(world)][-1] == world.config.sha256
        assert len(changed(world)) == 2
    for serial in ("LV-0001", "LV-0003"):
        seqs = [entry.seq for entry in world.entries() if entry.key and entry.document["rig"] == serial]
        assert seqs == list(range(1, scripts[serial].seq + 1)), serial


def long_names(count: int, station: int) -> str:
    """So many rigs with stations so long."""
    text = config_text([f"LV-{number:04d}" for number in range(count)], FakeServer())
    return text.replace('station = "A-', 'station = "' + "S" * station + "-")


def test_rigs_that_do_not_fit_into_their_entry_are_refused_before_a_start(tmp_path: Path) -> None:
    """A configuration that cannot be logged would end the process at its start, again and again: it is told instead."""
    good = parse_config(long_names(500, 10).encode(), tmp_path)
    assert len(whole(good).config.rigs) == 500
    for station in (40, 50):
        with pytest.raises(ConfigError, match=r"\[\[rig\]\]: 500 rigs take \d+ bytes in the entry"):
            whole(parse_config(long_names(500, station).encode(), tmp_path))


def test_a_list_of_rigs_at_the_limit_is_an_entry(tmp_path: Path) -> None:
    """The limit leaves room for whatever else `config.changed` says."""
    sha256 = parse_config(long_names(1, 10).encode(), tmp_path).sha256
    rigs = [{"rig": "R" * (limits.RIGS_JSON_BYTES_MAX - 48), "station": "A", "profile": ""}]
    assert len(canonical.encode({"rigs": rigs})) == limits.RIGS_JSON_BYTES_MAX
    fields = {"config": sha256, "before": sha256, "rigs": rigs}
    draft = own_entry(types.CONFIG_CHANGED, read_time(SystemClock()), secrets.token_bytes, fields)
    assert len(draft.build(7)) <= ENTRY_BYTES_MAX


class Wired(World):
    """The same box with real lines to scripted rigs."""

    wired = True

    def __init__(self, folder: Path, rigs: dict[str, ScriptedRig]) -> None:
        super().__init__(folder, ())
        (folder / "v1.toml").write_bytes(V1_TEXT)
        self.use(rigs)

    def use(self, rigs: dict[str, ScriptedRig], profile: str = "v1.toml") -> None:
        places = [f"{serial} 127.0.0.1 {rig.port}" for serial, rig in rigs.items()]
        self.configure(config_text(places, self.server).replace(f'"{PROFILE}"', f'"{profile}"'))


async def test_an_unaffected_rig_keeps_its_connection_and_misses_no_poll(tmp_path: Path) -> None:
    """P8: over ten reloads beside it, one connection, and no pause between polls longer than without them."""
    async with ScriptedRig("LV-0001") as stays, ScriptedRig("LV-0002") as goes:
        world = Wired(tmp_path, {"LV-0001": stays, "LV-0002": goes})
        async with world.gateway() as app:
            await until(lambda: len(stays.requests) > 2)
            for turn in range(10):
                seen = len(stays.requests)
                world.use({"LV-0001": stays} if turn % 2 == 0 else {"LV-0001": stays, "LV-0002": goes})
                assert (await reloaded(app))["refused"] is None
                await until(lambda seen=seen: len(stays.requests) > seen)  # type: ignore[misc]
            assert stays.connections == 1
            assert goes.connections >= 5
            (tmp_path / "v1.toml").write_bytes(V1_TEXT.replace(b"status_every_ms = 2000", b"status_every_ms = 1999"))
            await reloaded(app)
            await until(lambda: stays.connections == 2)
        assert world.exit_code == 0
