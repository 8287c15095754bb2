"""Makes the adapter that a profile asks for. The wire library is imported only here, and only when it is needed."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

from device_adapters.decoding.observed import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.contract import Adapter, Position, Source
    from device_adapters.language.profile import Profile
    from device_adapters.language.shape import Shape
    from device_adapters.language.values import PlainShape, SparkShape
    from device_adapters.messages.mailbox import Mailbox
    from device_adapters.messages.message_memory import Post
    from device_adapters.modbus.bus import Bus
    from device_adapters.modbus.polls import Polls
    from device_adapters.modbus.wire import Wire
    from device_adapters.mqtt.plain_box import PlainBox
    from device_adapters.sparkplug.box import SparkBox
    from device_adapters.sparkplug.node import EdgeNode


def _unseen() -> int:
    """No clock at hand: first readings are not timed."""
    return 0


def open_adapter(
    profile: Profile,
    *,
    host: str,
    port: int,
    serial: str,
    unit: int | None = None,
    position: Position | None = None,
    source: Source = "sensor",
    rng: Random | None = None,
    mono_us: Callable[[], int] = _unseen,
    polls: Polls | None = None,
) -> Adapter:
    """An adapter for one rig, not yet connected.

    `unit` None takes the profile's. `mono_us` times first readings. `polls` is shared by all rigs of a process.
    """
    from device_adapters.modbus.tcp import ModbusWire  # noqa: PLC0415  (the server has no wire library installed)

    wire = ModbusWire(host, port, profile.transport.unit if unit is None else unit, profile.transport, polls)
    return _register_adapter(profile, wire, serial, position=position, source=source, rng=rng, mono_us=mono_us)


def open_bus_adapter(
    profile: Profile,
    bus: Bus,
    *,
    serial: str,
    unit: int | None = None,
    position: Position | None = None,
    source: Source = "sensor",
    rng: Random | None = None,
    mono_us: Callable[[], int] = _unseen,
    polls: Polls | None = None,
) -> Adapter:
    """An adapter for one rig that shares `bus` with others, not yet connected. `polls`: as above."""
    from device_adapters.modbus.bus_wire import BusWire  # noqa: PLC0415  (as above)

    wire = BusWire.of(bus, profile.transport.unit if unit is None else unit, profile, polls)
    return _register_adapter(profile, wire, serial, position=position, source=source, rng=rng, mono_us=mono_us)


def _register_adapter(
    profile: Profile,
    wire: Wire,
    serial: str,
    *,
    position: Position | None,
    source: Source,
    rng: Random | None,
    mono_us: Callable[[], int],
) -> Adapter:
    """Whatever the wire, a rig of registers is read in one way."""
    from device_adapters.latching.latched import LatchedAdapter  # noqa: PLC0415  (as above)
    from device_adapters.modbus.quirks import worked_around  # noqa: PLC0415
    from device_adapters.modbus.registers import RegisterMemory  # noqa: PLC0415

    spread = rng or Random()  # noqa: S311  (spreads polls in time, keeps no secret)
    memory = RegisterMemory(profile, worked_around(wire, profile), serial)
    observer = Observer(serial, profile.guarantee, source)
    return LatchedAdapter(memory, observer, position=position, rng=spread, mono_us=mono_us, watch=memory.watch)


def open_box(
    shape: Shape | PlainShape | SparkShape, serial: str, nodes: dict[tuple[str, str], EdgeNode]
) -> Mailbox | PlainBox | SparkBox:
    """Where the messages of one rig come in. It outlives adapters and connections.

    `nodes` are the edge nodes of its broker, shared by the rigs below them.
    """
    from device_adapters.language.values import PlainShape, SparkShape  # noqa: PLC0415  (as above)
    from device_adapters.messages.mailbox import Mailbox  # noqa: PLC0415
    from device_adapters.mqtt.plain_box import PlainBox  # noqa: PLC0415
    from device_adapters.sparkplug.box import SparkBox  # noqa: PLC0415
    from device_adapters.sparkplug.node import EdgeNode  # noqa: PLC0415

    if isinstance(shape, PlainShape):
        return PlainBox(serial, shape)
    if isinstance(shape, SparkShape):
        group, name, _ = shape.place(serial)
        node = nodes.setdefault((group, name), EdgeNode(group, name, lambda: time.time_ns() // 1_000_000))
        return SparkBox(serial, shape, node)
    return Mailbox(serial, shape)


def open_message_adapter(
    profile: Profile,
    post: Post,
    box: Mailbox | PlainBox | SparkBox,
    *,
    position: Position | None = None,
    source: Source = "sensor",
    rng: Random | None = None,
    mono_us: Callable[[], int] = _unseen,
) -> Adapter:
    """An adapter for one rig whose messages come into `box` over `post`, not yet connected."""
    from device_adapters.latching.latched import LatchedAdapter  # noqa: PLC0415  (as above)
    from device_adapters.messages.mailbox import Mailbox  # noqa: PLC0415
    from device_adapters.messages.message_memory import MessageMemory  # noqa: PLC0415
    from device_adapters.sparkplug.box import SparkBox  # noqa: PLC0415
    from device_adapters.streaming.adapter import StreamAdapter  # noqa: PLC0415

    if not isinstance(box, Mailbox):
        return StreamAdapter(
            post,
            box.inbox,
            Observer(box.serial, profile.guarantee, source),
            position=position,
            every_ms=profile.poll.status_every_ms,
            counts=box.shape.said.counts,
            chores=box.node.chores if isinstance(box, SparkBox) else None,
        )
    memory = MessageMemory(post, box, profile.poll)
    spread = rng or Random()  # noqa: S311  (spreads polls in time, keeps no secret)
    observer = Observer(box.serial, profile.guarantee, source)
    return LatchedAdapter(memory, observer, position=position, rng=spread, mono_us=mono_us)
