"""The doctor against real things on loopback: each obstacle is told apart from every other, in words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from fake_server_client import FakeServer
from gateway_world import World, config_text
from scripted_rig import ScriptedRig
from tls_material import make_tls_material

from certs.ca import issue_gateway, issue_server
from certs.contexts import gateway_server_context
from gateway.cli import main
from gateway.doctor.files import check_files
from gateway.doctor.report import failed
from gateway.doctor.rigs import check_rigs
from gateway.doctor.server import check_server
from gateway.recording.texts import load_texts
from gateway.settings.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from tls_material import TlsMaterial

    from gateway.doctor.report import Finding
    from gateway.settings.config import Config


def settings(folder: Path, url: str = "https://127.0.0.1:1", rigs: tuple[str, ...] = ()) -> Config:
    return parse_config(config_text(rigs, FakeServer(), url=url, tls="tls/gateway").encode(), folder)


@pytest.fixture
def tls(tmp_path: Path) -> TlsMaterial:
    return make_tls_material(tmp_path / "tls")


async def last(config: Config) -> Finding:
    """The hop at which the way to the server ended."""
    return [finding async for finding in check_server(config)][-1]


async def rig_finding(folder: Path, rig: str) -> Finding:
    config = settings(folder, rigs=(rig,))
    return (await check_rigs(config.rigs, load_texts(config)))[0]


async def closed_port() -> int:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return int(port)


async def test_a_closed_port_of_the_server_is_a_refusal(tmp_path: Path, tls: TlsMaterial) -> None:
    """A machine without the program is told from a machine that is not there."""
    found = await last(settings(tmp_path, f"https://127.0.0.1:{await closed_port()}"))
    assert (found.level, "refuses" in found.en) == ("FAIL", True)


async def test_plain_http_is_no_tls(tmp_path: Path, tls: TlsMaterial) -> None:
    """A portal or another service on the port is named as such, not as a wrong certificate."""

    async def portal(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(portal, "127.0.0.1", 0) as server:
        found = await last(settings(tmp_path, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert (found.step, found.level, "no TLS" in found.en) == ("server TLS", "FAIL", True)


@pytest.mark.parametrize(
    ("case", "words"), [("other", "not from our CA"), ("name", "another name"), ("expired", "has expired")]
)
async def test_a_wrong_server_certificate_is_told_in_words(
    tmp_path: Path, tls: TlsMaterial, case: str, words: str
) -> None:
    """Other CA, other name and past date each have their own cure, so each has its own words."""
    shown = make_tls_material(tmp_path / "shown")
    old = datetime.now(UTC) - timedelta(days=30)
    if case == "name":
        issue_server(tls.authority, ("elsewhere.example",)).write(tmp_path / "leaf")
    elif case == "expired":
        tls = make_tls_material(tmp_path / "old", now=old)
        issue_server(tls.authority, ("127.0.0.1",), 1, now=old).write(tmp_path / "leaf")
        (tmp_path / "tls" / "gateway" / "ca.pem").write_bytes((tls.server / "ca.pem").read_bytes())
    else:
        shown.server.rename(tmp_path / "leaf")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf" / "cert.pem", tmp_path / "leaf" / "cert.key")
    async with await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context) as server:
        found = await last(settings(tmp_path, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert (found.step, found.level) == ("server TLS", "FAIL")
    assert words in found.en


def show_a_strangers_certificate(folder: Path, tls: TlsMaterial) -> None:
    stranger = make_tls_material(folder / "stranger")
    for name in ("cert.pem", "cert.key"):
        (tls.gateway / name).write_bytes((stranger.gateway / name).read_bytes())


async def test_a_refused_certificate_is_named_as_such(tmp_path: Path, tls: TlsMaterial) -> None:
    """TLS 1.3 tells a client only after the handshake; the alert becomes words."""
    show_a_strangers_certificate(tmp_path, tls)
    context = gateway_server_context(tls.server / "cert.pem", tls.server / "cert.key", tls.server / "ca.pem")

    def refuse(listener: socket.socket) -> None:
        for _ in range(2):  # the first connection only asks whether anybody listens
            near, _ = listener.accept()
            with near, contextlib.suppress(OSError), context.wrap_socket(near, server_side=True):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listener))
        found = await last(settings(tmp_path, f"https://127.0.0.1:{listener.getsockname()[1]}"))
        await refusing
    assert (found.step, found.level) == ("own certificate at the server", "FAIL"), found
    assert "refused by the server" in found.en


async def test_a_certificate_refused_without_a_word_is_a_guess_that_says_so(tmp_path: Path, tls: TlsMaterial) -> None:
    """Servers on asyncio end the connection without the alert: the step is named, the cause is not claimed."""
    show_a_strangers_certificate(tmp_path, tls)
    async with https_server(FakeServer(), tls) as url:
        found = await last(settings(tmp_path, url))
    assert (found.step, found.level) == ("own certificate at the server", "FAIL"), found
    assert "perhaps refused" in found.en


async def test_a_server_that_does_not_know_the_log_is_reached(tmp_path: Path, tls: TlsMaterial) -> None:
    """The way is good to its end, the clocks are compared; only the enrolment is in question."""
    async with https_server(FakeServer(), tls) as url:
        found = [finding async for finding in check_server(settings(tmp_path, url))]
    assert [finding.step for finding in found] == [
        "server connection", "server TLS", "clock and server", "enrolment",
    ]  # fmt: skip
    assert not failed(found)
    assert found[-1].level == "warn"


async def test_a_rig_is_recognised_by_its_serial_number(tmp_path: Path) -> None:
    """The right rig is good after one read; another serial number at the address is named. Nothing is ever written."""
    async with ScriptedRig("LV-0001") as rig:
        assert (await rig_finding(tmp_path, f"LV-0001 127.0.0.1 {rig.port}")).level == "ok"
        found = await rig_finding(tmp_path, f"LV-0002 127.0.0.1 {rig.port}")
        assert (found.level, "another rig" in found.en) == ("FAIL", True)
        assert {function for function, _, _ in rig.requests} == {3}


async def test_a_rig_that_refuses_is_silent_or_speaks_otherwise(tmp_path: Path) -> None:
    """Closed port, silence and another protocol are three different errands for the installer."""
    found = await rig_finding(tmp_path, f"LV-0001 127.0.0.1 {await closed_port()}")
    assert "refuses" in found.en
    async with ScriptedRig("LV-0001") as rig:
        rig.silent = True
        found = await rig_finding(tmp_path, f"LV-0001 127.0.0.1 {rig.port}")
        assert "gives no answer" in found.en
    async with ScriptedRig("LV-0001") as rig:
        rig.on_accept = lambda _number: b"SSH-2.0-OpenSSH_9.9\r\n"
        found = await rig_finding(tmp_path, f"LV-0001 127.0.0.1 {rig.port}")
        assert "no Modbus" in found.en


def test_a_shared_key_and_an_old_certificate_are_found(tmp_path: Path) -> None:
    """What needs no network is found without one, and no key's content is ever in the words (P7)."""
    world = World(tmp_path)
    make_tls_material(tmp_path / "made")
    issue_gateway(
        tmp_path / "made" / "ca", "kaofen.example", "gw-01", 1, now=datetime.now(UTC) - timedelta(days=5)
    ).write(tmp_path / "tls")
    world.config.log_key.chmod(0o644)
    found = {finding.step: finding for finding in check_files(world.config)}
    assert "chmod 600" in found["key file log.key"].en
    assert "expired" in found["own certificate"].en
    assert found["log"].level == "ok"
    assert "PRIVATE" not in str(found)


def test_the_command_says_it_in_both_languages_and_by_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 without a FAIL, 1 with one, 2 for a wrong word; beside no gateway and without a log."""
    file = tmp_path / "gateway.toml"
    file.write_text(config_text([], FakeServer()))
    with pytest.raises(SystemExit) as end:
        main(["doctor", str(file), "--json"])
    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
    for words, code in ((["--lang", "zh"], 1), (["--lang", "fr"], 2)):
        with pytest.raises(SystemExit) as end:
            main(["doctor", str(file), *words])
        assert end.value.code == code
    assert "拒绝连接" in capsys.readouterr().out
