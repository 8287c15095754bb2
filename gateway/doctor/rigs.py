"""Every Modbus rig by one read of its status block, all at the same time. Writes nothing, acknowledges nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import decode_status
from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.modbus.quirks import worked_around
from device_adapters.modbus.tcp import ModbusWire
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.doctor.report import fail, good, warn
from gateway.doctor.server import check_tcp

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from device_adapters.modbus.wire import Wire
    from gateway.doctor.report import Finding
    from gateway.recording.texts import Texts
    from gateway.settings.config import RigConfig

_AT_ONCE: Final = 64
_RIG_S: Final = 6.0
_ALL_S: Final = 15.0


async def check_rigs(rigs: tuple[RigConfig, ...], texts: Texts) -> list[Finding]:
    """In the order of the settings; a rig whose turn did not come in time says so."""
    places = asyncio.Semaphore(_AT_ONCE)
    tasks = [asyncio.create_task(_bounded(rig, texts.profiles[rig.profile], places)) for rig in rigs]
    if not tasks:
        return []
    done, late = await asyncio.wait(tasks, timeout=_ALL_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return [task.result() if task in done else _late(rig) for rig, task in zip(rigs, tasks, strict=True)]


def step_of(rig: RigConfig) -> str:
    """How findings name a rig."""
    return f"rig {rig.serial} at {rig.station}"


def _late(rig: RigConfig) -> Finding:
    return fail(step_of(rig), "no whole answer in time. Check the network.", "未在时限内完整应答，请检查网络。")


async def _bounded(rig: RigConfig, profile: Profile, places: asyncio.Semaphore) -> Finding:
    async with places:
        try:
            async with asyncio.timeout(_RIG_S):
                return await _check(rig, profile)
        except TimeoutError:
            return _late(rig)


async def _check(rig: RigConfig, profile: Profile) -> Finding:
    wire = ModbusWire(rig.host, rig.port, rig.unit, profile.transport)
    try:
        try:
            await wire.connect()
        except NotConnected:
            tcp = await check_tcp(step_of(rig), rig.host, rig.port)  # the wire does not tell why
            return tcp if tcp.level != "ok" else _late(rig)
        return await read_status(rig, profile, wire)
    except (NotConnected, BackOff, OddReply, ExceptionReply, DecodeError) as error:
        return explained(rig, error)
    finally:
        wire.drop()


async def read_status(rig: RigConfig, profile: Profile, wire: Wire) -> Finding:
    """The rig's own word. Raises the wire's errors and DecodeError."""
    data = await worked_around(wire, profile).read(profile.status.at, profile.status.words)
    live, _ = decode_status(profile, data, rig=rig.serial)
    return good(step_of(rig), f"answers, {live.state}", f"应答正常，{live.state}")


def explained(rig: RigConfig, error: Exception) -> Finding:
    """What an installer does about it."""
    step = step_of(rig)
    if isinstance(error, BackOff):
        return warn(step, "answers that it is busy. Try again.", "设备应答忙，请稍后再试。")
    if isinstance(error, DecodeError):
        return _undecoded(step, error.reason)
    if isinstance(error, OddReply):
        if "wrong unit" in error.detail:
            return fail(
                step,
                f"another unit than {rig.unit} answers. Correct `unit`.",
                f"应答的不是单元 {rig.unit}，请更正 unit。",
            )
        return fail(
            step,
            "what listens there speaks no Modbus. Correct host and port.",
            "该端口不是 Modbus，请更正 host 和 port。",
        )
    if isinstance(error, ExceptionReply):
        return fail(
            step,
            f"Modbus {error.detail}: check `unit` and profile",
            f"Modbus 异常 {error.code}，请检查 unit 和 profile",
        )
    return fail(
        step,
        f"takes the connection and gives no answer ({error}): busy with others, wrong `unit`, or no rig",
        "接受连接但无应答：连接已占满、unit 有误，或不是设备",
    )


def _undecoded(step: str, reason: str) -> Finding:
    if reason == "serial":
        return fail(
            step,
            "another rig answers at this address. Compare the serial numbers and the addresses.",
            "该地址应答的是另一台设备，请核对序列号和地址。",
        )
    return fail(
        step,
        f"its status is not what the profile says ({reason}). Correct `profile`.",
        f"状态与 profile 不符（{reason}），请更正 profile。",
    )
