"""Every rig on a bus by one read of its status block: buses at the same time, the rigs of one after the other.

Beside a running gateway its line is taken (a serial port has one owner, a serial server mostly one place): then that
gateway's own word is told. Writes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.modbus.bus_place import open_bus
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.doctor.report import fail, good
from gateway.doctor.rigs import explained, read_status, step_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.doctor.report import Finding
    from gateway.recording.texts import Texts
    from gateway.settings.buses import BusConfig
    from gateway.settings.config import Config, RigConfig

_RIG_S: Final = 6.0


async def check_buses(config: Config, texts: Texts, live: Mapping[str, Any] | None) -> list[Finding]:
    """In the order of the settings."""
    rigs = {bus.id: [rig for rig in config.rigs if rig.bus == bus.id] for bus in config.buses}
    if live is not None:
        states = {each["rig"]: each["state"] for each in live.get("rigs") or ()}
        return [_told(rig, states.get(rig.serial, "unknown")) for bus in config.buses for rig in rigs[bus.id]]
    found = await asyncio.gather(*(_asked(bus, rigs[bus.id], texts) for bus in config.buses))
    return [finding for each in found for finding in each]


def _told(rig: RigConfig, state: str) -> Finding:
    step = f"{step_of(rig)}, unit {rig.unit} on bus {rig.bus}"
    if state in ("offline", "unknown"):
        return fail(
            step,
            "the running gateway gets no answer from it. Is it on, is the unit right, do A and B lie on A and B?",
            "运行中的网关未收到应答，请检查电源、unit 以及 A/B 接线。",
        )
    return good(step, f"the running gateway reads it, {state}", f"运行中的网关读取正常，{state}")


async def _asked(config: BusConfig, rigs: list[RigConfig], texts: Texts) -> list[Finding]:
    bus = open_bus(config.place)
    try:
        return [await _one(BusWire.of(bus, rig.unit, texts.profiles[rig.profile]), rig, texts) for rig in rigs]
    finally:
        await bus.close()


async def _one(wire: BusWire, rig: RigConfig, texts: Texts) -> Finding:
    try:
        async with asyncio.timeout(_RIG_S):
            await wire.connect()
            return await read_status(rig, texts.profiles[rig.profile], wire)
    except (NotConnected, TimeoutError) as error:
        step = f"{step_of(rig)}, unit {rig.unit} on bus {rig.bus}"
        return fail(
            step,
            f"{error or 'no whole answer in time'}. Compare unit, speed, parity and stop bits; is A on A and B on B?",
            "无应答，请核对 unit、波特率、校验位、停止位以及 A/B 接线。",
        )
    except (BackOff, OddReply, ExceptionReply, DecodeError) as error:
        return explained(rig, error)
    finally:
        wire.drop()
