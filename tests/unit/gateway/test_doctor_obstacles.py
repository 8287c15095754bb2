"""The doctor's rarer obstacles, over real sockets on loopback: each has words of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from fake_server_client import FakeServer
from gateway_world import World, config_text
from tls_material import make_tls_material

from certs.contexts import gateway_server_context
from gateway.doctor import examine
from gateway.doctor.files import check_files
from gateway.doctor.server import check_server, check_tcp
from gateway.recording.freeze import Freezer
from gateway.settings.config import parse_config
from scorelog.journal.identity import find_identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tls_material import TlsMaterial

    from gateway.doctor.report import Finding
    from gateway.settings.config import Config


@pytest.fixture
def tls(tmp_path: Path) -> TlsMaterial:
    return make_tls_material(tmp_path / "tls")


def settings(folder: Path, url: str, more: str = "") -> Config:
    text = config_text((), FakeServer(), url=url, tls="tls/gateway")
    return parse_config(text.replace("[local]", f"{more}\n[local]").encode(), folder)


async def last(config: Config) -> Finding:
    """The hop at which the way to the server ended."""
    return [finding async for finding in check_server(config)][-1]


@contextlib.asynccontextmanager
async def answering(tls: TlsMaterial, answer: bytes) -> AsyncIterator[str]:
    """A TLS server of our CA that gives this answer to whatever it is asked."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    context = gateway_server_context(tls.server / "cert.pem", tls.server / "cert.key", tls.server / "ca.pem")
    async with await asyncio.start_server(reply, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_key_that_is_not_the_pinned_one(tmp_path: Path, tls: TlsMaterial) -> None:
    """A right certificate over another key than the pinned one is neither a portal nor a wrong CA."""
    async with https_server(FakeServer(), tls) as url:
        found = await last(settings(tmp_path, url, f'pin = "{"0" * 64}"'))
    assert (found.step, found.level, "not the pinned one" in found.en) == ("server TLS", "FAIL", True)
    assert "pin" in found.zh


@pytest.mark.parametrize(
    ("answer", "step", "words"),
    [
        (b'HTTP/1.1 403 Forbidden\r\n\r\n{"detail":"gw-01 is revoked: lost"}', "enrolment", "gw-01 is revoked: lost"),
        (b'HTTP/1.1 404 Not Found\r\n\r\n{"detail":"not enrolled"}', "enrolment", "not enrolled"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n<html>", "enrolment", "answers 503 (no reason given)"),
        (b"220 mail.example ESMTP\r\n\r\n", "server answer", "none that our server gives"),
        (b"", "server answer", "none that our server gives"),
    ],
)  # fmt: skip
async def test_a_refusing_or_foreign_answer(
    tmp_path: Path, tls: TlsMaterial, answer: bytes, step: str, words: str
) -> None:
    """What the server says of the gateway is passed on; what no server of ours says is named as that."""
    async with answering(tls, answer) as url:
        found = await last(settings(tmp_path, url))
    assert (found.step, found.level) == (step, "FAIL")
    assert words in found.en


async def test_a_clock_that_is_hours_off_is_told_beside_the_rest(tmp_path: Path, tls: TlsMaterial) -> None:
    """The server's date is compared, never set; a date that is none is said to be none."""
    for date, words in (("Thu, 01 Jan 2026 00:00:00 GMT", "look at the time source"), ("soon", "cannot be read")):
        answer = f'HTTP/1.1 404 Not Found\r\nDate: {date}\r\n\r\n{{"detail":"nothing yet"}}'.encode()
        async with answering(tls, answer) as url:
            found = {one.step: one async for one in check_server(settings(tmp_path, url))}
        assert found["clock and server"].level == "warn"
        assert words in found["clock and server"].en


async def test_a_name_that_nobody_knows() -> None:
    """DNS: the resolver's no and a name that can be none have the same cure."""
    for host in ("fe80::1%no-such-interface", "two..dots"):
        found = await check_tcp("server connection", host, 443)
        assert (found.level, "is not known" in found.en, "DNS" in found.zh) == ("FAIL", True, True)


@pytest.mark.long
async def test_a_machine_that_never_answers(tmp_path: Path, tls: TlsMaterial) -> None:
    """Time-outs: nobody takes the connection, or it is taken and nothing comes; told apart, within seconds."""
    with contextlib.ExitStack() as held:
        full = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # the queue of a program that no longer takes connections; then the machine drops them
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        mute = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        unreached, silent = await asyncio.gather(
            last(settings(tmp_path, f"https://127.0.0.1:{full.getsockname()[1]}")),
            last(settings(tmp_path, f"https://127.0.0.1:{mute.getsockname()[1]}")),
        )
    assert (unreached.step, "does not answer" in unreached.en) == ("server connection", True)
    assert (silent.step, "says nothing" in silent.en) == ("server TLS", True)


def test_a_frozen_log_a_foreign_log_and_a_missing_one(tmp_path: Path) -> None:
    """The log's own state is told before any network: given up, of another box, not there."""
    world = World(tmp_path)
    origin = find_identity(world.config.log_directory).origin
    Freezer(world.config.data).freeze(origin, 4, "the server holds another history", 1)
    found = {one.step: one for one in check_files(world.config)}
    assert (found["log"].level, "frozen" in found["log"].en) == ("warn", True)
    other = parse_config(config_text((), world.server).replace('"gw-01"', '"gw-02"').encode(), tmp_path)
    found = {one.step: one for one in check_files(other)}
    assert (found["log"].level, "the log is kaofen.example/gw/gw-01" in found["log"].en) == ("FAIL", True)
    world.config.log_directory.rename(tmp_path / "gone")
    found = {one.step: one for one in check_files(world.config)}
    assert (found["log"].level, "fsck" in found["log"].en) == ("FAIL", True)


def test_settings_that_do_not_hold_are_the_first_finding(tmp_path: Path) -> None:
    """A profile that is not there is said once, and the rigs are not blamed for it."""
    text = config_text(("LV-0001",), FakeServer()).replace('"kaofen-v1-low-voltage"', '"no-such-profile"')
    found = examine(parse_config(text.encode(), tmp_path))
    assert (found[0].step, found[0].level, "no such profile" in found[0].en) == ("settings", "FAIL", True)
    assert not [one for one in found if one.step.startswith("rig")]
