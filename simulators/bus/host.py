"""One rig on a line that others share. Power and faults are plug.py's; the line is line.py's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.device.plug import Host

if TYPE_CHECKING:
    from simulators.bus.line import BusLine
    from simulators.device.rig import Rig


class BusHost(Host):
    """A unit. Without power it is silent, and its neighbours notice nothing."""

    wire = "rtu"

    def __init__(self, rig: Rig, line: BusLine, unit: int, **more: Any) -> None:
        super().__init__(rig, **more)
        self.unit = unit
        self._line = line
        line.plug_in(unit, self)

    def where(self) -> dict[str, Any]:
        """The line and the unit on it."""
        return {"bus": self._line.number, "unit": self.unit, **self._line.where()}

    def break_connection(self) -> None:
        """The line breaks off for all its units."""
        self._line.break_off()

    async def _appear(self) -> None:
        await self._line.appear(self.unit)

    def _vanish(self) -> None:
        self._line.vanish(self.unit)

    async def _leave(self) -> None:
        await self._line.leave(self.unit)
