"""The matrix for messages: every fault of a payload or of its way, at every message of an exam (H1 to H5, P1, P5).

On virtual time, without a broker: a rig in memory on one side, the adapter on the other, and a line between them that
spoils one message, or every message of one number. What real brokers do is test_mqtt_messages.py's.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from fault_matrix import Story, follow_story
from mqtt_point import hurried
from rig_messages import GOLDEN, STATUS
from wired_loop import WiredLoop, run_wired

from device_adapters.contract import Position
from device_adapters.errors import REASONS
from device_adapters.factory import open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.messages.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

SERIAL, BOOT, COUNT = "CP-0001", 3, 4
PROFILE = load_profile(hurried())
GONE = "gone"  # the connection breaks instead

FAULTS: dict[str, Callable[[bytes], list[Any]]] = {
    "lost": lambda _: [],
    "twice": lambda payload: [(0.0, payload, False), (0.0, payload, False)],
    "late": lambda payload: [(3.0, payload, False)],
    "again, later": lambda payload: [(0.0, payload, False), (3.0, payload, False)],
    "retained": lambda payload: [(0.0, payload, True)],
    "retained, and then itself": lambda payload: [(0.0, payload, True), (0.0, payload, False)],
    "cut off": lambda payload: [(0.0, payload[: len(payload) // 2], False)],
    "empty": lambda _: [(0.0, b"", False)],
    "not UTF-8": lambda payload: [(0.0, payload[:-1] + b"\xff}", False)],
    "not JSON": lambda payload: [(0.0, payload + b"}", False)],
    "a list": lambda payload: [(0.0, b"[" + payload + b"]", False)],
    "a key twice": lambda payload: [(0.0, b'{"v":1,' + payload[1:], False)],
    "a fraction": lambda payload: [(0.0, payload.replace(b'"v": 1', b'"v": 1.0'), False)],
    "oversize": lambda payload: [(0.0, payload[:-1] + b', "x": "' + b"a" * 16_384 + b'"}', False)],
    "another rig's": lambda payload: [(0.0, payload.replace(SERIAL.encode(), b"CP-0009"), False)],
    "without its number": lambda payload: [(0.0, payload.replace(b'seq"', b'sqe"'), False)],
    "a text for a number": lambda payload: [(0.0, payload.replace(b'"boot": 3', b'"boot": "3"'), False)],
    "the connection breaks": lambda _: [GONE],
    "the connection breaks behind it": lambda payload: [(0.0, payload, False), GONE],
}
HARMLESS = {"twice", "late", "again, later", "retained, and then itself", "the connection breaks behind it"}


class Line:
    """A rig in memory, and the way of its messages. `spoil(n, seq)`: whether message n, a record or 0, is spoilt."""

    def __init__(self, name: str, spoil: Callable[[int, int], bool]) -> None:
        assert PROFILE.message is not None
        self.box = Mailbox(SERIAL, PROFILE.message)
        self.connection, self.trouble = 1, None
        self.payloads = {
            seq: GOLDEN["deduction"].changed(seq=seq, boot=BOOT, at_s=100 + seq) for seq in range(1, COUNT + 1)
        }
        self.told, self.met, self.number = 0, 0, 0
        self.settled: dict[int, list[int]] = {}
        self.stored: set[int] = set()
        self._fault, self._spoil = FAULTS[name], spoil

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """What the adapter says to the rig."""
        said: dict[str, Any] = json.loads(payload)
        if topic.endswith("/ack"):
            self.told = max(self.told, said["seq"])
        elif topic.endswith("/resend"):
            for seq in range(max(said["from"], self.told + 1), COUNT + 1):
                self.say(seq)

    async def live(self) -> None:
        """Records at once, a status five times a second, until cancelled."""
        for seq in self.payloads:
            self.say(seq)
        while True:
            self.say(0)
            await asyncio.sleep(0.2)

    def say(self, seq: int) -> None:
        """A record by its number, or the status."""
        self.number += 1
        held = [one for one in self.payloads if one > self.told]
        standing = {"boot": BOOT, "last_seq": COUNT, "oldest_seq": min(held, default=0), "acked_seq": self.told}
        payload = self.payloads[seq] if seq else json.dumps(STATUS | standing).encode()
        if not self._spoil(self.number, seq):
            self._deliver(payload, seq, retained=False)
            return
        self.met += 1
        loop = asyncio.get_running_loop()
        for one in self._fault(payload):
            if one == GONE:
                self.connection += 1
                self.box.lost()
            else:
                delay_s, spoilt, retained = one
                loop.call_later(delay_s, lambda b=spoilt, r=retained: self._deliver(b, seq, retained=r))

    def _deliver(self, payload: bytes, seq: int, *, retained: bool) -> None:
        take = self.box.deliver_record if seq else self.box.deliver_status
        take(payload, lambda _fate: self.settled.setdefault(seq, []).append(seq), retained=retained)


def run(name: str, spoil: Callable[[int, int], bool], within_s: float) -> tuple[Line, Story]:
    async def work(_loop: WiredLoop) -> tuple[Line, Story]:
        line = Line(name, spoil)
        life = asyncio.create_task(line.live())
        adapter = open_message_adapter(PROFILE, line, line.box, position=Position(BOOT, 0), rng=Random(1))
        try:
            return line, await follow_story(adapter, lambda _story: line.told == COUNT, within_s)
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    return run_wired(work)


def right(story: Story) -> list[int]:
    """Every record that came is the rig's own under its own number, and came once."""
    for row in story.seen:
        assert (row.rig, row.epoch, row.type, row.fields["at_s"]) == (SERIAL, BOOT, "deduction", 100 + row.seq)
    seqs = [row.seq for row in story.seen]
    assert len(seqs) == len(set(seqs))
    assert all(evidence.reason in REASONS for evidence in story.refused)
    assert all(story.lost)
    return seqs


@pytest.mark.parametrize("name", FAULTS)
def test_one_spoilt_message_anywhere_ends_in_all_records(name: str) -> None:
    """P1, P5, H1 to H5: each record once, in its turn, acknowledged; a spoilt one is refused with its reason first."""
    for number in range(1, COUNT + 2):  # the records, and the first status
        line, story = run(name, lambda at, _seq, number=number: at == number, 120)
        assert line.met == 1
        assert sorted(right(story)) == list(range(1, COUNT + 1)), f"{name} at message {number}"
        assert line.told == COUNT


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - HARMLESS))
@pytest.mark.parametrize("seq", [pytest.param(1, marks=pytest.mark.long), 2, pytest.param(0, marks=pytest.mark.long)])
def test_a_message_that_stays_spoilt_is_told_and_gives_no_value(name: str, seq: int) -> None:
    """P5, P8, H3, H4: never wrong, never silent; the records behind it come, and are not acknowledged over it."""
    line, story = run(name, lambda _at, which: which == seq, 40)
    seqs = right(story)
    assert line.met > 1
    assert seq not in seqs
    assert story.told or not seqs or (seq and name == "lost"), f"{name} of {seq}: silent"
    if seq:
        assert line.told < seq, "nothing is acknowledged over a hole"
    if seq and "connection" not in name:
        assert set(seqs) == set(range(1, COUNT + 1)) - {seq}, "the others come"
