"""Bytes on the wire for one entry, with every signature and receipt, beside JSON with a signature of its own.

    script/bench wire [--exams 60]

Simulated rigs take real exams at a gateway without an uplink. Its log's entries, with their openings, then go to a real
server by the gateway's own client over mTLS, alone, by 16 and by 256, through a line that counts what passes on the
socket: up the request with the log's signature, down the answer with the receipt. Not counted: TCP and IP.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kit.counting import counting
from kit.figures import Aim, Report
from kit.upload_server import served
from kit.uploads import DOMAIN, Uploads
from service import WorldError, command
from world import World

from gateway.sending.transport import HttpsClient
from gateway.settings.config import ServerConfig
from scorelog.format.limits import BLIND_BYTES
from scorelog.format.upload import FILE_SUFFIX, parse_upload
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.figures import Figure
    from kit.upload_server import UploadServer

    from scorelog.format.commitment import Opening

PIECES: Final = (1, 16, 256)
AIM: Final = Aim("<=", 150)
RIGS: Final = 12
FLEET_S: Final = 300
HASH_BYTES: Final = 32
SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry and its openings."""

    data: bytes
    openings: tuple[Opening, ...]

    @property
    def random_bytes(self) -> int:
        """What no codec makes shorter: salt, content hash, and of each personal field its blind and its commitment."""
        document = json.loads(self.data)
        hashes = len(document.get("candidate", ())) + ("content" in document)
        return SALT_BYTES + HASH_BYTES * hashes + BLIND_BYTES * len(self.openings)


def real_log(folder: Path, exams: int) -> list[Logged]:
    """What a gateway logs of so many exams, taken from it as upload files."""
    folder.mkdir()
    world = World(folder)
    try:
        world.build_server()
        rigs = world.start_fleet(
            "--rigs", str(RIGS), "--exams", str(exams), "--speed", "240", "--timeout", str(FLEET_S)
        )
        world.build_gateway(rigs)
        world.gateway.start()
        world.wait("the exams are over", lambda: not world.fleet.running(), FLEET_S)
        world.gateway.stop()
        out = folder / "files"
        command("kaofen-gateway", "export", world.gateway_config, out)
    finally:
        world.close()
    found = []
    for path in sorted(out.glob(f"*{FILE_SUFFIX}")):
        upload = parse_upload(path.read_bytes())
        for index, entry in enumerate(upload.entries, upload.start):
            found.append(Logged(entry, tuple(one for one in upload.openings if one.index == index)))
    if len(found) < 2 * max(PIECES):
        raise WorldError(f"{len(found)} entries are too few for two pieces of {max(PIECES)}: more --exams")
    return found


def cut(logged: Sequence[Logged], each: int) -> Uploads:
    """The same entries as the log of a gateway that sends so many at once."""
    made = Uploads(f"by-{each}")
    for start in range(0, len(logged) - each + 1, each):
        piece = logged[start : start + each]
        made.add([one.data for one in piece], tuple(opening for one in piece for opening in one.openings))
    return made


async def sent(folder: Path, server: UploadServer, uploads: Uploads) -> tuple[int, int, int]:
    """(handshake, up, down) bytes of one connection that sends all but the first: its answer says how to compress."""
    own = folder / uploads.gateway_id
    async with counting(server.ports["gateways"]) as (port, counter):
        identity = {"ca": own / "ca.pem", "cert": own / "cert.pem", "key": own / "cert.key"}
        told = ServerConfig(url=f"https://localhost:{port}", **identity, mirror_vkey="", pin=None)
        client = HttpsClient(told, SystemClock(), 30)
        try:
            await client.checkpoint(f"{DOMAIN}/gw/{uploads.gateway_id}/0")
            handshake = sum(counter.take())
            for number, body in enumerate(uploads.bodies):
                answer = await client.upload(body)
                if answer.status != 200:
                    raise WorldError(f"an upload was answered with {answer.status}: {answer.body[:200]!r}")
                if not number:
                    counter.take()
        finally:
            await client.close()
    return handshake, *counter.take()


def json_bytes(one: Logged) -> int:
    """The yardstick: entry and openings as one JSON document with an Ed25519 signature in base64, posted by itself."""
    document = json.loads(one.data)
    document["openings"] = {each.field: [each.blind.hex(), each.value.decode("latin-1")] for each in one.openings}
    document["signature"] = base64.b64encode(bytes(64)).decode()
    return len(json.dumps(document, ensure_ascii=False).encode())


def measure(report: Report, logged: Sequence[Logged], folder: Path) -> None:
    """Every figure."""
    count = len(logged)
    bare = report.add("JSON + base64 signature, alone, body", sum(map(json_bytes, logged)) / count, "bytes")
    report.add("entry alone, as logged", sum(len(one.data) for one in logged) / count, "bytes", yardstick=bare)
    openings = sum(len(one.openings) for one in logged) / count
    random = sum(one.random_bytes for one in logged) / count
    note = f"{openings:.1f} openings an entry"
    report.add("of it salt, blinds, hashes: never shorter", random, "bytes", yardstick=bare, note=note)
    pieces = [cut(logged, each) for each in PIECES]
    with served(folder, pieces) as server:
        for each, uploads in zip(PIECES, pieces, strict=True):
            wire(report, each, uploads, asyncio.run(sent(folder, server, uploads)), bare)


def wire(report: Report, each: int, uploads: Uploads, counted: tuple[int, int, int], bare: Figure) -> None:
    """The figures of one size of piece."""
    (handshake, up, down), count = counted, uploads.entries - each
    report.add(f"by {each}: body", sum(map(len, uploads.bodies)) / uploads.entries, "bytes", yardstick=bare)
    report.add(
        f"by {each}: on the wire, both ways",
        (up + down) / count,
        "bytes",
        yardstick=bare,
        aim=AIM if each > 1 else None,
        note=f"up {up / count:.0f}, down with receipt {down / count:.0f}; a new connection {handshake}",
    )


def main() -> int:
    """A log, then its figures."""
    parser = argparse.ArgumentParser(prog="script/bench wire", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--exams", type=int, default=60, help="exams to take (default 60)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        folder = Path(name)
        logged = real_log(folder / "point", arguments.exams)
        measure(Report("wire"), logged, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
