"""Which lines of our own code an input runs, for the fuzzing loop to follow.

By `sys.settrace`: the interpreter calls back at each line of the functions that are watched, and at no other. It is
five to twenty times slower than running blind, so that a guided walk is short and finds the way, and the blind walks
with what it found are long.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tree import PACKAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

OURS = tuple(f"{ROOT / package}/" for package in PACKAGES)


class Lines:
    """All that ran so far, in files whose paths begin like one of `watched`."""

    def __init__(self, watched: tuple[str, ...] = OURS) -> None:
        self.seen: set[tuple[CodeType, int]] = set()
        self._watched = watched
        self._codes: dict[CodeType, bool] = {}

    def run(self, check: Callable[[bytes], str], data: bytes) -> tuple[str, bool]:
        """What the check says, and whether a line ran that none before it ran."""
        before, others = len(self.seen), sys.gettrace()
        sys.settrace(self._called)
        try:
            kind = check(data)
        finally:
            sys.settrace(others)
        return kind, len(self.seen) > before

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        watched = self._codes.get(code)
        if watched is None:
            watched = self._codes[code] = code.co_filename.startswith(self._watched)
        return self._ran if watched else None

    def _ran(self, frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        if event == "line":
            self.seen.add((frame.f_code, frame.f_lineno))
        return self._ran
