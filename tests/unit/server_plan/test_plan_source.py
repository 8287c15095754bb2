"""PLAN.toml read: whatever is written gives findings or a plan that the format takes; no message has a value."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_files import RIG, SHIFT, TOP

from scorelog.format.plan import encode_plan
from server.errors import ListError
from server.plan.draft import Draft
from server.plan.source import read_source

if TYPE_CHECKING:
    from server.plan.findings import Finding
    from server.plan.source import PlanSource

MARK = "龘爨鱻麤"
TEXT = (
    TOP.format(point="hn-cs-01")
    + RIG.format(station="A-01", serial="LV-0001", gateway="gw-01", purpose="exam_only", items='"K11", "K21"')
    + RIG.format(station="A-02", serial="LV-0002", gateway="gw-02", purpose="training_only", items="")
    + SHIFT.format(
        id="S-1",
        rubric="low-voltage-electrician",
        opens="2026-11-23T08:30:00+08:00",
        closes="2026-11-23T12:00:00+08:00",
        list="a.csv",
    )
)
WORDS = (
    MARK,
    "3",
    "true",
    '"K11"',
    "[[room.station.rig]]",
    "[session]",
    "{}",
    '"',
    "=",
    "\n",
    "2026-11-23T08:30:00",
    "[]",
)


def read(text: str) -> tuple[PlanSource | None, list[Finding]]:
    try:
        return read_source(text.encode("utf-8", "surrogatepass"))
    except ListError as error:
        return None, list(error.findings)


def encodes(source: PlanSource) -> bool:
    """Whether the format takes what was read, without its sessions (their lists are not read here)."""
    return bool(encode_plan(Draft().document(source, 1, "2026-11-22T09:00:00Z")))


def test_the_example_has_no_findings() -> None:
    """What the page shows is read whole."""
    source, findings = read(TEXT)
    assert findings == []
    assert source is not None
    assert encodes(source)
    assert [session.id for session in source.sessions] == ["S-1"]


@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 4))
def test_a_spoilt_plan_is_refused_or_taken_by_the_format(seed: int, cuts: int) -> None:
    """No finding means that the format takes it: the two sets of rules cannot drift apart; no value is repeated."""
    chance, text = random.Random(seed), TEXT  # a seed
    for _ in range(cuts):
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(WORDS) + text[at + chance.randrange(12) :]
    source, findings = read(text)
    assert MARK not in "\n".join(map(str, findings))
    if not findings:
        assert source is not None
        assert encodes(source)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_findings(data: bytes) -> None:
    """Nothing but ListError comes out of the reader."""
    try:
        _, findings = read_source(data)
    except ListError as error:
        findings = list(error.findings)
    assert findings


@pytest.mark.parametrize("deep", [b"x=" + b"{a=" * 400, b"x=" + b"[" * 300 + b"]" * 300, b"x" + b".a" * 900 + b"=1"])
def test_a_plan_nested_beyond_reading_is_a_finding(deep: bytes) -> None:
    """P5: whatever lies deeper than we read is refused before its lines are looked up."""
    with pytest.raises(ListError):
        read_source(deep + b"\n")


def test_every_finding_of_a_key_has_its_line() -> None:
    """Each value of the example, made a word that fits nowhere: a finding of that line, but where any word goes."""
    for number, line in enumerate(TEXT.split("\n"), 1):
        if " = " in line and not re.match(r"\s*(candidates|rubric|serial)", line):
            key = line.partition(" = ")[0]
            _, findings = read(TEXT.replace(line, f'{key} = "{MARK} "', 1))
            assert any(f"line {number}, " in str(each) for each in findings), (line, findings)


def test_tables_written_inline_have_their_lines_too() -> None:
    """What is wrong in a table has its line, however it is written; what is missing at the top has none."""
    rooms = TEXT[TEXT.index("[[room]]") : TEXT.index("[[session]]")]
    rig = '{ serial = "LV-0001", gateway = "gw-01", purpose = "sometimes", items = [] }'
    station = f'{{ id = "A-01", rig = [\n{rig} ] }}'
    inline = f'room = [\n{{ id = "A", name = {{ zh = "一", en = "1" }}, station = [ {station} ] }} ]\n'
    _, findings = read(TEXT.replace(rooms, "").replace("[point]", inline + "[point]"))
    assert [(each.row, each.column) for each in findings] == [(5, "room.station.rig.purpose")]
    _, findings = read("")
    assert {str(each).partition(":")[0] for each in findings} >= {"plan.plan", "plan.point", "plan.room"}
