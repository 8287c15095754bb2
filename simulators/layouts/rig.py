"""A maker's rig with registers: its records in the maker's own words, what a gateway reads and writes on it.

Owns: words, window, coil. What is a record and what it means, model_rig.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.device.records import Deduction, EventRecord, ResultRecord, text
from simulators.layouts.blocks import words_of
from simulators.layouts.memory import ReadOnce, ResultRing
from simulators.layouts.model_rig import ModelRig, ModelWire
from simulators.layouts.registers import LayoutRegisters
from simulators.layouts.turning import Turning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.device.clock import RigTime
    from simulators.device.memory import Memory
    from simulators.device.rig import Latched
    from simulators.device.rubric import Rubric
    from simulators.layouts.shape import Layout
    from simulators.layouts.values import Value


class LayoutWire(ModelWire):
    """How a result becomes words."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._layout = layout

    def check_ticket(self, ticket: str) -> None:
        """ASCII of the width that the model has; nothing where it has none."""
        if self._layout.tells("ticket"):
            text(ticket, 2 * self._layout.result.places["ticket"][0].words)

    def encode(self, event: EventRecord, result: ResultRecord | None) -> tuple[bytes, bytes | None]:
        """The record; there is no second one."""
        layout = self._layout
        rows = result.deductions if result and layout.result.rows else ()
        values = self.values(event, result)
        return words_of(layout.result, {**values, "deduction_count": len(rows)}, [_row(each) for each in rows]), None


def _empty(layout: Layout) -> ResultRing:
    result = layout.result
    return ReadOnce(result.slots) if result.cleared else ResultRing(result.slots, overwrites=layout.overwrites)


def _row(deduction: Deduction) -> dict[str, Value]:
    return {
        "line": deduction.line,
        "points": deduction.points,
        "at_s": deduction.at_s or 0,
        "veto": int(deduction.veto),
    }


class MakerRig(ModelRig):
    """See simulators.rig.Rig for the buttons."""

    def __init__(
        self,
        serial: str,
        rubric: Rubric,
        time: RigTime,
        layout: Layout,
        *,
        on_latch: Callable[[Latched], None] = lambda _: None,
    ) -> None:
        self.layout = layout
        super().__init__(
            serial,
            rubric,
            time,
            memory=_empty(layout),
            wire=LayoutWire(layout),
            registers=LayoutRegisters(layout),
            on_latch=on_latch,
        )
        self.needs_gateway = layout.ready is not None
        self.status_words()  # a serial number that does not fit is told now

    def new_memory(self) -> Memory:
        """An empty one."""
        return _empty(self.layout)

    def _forget(self) -> None:
        """What the window shows and how the coil stands are volatile, too."""
        super()._forget()
        self.turning = Turning()
        self.bell_rings = False

    @property
    def model(self) -> Layout:
        """Its own."""
        return self.layout

    # ---- what may begin now ----

    def no_room(self) -> str | None:
        """One item runs at a time: room for all its records is enough."""
        enough = self.memory.result_room >= self.layout.room
        return None if enough else "result store full: the gateway has not told that it has them"

    # ---- the bus side ----

    def status_block(self) -> bytes:
        """In the maker's words."""
        return self.status_words()

    def status_words(self, changes: Mapping[str, int] | None = None) -> bytes:
        """With other numbers, when a fault wants them."""
        return words_of(self.layout.status, {**self.status_values(), **(changes or {})})

    def read_away(self) -> None:
        """The place of the oldest result was read to its end: the result is gone."""
        seq = self.memory.take() if isinstance(self.memory, ReadOnce) else 0
        if seq:
            self.write_ack(seq)

    def ring(self, *, on: bool) -> None:
        """The coil: set, it frees the oldest result, once."""
        if on and not self.bell_rings and self.memory.oldest_seq:
            self.write_ack(self.memory.oldest_seq)
        self.bell_rings = on

    def control_block(self) -> tuple[int, int]:
        """Where the model echoes, only what it took stays."""
        told, ready = super().control_block()
        echo = self.layout.told is not None and self.layout.told.echo
        return (self.memory.acked_seq if echo else told), ready
