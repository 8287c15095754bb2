"""How a rig writes a record into its memory: as registers or as a message. The rig's rules are the same for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simulators.device.records import EventRecord, ResultRecord, text
from simulators.limits import TICKET_BYTES

if TYPE_CHECKING:
    from simulators.device.records import Measure


class Wire(Protocol):
    """One half of the interface page."""

    def check_ticket(self, ticket: str) -> None:
        """RigRefuses when the records of this wire cannot hold the ticket."""
        ...

    def measures(self, taken: tuple[Measure, ...]) -> tuple[Measure, ...]:
        """Those that a record of this wire can hold."""
        ...

    def encode(self, event: EventRecord, result: ResultRecord | None) -> tuple[bytes, bytes | None]:
        """What goes into the event's place, and into the result's when there is one."""
        ...


class RegisterWire:
    """The Modbus half: 48 words an event, a result record of its own (docs/rig-interface-v1.md)."""

    def check_ticket(self, ticket: str) -> None:
        """ASCII of the register's width (C3)."""
        text(ticket, TICKET_BYTES)

    def measures(self, taken: tuple[Measure, ...]) -> tuple[Measure, ...]:  # noqa: ARG002 - a register map has no place
        """None."""
        return ()

    def encode(self, event: EventRecord, result: ResultRecord | None) -> tuple[bytes, bytes | None]:
        """Words."""
        return event.encode(), result.encode() if result else None
