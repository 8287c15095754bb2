"""A bench that publishes single values, and the gateway's side of it, without a broker."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from next_reading import next_reading
from tree import ROOT

from device_adapters.factory import open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.language.values import PlainShape
from device_adapters.messages.fates import Stored
from device_adapters.mqtt.plain_box import PlainBox

if TYPE_CHECKING:
    from device_adapters.contract import Adapter, Evidence, Observation, Position
    from device_adapters.language.profile import Profile
    from device_adapters.messages.fates import Fate

TEXT = (ROOT / "tests/vectors/profile/plain-values.toml").read_text(encoding="utf-8")
SERIAL = "B-7"
GOOD = {
    "key": "1",
    "task": "K21",
    "exam": "17",
    "card": "S1",
    "seconds": "180",
    "faults": "1",
    "clock": "1763870525",
    "score": "87.5",
    "end": "ok",
}


def by_number() -> str:
    """The same bench with the number in every topic."""
    text = TEXT.replace('by = "trigger"\ntrigger = "seq"', 'by = "number"').replace(
        ", stays = true, retained = true", ""
    )
    text = text.replace('seq = { topic = "bench/{serial}/count" }\n', "")
    return text.replace('topic = "bench/{serial}/', 'topic = "bench/{serial}/{seq}/').replace("{seq}/link", "link")


@functools.cache
def _profile(text: str) -> Profile:
    return load_profile(text.encode())


class Bench:
    """The broker's connection is there until `cut`; `open` counts what is not settled."""

    def __init__(self, text: str = TEXT, position: Position | None = None) -> None:
        self.profile = _profile(text)
        assert isinstance(self.profile.message, PlainShape)
        self.box = PlainBox(SERIAL, self.profile.message)
        self.connection, self.trouble = 1, None
        self.fates: list[tuple[str, Fate]] = []
        self.open = 0
        self.adapter: Adapter = open_message_adapter(self.profile, self, self.box, position=position)
        self._routes = dict(self.box.routes())

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        raise AssertionError("nothing is ever published to such a rig")

    def say(self, last: str, payload: str | bytes, *, retained: bool = False, number: str = "") -> None:
        """One message under `bench/B-7/…`."""
        topic = "/".join(level for level in ("bench", SERIAL, number, last) if level)
        take = self._routes[topic.replace(f"/{number}/", "/+/") if number else topic]
        self.open += 1

        def settle(fate: Fate) -> None:
            self.open -= 1
            self.fates.append((last, fate))

        take(topic, payload.encode() if isinstance(payload, str) else payload, settle, retained)

    def say_all(self, *, number: str = "", **values: Any) -> None:
        """A whole record, some of its values others; the trigger is the caller's."""
        for last, payload in (GOOD | values).items():
            self.say(last, str(payload), number=number)

    def cut(self) -> None:
        """The connection is lost and comes back; what was not settled would come again."""
        self.box.lost()
        self.connection += 1
        self.open = 0

    def stored(self) -> list[int]:
        """Numbers of the messages that were settled as stored, each once."""
        return list(dict.fromkeys(fate.seq for _, fate in self.fates if isinstance(fate, Stored)))

    async def next(self) -> Observation | Evidence:
        """The next observation, acknowledged, or refusal."""
        return await next_reading(self.adapter)
