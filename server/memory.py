"""How the process asks the machine for memory, and gives it back.

    few heaps for many threads    glibc gives up to eight heaps a core to the threads of a process, and what one of them
                                  frees no other one uses: a third of the heaps was empty within minutes
    free pages go back            what is freed in the middle of a heap stays the process's until it is asked for, and
                                  the heap grows at its end meanwhile: a quarter of it was free pages (docs/soak.md)

Where there is another allocator nothing is changed. Never counts nor frees anything itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import TYPE_CHECKING

from server import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from scorelog.journal.clock import Clock

_M_ARENA_MAX = -8  # malloc.h


def share_arenas() -> bool:
    """Whether it was done; before the threads begin. An operator's MALLOC_ARENA_MAX goes before it."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, limits.ARENAS) == 1


def give_back() -> bool:
    """Whether free pages went back. Some milliseconds for 50 MiB, without Python's lock."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and trim(0) == 1


async def give_back_again_and_again(clock: Clock, give: Callable[[], bool] = give_back) -> None:
    """Until cancelled. In a thread: whoever asks for memory meanwhile waits, and nobody else."""
    while True:
        await clock.sleep(limits.GIVE_BACK_EVERY_S)
        await asyncio.to_thread(give)
