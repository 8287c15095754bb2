"""Starts of a gateway and of a server whose disk does not answer a read: lives for a `log_crash.Zygote`.

What a start tells: `opened <origin> <size>` of a log, `held <size>` of a server's evidence; `refused <words>` when it
ended with an error of ours, as the operator reads it; `unread` when a request to the started server got no answer.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fake_server_client import FakeServer
from gateway_world import World, config_text
from log_crash import Round, Tell, serve
from log_crash_way import ORIGIN, WayOracle, both, open_store
from log_entries import key_of, scored
from log_harness import cosigned

from gateway.recording.freeze import Freezer
from gateway.recording.opening import open_gateway_log
from gateway.recording.rebuild import rebuild
from gateway.settings.config import parse_config
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogFailed
from server.errors import Unsafe

if TYPE_CHECKING:
    from gateway.settings.config import Config

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


async def make_evidence(home: Path) -> None:
    """A server whose power went when it had everything of a way in its evidence."""
    oracle = await asyncio.to_thread(WayOracle(home).start)
    life = Round(str(home), str(oracle.told))
    async with both(life, lambda _line: None) as (log, uploader):
        for seq in range(RECORDS):
            request = scored(key_of(seq, rig=RIG), note=str(seq))
            await log.append(request.build, request.key, request.content)
        await uploader.settled()
        shutil.copytree(home / "server", home / "left", ignore=shutil.ignore_patterns("*-shm"))


async def _serve(life: Round, tell: Tell) -> None:
    try:
        store = open_store(Path(life.directory) / "server")
    except (Unsafe, OSError) as error:
        tell(f"refused {error}")
        raise LogFailed(str(error)) from error
    try:
        tell(f"held {len(await store.entries(ORIGIN, 0, 1 << 30))}")
    except sa.exc.DatabaseError as error:
        tell("unread")
        raise LogFailed(str(error)) from error
    finally:
        await store.close()


if __name__ == "__main__":
    serve({"start": _start, "serve": _serve})
