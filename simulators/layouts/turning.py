"""Which page of which record a rig's window shows: two words turn it, and the rig takes its time. Volatile."""

from __future__ import annotations

from dataclasses import dataclass

_US = 1000  # of a millisecond


@dataclass(slots=True)
class Turning:
    """After a power cut, page 0 of slot 0."""

    slot: int = 0
    page: int = 0
    _since_us: int = 0
    _was: tuple[int, int] = (0, 0)

    def turn(self, now_us: int, *, slot: int | None = None, page: int | None = None) -> None:
        """A gateway wrote one of the two words."""
        self._was, self._since_us = (self.slot, self.page), now_us
        self.slot = self.slot if slot is None else slot
        self.page = self.page if page is None else page

    def shown(self, now_us: int, turn_ms: int) -> tuple[int, int]:
        """Slot and page; the ones before for as long as the rig turns."""
        return self._was if now_us - self._since_us < turn_ms * _US else (self.slot, self.page)
