"""How long a record takes from the reading that first showed it to the log, and to the receipt of the server.

Owns two histograms and the short list of records that wait for their receipt. It decides nothing: a record that is
not remembered (too many wait, or it was there before) is stored and sent like every other, it only is not counted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from prometheus_client import Histogram

from gateway import limits

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# From 0.2 ms to 9 s, each a quarter above the last: a quantile read from them is right to an eighth.
BUCKETS_S: Final = tuple(round(0.0002 * 1.25**step, 7) for step in range(49))


class Journey:
    """One per process. All times are monotonic microseconds of the gateway's clock; 0 is "nobody saw"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._durable = Histogram(
            "kaofen_first_read_to_durable_seconds",
            "From the reading that first showed a record to the entry, signed and fsynced",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._receipt = Histogram(
            "kaofen_first_read_to_receipt_seconds",
            "From the reading that first showed a record to the server's verified receipt, kept durably",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._waiting: deque[tuple[int, int]] = deque(maxlen=limits.JOURNEYS_MAX)

    def stored(self, index: int, seen_us: int, now_us: int) -> None:
        """The record is the entry `index`, durably."""
        if seen_us:
            self._durable.observe((now_us - seen_us) / 1e6)
            self._waiting.append((index, seen_us))

    def receipted(self, size: int, now_us: int) -> None:
        """The server confirmed the first `size` entries."""
        waiting = self._waiting
        while waiting and waiting[0][0] < size:
            self._receipt.observe((now_us - waiting.popleft()[1]) / 1e6)
