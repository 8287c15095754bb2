"""Starts of a gateway and of a server whose disk does not answer a read: lives for a `log_crash.Zygote`.

opened <origin> <size>     the start came through, with so much in the log
held <size>                the server's evidence opened, with so much of that log
refused <words>            the start ended with an error of ours, as the operator reads it
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fake_server_client import FakeServer
from gateway_world import World, config_text
from log_crash import Round, Tell, serve
from log_entries import key_of, scored
from log_harness import cosigned

from gateway.config import parse_config
from gateway.freeze import Freezer
from gateway.opening import open_gateway_log
from gateway.rebuild import rebuild
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogFailed

if TYPE_CHECKING:
    from gateway.config import Config

RIG = "LV-0001"
RECORDS = 20


async def make_box(home: Path) -> None:
    """A box whose power went after so many records: a second file, a receipt, a write-ahead log that is not folded."""
    world = World(home / "made", [RIG])
    opened = open_gateway_log(world.config, Freezer(world.config.data), SystemClock())
    for seq in range(RECORDS):
        request = scored(key_of(seq, rig=RIG), note=str(seq))
        await opened.log.append(request.build, request.key, request.content)
        if seq == RECORDS // 2:
            await opened.log.save_receipt(cosigned(opened.log.checkpoint()))
    shutil.copytree(home / "made", home / "box", ignore=shutil.ignore_patterns("*-shm", "reserve"))
    await opened.log.close()
    shutil.copy(world.config.state_file, home / "box" / world.config.state_file.relative_to(world.folder))


def box_config(home: Path) -> Config:
    return parse_config(config_text([RIG], FakeServer()).encode(), home / "box")


async def _start(life: Round, tell: Tell) -> None:
    config, clock = box_config(Path(life.directory)), SystemClock()
    try:
        opened = open_gateway_log(config, Freezer(config.data), clock)
        rebuild(opened.log, (), rigs=1)
    except (LogFailed, OSError) as error:
        tell(f"refused {error}")
        raise
    tell(f"opened {opened.log.origin} {opened.log.size}")
    await opened.log.close()


if __name__ == "__main__":
    serve({"start": _start})
