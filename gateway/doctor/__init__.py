"""`kaofen-gateway doctor`: why this box cannot reach its server or a rig, in plain words (docs/gateway.md).

Beside a running gateway or without one. Reads only: takes no lock, writes to no rig, sends no score.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway import commands
from gateway.doctor.files import check_files
from gateway.doctor.report import good, warn
from gateway.doctor.rigs import check_rigs
from gateway.doctor.server import check_server
from gateway.errors import GatewayError
from gateway.texts import load_texts
from scorelog.journal.errors import JournalError

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.doctor.report import Finding


def examine(config: Config) -> list[Finding]:
    """Every step, in the order in which a person would look."""
    return [*check_files(config), _running(config), *asyncio.run(_network(config))]


async def _network(config: Config) -> list[Finding]:
    async def server() -> list[Finding]:
        return [finding async for finding in check_server(config)]

    try:
        texts = load_texts(config)
    except GatewayError:
        return await server()  # the settings' own step has said it
    found, rigs = await asyncio.gather(server(), check_rigs(config.rigs, texts))
    return [*found, *rigs]


def _running(config: Config) -> Finding:
    try:
        document = commands.status_document(config)
    except (GatewayError, JournalError, OSError, ValueError) as error:
        return warn("gateway", f"{error}", f"无法得知网关状态（{error}）")
    unsent = document["unsent"]
    if not document["running"]:
        return warn("gateway", f"not running; {unsent} entries unsent", f"未运行，{unsent} 条未发送")
    trouble = document.get("trouble") or document.get("upload_trouble")
    if trouble:
        return warn("gateway", f"running, {unsent} entries unsent: {trouble}", f"运行中，{unsent} 条未发送：{trouble}")
    return good("gateway", f"running, {unsent} entries unsent", f"运行中，{unsent} 条未发送")
