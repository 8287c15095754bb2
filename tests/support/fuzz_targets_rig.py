"""Fuzz target of what an integrator brings: a maker's register table."""

from __future__ import annotations

import io
import tomllib
from typing import Any

from fuzz_targets import Target
from openpyxl import Workbook

from gateway.errors import ConfigError
from gateway.rig.draft import draft_of
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


TARGETS = [
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
