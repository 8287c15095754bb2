"""Pieces of a reply sent at once or late, to one other end.

Owns the wait of late pieces, bounded. Never decides what is sent, nor when a conversation is over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulators.limits import PIECES_WAITING_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.faults import Piece


class Pieces:
    """`write` takes a piece whose time has come; `reset` breaks off an end for which too many wait."""

    def __init__(self, write: Callable[[Piece], None], reset: Callable[[], None]) -> None:
        self._write = write
        self._reset = reset
        self._waiting = 0

    def send(self, piece: Piece) -> None:
        """Now, or when its delay is over."""
        if not piece.delay_s:
            self._write(piece)
        elif self._waiting < PIECES_WAITING_MAX:
            self._waiting += 1
            asyncio.get_running_loop().call_later(piece.delay_s, self._send_late, piece)
        else:
            self._reset()

    def _send_late(self, piece: Piece) -> None:
        self._waiting -= 1
        self._write(piece)
