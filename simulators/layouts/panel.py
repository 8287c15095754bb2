"""Single inputs and coils of a maker's rig: what the inputs tell of its status, and the coil that frees a result.

gateway sets the coil ─▶ the oldest result is free, the answer is set ─▶ gateway clears the coil ─▶ so is the answer
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from simulators.device.registers import ILLEGAL_ADDRESS, READ_DISCRETE
from simulators.errors import ModbusRefusal

if TYPE_CHECKING:
    from simulators.device.rig import Rig
    from simulators.layouts.rig import MakerRig
    from simulators.layouts.shape import Bell, Flags


class LayoutPanel:
    """Of one model."""

    def __init__(self, flags: Flags | None, bell: Bell | None) -> None:
        self._flags = flags
        self._bell = bell

    def area_of(self, address: int, function: int) -> str:
        """Inputs are status, the coil is control."""
        if function == READ_DISCRETE:
            return "status" if self._is_input(address) else ""
        return "control" if self._bell is not None and address == self._bell.coil else ""

    def read(self, rig: Rig, function: int, address: int, count: int) -> list[int]:
        """Whatever is an input or a coil here, bit by bit."""
        asked = range(address, address + count)
        if not all(self.area_of(at, function) for at in asked):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        maker = cast("MakerRig", rig)
        if function != READ_DISCRETE:
            return [int(maker.bell_rings)] * count
        values = maker.status_values()
        return [self._input(maker, values, at) for at in asked]

    def write(self, rig: Rig, address: int, values: list[int]) -> None:
        """The coil, alone."""
        if self._bell is None or (address, len(values)) != (self._bell.coil, 1):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        cast("MakerRig", rig).ring(on=bool(values[0]))

    def _is_input(self, address: int) -> bool:
        flags, bell = self._flags, self._bell
        answers = bell is not None and address == bell.answer
        return answers or (flags is not None and flags.at <= address < flags.at + flags.count)

    def _input(self, rig: MakerRig, values: dict[str, int | str], address: int) -> int:
        if self._bell is not None and address == self._bell.answer:
            return int(rig.bell_rings)
        for name, bits in self._flags.places.items() if self._flags is not None else ():
            bit = address - self._flags.at if self._flags is not None else 0
            if bits.low <= bit <= bits.high:
                return int(values[name]) >> bit - bits.low & 1
        return 0
