"""Rigs that push, as processes: a simulated fleet, the gateway with its `[[push]]`, the server's log; and kills."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from gateway_process import Fleet, GatewayBox, judge
from push_point import secret_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(240)]
ORIGIN = "kaofen.example/gw/gw-01/0"
SERIALS = [f"LV-{number:04d}" for number in range(1, 5)]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def settings(folder: Path, port: int, *, signed: bool) -> str:
    """What an installer writes; and the rigs' own file of secrets."""
    (folder / "secrets").write_text("".join(f"{serial}:{secret_of(serial)}\n" for serial in SERIALS))
    text = f'[[push]]\nid = "pc"\nlisten = "127.0.0.1:{port}"\n'
    for number, serial in enumerate(SERIALS, 1):
        path = folder / f"{serial}.secret"
        path.write_text(secret_of(serial) + "\n")
        path.chmod(0o600)
        text += (
            f'[[rig]]\nserial = "{serial}"\nstation = "A-{number:02d}"\nprofile = "kaofen-interface-v1-http"\n'
            f'source = "simulator"\npush = "pc"\nsecret_file = "{path}"\nsigned = {str(signed).lower()}\n'
        )
    return text


@pytest.mark.parametrize(
    ("kills", "faults"),
    [
        (0, ()),
        (4, ()),
        (1, ("lost-message:0.05", "duplicate-message:0.05", "out-of-order:0.05", "duplicate-key:0.02", "reset:0.03")),
    ],
    ids=["calm", "killed", "faulty"],
)
async def test_every_pushed_record_is_stored_once(kills: int, faults: tuple[str, ...], tmp_path: Path) -> None:
    """P1, P2, P5, W1, W8: killed in mid-exam, answers lost, messages doubled and shuffled; each once, in order."""
    box, port = GatewayBox(tmp_path), free_port()
    words = [word for fault in faults for word in ("--fault", fault)]
    signed = kills > 0
    text = settings(tmp_path, port, signed=signed)
    options = ["--rigs", "4", "--exams", "8", "--speed", "300", "--timeout", "200"]
    push = ["--push", f"http://127.0.0.1:{port}", "--push-secrets", str(tmp_path / "secrets")]
    fleet = Fleet(tmp_path, *options, *push, *([] if signed else ["--push-token"]), *words)
    try:
        async with https_server(box.server, box.tls) as url:
            box.configure([], url)
            with box.config.open("a") as file:
                file.write(text)
            assert (await box.command("init"))[0] == 0
            await box.start()
            await fleet.start()
            for _ in range(kills):
                await asyncio.sleep(1.5)
                await box.end(signal.SIGKILL)
                await box.start()
            await fleet.done(200)
            await box.drained()
            assert await box.end() == 0
            stored = box.server.entries(ORIGIN)
        assert judge(fleet.truth, stored)["truth"] > 40
        assert "adapter broken" not in box.output
        assert "push request broken" not in box.output
    finally:
        await box.kill_for_sure()
        await fleet.kill_for_sure()
