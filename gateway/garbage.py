"""What stands for as long as the process is taken out of the garbage collector's sight, once, when all parts are made.

A full collection looks at every object there is: some 67,000 of the imports alone hold the loop, and with it every
rig's poll and acknowledgement, for tens of milliseconds. Owns that one step. What is made later is collected as ever;
of what stands nothing is ever given up before the process ends, so nothing is kept that would have gone.
"""

from __future__ import annotations

import gc


def settle() -> None:
    """Collect what the start left behind, then look no more at what remains."""
    gc.collect()
    gc.freeze()
