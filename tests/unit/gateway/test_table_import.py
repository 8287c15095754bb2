"""`rig import`: three makers' tables of different style. What is doubtful is told by its cell, and never decided."""

from __future__ import annotations

import io
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from tree import ROOT

from device_adapters.language.lint import lint
from gateway.cli import main
from gateway.errors import ConfigError
from gateway.rig import limits
from gateway.rig.columns import role_of
from gateway.rig.draft import draft_of
from gateway.rig.meanings import Address, address_of, codes_of, orders_of, scale_of, type_of
from gateway.rig.sheet import column_name, read_sheet
from gateway.rig.writing import as_toml

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.rig.fields import Draft

TABLES = ROOT / "tests/vectors/tables"


def drafted(data: bytes) -> tuple[Draft, dict[str, Any], list[str]]:
    draft = draft_of(read_sheet(data))
    return draft, tomllib.loads(as_toml(draft, "table")), [str(doubt) for doubt in draft.doubts]


def has(doubts: list[str], ref: str, part: str) -> bool:
    return any(doubt.startswith(f"{ref}: ") and part in doubt for doubt in doubts)


def test_a_chinese_table_in_gbk_with_addresses_from_40001() -> None:
    """GBK, ranges, a note on the order, a scale, codes in remarks; and one error of the maker's: 4 registers or 3."""
    _, values, doubts = drafted((TABLES / "bench.csv").read_bytes())
    record = values["records"]["table"]
    assert record["order"] == "CDAB"
    assert (
        record["fields"]
        == {
            "state": {"at": 0, "type": "uint16", "codes": "state"},
            "mode": {"at": 1, "type": "uint16", "codes": "mode"},
            "seq": {"at": 2, "type": "uint32"},
            "ticket": {"at": 4, "type": "text", "words": 16, "coding": "ascii", "personal": "ticket"},
            "name": {"at": 20, "type": "text", "words": 4, "coding": "gb18030", "personal": "name"},
            "score": {"at": 24},
            "started": {"at": 25},
            "r29_3": {"at": 29, "type": "bits", "bits": [3, 3]},
            "r30": {"at": 30, "type": "float32"},
            "r31": {"at": 31, "type": "int16", "scale": "0.01"},
            "r99": {"at": 99, "type": "uint16"},
        }
        or "r99" not in record["fields"]
    )
    assert values["codes"]["state"] == {"0": "idle", "1": "running", "2": "finished", "9": "fault"}
    assert values["codes"]["mode"] == {"1": "exam", "2": "practice"}
    assert has(doubts, "D9", "could be several types")
    assert has(doubts, "D10", "the table says 3, 4; type left out")
    assert has(doubts, "D11", "counted from 0, the lowest?")
    assert has(doubts, "B13", "overlaps B12: 2 words from 30")
    assert has(doubts, "B14", '"30001" 不是保持寄存器，未采用本行 is no holding register')
    assert has(doubts, "C7", "taken for `ticket`; 个人信息 personal")
    assert has(doubts, "B4", "40001 is register 0 on the wire")
    assert has(doubts, "A1", "a note")
    assert has(doubts, "G4", "codes in our words: 0 空闲 = idle")


def test_an_english_table_of_hexadecimal_addresses() -> None:
    """Semicolons, access rights; words like `big endian`, INT and x10 could mean two things and are left out."""
    draft, values, doubts = drafted((TABLES / "welder.csv").read_bytes())
    fields = values["records"]["table"]["fields"]
    assert "order" not in values["records"]["table"]
    assert fields["seq"] == {"at": 10, "type": "uint32", "order": "CDAB"}
    assert fields["boot"] == {"at": 8, "type": "uint32"}
    assert fields["r12"] == {"at": 12, "type": "float32", "order": "CDAB"}
    assert fields["score"] == {"at": 14}
    assert fields["serial"] == {"at": 0, "type": "text", "order": "AB", "words": 1, "coding": "ascii"}
    assert values["areas"]["ack"] == {"at": 16, "words": 2, "write": True}
    assert "ack" not in fields
    assert has(doubts, "F3", "the order of bytes and words could be several")
    assert has(doubts, "A3", "2 words, and nothing says which comes first")
    assert has(doubts, "C6", "could be several types")
    assert has(doubts, "F6", '"x10": 设备已乘，还是读数要乘？ multiplied by the rig, or to be multiplied?')
    assert has(doubts, "D8", "is it the acknowledgement")
    assert has(doubts, "A2", "counted from 0")
    assert has(doubts, "C2", "a text of unknown length")
    assert len(draft.entries) == 7


def workbook() -> Workbook:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "寄存器"
    rows: list[list[object]] = [
        ["高处作业考核设备通讯协议", None, None, None, None],
        ["地址", "数据项", "格式", "长度", "说明"],
        ["一、状态区", None, None, None, None],
        [40001.0, "设备编号", "ASCII", 8, "机身铭牌"],
        [40009.0, "状态", "UINT16", 1, "0：空闲 1：考试"],
        [40010.0, "故障位", "bit", 1, "bit0"],
        [None, "安全带", "bit", 1, "bit1"],
        [40011.0, "成绩", "UINT16", "=1+0", "分"],
        [40012.0, "总用时", "UINT32", 2, "高字在前"],
        ["二、其它", None, None, None, None],
        ["保留", "保留", "保留", "保留", "保留"],
        ["注：32位数据高字在前", None, None, None, None],
    ]
    for row in rows:
        sheet.append(row)
    for area in ("A1:E1", "A3:E3", "A6:A7", "A10:E10", "A12:E12"):
        sheet.merge_cells(area)
    book.create_sheet("版本记录")
    return book


def packed(book: Workbook) -> bytes:
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def test_a_workbook_with_merged_cells() -> None:
    """Groups over all columns, one address merged over two rows, a number as 40001.0, a formula, a second sheet."""
    draft, values, doubts = drafted(packed(workbook()))
    assert values["areas"] == {"status": {"at": 0, "words": 13}}
    assert values["status"]["fields"] == {
        "serial": {"at": 0, "type": "text", "words": 8, "coding": "ascii"},
        "state": {"at": 8, "type": "uint16", "codes": "state"},
        "r9": {"at": 9, "type": "bool"},
        "r9_9": {"at": 9, "type": "bool"},
        "elapsed_s": {"at": 11, "type": "uint32", "order": "ABCD"},
    }
    assert values["status"]["order"] == "ABCD"
    assert has(doubts, "A3", '"一、状态区" 作为区块 is the block `status`')
    assert has(doubts, "file", "版本记录")
    assert has(doubts, "A7", "the address is merged with the row above")
    assert has(doubts, "A7", "overlaps A6")
    assert has(doubts, "D8", "a formula")
    assert has(doubts, "A11", '"保留" 不是保持寄存器，未采用本行 is no holding register')
    assert has(doubts, "A12", "a note")
    assert draft.order == "ABCD"


@pytest.mark.parametrize("name", ["bench.csv", "welder.csv"])
def test_a_draft_is_never_ready_by_itself(name: str) -> None:
    """No doubt is silently resolved: a draft is TOML, and the linter says what a person still has to write."""
    draft = draft_of(read_sheet((TABLES / name).read_bytes()))
    findings = lint(as_toml(draft, name))
    assert any("transport: is missing" in finding.reason for finding in findings)
    assert not any("not TOML" in finding.reason for finding in findings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("40001", Address(0, None, None, "4xxxx")),
        ("4x0001", Address(0, None, None, "4xxxx")),
        ("400001", Address(0, None, None, "4xxxx")),
        ("465536", Address(65535, None, None, "4xxxx")),
        ("40001-40004", Address(0, 4, None, "4xxxx")),
        ("40001～40004", Address(0, 4, None, "4xxxx")),
        ("40001至40004", Address(0, 4, None, "4xxxx")),
        ("40010.15", Address(9, None, 15, "4xxxx")),
        ("0x10", Address(16, None, None, "hex")),
        ("1Fh", Address(31, None, None, "hex")),
        ("0", Address(0, None, None, "plain")),
        ("30001", None),
        ("40004-40001", None),
        ("VW100", None),
        ("D8013", None),
        ("", None),
        ("65536", None),
    ],
)
def test_addresses(text: str, found: Address | None) -> None:
    """1-based 4xxxx is told from what stands on the wire; a PLC's own name for a place is no address."""
    assert address_of(text) == found


def test_words_that_mean_one_thing_and_words_that_mean_two() -> None:
    """The lists of words, each at its edge."""
    assert [type_of(text) for text in ("无符号16位", "DINT", "双精度", "word", "整型", "INT", "")] == [
        ("uint16", 1),
        ("int32", 2),
        ("float64", 4),
        ("uint16", 1),
        None,
        None,
        None,
    ]
    assert [orders_of(text) for text in ("高字在前", "低16位在前", "CDAB", "大端", "备用")] == [
        {"ABCD"},
        {"CDAB"},
        {"CDAB"},
        {"?"},
        set(),
    ]
    assert [scale_of(text) for text in ("0.1", "放大100倍", "÷10", "1/100", "×10", "100", "", "分")] == [
        ("0.1", True),
        ("0.01", True),
        ("0.1", True),
        ("0.01", True),
        (None, False),
        (None, False),
        (None, True),
        (None, True),
    ]
    assert codes_of("0:空闲 1：考试；2=结束,3-故障") == {0: "空闲", 1: "考试", 2: "结束", 3: "故障"}
    assert codes_of("0-100") == codes_of("范围：0-1000") == {}
    assert [role_of(text) for text in ("寄存器数量", "寄存器地址", "序号", "R/W", "颜色")] == [
        "words",
        "address",
        None,
        "access",
        None,
    ]
    assert [column_name(number) for number in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no row is a heading"),
        (b"a,b\n1,2\n", "no row is a heading"),
        ("地址,名称\nVW1,x\n".encode(), "no row has the address"),
        (b"PK\3\4 and no more", "no .xlsx that can be read"),
        (b"\xd0\xcf\x11\xe0old", "save it as .xlsx"),
        (b"\xff\xff\xff", "neither UTF-8 nor GBK"),
        (b"a\0b", "zero bytes"),
        (b"x" * (limits.TABLE_BYTES_MAX + 1), "at most"),
        (b"x\n" * (limits.ROWS_MAX + 1), "rows and"),
        (b"," * limits.COLUMNS_MAX, "columns"),
    ],
)
def test_what_is_no_table_is_refused_in_words(data: bytes, reason: str) -> None:
    """Bad input gets a clear error: what is wrong, and what to do."""
    with pytest.raises(ConfigError, match=reason):
        draft_of(read_sheet(data))


def test_a_table_of_just_the_largest_size_is_read() -> None:
    """Limits at their edge."""
    assert len(read_sheet(b"40001,x\n" * limits.ROWS_MAX).rows) == limits.ROWS_MAX
    assert len(read_sheet(b"," * (limits.COLUMNS_MAX - 1)).rows[0]) == limits.COLUMNS_MAX
    full = (b"x" * (limits.TABLE_BYTES_MAX // limits.ROWS_MAX - 1) + b"\n") * limits.ROWS_MAX
    assert read_sheet(full.rjust(limits.TABLE_BYTES_MAX, b"x")).rows[0][0].ref == "A1"


CELLS = st.sampled_from(
    [
        "40001",
        "40003-40004",
        "状态",
        "UINT32",
        "x",
        "",
        "CDAB",
        "状态区",
        "成绩区，8条，每条9字",
        '"',
        "\\",
        "0:a 1:b",
        "# [x]",
        "é\r",
    ]
)


@settings(max_examples=40)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=5), max_size=6))
def test_any_table_gives_a_draft_that_is_toml_or_the_one_refusal(rows: list[list[str]]) -> None:
    """Fuzz: whatever a maker writes into a cell, no line of the draft is broken by it."""
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    text = "\n".join(["地址,名称,类型,备注", *quoted])
    try:
        draft = draft_of(read_sheet(text.encode()))
    except ConfigError:
        return
    made = tomllib.loads(as_toml(draft, 'a "name"\n'))
    blocks = [*made.get("records", {}).values(), *([made["status"]] if "status" in made else [])]
    assert sum(len(block["fields"]) for block in blocks) == len(draft.entries)


def test_the_command_writes_a_draft_and_tells_its_doubts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Draft to the file, doubts to standard error; an existing file is never written over."""
    out = tmp_path / "draft.toml"
    words = ["rig", "import", str(TABLES / "bench.csv"), "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    told = capsys.readouterr().err.splitlines()
    kinds = [line.split(" ")[1] for line in told[:-1]]
    guesses, doubts = kinds.count("guess"), kinds.count("DOUBT")
    assert kinds == ["guess"] * guesses + ["DOUBT"] * doubts, "what needs a decision stands last"
    assert told[-1] == f"11 fields; {guesses} guesses to look at, {doubts} doubts to decide"
    assert "[records.table.fields]" in out.read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "File exists" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["rig", "import", str(tmp_path / "none.csv")])
    assert ended.value.code == 2
