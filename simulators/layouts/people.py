"""Invented names for rigs that know their candidate by name, rare characters among them. Pure."""

from __future__ import annotations

import zlib

# Some are in no older table than GB 18030, some have characters that not every screen has.
_NAMES = ("欧阳𠮷", "王㐂", "李堃", "司马䶮", "张喆", "赵一", "诸葛明日", "钱小二", "孙·三", "周伍")


def name_of(ticket: str, coding: str = "gb18030", size: int = 12) -> str:
    """The same ticket, the same name, of those that this coding has and this place holds."""
    fitting = [name for name in _NAMES if _fits(name, coding, size)]
    return fitting[zlib.crc32(ticket.encode()) % len(fitting)] if ticket and fitting else ""


def _fits(name: str, coding: str, size: int) -> bool:
    try:
        return len(name.encode(coding)) <= size
    except UnicodeEncodeError:
        return False
