"""`kaofen-gateway doctor`: why this box cannot reach its server or a rig, in plain words (docs/gateway.md).

Beside a running gateway or without one. Reads only: takes no lock, writes to no rig, sends no score.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from gateway import commands
from gateway.doctor.brokers import STATUS_S, check_brokers, mute
from gateway.doctor.buses import check_buses
from gateway.doctor.files import check_files
from gateway.doctor.pushes import check_pushes
from gateway.doctor.report import good, warn
from gateway.doctor.rigs import check_rigs
from gateway.doctor.server import check_server
from gateway.errors import GatewayError
from gateway.recording.texts import load_texts
from scorelog.journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.doctor.report import Finding
    from gateway.settings.config import Config


_AGAIN_S: Final = 0.25


def examine(config: Config) -> list[Finding]:
    """Every step, in the order in which a person would look."""
    live, running = _running(config)
    return [*check_files(config), running, *asyncio.run(_network(config, live))]


async def _network(config: Config, live: Mapping[str, Any] | None) -> list[Finding]:
    async def server() -> list[Finding]:
        return [finding async for finding in check_server(config)]

    try:
        texts = load_texts(config)
    except GatewayError:
        return await server()  # the settings' own step has said it
    if not config.rigs:
        return [*await server(), warn("rigs", "none in the settings", "设置中没有设备")]
    own = tuple(rig for rig in config.rigs if not rig.broker and not rig.bus and not rig.push)
    found, brokers, rigs, buses = await asyncio.gather(
        server(), check_brokers(config, texts, live), check_rigs(own, texts), check_buses(config, texts, live)
    )
    return [*found, *brokers, *rigs, *buses, *check_pushes(config, live)]


def _heard(config: Config) -> dict[str, Any]:
    """The status; of a process that began just now, once every rig behind a broker has had the time to speak."""
    until = time.monotonic() + STATUS_S
    document = commands.status_document(config)
    while document["running"] and mute(config, document) and time.monotonic() < until:
        time.sleep(_AGAIN_S)
        document = commands.status_document(config)
    return document


def _running(config: Config) -> tuple[Mapping[str, Any] | None, Finding]:
    """The status of the process that runs beside, if one does; and what there is to say of it."""
    try:
        document = _heard(config)
    except (GatewayError, JournalError, OSError, ValueError) as error:
        return None, warn("gateway", f"{error}", f"无法得知网关状态（{error}）")
    unsent = document["unsent"]
    if not document["running"]:
        return None, warn("gateway", f"not running; {unsent} entries unsent", f"未运行，{unsent} 条未发送")
    trouble = document.get("trouble") or document.get("upload_trouble")
    en, zh = f"running, {unsent} entries unsent", f"运行中，{unsent} 条未发送"
    if trouble:
        return document, warn("gateway", f"{en}: {trouble}", f"{zh}：{trouble}")
    return document, good("gateway", en, zh)
