"""Which column of a maker's table holds what, told by its heading, Chinese or English.

Owns: the words of headings. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.rig.limits import HEADER_WITHIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.rig.sheet import Cell, Row

# By role, the narrow words first: 寄存器数量 is a length, 寄存器 an address.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "words": ("寄存器数", "字数", "长度", "数量", "个数", "length", "words", "count", "qty", "size"),
    "type": ("数据类型", "类型", "格式", "type", "format"),
    "scale": ("倍率", "系数", "比例", "精度", "分辨率", "scale", "factor", "resolution", "ratio"),
    "access": ("读写", "权限", "属性", "r/w", "access"),
    "function": ("功能码", "function"),
    "order": ("字序", "字节序", "byte order", "word order"),
    "unit": ("单位", "unit"),
    "range": ("范围", "取值", "range"),
    "remark": ("备注", "说明", "注释", "描述", "remark", "note", "comment", "description"),
    "group": ("区块", "分区", "区域", "分组", "数据块", "block", "group"),
    "address": ("地址", "寄存器", "address", "register", "addr"),
    "name": ("名称", "参数", "变量", "数据项", "内容", "信号", "name", "parameter", "item", "signal"),
}
_COUNTING = {"序号", "no", "no.", "#"}  # of the rows: nothing to read
_NEEDED = {"address", "name"}


@dataclass(frozen=True, slots=True)
class Columns:
    """The heading's row, and the columns by role; `unknown` and `twice` are headings that nobody reads."""

    row: int
    roles: Mapping[str, int]
    unknown: tuple[Cell, ...]
    twice: tuple[Cell, ...]


def find_columns(rows: Sequence[Row]) -> Columns | None:
    """The first row that names an address and a name; None when there is none."""
    for number, row in enumerate(rows[:HEADER_WITHIN]):
        found = _roles(number, row)
        if found.roles.keys() >= _NEEDED:
            return found
    return None


def _roles(number: int, row: Row) -> Columns:
    roles: dict[str, int] = {}
    unknown, twice = [], []
    for column, cell in enumerate(row):
        if not cell.text or cell.text.lower() in _COUNTING:
            continue
        role = role_of(cell.text)
        if role is None:
            unknown.append(cell)
        elif role not in roles:
            roles[role] = column
        else:
            twice.append(cell)
    return Columns(number, roles, tuple(unknown), tuple(twice))


def role_of(heading: str) -> str | None:
    """What a column of this heading holds."""
    plain = re.sub(r"\s+", " ", heading).strip().lower()
    if plain in _COUNTING or len(plain) > 24:  # noqa: PLR2004  (a sentence is no heading)
        return None
    return next((role for role, words in HEADINGS.items() if any(word in plain for word in words)), None)
