"""`rig replay` of a capture of messages: said again to a broker, as the rig said them, so many times as fast.

Owns: the times, and that nothing stays at the broker: what was published as retained is taken back at the end.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from device_adapters.errors import NotConnected
from device_adapters.language.values import NAMESPACE
from gateway.errors import ConfigError
from gateway.rig.heard.ear import listening
from gateway.rig.heard.recording import MQTT
from gateway.rig.limits import REPLAY_SPEED_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from device_adapters.mqtt.connection import Account, Broker
    from gateway.rig.heard.message import Message
    from gateway.rig.heard.recording import MessageRecording
    from scorelog.journal.clock import Clock

_PAUSE_S: Final = 0.001


class _Deaf:
    """Who replays hears nothing."""

    def topics(self) -> Iterator[str]:
        """None."""
        yield from ()

    def take(self, message: Message, verdict: str = "") -> None:
        """Never called."""

    def lost(self) -> None:
        """Publishing finds out by itself."""


async def replay(
    account: Account, recording: MessageRecording, clock: Clock, speed: float, say: Callable[[str], object]
) -> int:
    """How many messages were said. Raises ConfigError, NotConnected."""
    if not 0 < speed <= REPLAY_SPEED_MAX:
        raise ConfigError(f"--speed {speed:g}: above 0, at most {REPLAY_SPEED_MAX:g}")
    if recording.head.wire != MQTT:
        raise ConfigError("a capture of an HTTP push is not replayed: its signatures are spent")
    messages, kept = recording.messages(), set()
    async with listening(account, _Deaf(), clock) as ear:
        if ear.reason:
            raise NotConnected(ear.reason)
        say(f"{ear.place} {recording.head.serial} {len(messages)}")
        began_us = clock.mono_us()
        try:
            for message in messages:
                due_us = began_us + int(message.at_us / speed)
                await clock.sleep(max(_PAUSE_S, (due_us - clock.mono_us()) / 1_000_000))
                await _say(ear.broker, message, message.payload)
                if message.retained:
                    kept.add(message)
        finally:
            with suppress(NotConnected):
                for message in kept:
                    await _say(ear.broker, message, b"")
    return len(messages)


async def _say(broker: Broker, message: Message, payload: bytes) -> None:
    qos = 0 if message.topic.startswith(f"{NAMESPACE}/") else 1
    await broker.publish(message.topic, payload, qos, retain=message.retained)
