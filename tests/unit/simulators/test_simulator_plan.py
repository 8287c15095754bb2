"""A plan as a fleet plays it: reading, walking through the items, turns at mute rigs, and the whole as a user."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modbus_probe import play_gateway
from plain_mosquitto import plain_mosquitto
from sim_gateway import distinct, sim_gateway
from sim_plan import STATIONS, write_plan

from simulators.errors import InputError
from simulators.exam import rounds
from simulators.exam.candidates import Fate
from simulators.exam.deeds import Press
from simulators.exam.exam_plan import load_plan
from simulators.exam.rounds import Wishes, play

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.exam.lineup import LineUp
    from simulators.exam.scenario import Run


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_plan_is_read_as_its_author_wrote_it(tmp_path: Path, encoding: str) -> None:
    """plan.md, first example: stations and rigs, and the list with title row and blank rows in each encoding."""
    plan = load_plan(write_plan(tmp_path, candidates=3, encoding=encoding))
    assert [(rig.station, rig.serial, rig.wire) for rig in plan.rigs] == [row[:3] for row in STATIONS]
    (session,) = plan.sessions
    assert [one.ticket for one in session.candidates] == ["S20261123-0001", "S20261123-0002", "S20261123-0003"]
    assert session.candidates[0].items == ("K12", "K22", "K32", "K42")
    assert session.candidates[0].places == ("A-05", "A-01", "A-11", "A-15")
    assert "S20261123-0001" not in repr(session.candidates[0])


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("plan.toml", 'id = "hn-cs-01"', "id =", "not TOML"),
        ("plan.toml", 'wire = "mqtt"', 'wire = "smoke"', "none of modbus, mqtt, http"),
        ("plan.toml", "LV-0002", "LV-0001", "LV-0001 stands twice"),
        ("plan.toml", "low-voltage-electrician", "baker", "baker"),
        ("plan.toml", "candidates.csv", "candidates.xlsx", "CSV only"),
        ("candidates.csv", "准考证号", "号", "no row names the column"),
        ("candidates.csv", "K12 K22", "", "row 3: 2 items and 4 places"),
        ("candidates.csv", "K12", "K99", "no item 'K99'"),
        ("candidates.csv", "A-15", "A-01", "candidate 1: no rig at A-01 examines K42"),
        ("candidates.csv", "S20261123-0002", "", "row 4: the ticket is missing"),
    ],
)
def test_a_wrong_plan_is_told_without_a_person(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    """P7: what, and in which row; never a value of the list's."""
    path = write_plan(tmp_path, candidates=2)
    target = tmp_path / file
    target.write_bytes(target.read_bytes().replace(old.encode(), new.encode(), 99 if "0002" not in old else 1))
    with pytest.raises(InputError, match=said) as told:
        play(load_plan(path), Wishes())
    assert "S20261123-0" not in str(told.value)


def test_an_open_list_takes_the_items_of_the_command_line(tmp_path: Path) -> None:
    """A list without items is drawn by the server; the bench has to be told, and says so."""
    path = write_plan(tmp_path, candidates=2, places=False)
    lists = tmp_path / "candidates.csv"
    lists.write_text("准考证号,姓名\nS1,某\nS2,某\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2: no items; .* --items"):
        load_plan(path)
    line_up = play(load_plan(path, ["K11", "K43"]), Wishes(reboots=0))
    assert {run.ticket for run in line_up.scenario.runs} == {"S1", "S2"}


def starts(line_up: LineUp) -> dict[str, list[tuple[str, Run, str]]]:
    """By ticket: (serial, run, item) in the order of the walk."""
    walks: dict[str, list[tuple[str, Run, str]]] = defaultdict(list)
    places = [place.serial for place in line_up.rigs]
    runs = [
        (run.number, serial, run)
        for serial, queue in zip(places, line_up.scenario.queues, strict=True)
        for run in queue
    ]
    for _, serial, run in sorted(runs, key=lambda entry: entry[0]):
        walks[run.ticket] += [(serial, run, step.text) for step in run.course.steps if step.press is Press.START]
    return walks


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000), mute=st.sampled_from([(), ("HZ-*",), ("ST-0002", "CP-*")]), reboots=st.integers(0, 2)
)
def test_everybody_walks_through_the_items_in_order(
    tmp_path: Path, seed: int, mute: tuple[str, ...], reboots: int
) -> None:
    """Each item at its place and once (twice after a power cut), in order; each queue can be played to its end."""
    plan = load_plan(write_plan(tmp_path, candidates=10))
    line_up = play(plan, Wishes(seed, reboots, mute=mute))
    station = {rig.serial: rig.station for rig in plan.rigs}
    walks = starts(line_up)
    cut = [run for run in line_up.scenario.runs if run.fate is Fate.POWER_CUT]
    assert len(cut) == reboots
    for candidate in plan.sessions[0].candidates:
        walk = [(code, station[serial]) for serial, run, code in walks[candidate.ticket] if run not in cut]
        wanted = list(zip(candidate.items, candidate.places, strict=True))
        assert walk == wanted[: len(walk)]
        if len(walk) < 4:
            last = walks[candidate.ticket][-1][1]
            vetoed = all(step.press is not Press.FINISH for step in last.course.steps)
            assert last.fate in {Fate.ABORT_CANDIDATE, Fate.VETO_EXAM} or vetoed
    for place, queue in zip(line_up.rigs, line_up.scenario.queues, strict=True):
        if any(place.serial.startswith(pattern.rstrip("*")) for pattern in mute):
            assert [run.order for run in queue] == sorted(run.order for run in queue), "plan.md B4"
            assert all(step.text == "" for run in queue for step in run.course.steps if step.press is Press.OPEN)
    _play_to_the_end([list(queue) for queue in line_up.scenario.queues])


def _play_to_the_end(queues: list[list[Run]]) -> None:
    """Whoever is at the head of a queue and not elsewhere is served; nobody waits for ever."""
    over: set[int] = set()
    while any(queues):
        ready = [queue for queue in queues if queue and queue[0].after in {None, *over}]
        assert ready, "a circle of people waiting for each other"
        for queue in ready:
            over.add(queue.pop(0).number)


def test_the_same_seed_plays_the_same_day(tmp_path: Path) -> None:
    """Who is where in which order, and what happens there, depend on plan and seed only."""
    plan = load_plan(write_plan(tmp_path, candidates=30))
    assert play(plan, Wishes(5)) == play(plan, Wishes(5))
    assert play(plan, Wishes(5)) != play(plan, Wishes(6))


def test_thirty_candidates_meet_what_happens_in_an_exam(tmp_path: Path) -> None:
    """Veto, abort, time-out, refusal, bad work and a reboot at least once; half points; over a hundred item runs."""
    line_up = play(load_plan(write_plan(tmp_path, candidates=30)), Wishes(reboots=2))
    fates = Counter(run.fate for run in line_up.scenario.runs)
    assert set(rounds._PROMISED) - {Fate.VETO_EXAM} <= set(fates)  # nobody here sits an item with that veto
    assert fates[Fate.POWER_CUT] == 2
    steps = [step for run in line_up.scenario.runs for step in run.course.steps]
    assert sum(step.press is Press.START for step in steps) > 100
    assert any(step.press is Press.DEDUCT and step.numbers[1] % 100 == 50 for step in steps)
    assert any(step.measures for step in steps)


def test_one_gateway_s_rigs_are_a_part_of_the_day(tmp_path: Path) -> None:
    """--gateway: its rigs only; candidates pass over what stands elsewhere."""
    line_up = play(load_plan(write_plan(tmp_path)), Wishes(gateways=("gw-02",)))
    assert {place.gateway for place in line_up.rigs} == {"gw-02"}
    assert line_up.scenario.runs
    with pytest.raises(InputError, match="no rig or no session"):
        play(load_plan(write_plan(tmp_path)), Wishes(gateways=("gw-99",)))


async def _fleet(folder: Path, port: int, *more: str) -> tuple[int, str, list[dict[str, Any]], dict[str, Any]]:
    """The command as a user runs it, read over both wires until it ends."""
    ready, truth = folder / "ready.json", folder / "truth.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from simulators.cli import main; main()", "fleet", "--plan", str(folder / "plan.toml"),
        "--broker", f"127.0.0.1:{port}", "--truth", str(truth), "--ready-file", str(ready), "--speed", "3000",
        "--timeout", "40", *more, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            while not ready.exists() and process.returncode is None:
                await asyncio.sleep(0.02)
        document = json.loads(ready.read_text(encoding="utf-8"))
        stop = asyncio.Event()
        rigs = [rig for rig in document["rigs"] if rig["wire"] == "modbus"]
        readers = [asyncio.create_task(play_gateway(rig["host"], rig["port"], stop)) for rig in rigs]
        out, _ = await asyncio.wait_for(process.communicate(), 50)
        stop.set()
        await asyncio.gather(*readers)
    finally:
        if process.returncode is None:
            process.kill()
    lines = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    return process.returncode or 0, out.decode(), lines, document


@pytest.mark.needs("mosquitto")
async def test_a_plan_is_played_over_both_wires(tmp_path: Path) -> None:
    """P2: all that was latched on message rigs arrived in its own bytes; truth names who, where and in which order."""
    write_plan(tmp_path, candidates=4)
    with plain_mosquitto(tmp_path) as broker, sim_gateway(broker.port) as gateway:
        code, out, truth, document = await _fleet(tmp_path, broker.port, "--no-ticket", "HZ-*")
    assert code == 0, out
    assert "all exams are done and all records acknowledged" in out
    wires = {rig["serial"]: rig["wire"] for rig in document["rigs"]}
    assert {rig["gateway"] for rig in document["rigs"]} == {"gw-01", "gw-02"}
    sent = {(line["serial"], line["seq"]) for line in truth if wires[line["serial"]] == "mqtt"}
    got = distinct(gateway.records)
    assert set(got) == sent
    assert all(len(payloads) == 1 for payloads in got.values())
    for line in truth:
        assert line["ticket"] == f"S20261123-{line['order']:04d}"
        assert line["rig_ticket"] == ("" if line["serial"] == "HZ-0001" else line["ticket"])
        assert (line["session"], line["station"]) == (
            "S20261123-1",
            {s: p for p, s, *_ in STATIONS}[line["serial"]],
        )
    items = Counter((line["order"], line["item"]) for line in truth if line["type"] == "item.finished")
    assert len(items) >= 12
    assert any("measures" in line["fields"] for line in truth if line["serial"] == "CP-0001")


async def test_message_rigs_without_a_broker_are_told(tmp_path: Path) -> None:
    """A plan with `wire = "mqtt"` and no --broker is one sentence and exit code 2."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from simulators.cli import main; main()", "fleet", "--plan", str(write_plan(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert err.decode().strip() == "kaofen-simulate: rig ST-0002 hangs on MQTT: say --broker HOST:PORT"
