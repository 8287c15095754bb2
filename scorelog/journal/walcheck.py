"""Reads SQLite's write-ahead log before SQLite does: damage behind a commit is not a torn tail.

SQLite stops at the first frame whose checksum is wrong and forgets the rest, which is right after a power cut and a
silent loss after a bit flip. A frame that is wrong although a *later transaction* follows it was once synced: nobody
begins a transaction before the fsync of the last one returned, and every start empties this file.

Spec: "The WAL-Index File Format" and "WAL File Format", sqlite.org/fileformat2.html section 4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_HEADER: Final = struct.Struct(">8I")  # magic, version, page size, sequence, salt 1, salt 2, checksum 1, checksum 2
_FRAME: Final = struct.Struct(">6I")  # page number, size after commit or 0, salt 1, salt 2, checksum 1, checksum 2
_MAGICS: Final = {0x377F0682: "<", 0x377F0683: ">"}
_SUMMED_BYTES: Final = 24
_FRAME_SUMMED_BYTES: Final = 8
_MASK: Final = 0xFFFFFFFF


def wal_damage(path: Path) -> str | None:
    """What is wrong with a write-ahead log beyond a torn tail; None when nothing is."""
    content = path.read_bytes() if path.exists() else b""
    if len(content) <= _HEADER.size:
        return None
    magic, _, page, _, *salt, sum1, sum2 = _HEADER.unpack_from(content)
    order = _MAGICS.get(magic)
    if order is None or (sum1, sum2) != _checksum(order or "<", content[:_SUMMED_BYTES], (0, 0)):
        return "its header is damaged, though frames follow"
    frames = _frames(content, page, tuple(salt))
    return _first_damage(content, frames, page, order, (sum1, sum2))


def _frames(content: bytes, page: int, salt: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """(offset, header) of the frames of this round; those of an earlier round have another salt."""
    found = []
    for offset in range(_HEADER.size, len(content) - _FRAME.size - page + 1, _FRAME.size + page):
        header = _FRAME.unpack_from(content, offset)
        found.append((offset, header if header[2:4] == salt else ()))
    while found and not found[-1][1]:
        found.pop()
    return found


def _first_damage(
    content: bytes, frames: list[tuple[int, tuple[int, ...]]], page: int, order: str, start: tuple[int, int]
) -> str | None:
    running, broken, commits_since = start, None, 0
    for number, (offset, header) in enumerate(frames, 1):
        stated = (header[4], header[5]) if header else (0, 0)
        good = bool(header) and stated == _frame_checksum(content, offset, page, order, running)
        if good and broken is not None and commits_since:
            return f"frame {broken} of {len(frames)} is damaged, though a later transaction follows it"
        if not good and broken is None:
            broken = number
        if broken is not None and header and header[1]:
            commits_since += 1
        running = stated
    return None


def _frame_checksum(content: bytes, offset: int, page: int, order: str, running: tuple[int, int]) -> tuple[int, int]:
    running = _checksum(order, content[offset : offset + _FRAME_SUMMED_BYTES], running)
    begin = offset + _FRAME.size
    return _checksum(order, content[begin : begin + page], running)


def _checksum(order: str, content: bytes, start: tuple[int, int]) -> tuple[int, int]:
    one, two = start
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for even, odd in zip(words, words, strict=True):
        one = (one + even + two) & _MASK
        two = (two + odd + one) & _MASK
    return one, two
