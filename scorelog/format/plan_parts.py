"""Cutting a long text into parts that fit into entries, and joining them (rule 14 of docs/formats/entry.md)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from scorelog.format.errors import PlanError
from scorelog.format.limits import TEXT_PART_BYTES_MAX, TEXT_PART_JSON_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHARACTER_BYTES_MAX = 4
_ESCAPE_BYTES_MAX = 6


def parts(text: str, max_bytes: int = TEXT_PART_BYTES_MAX) -> list[str]:
    """The text in parts of at most `max_bytes` of UTF-8, cut between characters; an empty text is one empty part.

    A part is shorter where JSON's escapes would make its entry too long.
    """
    if max_bytes < _CHARACTER_BYTES_MAX:
        raise ValueError(f"parts of {max_bytes} bytes cannot hold every character")
    try:
        left = text.encode()
    except UnicodeEncodeError as error:
        raise PlanError("a lone surrogate", where=f"text character {error.start}") from None
    found = []
    while left:
        end = _end(left, max_bytes)
        while excess := _too_long(left[:end]):
            end = _end(left, end - -(-excess // _ESCAPE_BYTES_MAX))
        found.append(left[:end].decode())
        left = left[end:]
    return found or [""]


def join(pieces: Iterable[str], sha256: str) -> bytes:
    """The text of all parts in order; PlanError if it has another hash."""
    data = "".join(pieces).encode("utf-8", "surrogatepass")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PlanError(f"the parts make a text of SHA-256 {found}", where="plan", expected=sha256[:64])
    return data


def _end(data: bytes, at: int) -> int:
    """The last boundary between characters that is not behind `at`."""
    while at < len(data) and data[at] & 0xC0 == 0x80:  # noqa: PLR2004 - a continuation byte of UTF-8
        at -= 1
    return min(at, len(data))


def _too_long(data: bytes) -> int:
    """By how many bytes a part is too long as a JSON string."""
    said = json.dumps(data.decode(), ensure_ascii=False).encode()
    return max(0, len(said) - TEXT_PART_JSON_BYTES_MAX)
