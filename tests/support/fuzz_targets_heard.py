"""Fuzz targets of the tools for rigs that are heard: a capture's file, and what a reader makes of any message."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from fuzz_targets import Target
from heard_samples import head_for, profiles

from gateway.errors import ConfigError
from gateway.rig.heard.message import Message
from gateway.rig.heard.reader import reader_of
from gateway.rig.heard.recording import Line, MessageRecording, head_line, message_line, parse_message_recording

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from gateway.rig.heard.reader import Taken

WORLDS = cache(lambda: list(profiles().values()))


def _read(data: bytes) -> Taken:
    """The first two bytes say which rig and which of its messages comes as the rest says; those before are right."""

    async def take() -> Taken:
        reader = reader_of(profile, serial)
        for message in messages[:at]:
            reader.read(message)
        return reader.read(Message(messages[at].at_us, messages[at].topic, data[2:], messages[at].retained))

    profile, serial, messages = WORLDS()[data[0] % len(WORLDS()) if data else 0]
    at = data[1] % len(messages) if len(data) > 1 else 0
    return asyncio.run(take())  # a reader waits for what belongs together


def _messages() -> list[bytes]:
    return [
        bytes((world, at)) + message.payload
        for world, (_, _, messages) in enumerate(WORLDS())
        for at, message in enumerate(messages[:8])
    ]


def _captured(data: bytes) -> MessageRecording:
    """Whatever can be read can be played."""
    recording = parse_message_recording(data)
    assert len(recording.messages()) == sum(one.payload is not None for one in recording.lines)
    return recording


def _captures() -> list[bytes]:
    def capture(profile: Profile, serial: str, messages: list[Message]) -> bytes:
        lines = [message_line(Line(n * 10.0, one.topic, one.payload, one.retained)) for n, one in enumerate(messages)]
        lines += [message_line(Line(9e6, messages[0].topic, None, hidden=1, size=7)), message_line(Line(9e6, lost="x"))]
        return "".join((head_line(head_for(profile, serial)), *lines)).encode()

    return [capture(*world) for world in WORLDS()]


TARGETS = [
    Target("heard-message", _read, (), None, _messages, (b"{", b"[" * 2000, b"9" * 400, b"NaN", b"\xff"), slow=10),
    Target(
        "message-capture",
        _captured,
        (ConfigError,),
        None,
        _captures,
        (b"[", b"{", b"NaN", b"1e999", b"-1", b"true", b'"hex"', b'"bytes"', b"9" * 40, b"null"),
        slow=4,
    ),
]
