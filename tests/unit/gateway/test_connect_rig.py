"""docs/connect-a-rig.md: from a maker's table to an accepted rig, against rigs of which the library has no profile."""

from __future__ import annotations

import asyncio
import io
import re
import textwrap
from typing import TYPE_CHECKING

import pytest
from maker_rigs import maker_rig, meant, observe, read, sit_item
from maker_tables import MOTOR, ROPE, motor_table, packed, rope_table
from openpyxl import load_workbook
from sim_parts import ROOT

from device_adapters.factory import open_adapter
from device_adapters.language.profile import load_profile
from gateway.cli import main
from gateway.rig.blocks import Block, ring_of
from gateway.rig.checking import check_live
from gateway.rig.draft import draft_of
from gateway.rig.fields import Entry
from gateway.rig.linting import lint_file
from gateway.rig.place import Place
from gateway.rig.sheet import read_sheet
from gateway.rig.writing import as_toml
from scorelog.journal.clock import SystemClock
from simulators.control import Control
from simulators.device.truth import TruthFile
from simulators.fleet import Fleet, FleetSettings
from simulators.layouts.layout import find_layout
from simulators.layouts.lineup import rubric_of
from simulators.modbus.host import RigHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from openpyxl import Workbook

PAGE = (ROOT / "docs/connect-a-rig.md").read_text("utf-8")
EXAMPLE = ROPE.parent
MOTOR_RIG = MOTOR.with_suffix(".toml")
MARK = re.compile(r"^#\? ", re.MULTILINE)
HURRY = re.compile(r"^by_state = .*$", re.MULTILINE)
SCALE = 'score = { at = 36, type = "uint16", scale = "?"'
MOTOR_DECIDED = ((SCALE, SCALE.replace("?", "0.01")),)


def drafted(table: Path) -> str:
    return as_toml(draft_of(read_sheet(table.read_bytes())), table.name)


def decided(draft: str, changes: Sequence[tuple[str, str]]) -> str:
    """The marks taken away, and what the doubts asked for written."""
    text = MARK.sub("", draft)
    for old, new in changes:
        assert len(re.findall(f"^{re.escape(old)}", text, re.MULTILINE)) == 1, old
        text = re.sub(f"^{re.escape(old)}", lambda _, new=new: new, text, flags=re.MULTILINE)
    return text


def rope_decided(draft: str) -> str:
    """As the page says it, in its own words."""
    assert "`finished = { at = 30, …`" in PAGE
    found = re.search(r"^  ```toml\n(  deductions = .*?)^  ```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    text = decided(draft, [("finished = { at = 29", "finished = { at = 30")])
    return re.sub(r"^deductions = .*\n", lambda _: textwrap.dedent(found[1]), text, flags=re.MULTILINE)


@pytest.mark.parametrize(("file", "made"), [(ROPE, rope_table), (MOTOR, motor_table)])
def test_the_tables_are_those_that_are_written_down(file: Path, made: Callable[[], Workbook]) -> None:
    """A spreadsheet that nobody can read in a review is worth no test: its cells stand in tests/support."""
    kept, again = load_workbook(file), load_workbook(io.BytesIO(packed(made())))
    assert kept.sheetnames == again.sheetnames
    for name in kept.sheetnames:
        assert list(kept[name].values) == list(again[name].values)
        assert sorted(map(str, kept[name].merged_cells.ranges)) == sorted(map(str, again[name].merged_cells.ranges))


@pytest.mark.parametrize(
    ("file", "ref", "part"),
    [
        (ROPE, "C28", "overlaps C27: 4 words from 1026; one of the two is wrong; there is room for it at 1030"),
        (MOTOR, "I32", 'scales that contradict each other: "0.1" (I32), "放大100倍，满分为 10000" (H32); left out'),
    ],
)
def test_the_makers_mistake_is_a_doubt_with_its_cell(file: Path, ref: str, part: str) -> None:
    """What contradicts itself is never decided, and never hidden between guesses."""
    found = draft_of(read_sheet(file.read_bytes())).open
    assert any(doubt.ref == ref and part in doubt.reason for doubt in found), found
    assert len(found) <= 4, "few enough to be read"


def test_a_draft_says_itself_what_is_still_to_be_decided(tmp_path: Path) -> None:
    """The linter points at the first `#?`, and names a missing table once, not each of its keys."""
    path = tmp_path / "draft.toml"
    path.write_text(drafted(ROPE), encoding="utf-8")
    told = lint_file(path).lines()
    assert any("lines begin with #?: decide" in line for line in told)
    assert [line for line in told if "transport" in line] == [f"{path}:1: transport: is missing; it must be a table"]
    path.write_text(MARK.sub("", drafted(ROPE)), encoding="utf-8")
    assert [line.partition(": ")[2] for line in lint_file(path).lines()] == [
        "records.result.fields.finished: overlaps started"
    ]
    assert f"\n#? {SCALE}" in drafted(MOTOR), "the line with the contradiction is marked, not only its cell named"
    undecided = MARK.sub("", drafted(MOTOR)).replace('order = "ABCDEF", ', "").replace('scale = "?", ', "")
    path.write_text(undecided, encoding="utf-8")
    assert [line.partition(": ")[2] for line in lint_file(path).lines()] == [
        f"records.result.fields.{name}: ambiguous order: CDAB of the record says nothing of 3 words; "
        'write order = "ABCDEF", or "EFCDAB" if the words are turned round, too'
        for name in ("started", "finished")
    ] + ["records.result.fields.score: points need a scale to hundredths"]
    score = next(n for n, line in enumerate(undecided.splitlines(), 1) if line.startswith("score = { at"))
    assert lint_file(path).findings[-1].line == score, "the place to change, and together with everything else"


def test_what_the_table_answers_itself_is_no_doubt() -> None:
    """`余数 0 在最前`, `余 0 在首` and `先年月后分秒` are taken and told as guesses; of another divisor, nothing."""
    for file in (ROPE, MOTOR):
        found = draft_of(read_sheet(file.read_bytes()))
        asked = [doubt.reason for doubt in found.open if "N mod" in doubt.reason or "turned" in doubt.reason]
        assert (asked, sum("N mod" in doubt.reason for doubt in found.guesses)) == ([], 1)
    years = [doubt for doubt in found.guesses if "year first" in doubt.reason]
    assert [doubt.ref for doubt in years] == ["H26", "H27"]
    title = "成绩区：8 条循环，每条占 64 字，流水号除以 {} 的余数为条号，余数 0 在最前"
    entry = Entry("A1", "seq", "", 0, 2, "result")
    for divisor, answered in ((8, True), (16, False)):
        slots, stride = ring_of(title.format(divisor))
        assert Block("result", title.format(divisor), (entry,), slots, stride).by_remainder is answered


@pytest.mark.parametrize(("file", "model"), [(ROPE, EXAMPLE / "rig.toml"), (MOTOR, MOTOR_RIG)])
async def test_p5_the_decided_draft_reads_what_the_rig_means(file: Path, model: Path) -> None:
    """P5: a rig of no profile of ours; its table and a few decisions: every value of every record is right."""
    text = rope_decided(drafted(file)) if file == ROPE else decided(drafted(file), MOTOR_DECIDED)
    profile = load_profile(HURRY.sub("by_state = { idle = 2, open = 2, running = 2, finished = 2 }", text).encode())
    rig, time, latched = maker_rig(str(model))
    host = RigHost(rig, unit=1)
    await host.start()
    where = host.where()
    adapter = open_adapter(profile, host=where["host"], port=where["port"], serial=rig.serial, source="simulator")
    try:
        for nth in range(3):
            sit_item(rig, time, f"20261123-{nth:04d}", nth=nth)
        seen = await observe(adapter, lambda found: len(found) == 3)
    finally:
        await adapter.close()
        await host.stop()
    assert [read(one) for one in seen] == [meant(one) for one in latched]
    assert {one.personal["name"].decode() for one in seen} == {rig.wire.name(f"20261123-{nth:04d}") for nth in range(3)}


async def test_what_the_table_leaves_open_the_live_rig_decides() -> None:
    """The scale and the order that were chosen wrongly are told with those that fit what the rig says."""
    wrong = [(old, new.replace("0.01", "0.1")) for old, new in MOTOR_DECIDED]
    rig, time, _ = maker_rig(str(MOTOR_RIG))
    host = RigHost(rig, unit=1)
    await host.start()
    try:
        sit_item(rig, time, "20261123-0007")
        profile = load_profile(decided(drafted(MOTOR), wrong).replace("ABCDEF", "EFCDAB").encode())
        found = await check_live(Place("tcp", "127.0.0.1", host.where()["port"]), profile, 1, SystemClock(), 0.2)
    finally:
        await host.stop()
    failed = {finding.step: finding.en for finding in found if finding.level == "FAIL"}
    assert "scale 0.01" in failed["result.score"]
    assert "order ABCDEF" in failed["result.started"]
    assert "order ABCDEF" in failed["result.finished"]


def command(*words: object) -> int:
    """A command of the page; its exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.long
async def test_the_page_can_be_walked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the page, in its order, against the rig of the page; what it prints is what the page shows."""
    model = find_layout(str(EXAMPLE / "rig.toml"))
    settings = FleetSettings(rigs=1, exams=0, practice=0, reboots=0, speed=1.0, layouts=(str(EXAMPLE / "rig.toml"),))
    profile, capture = tmp_path / "ql-xd20.toml", tmp_path / "ql-xd20.jsonl"
    bench = tmp_path / "bench.toml"
    async with Fleet(settings, rubric_of(model), TruthFile(None)) as fleet:
        control = Control(fleet)
        place = await control.start()
        scenario = (EXAMPLE / "bench.toml").read_text("utf-8")
        bench.write_text(scenario.replace("127.0.0.1:1599", f"{place['host']}:{place['port']}"), encoding="utf-8")
        where = f"127.0.0.1:{fleet.hosts[0].where()['port']}"

        async def walk(*words: object) -> tuple[int, str]:
            code = await asyncio.to_thread(command, "rig", *words)
            said = capsys.readouterr()
            return code, said.out + said.err

        async def press() -> None:
            script = await asyncio.create_subprocess_exec(str(EXAMPLE / "press.sh"), str(place["port"]))
            assert await script.wait() == 0

        try:
            code, said = await walk("import", ROPE, "--out", profile)
            assert code == 0
            for line in said.splitlines():
                assert line in PAGE or "guess" in line, line
            assert (await walk("lint", profile))[0] == 1
            profile.write_text(rope_decided(profile.read_text("utf-8")), encoding="utf-8")
            assert (await walk("lint", profile))[0] == 0
            await press()
            code, said = await walk("probe", where, "--profile", profile, "--once")
            assert (code, "0339" in said, "82.50" in said, "REFUSED" in said, "!!" in said) == (
                0,
                True,
                True,
                False,
                False,
            )
            code, said = await walk("check", profile, where, "--seconds", 1, "--lang", "en")
            assert (code, "1 × item.finished" in said) == (0, True), said
            assert (await walk("capture", where, "--profile", profile, "--seconds", 1, "--out", capture))[0] == 0
            assert (await walk("check", profile, capture, "--lang", "en"))[0] == 0
            asked = (
                "accept",
                where,
                "--profile",
                profile,
                "--serial",
                "XD20-0001",
                "--by",
                "张工",
                "--scenario",
                bench,
            )
            asked = (*asked, "--key", tmp_path / "key")
            code, said = await walk(*asked, "--out", tmp_path / "refused")
            assert (code, "--discard-held" in said) == (1, True)
            code, said = await walk(*asked, "--discard-held", "--out", tmp_path / "XD20-0001")
            assert (code, "合格 passed" in said) == (0, True), said
            assert (await walk("accept", "--verify", tmp_path / "XD20-0001.html"))[0] == 0
        finally:
            await control.close()
