"""A server that cannot start says what is wrong, where, and what to do: no traceback, and never half a start."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock

from server import limits as server_limits
from server.config import parse_config
from server.errors import ConfigError
from server.keys import COOKIES, SECRET_BYTES, create_keys, load_keys
from server.memory import give_back_again_and_again
from server.people.render import TEMPLATES, check_templates

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("left", [0, SECRET_BYTES - 1])
def test_a_cut_cookie_secret_starts_no_server(tmp_path: Path, left: int) -> None:
    """G13: with an empty secret everybody could make anybody's cookie: refused, with the command that mends it."""
    create_keys(tmp_path / "keys")
    config = parse_config('[server]\ndomain = "exam.example"\nkeys = "keys"\n', tmp_path)
    secret = tmp_path / "keys" / COOKIES
    assert load_keys(config).cookies == secret.read_bytes()
    secret.write_bytes(secret.read_bytes()[:left])
    with pytest.raises(
        ConfigError, match=rf"{COOKIES}: {left} bytes, expected {SECRET_BYTES} .*; put it back.* head -c"
    ):
        load_keys(config)


@pytest.mark.parametrize("damage", [b"{% if", b"{{ a | }}", b"\xff\xfe", b"{% nothing_such %}"])
def test_a_damaged_template_starts_no_server(tmp_path: Path, damage: bytes) -> None:
    """G13: what, where and what to do, at the start and not to the first who opens the page; whole ones pass."""
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    check_templates(folder)
    page = next(iter(sorted(folder.rglob("*.html"))))
    page.write_bytes(page.read_bytes() + damage)
    with pytest.raises(ConfigError, match=rf"{page.name}: the template of a page is damaged \(.+\); install"):
        check_templates(folder)


def test_free_pages_of_a_heap_go_back() -> None:
    """B16: what is freed in the middle of a heap, below something that stays, is the machine's again."""
    code = (
        "from server.memory import give_back\n"
        "def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4\n"
        "held = [bytes(4000) for _ in range(8000)]\n"
        "stays, full = held[-1], rss()\n"
        "del held\n"
        "before = rss()\n"
        "print(give_back(), full - before < 4000, before - rss() > 24000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]


async def test_a_server_gives_free_pages_back_every_minute() -> None:
    """B16: again and again, on its clock; nothing of it runs before its time."""
    clock, given = FakeClock(), asyncio.Event()

    def give() -> bool:
        given.set()
        return True

    giving = asyncio.ensure_future(give_back_again_and_again(clock, give))
    try:
        for _ in range(2):
            async with asyncio.timeout(20):
                while not clock.sleepers:
                    await asyncio.sleep(0.001)
            await clock.advance(server_limits.GIVE_BACK_EVERY_S - 1)
            assert not given.is_set()
            await clock.advance(1)
            async with asyncio.timeout(20):
                while not given.is_set():
                    await asyncio.sleep(0.001)
            given.clear()
    finally:
        giving.cancel()


def test_threads_share_few_heaps() -> None:
    """B16: set in a process of its own, as the server does it; an operator's own setting goes before it."""
    code = "from server.memory import share_arenas; print(share_arenas())"
    for told, wanted in (({}, "True"), ({"MALLOC_ARENA_MAX": "9"}, "False")):
        env = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | told
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        assert done.stdout.strip() == wanted
