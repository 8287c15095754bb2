"""`rig accept`: a rig that does what it promises passes; one that does not gets a report that says why."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from fake_bench import FakeBench
from rig_profiles import FAST, fast_v1
from scripted_rig import ScriptedRig
from sim_parts import rubric

from gateway.cli import main
from gateway.errors import ConfigError, StepFailed
from gateway.rig import limits
from gateway.rig.accept.acceptance import Acceptance
from gateway.rig.accept.bench import Commanded, Person, Scenario, read_scenario
from gateway.rig.accept.session import Session, Wishes, promised
from gateway.rig.accept.subject import UnderTest
from gateway.rig.accept.trials import STEPS
from gateway.rig.place import Place, open_wire, transport_of
from scorelog.journal.clock import SystemClock
from simulators.control import Control
from simulators.device.truth import TruthFile
from simulators.fleet import Fleet, FleetSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from device_adapters.language.profile import Profile
    from gateway.rig.accept.bench import Bench
    from gateway.rig.accept.report import Trial

FEW = Wishes(results=3, step_s=30.0)
SHORT = Wishes(results=3, step_s=0.4)  # where nothing comes, however long one waits
PATIENT = fast_v1(5000)  # a rig that answers is never too slow


async def tried(
    port: int, bench: Bench, wishes: Wishes = FEW, profile: Profile = PATIENT, patience_s: float = 20.0
) -> dict[str, Trial]:
    place = Place("tcp", "127.0.0.1", port)
    async with asyncio.timeout(60), open_wire(place, profile, transport_of(profile, 1)) as wire:
        rig = UnderTest(profile, wire, SystemClock(), patience_s)
        trials = await Acceptance(Session(rig, bench, wishes, SystemClock(), lambda _: None), STEPS).run()
    return {trial.id: trial for trial in trials}


def outcomes(trials: dict[str, Trial]) -> dict[str, str]:
    return {trial.id: trial.outcome for trial in trials.values()}


async def test_a_rig_that_keeps_its_promises_passes_every_trial() -> None:
    """32 results kept over a restart, read under load, acknowledged by halves, refused while nobody is ready."""
    async with ScriptedRig() as rig:
        trials = await tried(rig.port, FakeBench(rig), Wishes(step_s=20.0))
        acks = rig.acks
    seen = trials.pop("seen")
    assert (seen.outcome, "outcome: timeout, aborted, veto" in seen.en) == ("unseen", True), "told, and no failure"
    assert set(outcomes(trials).values()) == {"passed"}, trials
    assert "32 results, 64 records unchanged" in trials["kept"].en
    assert "boot 3 → 4" in trials["restart"].en
    assert acks == [32, 64], "nothing is acknowledged before the handshake"


@pytest.mark.parametrize(("results", "items"), [(0, 32), (3, 3), (6, 6)])
async def test_a_person_is_told_beforehand_what_there_is_to_do(results: int, items: int) -> None:
    """How many items, and every step from the first on; the rig's silence is told apart from the person's time."""
    said: list[str] = []
    clock = SystemClock()
    async with ScriptedRig() as rig, asyncio.timeout(60):
        place = Place("tcp", "127.0.0.1", rig.port)
        async with open_wire(place, PATIENT, transport_of(PATIENT, 1)) as wire:
            session = Session(
                UnderTest(PATIENT, wire, clock, 20.0), FakeBench(rig), Wishes(results), clock, said.append
            )
            assert session.items == items
            if results == 3:
                trials = await Acceptance(session, STEPS).run()
                assert session.made == items
                assert f"{items} items are to be done" in said[0]
                assert said[1].startswith("[1/9]")
                assert "after it was asked for" in next(one.en for one in trials if one.id == "restart")


def _loses(rig: ScriptedRig) -> None:
    rig.oldest_seq = max(1, rig.last_seq - 1)
    rig.refresh()


def _tears(rig: ScriptedRig) -> None:
    def every_other(number: int) -> None:
        if number % 2:
            rig.registers[45] ^= 1

    rig.on_every_request = every_other


def _rewrites(rig: ScriptedRig) -> None:
    """The first record says something else, under a right checksum."""
    rig.put_event(1, 1, rig.live, (2, 2, 0, 0))


@pytest.mark.parametrize(
    ("spoil", "trial", "told"),
    [
        (
            lambda rig, bench: setattr(bench, "on_result", lambda: _loses(rig)),
            "kept",
            "unacknowledged records are gone",
        ),
        (lambda rig, bench: setattr(bench, "on_result", lambda: _tears(rig)), "coherence", "refused"),
        (
            lambda rig, bench: setattr(bench, "on_restart", lambda: _rewrites(rig)),
            "restart",
            "reads otherwise than at first",
        ),
        (lambda rig, _bench: setattr(rig, "apply_acks", False), "handshake", "acked_seq did not follow"),
        (lambda _rig, bench: setattr(bench, "_allows", True), "ready", "although no gateway was ready"),
        (lambda _rig, bench: setattr(bench, "_clock_s", -3600), "clock", "set the clock"),
        (lambda _rig, bench: setattr(bench, "idle", True), "coherence", "no new result within"),
        (lambda _rig, bench: setattr(bench, "refuses", True), "coherence", "refused"),
    ],
    ids=["loses", "torn", "rewrites", "deaf", "not-asking", "clock", "no-result", "refusing"],
)
async def test_a_rig_that_breaks_a_promise_fails_the_trial_of_it(
    spoil: Callable[[ScriptedRig, FakeBench], None], trial: str, told: str
) -> None:
    """The trial is named, its evidence says why, in both languages, and the others go on where they can."""
    async with ScriptedRig() as rig:
        bench = FakeBench(rig)
        spoil(rig, bench)
        trials = await tried(rig.port, bench, SHORT if bench.idle or not rig.apply_acks else FEW)
    assert (trials[trial].outcome, told in trials[trial].en, trials[trial].zh != "") == ("failed", True, True), trials
    if bench.idle or bench.refuses:
        assert outcomes(trials)["kept"] == outcomes(trials)["restart"] == "not-done"


async def test_fewer_results_than_promised_are_a_part_only() -> None:
    """What was not shown is not claimed."""
    async with ScriptedRig() as rig:
        trials = await tried(rig.port, FakeBench(rig))
    assert (trials["kept"].outcome, "32 are promised" in trials["kept"].en) == ("part", True)
    assert promised(FAST) == 32


async def test_somebodys_results_are_never_thrown_away() -> None:
    """P1: a rig that holds unacknowledged results is not touched."""
    async with ScriptedRig() as rig:
        rig.latch_item()
        trials = await tried(rig.port, FakeBench(rig))
        assert (rig.acks, rig.ready) == ([], [])
    assert "a gateway must store them first" in trials["identity"].en
    assert outcomes(trials)["handshake"] == "not-done"


async def test_what_an_acceptance_latched_does_not_stay_on_the_rig() -> None:
    """Also after a failure; what an interrupted one left goes only when somebody says so."""
    async with ScriptedRig() as rig:
        bench = FakeBench(rig)
        bench.on_restart = lambda: _rewrites(rig)
        assert outcomes(await tried(rig.port, bench))["restart"] == "failed"
        assert rig.acked_seq == rig.last_seq
    async with ScriptedRig() as rig:
        rig.latch_item()
        trials = await tried(rig.port, FakeBench(rig), Wishes(results=2, step_s=30.0, discard=True))
        assert (outcomes(trials)["handshake"], rig.acks[0]) == ("passed", 1)


async def test_results_of_an_hour_ago_say_nothing_of_the_clock() -> None:
    """The clock is judged by results that latch while it is watched; an installer's own tries came before."""
    async with ScriptedRig() as rig:
        rig.live.finished_s = int(time.time()) - 3600
        rig.latch_item(finished_s=rig.live.finished_s)
        trials = await tried(rig.port, FakeBench(rig), Wishes(results=2, step_s=30.0, discard=True))
    assert outcomes(trials)["clock"] == "passed", trials["clock"]
    assert "while 2 results latched" in trials["coherence"].en


@pytest.mark.parametrize("hostile", ["silent", "endless", "other", "gone", "serial"])
async def test_a_hostile_rig_ends_in_a_report(hostile: str) -> None:
    """Silence, endless bytes, another protocol, nobody, another rig: failed with a reason, within the patience."""
    async with ScriptedRig() as rig:
        port, wishes = rig.port, FEW
        if hostile == "silent":
            rig.silent = True
        elif hostile == "endless":
            rig.on_accept = lambda _number: b"\xff" * 100_000
        elif hostile == "other":
            rig.on_accept = lambda _number: b"SSH-2.0-OpenSSH\r\n"
        elif hostile == "gone":
            port = 1
        else:
            wishes = Wishes(serial="LV-0002")
        trials = await tried(port, FakeBench(rig), wishes, FAST, 0.3)
        assert rig.acks == []
    assert outcomes(trials)["identity"] == "failed"
    assert {outcomes(trials)[id_] for id_ in ("limits", "coherence", "kept", "handshake", "ready")} == {"not-done"}


async def test_the_simulator_is_accepted_through_its_control_port(tmp_path: Path) -> None:
    """The whole acceptance over real sockets: buttons by scenario, power included."""
    settings = FleetSettings(rigs=1, exams=0, practice=0, reboots=0, speed=1.0)
    path = tmp_path / "bench.toml"
    async with Fleet(settings, rubric(), TruthFile(None)) as fleet:
        control = Control(fleet)
        place = await control.start()
        path.write_text(SCENARIO.replace("PLACE", f"{place['host']}:{place['port']}"), encoding="utf-8")
        host = fleet.hosts[0]
        bench = Commanded(read_scenario(path), lambda: host.rig.serial)
        try:
            trials = await tried(host.port, bench, Wishes(results=6, step_s=30.0))  # type: ignore[attr-defined]
        finally:
            await control.close()
    told = {id_: outcome for id_, outcome in outcomes(trials).items() if outcome != "passed"}
    assert told == {"kept": "part", "seen": "unseen"}, trials


SCENARIO = """control = "PLACE"
result = [
  { cmd = "open", ticket = "ACCEPT-{n}" },
  { cmd = "start", item = "K21" },
  { cmd = "finish" },
  { cmd = "close" },
]
restart = [{ cmd = "power_cycle", off_s = 0.1 }]
attempt = [{ cmd = "open", ticket = "ACCEPT-0" }, { cmd = "start", item = "K21" }]
tidy = [{ cmd = "abort" }]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('control = "PLACE"', "", "control"),
        ('{ cmd = "finish" }', '{ cmnd = "finish" }', "result"),
        ("restart =", "restrat =", "no such key"),
        ("restart = [", "restart = [[", "no TOML"),
        ("tidy = [{", "tidy = 3 # ", "tidy"),
    ],
)
def test_a_wrong_scenario_is_named_by_file_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    """What, where, what to do."""
    path = tmp_path / "bench.toml"
    path.write_text(
        SCENARIO.replace("PLACE", "127.0.0.1:9").replace(old.replace("PLACE", "127.0.0.1:9"), new), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="bench.toml: .*" + told):
        read_scenario(path)


async def test_a_bench_that_hangs_or_refuses_is_told() -> None:
    """A control port is no more trusted than a rig."""
    nobody = Scenario(("127.0.0.1", 1), {"result": [{"cmd": "finish"}], "restart": [], "attempt": []}, "00")
    with pytest.raises(StepFailed, match="gives no answer"):
        await Commanded(nobody, lambda: "LV-0001").result(1)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(await reader.readline()))
        writer.write(b'{"ok": false, "error": "no such\\nrig"}\n')
        await writer.drain()
        writer.close()

    asked: list[dict[str, object]] = []
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        control = server.sockets[0].getsockname()[:2]
        there = Scenario(control, {"result": [{"cmd": "open", "ticket": "A-{n}"}], "restart": [], "attempt": []}, "00")
        with pytest.raises(StepFailed, match="refused open: no such rig"):
            await Commanded(there, lambda: "LV-0001").result(7)
    assert asked == [{"rig": "LV-0001", "cmd": "open", "ticket": "A-7"}]


async def test_a_person_is_told_what_to_do_in_both_languages() -> None:
    """Chinese first."""
    said: list[str] = []
    person = Person(said.append)
    await person.result(2)
    await person.restart()
    assert await person.attempt() is None
    assert ["第 2 次" in said[0], "power" in said[1], "refuse" in said[2]] == [True] * 3


async def test_the_command_writes_a_report_also_of_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failed: exit code 1 and a signed report that says why, which `--verify` proves; wrong words: 2."""
    (tmp_path / "fast.toml").write_bytes(fast_v1().text)
    common = ["--profile", str(tmp_path / "fast.toml"), "--by", "张工", "--key", str(tmp_path / "key")]
    base = tmp_path / "report"
    words = ["rig", "accept", "127.0.0.1:1", *common, "--deadline", "0.2", "--out", str(base)]
    for more, code, told in (
        (words, 1, "不合格"),
        (words, 2, "is there already"),
        (["rig", "accept", "--verify", f"{base}.txt"], 0, "签名有效"),
        (["rig", "accept", "--verify", f"{base}.html"], 0, "failed    身份 identity"),
        (["rig", "accept", "--verify", str(tmp_path / "none")], 2, "none"),
        (["rig", "accept", "127.0.0.1", *common[:2]], 2, "--by is missing"),
        (["rig", "accept", "127.0.0.1", *common, "--results", "65"], 2, "--results 65"),
        (["rig", "accept", "127.0.0.1", *common, "--deadline", "0"], 2, "--deadline 0"),
    ):
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, more)
        shown = capsys.readouterr()
        assert (ended.value.code, told in shown.out + shown.err) == (code, True), (more, shown)
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert Wishes(results=limits.RESULTS_MAX).results == limits.RESULTS_MAX
