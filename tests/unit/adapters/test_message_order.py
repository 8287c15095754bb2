"""The order of records over MQTT as a property: whatever the line does to messages, each comes once, in its turn."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rig_messages import GOLDEN, STATUS

from device_adapters.contract import BadReading, Observation, Position
from device_adapters.decoding.message import MESSAGE
from device_adapters.factory import open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.language.shape import INTERFACE_V1
from device_adapters.limits import DIGESTS_KEPT_MAX, KEPT_BACK_MAX
from device_adapters.messages.mailbox import Mailbox
from device_adapters.messages.message_memory import MessageMemory
from device_adapters.observation import RawArea

SERIAL, BOOT = "CP-0001", 3
RIG_HOLDS = 512  # docs/rig-interface-v1.md: slots of the event ring
TEXT = b"""
profile = 1
id = "quick"
version = "1"
guarantee = "latched"
name = { zh = "a", en = "a" }
[transport]
kind = "mqtt"
status_every_ms = 1000
resend_every_ms = 10
[topics]
record = "kaofen/v1/{serial}/record"
status = "kaofen/v1/{serial}/status"
ack = "kaofen/v1/{serial}/ack"
resend = "kaofen/v1/{serial}/resend"
"""


class Line:
    """A rig behind a line that loses, doubles and shuffles; and a broker that counts what is not settled."""

    connection = 1
    trouble = None

    def __init__(self, count: int, rng: random.Random, loss: float) -> None:
        self.box = Mailbox(SERIAL, INTERFACE_V1)
        self.payloads = {seq: GOLDEN["deduction"].changed(seq=seq, boot=BOOT) for seq in range(1, count + 1)}
        self.count, self.rng, self.loss = count, rng, loss
        self.told = 0
        self.stored: set[int] = set()
        self.early: list[int] = []
        self.asked: list[int] = []

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        said: dict[str, Any] = json.loads(payload)
        if topic.endswith("/resend"):
            self.asked.append(said["from"])
            self.say([seq for seq in self.payloads if seq >= max(said["from"], self.told + 1)][:32], self.loss / 2)
        else:
            self.told = max(self.told, said["seq"])
        self.say_status()

    def say(self, seqs: list[int], loss: float) -> None:
        sent = [seq for seq in seqs for _ in range(self.rng.choice((1, 1, 2))) if self.rng.random() >= loss]
        for _ in range(self.rng.randrange(4)):  # neighbours overtake each other
            if len(sent) > 1:
                at = self.rng.randrange(len(sent) - 1)
                sent[at], sent[at + 1] = sent[at + 1], sent[at]
        for seq in sent:
            self.box.deliver_record(self.payloads[seq], self.settler(seq), retained=False)

    def settler(self, seq: int) -> Any:
        """Settling is right once the record is stored, or when the same message is still here or is known."""

        def settle(_fate: Any) -> None:
            if seq not in self.stored and seq not in self.box._held:
                self.early.append(seq)

        return settle

    def say_status(self) -> None:
        held = [seq for seq in self.payloads if seq > self.told]
        values = {"boot": BOOT, "last_seq": self.count, "oldest_seq": min(held, default=0), "acked_seq": self.told}
        self.box.deliver_status(json.dumps(STATUS | values).encode(), lambda _fate: None, retained=False)


async def run(count: int, rng: random.Random, loss: float) -> tuple[Line, list[int]]:
    line, seen = Line(count, rng, loss), []
    line.say_status()
    adapter = open_message_adapter(load_profile(TEXT), line, line.box, position=Position(BOOT, 0), rng=rng)
    await adapter.connect()
    line.say(list(line.payloads), loss)
    line.say_status()
    async with asyncio.timeout(20):
        while line.told < count:
            try:
                reading, ack = await adapter.read()
            except BadReading:  # lost three times in a row: told, and asked for again later
                continue
            if isinstance(reading, Observation):
                seen.append(reading.seq)
                line.stored.add(reading.seq)
            await ack()
            assert len(line.box._held) <= KEPT_BACK_MAX
    return line, seen


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(count=st.integers(1, 40), seed=st.integers(0, 2**32), loss=st.sampled_from((0.0, 0.2, 0.5)))
def test_every_record_comes_once_in_its_turn(count: int, seed: int, loss: float) -> None:
    """H2, H3, P1: lost, doubled and shuffled messages end as 1, 2, 3 …; nothing is settled before it is stored."""
    line, seen = asyncio.run(run(count, random.Random(seed), loss))
    late = [seq for at, seq in enumerate(seen) if seq < max(seen[:at], default=0)]
    assert sorted(seen) == list(range(1, count + 1))
    assert seen == sorted(seen) or all(line.asked.count(seq) >= 3 for seq in late), "late only after three questions"
    assert line.early == []


def test_stored_messages_are_known_up_to_a_bound() -> None:
    """B16, I10: of a rig that never stops so many messages are known by their bytes; older ones the log judges."""
    memory = _remembering(BOOT, DIGESTS_KEPT_MAX + 9)
    assert list(memory._stored) == list(range(10, DIGESTS_KEPT_MAX + 10))
    assert DIGESTS_KEPT_MAX > RIG_HOLDS, "what a rig sends again is known without asking the log"


def test_the_number_that_a_rig_waits_for_is_never_pushed_out_by_what_comes_again() -> None:
    """I14: a rig that sends everything again, and more than is remembered, is still told its newest number."""
    newest = DIGESTS_KEPT_MAX + 9
    memory = _remembering(BOOT, newest)
    for seq in range(1, newest):
        _store(memory, BOOT, seq)
    assert newest in memory._stored
    _store(memory, BOOT + 1, 1)
    assert (newest in memory._stored, 1 in memory._stored) == (True, True), "the first of a new memory is the newest"


def _remembering(boot: int, count: int) -> MessageMemory:
    line = Line(0, random.Random(1), 0)
    memory = MessageMemory(line, line.box, load_profile(TEXT).poll)
    for seq in range(1, count + 1):
        _store(memory, boot, seq)
    return memory


def _store(memory: MessageMemory, boot: int, seq: int) -> None:
    raw = (RawArea(MESSAGE, 0, seq.to_bytes(8, "big")),)
    memory.stored(Observation("deduction", SERIAL, boot, seq, 0, {}, "latched", "simulator", raw=raw), bytes(32))
