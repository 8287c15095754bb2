"""How often a login may fail: a bucket per account name and one per address, on the injected Clock.

An attempt takes a drop from both buckets before the password is looked at and gets it back when the password was right.
In memory and bounded: the least recently used bucket goes first, which a flood of new names can only use to forget
about other *names*; its own address stays the most recent one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.people import limits

if TYPE_CHECKING:
    from scorelog.journal.clock import Clock


@dataclass(slots=True)
class _Bucket:
    drops: float
    at_us: int


class LoginThrottle:
    """Says how long the next attempt has to wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def wait_s(self, account: str, address: str) -> int:
        """0 when this attempt may go on (then it is counted); else whole seconds to wait."""
        pairs = [
            (self._bucket("account", account, limits.LOGIN_BURST_ACCOUNT), limits.LOGIN_BURST_ACCOUNT),
            (self._bucket("address", address, limits.LOGIN_BURST_ADDRESS), limits.LOGIN_BURST_ADDRESS),
        ]
        short = max((1.0 - bucket.drops for bucket, _ in pairs), default=0.0)
        if short > 0:
            return max(1, math.ceil(short * limits.LOGIN_REFILL_S))
        for bucket, _ in pairs:
            bucket.drops -= 1.0
        return 0

    def succeeded(self, account: str, address: str) -> None:
        """Give both drops back: a right password is no failure."""
        for kind, name, burst in (
            ("account", account, limits.LOGIN_BURST_ACCOUNT),
            ("address", address, limits.LOGIN_BURST_ADDRESS),
        ):
            bucket = self._bucket(kind, name, burst)
            bucket.drops = min(float(burst), bucket.drops + 1.0)

    def _bucket(self, kind: str, name: str, burst: int) -> _Bucket:
        # The monotonic clock: moving the wall clock must not open the door.
        now = self._clock.mono_us()
        bucket = self._buckets.setdefault((kind, name), _Bucket(float(burst), now))
        self._buckets.move_to_end((kind, name))
        bucket.drops = min(float(burst), bucket.drops + (now - bucket.at_us) / 1e6 / limits.LOGIN_REFILL_S)
        bucket.at_us = now
        while len(self._buckets) > limits.LOGIN_KEYS_MAX:
            self._buckets.popitem(last=False)
        return bucket
