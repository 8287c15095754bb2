"""Fuzz targets of what an integrator brings: a maker's register table, a capture, a scenario, a report."""

from __future__ import annotations

import io
import tomllib
from typing import Any

from fake_clock import FakeClock
from fuzz_targets import Target
from openpyxl import Workbook

from gateway.errors import ConfigError
from gateway.rig.accept.bench import parse_scenario
from gateway.rig.accept.report import OUTCOMES, TRIALS, Report, Trial, parse, text_of
from gateway.rig.draft import draft_of
from gateway.rig.recording import Recording, parse_recording
from gateway.rig.replaying import Replay
from gateway.rig.sheet import read_sheet
from gateway.rig.writing import as_toml

ROWS = [
    ["寄存器地址", "名称", "数据类型", "长度", "备注"],
    ["40001", "设备状态", "UINT16", 1, "0:空闲 1:考试中"],
    ["40003-40004", "成绩", "FLOAT", 2, "CDAB 高字在后"],
    ["40005.3", "否决", "BOOL", "", ""],
    ["40010", "准考证号", "STRING", 16, "GBK"],
]


def _drafted(data: bytes) -> Any:
    """A draft is always a file that can be read again."""
    return tomllib.loads(as_toml(draft_of(read_sheet(data)), "table"))


def _tables() -> list[bytes]:
    text = "\n".join(",".join(map(str, row)) for row in ROWS)
    book = Workbook()
    for row in ROWS:
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    packed = io.BytesIO()
    book.save(packed)
    return [text.encode(), text.encode("gb18030"), text.replace(",", ";").encode("utf-8-sig"), packed.getvalue()]


_SCENARIO = b"""control = "127.0.0.1:9"
result = [{ cmd = "open", ticket = "A-{n}" }]
restart = [{ cmd = "power_cycle", off_s = 0.3 }]
attempt = []
tidy = []
"""


def _replayed(data: bytes) -> Recording:
    """Whatever can be read can be served."""
    recording = parse_recording(data)
    replay = Replay(recording, FakeClock())
    first = recording.exchanges[0]
    for function in range(1, 18):
        replay.answer(recording.head.unit, bytes((function, *first.at.to_bytes(2, "big"), 0, 1, 2, 0, 1)))
    return recording


def _captures() -> list[bytes]:
    head = b'{"capture": 1, "unit": 1, "began": "", "personal": "hidden", "profile": "v1", "sha256": "", "offset": 1}\n'
    words = b'{"round": 1, "at_ms": 1, "took_ms": 0.5, "read": [0, 2], "reply": "002a0001", "hidden": [[0, 1]]}\n'
    bits = b'{"round": 2, "at_ms": 9, "took_ms": 1, "read": [3, 17], "space": "coils", "reply": "00010001"}\n'
    ends = b'{"round": 3, "at_ms": 10, "took_ms": 1, "read": [0, 2], "exception": 2}\n'
    lost = b'{"round": 4, "at_ms": 11, "took_ms": 1, "read": [0, 2], "failed": "no reply"}\n'
    return [head + words, head + words + bits + ends + lost]


def _reports() -> list[bytes]:
    told = ("LV-0001", "2.1", "bench 1", "97", "latched", "h:502", "x", "y", "b", "e", "k", "v")
    trials = tuple(Trial(id_, outcome, "证据", "evidence") for id_, outcome in zip(TRIALS, OUTCOMES, strict=False))
    return [text_of(Report(*told, trials=trials)).encode()]


TARGETS = [
    Target(
        "rig-capture",
        _replayed,
        (ConfigError,),
        None,
        _captures,
        (b"[", b"{", b"NaN", b"1e999", b"-1", b"65536", b'"input"', b'"discrete"', b"9" * 40, b"\0", b"null"),
        slow=4,
    ),
    Target(
        "bench-scenario",
        parse_scenario,
        (ConfigError,),
        None,
        lambda: [_SCENARIO],
        (b"=", b"[[", b"]]", b"{", b'"', b"\n", b"control", b"cmd", b"1979-05-27", b"inf"),
    ),
    Target(
        "acceptance-report",
        lambda data: parse(data.decode()),
        (ConfigError, UnicodeDecodeError),
        lambda report: text_of(report).encode(),
        _reports,
        (b" | ", b": ", b"\n", "试验 ".encode(), b"passed", b"failed", b"\r", b"\xc2\x85"),
    ),
    Target(
        "register-table",
        _drafted,
        (ConfigError,),
        None,
        _tables,
        (b'"', b"\r", b"=1+1", b"\xa3\xff", b"\0", b"40001-", b"65535", b"0x", b"-1", b"9" * 40, "，".encode()),
        slow=20,
    ),
]
