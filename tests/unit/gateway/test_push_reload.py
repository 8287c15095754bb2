"""Listeners come, move, go and get other certificates while the gateway runs; nothing is lost (P1, P2, P8)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

from gateway_world import World, config_text
from push_point import PushRig, secret_of
from tls_material import make_tls_material

from gateway.push.identity import identities
from gateway.settings.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.app import App


class PushWorld(World):
    """With real lines and listeners."""

    wired = True

    def __init__(self, folder: Path, *blocks: str) -> None:
        super().__init__(folder, [])
        self.listen(*blocks)

    def listen(self, *blocks: str) -> None:
        self.configure("\n".join([config_text([], self.server), *blocks]))


def listener(name: str, port: int, more: str = "") -> str:
    return f'[[push]]\nid = "{name}"\nlisten = "127.0.0.1:{port}"\n{more}\n'


def rig(folder: Path, serial: str, push: str) -> str:
    path = folder / f"{serial}.secret"
    path.write_text(secret_of(serial))
    path.chmod(0o600)
    return (
        f'[[rig]]\nserial = "{serial}"\nstation = "{serial}"\nprofile = "kaofen-interface-v1-http"\n'
        f'push = "{push}"\nsecret_file = "{path.name}"\nsource = "simulator"\n'
    )


def take_up(issued: Path, folder: Path) -> None:
    """Under the same names."""
    for name in ("cert.pem", "cert.key"):
        (folder / name).write_bytes((issued / name).read_bytes())


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def reloaded(app: App) -> None:
    before = app.status()["configuration"]["tried"]
    app.request_reload()
    await until(lambda: app.status()["configuration"]["tried"] > before)
    assert app.status()["configuration"]["refused"] is None


def pushes(app: App) -> dict[str, Any]:
    return {one["id"]: one for one in app.status()["pushes"]}


async def test_a_listener_comes_moves_and_goes(tmp_path: Path) -> None:
    """P1, P2, P8: the first of a box, too; another one and its rig's connection are not touched by it."""
    first, moved, other = free_ports(3)
    world = PushWorld(tmp_path)
    one, two = rig(tmp_path, "CP-0001", "pc"), rig(tmp_path, "CP-0002", "hall")
    async with world.gateway() as app:
        world.listen(listener("pc", first), listener("hall", other), one, two)
        await reloaded(app)
        await until(lambda: all(said["listening"] for said in pushes(app).values()))
        rigs = [PushRig("CP-0001", first), PushRig("CP-0002", other)]
        for each in rigs:
            each.open()
        await until(lambda: all(one["state"] == "running" for one in app.status()["rigs"]))
        for each in rigs:
            each.latch("exam_opened")
        for each in rigs:
            await each.acked(1, 20)
        answers, up = pushes(app)["hall"]["answers"]["200"], pushes(app)["hall"]["connections"]
        world.listen(listener("pc", moved), listener("hall", other), one, two)
        await reloaded(app)
        await until(lambda: pushes(app)["pc"]["listening"])
        assert pushes(app)["pc"]["port"] == moved
        rigs[0].port = moved
        for each in rigs:
            each.latch("item_finished", score=9200)
        for each in rigs:
            await each.acked(2, 20)
        assert (pushes(app)["hall"]["answers"]["200"] > answers, pushes(app)["hall"]["connections"]) == (True, up)
        world.listen(listener("hall", other), two)
        await reloaded(app)
        assert list(pushes(app)) == ["hall"]
        rigs[1].latch("exam_closed")
        await rigs[1].acked(3, 20)
        for each in rigs:
            await each.shut()
    assert world.exit_code == 0
    found = [(entry.document["rig"], entry.seq) for entry in world.entries() if entry.key and entry.seq]
    assert sorted(found) == [("CP-0001", 1), ("CP-0001", 2), ("CP-0002", 1), ("CP-0002", 2), ("CP-0002", 3)]
    downs = [entry.document for entry in world.entries("rig.offline")]
    assert "CP-0002" not in [row["rig"] for row in downs if row["reason"] != "stopped"]


async def test_a_renewed_certificate_is_taken_up(tmp_path: Path) -> None:
    """The same names, other bytes: the listener begins anew with them; without a change it is not touched."""
    tls, newer = make_tls_material(tmp_path / "a"), make_tls_material(tmp_path / "b")
    (port,) = free_ports(1)
    world = PushWorld(tmp_path / "box")
    take_up(tls.server, world.folder)
    world.listen(listener("pc", port, 'certificate = "cert.pem"\nkey = "cert.key"'), rig(world.folder, "CP-0001", "pc"))

    async def meets(folder: Path) -> bool:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        try:
            _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        except ssl.SSLError:
            return False
        writer.transport.abort()
        return True

    async with world.gateway() as app:
        await until(lambda: pushes(app)["pc"]["listening"])
        assert await meets(tls.server)
        made = app._parts.wires.listeners["pc"] if app._parts.wires else None
        await reloaded(app)
        assert made is (app._parts.wires.listeners["pc"] if app._parts.wires else None)
        take_up(newer.server, world.folder)
        await reloaded(app)
        await until(lambda: pushes(app)["pc"]["listening"])
        assert (await meets(newer.server), await meets(tls.server)) == (True, False)


def test_fingerprints_are_of_the_files(tmp_path: Path) -> None:
    """Without TLS there is none to compare; what is kept of a key is a hash."""
    world = PushWorld(tmp_path, listener("pc", 0), rig(tmp_path, "CP-0001", "pc"))
    found = identities(parse_config(world.config_file.read_bytes(), tmp_path))
    assert len(found.fingerprints["pc"]) == 32
    assert "fingerprints" not in repr(found)
