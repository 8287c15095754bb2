"""The seam between a rig and the gateway: one Protocol, one real form per wire, one strict fake.

A caller runs one task per rig:

    adapter = open_adapter(profile, host=…, port=…, unit=…, serial=…, position=…)
    await adapter.connect()
    while True:
        reading, ack = await adapter.read()
        ...append an Observation durably, show a RigStatus...
        await ack()

The contract, which `tests/support/adapter_contract.py` proves of every form:

1.  `connect` makes one connection. On an open adapter it first closes the old one. Raises NotConnected.
2.  `read` waits until there is something to say. One `read` runs at a time. It paces its own polling (profile),
    and it never reconnects.
3.  An Observation is yielded again, equal in every field, until its `ack` has been called. So a caller that could
    not append just reads again.
4.  Observations of a rig come in the order of its sequence numbers. `(epoch, seq)` of the newest one stored is
    the Position to start from; None = never seen. Before the first record of another boot comes `rig.rebooted`
    with that epoch, its `seq` the position so far (0 when the rig's sequence numbers went back), `fields` =
    {`epoch`, `previous_epoch`}. Records that the rig no longer holds come as one `sequence.gap`, its `seq` the
    last missing one, `fields` = {`epoch`, `from`, `to`}. Both carry no raw words. On first contact
    `previous_epoch` is None. Two exceptions. Records up to the position that the rig still holds as unacknowledged,
    and that this adapter object did not store itself, come once more after `connect`: their number alone does not
    prove that the log has them. The log knows them by key and content, and the ack then frees them. And a record
    that was passed over (7) comes late, with its own epoch and number; the position does not go back for it.
5.  `ack` is called only after the entry's fsync returned (P1). It first moves the adapter's position, then tells
    the rig. If that fails it raises NotConnected or BackOff: nothing is lost, the entry is stored, and the
    adapter tells the rig again by itself as soon as it reads its status. An ack may be called once, late, or
    never; the ack of a RigStatus, a gap or a reboot tells the rig nothing. The rig is never told a number above a
    record that was passed over: acks of later ones are remembered, and told once the record is stored too.
6.  A RigStatus is yielded when something in it changed (the heartbeat word aside; a running `elapsed_s` alone may
    wait for half a second) and at least every `poll.status_every_ms`. Its `unreadable` is the oldest record that is
    passed over, None when there is none.
7.  Errors of `read`: NotConnected (call `connect` again, after the caller's own back-off; the adapter already
    dropped its socket), BackOff (wait, then read again), BadReading (log it, read again). BadReading comes after the
    third failed reading of a record in a row; of a message that came and is none at once, and the broker is told so
    by the next `read`, which shows that the refusal is durable. After the third failure a record is passed over: the
    following ones come, and this one is tried again with the adapter's own growing pause (1 s to 5 min) until it can
    be read or the rig no longer holds it (then it is a `sequence.gap`). The same evidence is raised again at most
    every 5 minutes. A status block that cannot be read is never passed over. No other exception leaves an adapter,
    beside cancellation.
8.  `read`, `ack` and `set_ready` may be cancelled at any point: the socket is then closed if a request was in
    flight, and the next call raises NotConnected.
9.  `set_ready` writes `gateway_ready` once per call: True writes a changed counter, False writes 0. It may run
    beside `read` (another task). The adapter never repeats it by itself: a word that refreshes itself would vouch
    for a log that nobody asked. Call it at least every 3 s. On a new
    connection it is written as soon as `read` has recognised the rig by its serial number; nothing is ever written to
    an unrecognised rig. For a rig without such a word it does nothing.
10. `close` may be called at any time and more than once. A closed adapter can be connected again and goes on from
    where it was.
11. Never a wrong value (P5): whatever comes is the rig's latched record under the sequence number asked for, or
    it is refused.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from device_adapters.errors import AdapterError, BackOff, BadReading, NotConnected
from device_adapters.observation import (
    Evidence,
    FieldValue,
    Guarantee,
    Observation,
    Position,
    RawArea,
    RigStatus,
    Source,
)

Reading: TypeAlias = Observation | RigStatus


class Ack(Protocol):
    """What to call once the reading is durable."""

    async def __call__(self, entry: bytes | None = None) -> None:
        """`entry`: leaf hash of the entry that it became, None where it is no entry of its own (practice)."""


__all__ = [
    "Ack",
    "Adapter",
    "AdapterError",
    "BackOff",
    "BadReading",
    "Evidence",
    "FieldValue",
    "Guarantee",
    "NotConnected",
    "Observation",
    "Position",
    "RawArea",
    "Reading",
    "RigStatus",
    "Source",
]


class Adapter(Protocol):
    """One rig on one wire; the module docstring is its contract."""

    async def connect(self) -> None:
        """Open the connection. Raises NotConnected."""

    async def read(self) -> tuple[Reading, Ack]:
        """Wait for the next reading. Raises NotConnected, BackOff, BadReading."""

    async def set_ready(self, ready: bool) -> None:
        """Tell the rig whether an exam can be recorded. Raises NotConnected, BackOff."""

    async def close(self) -> None:
        """Drop the connection. Raises nothing."""
