"""How the process asks the machine for memory: few heaps for many threads.

glibc gives up to eight heaps a core to the threads of a process, and what one of them frees no other one uses: the
threads of the databases left a third of their heaps empty within minutes, and more with each hour (docs/soak.md).
Where there is another allocator nothing is changed. Never counts nor frees anything itself.
"""

from __future__ import annotations

import ctypes
import os

from server import limits

_M_ARENA_MAX = -8  # malloc.h


def share_arenas() -> bool:
    """Whether it was done; before the threads begin. An operator's MALLOC_ARENA_MAX goes before it."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, limits.ARENAS) == 1
