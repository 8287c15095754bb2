"""Rigs of makers' models under power, and the library's profiles hurried up for tests."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

from sim_parts import ROOT, ManualTime

from device_adapters.errors import BackOff, BadReading, NotConnected
from device_adapters.language.profile import Profile, load_profile
from device_adapters.observation import Observation
from simulators.device.truth import truth_line
from simulators.layouts.layout import find_layout
from simulators.layouts.lineup import rubric_of
from simulators.layouts.rig import MakerRig

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.contract import Adapter
    from simulators.device.rig import Latched
    from simulators.layouts.model_rig import ModelRig

PROFILES = ROOT / "device_adapters" / "profiles"
OWN = {"rig.rebooted", "sequence.gap", "rig.online"}
_POLLS = re.compile(r"(by_state = \{)[^}]*\}")


class BenchTime(ManualTime):
    """Exams stand still between presses; the bus does not: a window that is turned needs its time."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = time.monotonic()

    def bus_us(self) -> int:
        """Also what really passed."""
        return super().bus_us() + int((time.monotonic() - self._begun) * 1_000_000)

    async def sleep_bus(self, seconds: float) -> None:
        """Really."""
        await asyncio.sleep(seconds)


def hurried(name: str) -> Profile:
    """The library's profile of that name, asked at every moment."""
    text = (PROFILES / f"{name}.toml").read_text("utf-8")
    text = _POLLS.sub(r"\1 idle = 2, running = 2, finished = 2, fault = 2 }", text)
    return load_profile(re.sub(r"status_every_ms = \d+", "status_every_ms = 200", text).encode())


def maker_rig(name: str, number: int = 1) -> tuple[MakerRig, ManualTime, list[Latched]]:
    """A rig of the model, without power yet; its clock, and what it latches."""
    layout, clock, latched = find_layout(name), BenchTime(), []
    rig = MakerRig(f"{layout.serial}-{number:04d}", rubric_of(layout), clock, layout, on_latch=latched.append)
    return rig, clock, latched


def sit_item(rig: ModelRig, time: ManualTime, ticket: str, *, nth: int = 0) -> None:
    """One candidate, one item, some points lost."""
    items = [item for subject in rig.rubric.subjects for item in subject.items]
    item = items[nth % len(items)]
    rig.open_exam(ticket)
    time.advance(20.7)
    rig.start_item(item.code)
    lines = [line.number for line in rig.item(item.code).plain_lines]
    for at, line in enumerate(lines[: 1 + nth % 3]):
        time.advance(61.3)
        rig.deduct(line, 350 + 200 * at)
    time.advance(30.2)
    rig.finish_item()
    rig.close_exam()


async def observe(adapter: Adapter, enough: Callable[[list[Observation]], bool]) -> list[Observation]:
    """What a gateway stores, until that is enough."""
    seen: list[Observation] = []
    connected = False
    async with asyncio.timeout(20):
        while not enough(seen):
            try:
                if not connected:
                    await adapter.connect()
                    connected = True
                reading, ack = await adapter.read()
                if isinstance(reading, Observation) and reading.type not in OWN and reading not in seen[-1:]:
                    seen.append(reading)
                await ack()
            except NotConnected:
                connected = False
            except (BackOff, BadReading):
                await asyncio.sleep(0.01)
    return seen


def meant(latched: Latched) -> dict[str, Any]:
    """What the rig meant, in the words of an observation."""
    line = truth_line(latched)
    return {key: line[key] for key in ("boot", "seq", "type", "ticket", "fields", "rig_time")}


def read(observation: Observation) -> dict[str, Any]:
    """What was read, in the same words."""
    return {
        "boot": observation.epoch,
        "seq": observation.seq,
        "type": observation.type,
        "ticket": observation.personal.get("ticket", b"").decode(),
        "fields": dict(observation.fields),
        "rig_time": observation.rig_time,
    }
