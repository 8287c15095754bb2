"""When one rig's status is read next, and when it is to be shown again although nothing changed.

Owns: the times, spread a little so that the rigs of a hall do not move in step. Reads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from device_adapters.limits import TICK_SHOWN_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from device_adapters.decoding.decode import Standing
    from device_adapters.language.profile import Poll
    from device_adapters.observation import RigStatus

    # From a time on, and on while the status says the same and a next time is told: see `RegisterMemory.watch`.
    Rest: TypeAlias = Callable[[bool], float | None]
    Watch: TypeAlias = Callable[[float, Rest], Awaitable[tuple[RigStatus, Standing]]]


class Pace:
    """One rig's."""

    __slots__ = ("_now", "_poll", "_rng", "_shown_at", "next")

    def __init__(self, poll: Poll, rng: Random, now: Callable[[], float]) -> None:
        self._poll = poll
        self._rng = rng
        self._now = now
        self._shown_at = 0.0
        self.next = float("-inf")

    def shown(self) -> None:
        """Its status was shown."""
        self._shown_at = self._now()

    @property
    def stale(self) -> bool:
        """Whether that is so long ago that it is to be shown again."""
        return self._now() - self._shown_at >= self._poll.status_every_ms / 1000

    def at_once(self) -> None:
        """The next reading waits for nothing."""
        self.next = float("-inf")

    def looked(self, began: float, state: str) -> None:
        """It was read, and showed this state."""
        self.next = began + self._poll.interval_s(state) * self._rng.uniform(0.9, 1.1)

    def again(self, state: str, *, ticks: bool = False) -> float | None:
        """It was read when it was due, and said the same: the next time, never before now; None when it is news.

        It is when it was not shown for a while; `ticks`: its time ran, which is news sooner.
        """
        now, every_s = self._now(), self._poll.status_every_ms / 1000
        if now - self._shown_at >= (min(TICK_SHOWN_S, every_s) if ticks else every_s):
            return None
        self.looked(self.next, state)
        self.next = max(self.next, now)
        return self.next
