"""Every fault of a transaction, in the words of every wire that can have it, and what became of the records behind it.

    FAULTS[name](wire, request, reply) ─> what comes instead: bytes, pauses, None for a reset

`wire` makes frames as that wire does (Tcp, Rtu): one table serves all. On virtual time (wired_loop.py), so a fault may
last as long as it needs. MESSAGE_FAULTS is the same for payloads of a broker.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from scripted_bus import seal
from scripted_rig import ScriptedRig

from device_adapters.contract import BackOff, BadReading, NotConnected, Observation

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripted_rig import Answer, Fault

    from device_adapters.contract import Adapter, Evidence

TIMEOUT_S = 1.0  # of the shipped profile


class Wire(Protocol):
    """How a reply is framed."""

    def frame(self, request: bytes, pdu: bytes, unit: int | None = None) -> bytes: ...

    def pdu(self, frame: bytes) -> bytes: ...

    def body(self, frame: bytes) -> bytes: ...


class Tcp:
    """Transaction, protocol, length, unit."""

    nameless = False

    def frame(self, request: bytes, pdu: bytes, unit: int | None = None) -> bytes:
        made = ScriptedRig.frame(request, pdu)
        return made if unit is None else made[:6] + bytes((unit,)) + made[7:]

    def pdu(self, frame: bytes) -> bytes:
        return frame[7:]

    body = pdu


class Rtu:
    """Unit and checksum."""

    nameless = True

    def frame(self, request: bytes, pdu: bytes, unit: int | None = None) -> bytes:
        return seal(bytes((request[0] if unit is None else unit,)) + pdu)

    def pdu(self, frame: bytes) -> bytes:
        return frame[1:-2]

    body = pdu


def _foreign(pdu: bytes) -> bytes:
    """As long as the right one, with somebody else's words; of a write's reply, another address."""
    return pdu[:2] + b"\x27\x10" * (len(pdu[2:]) // 2) if pdu[0] == 3 else pdu[:1] + b"\x11\x11" + pdu[3:]


def _flipped(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes((frame[at] ^ 0x04,)) + frame[at + 1 :]


def _resized(pdu: bytes, change: int) -> bytes:
    """Registers fewer or more, and the count says so."""
    if pdu[0] != 3:
        return pdu[:3] + bytes(((pdu[3] + change) % 256, *pdu[4:]))
    data = pdu[2 : len(pdu) + 2 * change] if change < 0 else pdu[2:] + b"\0\7" * change
    return bytes((3, len(data) % 256)) + data


FAULTS: dict[str, Callable[[Wire, bytes, bytes], Answer]] = {
    "silence": lambda *_: [],
    "too late": lambda _w, _q, reply: [1.5 * TIMEOUT_S, reply],
    "far too late": lambda _w, _q, reply: [4 * TIMEOUT_S, reply],
    "cut off": lambda _w, _q, reply: [reply[:-3]],
    "cut off, the rest too late": lambda _w, _q, reply: [reply[:-3], 1.5 * TIMEOUT_S, reply[-3:]],
    "one byte": lambda _w, _q, reply: [reply[:1]],
    "closed": lambda *_: [None],
    "closed in the middle": lambda _w, _q, reply: [reply[:-3], None],
    "closed behind it": lambda _w, _q, reply: [reply, 0.01, None],
    "dripping, too late": lambda _w, _q, reply: [step for byte in reply for step in (0.2, bytes((byte,)))],
    "another unit": lambda wire, request, reply: [wire.frame(request, wire.pdu(reply), unit=9)],
    "another function": lambda wire, request, reply: [wire.frame(request, b"\x04" + wire.pdu(reply)[1:])],
    "a register less": lambda wire, request, reply: [wire.frame(request, _resized(wire.pdu(reply), -1))],
    "a register more": lambda wire, request, reply: [wire.frame(request, _resized(wire.pdu(reply), 1))],
    "a count that lies": lambda wire, request, reply: [
        wire.frame(request, wire.pdu(reply)[:1] + bytes(((wire.pdu(reply)[1] + 2) % 256,)) + wire.pdu(reply)[2:])
    ],
    "an odd number of bytes": lambda wire, request, reply: [
        wire.frame(request, wire.pdu(reply)[:1] + bytes(((wire.pdu(reply)[1] - 1) % 256,)) + wire.pdu(reply)[2:-1])
    ],
    "bytes behind it": lambda _w, _q, reply: [reply + b"\0\0"],
    "bytes behind it, later": lambda _w, _q, reply: [reply, 0.005, b"\0\0"],
    "twice": lambda _w, _q, reply: [reply + reply],
    "twice, later": lambda _w, _q, reply: [reply, 0.3, reply],
    "another unit's reply before it": lambda wire, request, reply: [
        wire.frame(request, _foreign(wire.pdu(reply)), unit=9) + reply
    ],
    "somebody's words in its frame": lambda wire, request, reply: [wire.frame(request, _foreign(wire.pdu(reply)))],
    "noise before it": lambda _w, _q, reply: [b"\xde\xad\xbe\xef" + reply],
    "noise instead": lambda _w, _q, reply: [random.Random(5).randbytes(len(reply))],
    "a flood before it": lambda _w, _q, reply: [random.Random(3).randbytes(5000), reply],
    "a bit of the head": lambda _w, _q, reply: [_flipped(reply, 0)],
    "a bit of the words": lambda _w, _q, reply: [_flipped(reply, len(reply) // 2)],
    "a bit of the end": lambda _w, _q, reply: [_flipped(reply, len(reply) - 1)],
    "its own request": lambda _w, request, _r: [request],
    "its own request before it": lambda _w, request, reply: [request, reply],
    **{
        f"exception {code}": lambda wire, request, reply, code=code: [  # type: ignore[misc]
            wire.frame(request, bytes((wire.pdu(reply)[0] | 0x80, code)))
        ]
        for code in (1, 2, 3, 4, 5, 6, 10, 11, 200)
    },
    "dripping, in time": lambda _w, _q, reply: [step for byte in reply for step in (0.001, bytes((byte,)))],
    "in two halves": lambda _w, _q, reply: [reply[:5], 0.002, reply[5:]],
    "late, in time": lambda _w, _q, reply: [0.5, reply],
}
HARMLESS = frozenset({"dripping, in time", "in two halves", "late, in time"})


def on(wire: Wire, name: str) -> Fault:
    """That fault on that wire, as scripted rigs take it."""
    return lambda request, reply: FAULTS[name](wire, request, reply)


@dataclass
class Story:
    """What a gateway would know of one rig."""

    seen: list[Observation] = field(default_factory=list)
    refused: list[Evidence] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)

    @property
    def told(self) -> bool:
        """Whether anybody was told that something is wrong."""
        return bool(self.refused or self.lost or self.busy)


async def follow_story(adapter: Adapter, enough: Callable[[Story], bool], within_s: float) -> Story:
    """As a supervisor does, until it is enough or the time is over; the pauses are virtual."""
    story, up = Story(), False
    try:
        async with asyncio.timeout(within_s):
            while not enough(story):
                try:
                    if not up:
                        await adapter.connect()
                        up = True
                    reading, ack = await adapter.read()
                    if isinstance(reading, Observation):
                        story.seen.append(reading)
                    await ack()
                except NotConnected as error:
                    story.lost.append(error.reason)
                    up = False
                    await asyncio.sleep(0.25)
                except BadReading as error:
                    story.refused.append(error.evidence)
                except BackOff as error:
                    story.busy.append(error.reason)
                    await asyncio.sleep(error.wait_s)
    except TimeoutError:
        pass
    finally:
        await adapter.close()
    return story
