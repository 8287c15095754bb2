"""One exam point of real processes through which marked names go, and everything that comes out of it (P7).

A rig sends ticket, name (GBK) and masked id, rightly and wrongly; a fleet sends marked tickets through torn and spoilt
readings; people and strangers type them where they do not belong. `Way.out` gathers what came out.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import marked_way_modbus as modbus
from marked_names import Marks, Outputs
from tamper_point import Box, run
from world import OPERATOR, PASSWORD, ROOT, World, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_WRONG = f"{Marks.TICKET}-0001{Marks.NAME}"
SHIPPED = ROOT / "device_adapters" / "profiles" / "kaofen-v1-low-voltage.toml"


@dataclass
class Way:
    """One world with marked rigs; what came out of it is gathered in `out`."""

    folder: Path
    world: World
    rig: modbus.MarkedRig
    local: int = field(default_factory=free_port)  # the server's own pages
    out: Outputs = field(default_factory=Outputs)
    named: bool = False  # a plan says who sits: an attempt's page shows the name to an operator

    @property
    def box(self) -> Box:
        """The gateway."""
        return Box(self.world, self.world.gateway_config, self.world.gateway, self.world.local_port)

    async def wait(self, what: str, condition: Any, deadline_s: float = 40) -> None:
        """Beside the running rig."""
        await asyncio.to_thread(self.world.wait, what, condition, deadline_s)

    async def does(self, *words: str | Path) -> str:
        """One command; what it printed is an output."""
        _, printed = await asyncio.to_thread(run, *words)
        self.out.add(" ".join(map(str, words[:2])), printed)
        return printed

    def scores(self) -> dict[str, dict[str, Any]]:
        """By place in the log: what the server shows of every item."""
        wanted = ("item", "score_claimed", "score_recomputed", "verdict", "notes")
        items = self.world.api("/api/v1/items?limit=500")["items"]
        return {f"{one['origin']} {one['index']}": {name: one[name] for name in wanted} for one in items}


@asynccontextmanager
async def marked_world(folder: Path) -> AsyncIterator[Way]:
    """Server, gateway, two simulated rigs with torn and spoilt readings, and the rig that carries a whole person."""
    world = World(folder, backoff_cap_s=1)
    async with modbus.MarkedRig() as rig:
        try:
            way = Way(folder, world, rig)
            await asyncio.to_thread(_build, way)
            yield way
        finally:
            await asyncio.to_thread(world.close)


def _build(way: Way) -> None:
    world, rig = way.world, way.rig
    world.build_server()
    settings = world.server_config.read_text("utf-8").replace("pause_s = 60", "pause_s = 1")
    assert 'listen = ""' in settings
    settings = settings.replace('listen = ""', f'listen = "127.0.0.1:{way.local}"')
    world.server_config.write_text(settings, "utf-8")
    options = ["--rigs", "2", "--exams", "4", "--practice", "1", "--seed", "5", "--speed", "1500", "--stay"]
    faults = [word for name in ("torn-record", "half-written") for word in ("--fault", f"{name}:0.05")]
    rigs = world.start_fleet(*options, "--session", Marks.TICKET, *faults)
    own = {"serial": modbus.SERIAL, "station": modbus.STATION, "host": "127.0.0.1", "port": rig.port, "unit": 1}
    world.build_gateway([*rigs, own])
    config = world.gateway_config
    (config.parent / "marked.toml").write_text(modbus.profile_text(SHIPPED), "utf-8")
    head, tail = config.read_text("utf-8").split(f'serial = "{modbus.SERIAL}"')
    config.write_text(
        f'{head}serial = "{modbus.SERIAL}"{tail.replace("kaofen-v1-low-voltage", "marked.toml")}', "utf-8"
    )
    world.server.start()
    world.wait("the server answers", world.serving, 30)
    world.gateway.start()


async def commands(way: Way) -> None:
    """Everything that the command lines print, right and wrong; two at a time."""
    gateway, server, folder = way.world.gateway_config, way.world.server_config, way.folder
    policy = folder / "policy.txt"
    policy.write_bytes(way.world.fetch("/api/v1/policy"))
    newest = next(at for at, one in enumerate(way.box.entries()) if one["type"] == "item.finished")
    lines: list[tuple[str | Path, ...]] = [
        ("kaofen-gateway", "status", gateway),
        ("kaofen-gateway", "status", gateway, "--json"),
        ("kaofen-gateway", "fsck", gateway),
        ("kaofen-gateway", "config", gateway, "--check"),
        ("kaofen-gateway", "doctor", gateway),
        ("kaofen-gateway", "receipt", gateway, "3"),
        ("kaofen-gateway", "receipt", gateway, str(newest), "--out", folder / "receipts"),
        ("kaofen-server", "fsck", server),
        ("kaofen-server", "audit", server, "--once"),
        ("kaofen-server", "backup", server, folder / "backup"),
        ("kaofen-server", "gateway", "list", server),
    ]
    for name, content in _WRONG_FILES.items():
        (folder / name).write_bytes(content)
    csv, document, note = (folder / name for name in _WRONG_FILES)
    lines += [
        ("kaofen-server", "import", server, csv),
        ("kaofen-gateway", "import-receipt", gateway, csv),
        ("kaofen-verify", "proof", note, "--entry", document, "--policy", policy),
        ("kaofen-verify", "attempt", document, "--policy", policy),
        ("kaofen-gateway", "import-receipt", gateway, note),
        ("kaofen-server", "import", server, note),
    ]
    for at in range(0, len(lines), 2):
        await asyncio.gather(*(way.does(*line) for line in lines[at : at + 2]))
    for name in _WRONG_FILES:
        (folder / name).unlink()


# Files with a person in them, handed to a command that wants another one.
_WRONG_FILES: dict[str, bytes] = {
    "wrong.csv": f"准考证号,姓名\n{_WRONG},{Marks.NAME}\n".encode("gb18030"),
    "wrong.json": json.dumps({"ticket": _WRONG, "name": Marks.NAME, "v": 1}, ensure_ascii=False).encode(),
    "wrong.note": f"{Marks.TICKET}\n{Marks.NAME}\n\n— {Marks.TICKET} {Marks.NAME}\n".encode(),
}


async def send_everything(way: Way) -> None:
    """Exams right and wrong, a kill of each process in between, until all is receipted."""
    first = modbus.whole_exam(way.rig)
    await way.wait("the marked exam is acknowledged", lambda: way.rig.acked_seq >= first)
    bad = modbus.bad_records(way.rig)
    await way.wait("a bad record is refused", lambda: any(e["type"] == "reading.refused" for e in way.box.entries()))
    await asyncio.to_thread(way.world.gateway.kill)
    way.world.gateway.start()
    await way.wait("the refusals are told", lambda: _reasons(way.box) >= {"crc", "serial"})
    modbus.mend(way.rig, bad)
    last = modbus.whole_exam(way.rig, 3)
    await asyncio.to_thread(way.world.server.kill)
    way.world.server.start()
    await way.wait("all is acknowledged", lambda: way.rig.acked_seq >= last, 60)
    await asyncio.to_thread(way.world.press, cmd="wait", done=True, timeout_s=60)
    await way.wait("the server answers again", way.world.serving)
    await way.wait("all is receipted", lambda: (way.box.status() or {}).get("unsent") == 0)


def _reasons(box: Box) -> set[str]:
    return {entry["reason"] for entry in box.entries() if entry["type"] == "reading.refused"}


async def visit(way: Way) -> None:
    """Pages, API and files as people get them, and what they get for mistakes."""
    context = ssl.create_default_context(cafile=str(way.world.ca))
    base = f"https://localhost:{way.world.people_port}"
    async with httpx2.AsyncClient(base_url=base, verify=context, timeout=20) as client:
        stranger = await client.get("/login")
        word = stranger.text.split('name="word" value="', 1)[1].split('"', 1)[0]
        for method, path, extra in _MISTAKES:
            answer = await client.request(method, path, **extra, headers={"origin": base})
            _answered(way, f"stranger {method} {path[:20]}", answer)
        form = {"word": word, "name": OPERATOR, "password": PASSWORD}
        assert (await client.post("/login", data=form, headers={"origin": base})).status_code == 303
        for path in ("/", "/alerts", "/gateways", "/alerts?show=all", "/plan"):
            _shown(way, path, await client.get(path))
        asked = await client.post("/attempts/find", data={"search": Marks.TICKET}, headers={"origin": base})
        way.out.add("address of a search", asked.headers["location"])
        _shown(way, "search", await client.get(asked.headers["location"]))
        for method, path, extra in _MISTAKES:
            answer = await client.request(method, path, **extra, headers={"origin": base})
            _answered(way, f"operator {method} {path[:20]}", answer)
        found = way.world.api("/api/v1/attempts?limit=500")["attempts"]
        for attempt in (one["attempt"] for one in found):
            _shown(way, "attempt", await client.get(f"/attempts/{attempt}"))
            _shown(way, "attempt by API", await client.get(f"/api/v1/attempts/{attempt}"))
            way.out.add("evidence", (await client.get(f"/api/v1/attempts/{attempt}/evidence")).content)
        for path in ("/api/v1/items?limit=500", "/api/v1/alerts?limit=500", "/api/v1/gateways", "/api/v1/plans"):
            way.out.add(path, _without_tickets(json.dumps(way.world.api(path), ensure_ascii=False)))


_MISTAKES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", f"/attempts/{Marks.TICKET}-0001", {}),
    ("GET", f"/{Marks.NAME}", {}),
    ("GET", f"/api/v1/attempts/{_WRONG}", {}),
    ("GET", f"/api/v1/attempts?state={_WRONG}", {}),
    ("GET", f"/api/v1/items?after={_WRONG}", {}),
    ("GET", f"/api/v1/entries/{_WRONG}/1", {}),
    ("POST", f"/api/v1/alerts/{Marks.TICKET}/acknowledge", {"json": {"note": [_WRONG]}}),
    ("POST", "/api/v1/alerts/x/acknowledge", {"content": f"{{{_WRONG}"}),
    ("POST", "/login", {"data": {"word": _WRONG, "name": _WRONG, "password": _WRONG}}),
    ("PUT", f"/alerts/{_WRONG}", {}),
)


def _answered(way: Way, label: str, answer: httpx2.Response) -> None:
    way.out.add(f"{label} -> {answer.status_code}", answer.content)
    # A stranger's own address comes back as where to go after the login; no page of ours has such an address.
    way.out.add(f"{label} headers", str({name: value for name, value in answer.headers.items() if name != "location"}))


def _shown(way: Way, label: str, answer: httpx2.Response) -> None:
    """A page for an operator: it may show a ticket, and by a plan a name, and nothing else; its links not even that."""
    assert answer.status_code == 200, label
    shown = _without_tickets(answer.text)
    way.out.add(f"page {label}", shown.replace(Marks.NAME, "…") if way.named and label == "attempt" else shown)
    way.out.add(f"links of page {label}", "\n".join(re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)))


def _without_tickets(text: str) -> str:
    """The mark of the ticket, spelt as it is, goes; everything else stays and is searched."""
    return text.replace(Marks.TICKET, "…").replace("P" + Marks.TICKET[1:], "…")


async def forge(way: Way) -> None:
    """What a stranger and a gateway that has gone mad post to the server; each answer is an output."""
    tls = way.folder / "gateway-tls"
    context = ssl.create_default_context(cafile=str(way.world.ca))
    context.load_cert_chain(tls / "cert.pem", tls / "cert.key")
    base = f"https://localhost:{way.world.gateway_port}"
    (body,) = (path.read_bytes() for path in [await _exported(way)])
    at = body.rindex(b"\n\n\xe2\x80\x94 ")
    bodies = {
        "garbage": _WRONG.encode(),
        "head only": b"kaofen.upload/v1\nstart 0\nentries 1 " + Marks.TICKET.encode() + b"\n",
        "cut off": body[: len(body) // 2],
        "no length": b"x" + body,
        "another signature": body[: at + 40] + b"AAAA" + body[at + 44 :],
        "another origin": body.replace(b"/gw/gw-01/", b"/gw/gw-77/"),
        "another entry": body.replace(b'"item":"', b'"item":"X', 1),
        "another score": body.replace(b'"points":500', b'"points":400', 1),
    }
    async with httpx2.AsyncClient(base_url=base, verify=context, timeout=20) as client:
        for name, content in bodies.items():
            answer = await client.post("/gateway/v1/upload", content=content)
            _answered(way, f"forged upload: {name}", answer)
        for path in ("/gateway/v1/heartbeat", "/add-checkpoint", f"/{Marks.TICKET}/checkpoint"):
            _answered(way, f"forged {path[:12]}", await client.post(path, content=_WRONG.encode()))
            _answered(way, f"forged {path[:12]}", await client.get(path))


async def _exported(way: Way) -> Path:
    """One upload body with openings in it, made by an exam without an uplink."""
    await asyncio.to_thread(way.box.restart, online=False)
    last = modbus.whole_exam(way.rig, 4)
    await way.wait("the exam is acknowledged", lambda: way.rig.acked_seq >= last)
    await way.does("kaofen-gateway", "export", way.world.gateway_config, way.folder / "exported")
    return next(iter(sorted((way.folder / "exported").iterdir())))


async def look_at_the_box(way: Way) -> None:
    """What the gateway's and the server's own pages on loopback say."""
    ports = {way.world.local_port: ("metrics", "status", "health", ""), way.local: ("metrics", "health")}
    for port, paths in ports.items():
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            for path in (*paths, f"{Marks.TICKET}"):
                _answered(way, f"local :{port} {path[:8]}", await client.get(f"/{path}"))
            _answered(way, "local receipt", await client.post("/receipt", content=_WRONG.encode()))
