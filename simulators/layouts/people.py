"""Invented names for rigs that know their candidate by name, rare characters among them. Pure."""

from __future__ import annotations

import zlib

# All of them fit into twelve bytes of GB 18030; some are in no older table.
_NAMES = ("欧阳𠮷", "王㐂", "李堃", "司马䶮", "张喆", "赵一", "诸葛明日", "钱小二", "孙·三", "周伍")


def name_of(ticket: str) -> str:
    """The same ticket, the same name."""
    return _NAMES[zlib.crc32(ticket.encode()) % len(_NAMES)]
