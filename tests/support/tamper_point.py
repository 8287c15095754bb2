"""One exam point of real processes whose gateway can be stopped, copied, changed and put back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import urllib.request
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oracle
import service
from world import BIN, Service, World, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = "https://localhost:9"  # the discard port: nobody listens


class Box:
    """One gateway of a world: its settings, its data, its second medium, its process."""

    def __init__(self, world: World, config: Path, service: Service, port: int) -> None:
        self.world = world
        self.config = config
        self.data = config.parent / "data"
        self.state = config.parent / "second-medium"
        self.log = self.data / "log"
        self.database = self.log / "log.db"
        self.service = service
        self._port = port
        self._url = f"https://localhost:{world.gateway_port}"

    @property
    def origin(self) -> str:
        """Of the generation that is open."""
        return str(json.loads((self.log / "identity.json").read_bytes())["origin"])

    def online(self, yes: bool) -> None:
        """With or without an uplink at the next start."""
        text = self.config.read_text("utf-8")
        old, new = (NOWHERE, self._url) if yes else (self._url, NOWHERE)
        self.config.write_text(text.replace(old, new), "utf-8")

    def start(self) -> None:
        """Until it answers."""
        self.service.start()
        self.world.wait(f"{self.service.name} answers", lambda: self.status() is not None, 30)

    def restart(self, *, online: bool) -> None:
        """Stopped if it runs, then started with or without an uplink."""
        self.stop()
        self.online(online)
        self.start()

    def dies(self, code: int = 1) -> None:
        """Start it; it ends by itself with this exit code."""
        self.stop()
        self.service.start()
        self.world.wait(f"{self.service.name} gives up", lambda: not self.service.running(), 30)
        assert self.service.process is not None
        assert self.service.process.returncode == code, self.service.tail()

    def stop(self) -> None:
        """In order."""
        self.service.stop()

    def status(self) -> dict[str, Any] | None:
        """Its own word, None while it is down."""
        if not self.service.running():
            return None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/status", timeout=2) as answer:
                status: dict[str, Any] = json.loads(answer.read())
        except (OSError, ValueError):
            return None
        return status

    def receipted(self) -> bool:
        """Everything in its log has a receipt, and every rig answers: nothing more comes by itself."""
        status = self.status() or {"rigs": []}
        return status.get("unsent") == 0 and all(rig["state"] == "idle" for rig in status["rigs"])

    def receipted_size(self) -> int:
        """As its process says."""
        return int((self.status() or {})["receipted"])

    def evidence(self, kind: str) -> list[Path]:
        """What it kept of the server's refusals."""
        return [path for path in (self.data / "evidence").glob("*") if f"-{kind}-" in path.name]

    def quarantined(self) -> Path:
        """The database of the generation that was given up last."""
        generation = int(self.origin.rpartition("/")[2]) - 1
        return self.data / f"log.quarantined-{generation}" / "log.db"

    def fsck(self) -> tuple[int, str]:
        """Exit code and what it printed."""
        return run("kaofen-gateway", "fsck", self.config)

    def save(self, to: Path) -> Path:
        """A copy of everything that the box has."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.data, to / "data", ignore=shutil.ignore_patterns("reserve"))
        shutil.copytree(self.state, to / "second-medium")
        return to

    def put_back(self, copy: Path, *, second_file: bool = True) -> None:
        """The box as it was; its second file stays as it is unless that is put back too."""
        for folder in (self.data, self.state) if second_file else (self.data,):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(copy / folder.name, folder)

    def entries(self) -> list[dict[str, Any]]:
        """The documents of the open generation."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as rows:
            return [json.loads(one) for (one,) in rows.execute("SELECT bytes FROM entry ORDER BY idx")]

    def said(self, since: int = 0) -> str:
        """What its processes logged, from a byte of the log file on."""
        return self.service.log.read_bytes()[since:].decode("utf-8", "replace") if self.service.log.exists() else ""

    def mark(self) -> int:
        """Where the log file ends now."""
        return self.service.log.stat().st_size if self.service.log.exists() else 0


@contextmanager
def begun(folder: Path) -> Iterator[Point]:
    """An exam point after a small round: two rigs at the gateway, two more for a second box."""
    one = Point(folder)
    try:
        one.begin()
        yield one
    finally:
        one.close()


class Point:
    """A world with one gateway on two rigs, a server that audits without a pause, and rigs to spare."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder, backoff_cap_s=1)
        self.box = Box(self.world, self.world.gateway_config, self.world.gateway, self.world.local_port)
        self.rigs: list[dict[str, Any]] = []
        self.clones: list[Box] = []
        self.finished = folder / "finished"  # a copy of the gateway's data after the first round, all receipted
        self.forgiven: set[tuple[str, int, int, str]] = set()

    @property
    def evidence(self) -> Path:
        """The server's database."""
        return Path(self.world.server_config).parent / "data" / "evidence.db"

    def begin(self) -> None:
        """Everything built and started, and one exam on each of the gateway's rigs."""
        world = self.world
        world.build_server()
        settings = world.server_config.read_text("utf-8")
        world.server_config.write_text(settings.replace("pause_s = 60", "pause_s = 1"), "utf-8")
        self.rigs = world.start_fleet("--rigs", "4", "--exams", "0", "--seed", "11", "--speed", "1500", "--stay")
        world.build_gateway(self.rigs[:2])
        world.server.start()
        world.wait("the server answers", world.serving, 30)
        self.box.start()
        self.exams()
        with self.stopped():
            self.box.save(self.finished)

    def exams(self, box: Box | None = None, *, receipted: bool = True) -> None:
        """One more exam on each rig of the box, to its last acknowledgement; and to the server's receipt."""
        self.press(box)
        self.world.press(cmd="wait", done=True, timeout_s=60)
        if receipted:
            self.world.wait("every entry receipted", (box or self.box).receipted, 30)

    def press(self, box: Box | None = None) -> None:
        """One more exam in the queue of each rig of the box."""
        for rig in self.rigs[:2] if box is None or box is self.box else self.rigs[2:]:
            self.world.press(cmd="exam", rig=rig["serial"])

    def entry(self, origin: str, index: int) -> bytes:
        """As the server holds it."""
        return self.world.fetch(f"/api/v1/entries/{sha256(origin.encode()).hexdigest()}/{index}")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The gateway is not running meanwhile."""
        self.box.stop()
        yield
        self.box.start()
        self.world.wait("every entry receipted", self.box.receipted, 30)

    def copy_of(self, saved: Path, folder: Path) -> Box:
        """A box that stands for itself, with the data of a saved one. Not for running beside the first one."""
        text = self.box.config.read_text("utf-8").replace(f"{self.box.config.parent}/", f"{folder}/")
        (folder / "gateway.toml").write_text(text, "utf-8")
        box = Box(self.world, folder / "gateway.toml", self.world.gateway, self.world.local_port)
        box.put_back(saved)
        return box

    def judge(self) -> None:
        """P1, P2: every result of the rigs is at the server once, unaltered, receipted, and scored again."""
        world = self.world
        truth = [r for r in oracle.read_truth(world.truth) if _key(r) not in self.forgiven]
        wanted = sum(1 for r in truth if r["type"] == oracle.RESULT and oracle.in_exam(r))
        world.wait("every result shown", lambda: len(oracle.pages(world, "/api/v1/items")) >= wanted, 30)
        verdict = oracle.Verdict()
        oracle.compare_server(world, truth, verdict)
        assert verdict.ok, verdict.faults

    def refused(self, origin: str) -> list[bytes]:
        """The uploads that the server refused with 422 for this log, raw."""
        with closing(sqlite3.connect(f"file:{self.evidence}?mode=ro", uri=True)) as rows:
            found = rows.execute("SELECT body FROM refusals WHERE origin = ? AND status = 422", (origin,))
            return [bytes(body) for (body,) in found]

    def clone(self, saved: Path) -> Box:
        """A second box with the same keys and the saved data, at the spare rigs."""
        home = self.folder / "clone"
        home.mkdir()
        port, text = free_port(), self.box.config.read_text("utf-8").replace(f"{self.box.config.parent}/", f"{home}/")
        text = text.replace(f"127.0.0.1:{self.world.local_port}", f"127.0.0.1:{port}")
        for one, other in zip(self.rigs[:2], self.rigs[2:], strict=True):
            for name in ("serial", "station"):
                text = text.replace(f'{name} = "{one[name]}"', f'{name} = "{other[name]}"')
            text = text.replace(f"\nport = {one['port']}\n", f"\nport = {other['port']}\n")
        config = home / "gateway.toml"
        config.write_text(text, "utf-8")
        service = Service("clone", ("kaofen-gateway", "run", str(config)), self.folder / "clone.log")
        self.clones.append(Box(self.world, config, service, port))
        self.clones[-1].put_back(saved)
        return self.clones[-1]

    def forgive(self, database: Path, index: int) -> None:
        """The truth without the record of an entry that somebody destroyed: no store has it any more."""
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
            found = rows.execute("SELECT rig, epoch, seq, type FROM entry_key WHERE idx = ?", (index,)).fetchall()
        self.forgiven |= {(*row,) for row in found}

    def alerts(self) -> list[dict[str, Any]]:
        """All that the running server shows."""
        return list(self.world.api("/api/v1/alerts?limit=500")["alerts"])

    def told(self) -> frozenset[tuple[str, int]]:
        """Which alerts there are now, and how often each was told: the same difference again is the same alert."""
        return frozenset((alert["id"], alert["times"]) for alert in self.alerts())

    def alarmed(
        self, kind: str, origin: str | None, index: int | None = None, *, but: frozenset[tuple[str, int]] = frozenset()
    ) -> dict[str, Any]:
        """Wait for an alert of this kind about this log and index, told since `but`."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            wanted = (kind, origin, index)
            fresh = (a for a in self.alerts() if (a["id"], a["times"]) not in but)
            found[:] = [a for a in fresh if (a["kind"], a["origin"], a["index"]) == wanted]
            return bool(found)

        self.world.wait(f"the alarm {kind} {origin} {index}", there, 20)
        return found[0]

    def close(self) -> None:
        """End every process."""
        for clone in self.clones:
            clone.service.stop()
        self.world.close()


def _key(record: dict[str, Any]) -> tuple[str, int, int, str]:
    return (record["serial"], record["boot"], record["seq"], record["type"])


def run(*words: str | Path) -> tuple[int, str]:
    """One command to its end: exit code and everything it printed."""
    line = [str(BIN / str(words[0])), *map(str, words[1:])]
    done = service.programs.run(line, os.environ, 60)
    return done.returncode, done.stdout + done.stderr
