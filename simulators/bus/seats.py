"""Which unit of which line a rig is: lines are filled one after the other, and no line belongs to two gateways.

A line has one master. Two gateways on it would talk into each other's questions, so rigs of another gateway begin a
line of their own.
"""

from __future__ import annotations


class Seats:
    """Lines are counted from 1, units from `first`."""

    def __init__(self, per_line: int, first: int) -> None:
        self._per_line = per_line
        self._first = first
        self._lines = 0
        self._filling: dict[str, tuple[int, int]] = {}  # by gateway: its newest line, and how many sit there

    def next(self, gateway: str) -> tuple[int, int]:
        """Line and unit of the next rig of this gateway."""
        line, taken = self._filling.get(gateway, (0, self._per_line))
        if taken == self._per_line:
            self._lines += 1
            line, taken = self._lines, 0
        self._filling[gateway] = (line, taken + 1)
        return line, self._first + taken
