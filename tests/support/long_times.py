"""How much of everything the long tests do: once is what two cores do in about an hour; a night does it ten times."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("KAOFEN_LONG_TIMES", "1"))


def times(count: int) -> int:
    """So many of one long run, or as many more as `KAOFEN_LONG_TIMES` says."""
    return count * TIMES
