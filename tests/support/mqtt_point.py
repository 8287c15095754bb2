"""A real broker with rigs and the gateway's side of it, in this process or as `kaofen-gateway run`; and the oracle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mqtt_rig import MqttRig
from real_mosquitto import RealMosquitto, password_of

from device_adapters.contract import Adapter, BadReading, Evidence, NotConnected, Observation, Position
from device_adapters.factory import open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.messages.mailbox import Mailbox
from device_adapters.mqtt.connection import Account, Broker
from scorelog.format.entry import parse_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from gateway_process import GatewayBox

GATEWAY = "kaofen-gw-gw-01"
WITHOUT = ("persistence", "autosave", "persistent_client")


def hurried() -> bytes:
    """The shipped profile with short times."""
    text = files("device_adapters").joinpath("profiles/kaofen-interface-v1-mqtt.toml").read_bytes()
    text = text.replace(b"status_every_ms = 2000", b"status_every_ms = 200")
    return text.replace(b"resend_every_ms = 1000", b"resend_every_ms = 200")


def broker_of_defaults(names: Sequence[str]) -> RealMosquitto:
    """With Mosquitto's own default persistence: none of ours. Started by the caller."""
    made = RealMosquitto("password", names)
    path = made.folder / "mosquitto.conf"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(WITHOUT)))
    return made


class Point:
    """The gateway's side in this process: one broker connection, one mailbox and any number of adapters per rig."""

    def __init__(self, real: RealMosquitto, protocol: str, serials: Sequence[str]) -> None:
        self.real = real
        self.protocol = protocol
        self.broker = Broker(
            Account("localhost", real.port, protocol, GATEWAY, GATEWAY, password_of(GATEWAY), real.client_context())
        )
        self.profile = load_profile(hurried())
        assert self.profile.message is not None
        self.boxes = {serial: Mailbox(serial, self.profile.message) for serial in serials}
        for box in self.boxes.values():
            self.broker.join(box)
        self._up = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None

    def rig(self, serial: str, **options: Any) -> MqttRig:
        return MqttRig(self.real, serial, v5=self.protocol == "5", **options)

    def adapter(self, serial: str, position: Position | None = None) -> Adapter:
        box = self.boxes[serial]
        return open_message_adapter(self.profile, self.broker, box, position=position, rng=random.Random(7))

    async def up(self) -> None:
        """Connect, and stay connected."""
        self._up.clear()
        self._holding = asyncio.create_task(self.broker.hold(self._up.set))
        async with asyncio.timeout(10):
            await self._up.wait()

    async def down(self) -> None:
        """The process dies: nothing more is said to the broker, the session stays."""
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.cancel()
            with contextlib.suppress(asyncio.CancelledError, NotConnected):
                await holding


@contextlib.asynccontextmanager
async def message_point(real: RealMosquitto, protocol: str, serials: Sequence[str]) -> AsyncIterator[Point]:
    """Connected."""
    point = Point(real, protocol, serials)
    await point.up()
    try:
        yield point
    finally:
        await point.down()


@contextlib.asynccontextmanager
async def switched_on(*rigs: MqttRig) -> AsyncIterator[None]:
    """Rigs are threads: opened and closed beside the loop."""
    try:
        for rig in rigs:
            await asyncio.to_thread(rig.open)
        yield
    finally:
        for rig in rigs:
            await asyncio.to_thread(rig.close)


class Followed:
    """What a gateway does with one adapter, without a log."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.seen: list[Observation] = []
        self.refused: list[Evidence] = []

    async def until(self, enough: Callable[[], bool], within_s: float = 10) -> None:
        async with asyncio.timeout(within_s):
            while not enough():
                try:
                    reading, ack = await self.adapter.read()
                    if isinstance(reading, Observation):
                        self.seen.append(reading)
                        await ack(bytes(32))
                except BadReading as error:
                    self.refused.append(error.evidence)
                except NotConnected:
                    with contextlib.suppress(NotConnected):
                        await self.adapter.connect()

    @property
    def order(self) -> list[tuple[str, int]]:
        return [(one.type, one.seq) for one in self.seen]

    @property
    def reasons(self) -> list[tuple[str, int | None]]:
        return [(one.reason, one.asked) for one in self.refused]


def add_broker(box: GatewayBox, real: RealMosquitto, serials: Sequence[str], protocol: str, profile: str) -> None:
    """A broker and its rigs in the settings of a gateway process."""
    secret = box.folder / "broker.password"
    secret.write_text(password_of(GATEWAY))
    secret.chmod(0o600)
    text = (
        f'\n[[broker]]\nid = "main"\nhost = "localhost"\nport = {real.port}\nprotocol = "{protocol}"\n'
        f'ca = "{real.ca}"\nusername = "{GATEWAY}"\npassword_file = "{secret}"\n'
    )
    for number, serial in enumerate(serials, 1):
        text += f'[[rig]]\nserial = "{serial}"\nstation = "B-{number:02d}"\nprofile = "{profile}"\nbroker = "main"\n'
    box.config.write_text(box.config.read_text() + text)


def judge_messages(rigs: Sequence[MqttRig], stored: Sequence[bytes]) -> int:
    """The oracle: what each rig latched is in the log once, in order, with its values; and every rig was told."""
    entries = [parse_entry(entry) for entry in stored]
    keyed = [entry for entry in entries if entry.key is not None]
    twice = [key for key, count in Counter(entry.key for entry in keyed).items() if count > 1]
    assert not twice, f"stored twice: {twice[:3]}"
    for rig in rigs:
        mine = [one for one in keyed if one.rig == rig.serial and one.raw]
        assert [one.seq for one in mine] == sorted(rig.truth), f"{rig.serial}: lost or out of order"
        for one in mine:
            said = json.loads(rig.truth[one.seq])
            for name in ("item", "score", "points", "claimed_total", "verdict"):
                assert name not in one.fields or one.fields[name] == said[name], (rig.serial, one.seq, name)
        assert (rig.acked_seq, rig.records) == (rig.last_seq, {}), f"{rig.serial} was not told"
    return sum(len(rig.truth) for rig in rigs)
