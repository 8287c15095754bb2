"""What the rigs of a configuration hang on: buses, brokers' connections, and the adapter of each rig.

Owns: each line and each connection, once, by its name in the settings; which adapter a rig gets. Reads and writes
nothing by itself. `change` is for a hot reload: it touches only what it is told.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from device_adapters.factory import open_adapter, open_box, open_bus_adapter, open_message_adapter
from device_adapters.language.shape import Shape
from device_adapters.modbus.bus_place import open_bus
from device_adapters.modbus.polls import Polls
from gateway.push.desk import Desk, Place
from gateway.push.identity import Identities
from gateway.push.listener import PushListener
from gateway.supervising.brokers import BrokerLink

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from device_adapters.contract import Adapter, Position, Source
    from device_adapters.messages.mailbox import Mailbox
    from device_adapters.modbus.bus import Bus
    from device_adapters.mqtt.connection import Account
    from device_adapters.mqtt.plain_box import PlainBox
    from device_adapters.sparkplug.box import SparkBox
    from device_adapters.sparkplug.node import EdgeNode
    from gateway.recording.texts import Texts
    from gateway.settings.config import Config, RigConfig
    from scorelog.journal.clock import Clock


class Wires:
    """One per process."""

    def __init__(
        self,
        config: Config,
        texts: Texts,
        accounts: Mapping[str, Account],
        clock: Clock,
        pushers: Identities | None = None,
    ) -> None:
        self._clock = clock
        self._polls = Polls()
        self._spread = random.Random()  # noqa: S311 - spreads the polls of all rigs in time, keeps no secret
        self._boxes: dict[str, Mailbox | PlainBox | SparkBox] = {}
        self._texts = texts
        self.buses: dict[str, Bus] = {}
        self.links: dict[str, BrokerLink] = {}
        pushers = pushers or Identities()
        self.desk = Desk(clock)
        self.listeners: dict[str, PushListener] = {}
        self._hang_up(config, accounts, pushers)

    async def change(
        self,
        config: Config,
        texts: Texts,
        accounts: Mapping[str, Account],
        *,
        buses: Collection[str],
        brokers: Collection[str],
        listeners: Collection[str] = (),
        pushers: Identities | None = None,
    ) -> None:
        """The named ones end, which nobody uses any more; what the new configuration has and is not there is made."""
        for name in brokers:
            self.links.pop(name)
        for name in listeners:
            self.listeners.pop(name)
        for name in buses:
            await self.buses.pop(name).close()
        self._texts = texts
        self._hang_up(config, accounts, pushers or Identities())

    def stale(self, config: Config, pushers: Identities) -> frozenset[str]:
        """Listeners that are no more, or are other ones: another address, other networks, a renewed certificate."""
        wanted = {each.id: (each, pushers.fingerprints.get(each.id, b"")) for each in config.pushes}
        return frozenset(
            name for name, one in self.listeners.items() if wanted.get(name) != (one.config, one.fingerprint)
        )

    async def close(self) -> None:
        """Give every line back."""
        for bus in self.buses.values():
            await bus.close()

    def adapter(self, rig: RigConfig, position: Position | None) -> Adapter:
        """Not yet connected."""
        source: Source = "simulator" if rig.source == "simulator" else "sensor"
        profile, mono_us, rng = self._texts.profiles[rig.profile], self._clock.mono_us, self._spread
        if rig.broker:
            post, box = self.links[rig.broker].broker, self._boxes[rig.serial]
            return open_message_adapter(profile, post, box, position=position, source=source, rng=rng, mono_us=mono_us)
        if rig.push:
            window = self.desk.window(rig.serial, position)
            return open_message_adapter(
                profile, window, window.box, position=position, source=source, rng=rng, mono_us=mono_us
            )
        if rig.bus:
            return open_bus_adapter(
                profile,
                self.buses[rig.bus],
                serial=rig.serial,
                unit=rig.unit,
                position=position,
                source=source,
                rng=rng,
                mono_us=mono_us,
                polls=self._polls,
            )
        return open_adapter(
            profile,
            host=rig.host,
            port=rig.port,
            unit=rig.unit,
            serial=rig.serial,
            position=position,
            source=source,
            rng=rng,
            mono_us=mono_us,
            polls=self._polls,
        )

    def _hang_up(self, config: Config, accounts: Mapping[str, Account], pushers: Identities) -> None:
        """Make what there is not yet; a new broker is joined by all its rigs before it is connected."""
        for bus in config.buses:
            if bus.id not in self.buses:
                self.buses[bus.id] = open_bus(bus.place)
        for each in config.pushes:
            if each.id not in self.listeners:
                tls, print_ = pushers.contexts[each.id], pushers.fingerprints.get(each.id, b"")
                self.listeners[each.id] = PushListener(
                    each, tls, self.desk, self._clock, random.SystemRandom(), fingerprint=print_
                )
        new = [name for name in accounts if name not in self.links]
        for name in new:
            self.links[name] = BrokerLink(name, accounts[name], self._clock, random.SystemRandom())
        nodes: dict[str, dict[tuple[str, str], EdgeNode]] = {}
        for rig in config.rigs:
            shape = self._texts.profiles[rig.profile].message
            if shape is not None and rig.broker in new:
                self._boxes[rig.serial] = open_box(shape, rig.serial, nodes.setdefault(rig.broker, {}))
                self.links[rig.broker].broker.join(self._boxes[rig.serial])
        self.desk.set_up(
            Place(rig.serial, rig.push, shape, pushers.secrets[rig.serial], rig.signed, profile.poll.status_every_ms)
            for rig in config.rigs
            if rig.push and isinstance(shape := (profile := self._texts.profiles[rig.profile]).message, Shape)
        )
