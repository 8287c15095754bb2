"""Two real server processes on one real PostgreSQL: uploads, heartbeats, pages and figures of either, and an oracle.

`Told` is the oracle of several clients at once: whatever a request is told must not be older than what anybody had been
told before that request began, and a size has one root for ever.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sample_uploads import SampleLog
from server_process import PASSWORD, ServerProcess, Zygotes, post

from certs.contexts import people_client_context
from scorelog.format.checkpoint import parse_checkpoint
from server.ingest.origins import origin_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UPLOAD = "/gateway/v1/upload"
HEARTBEAT = "/gateway/v1/heartbeat"
STREAM_S = 15.0
GONE = (OSError, http.client.HTTPException)


class Pages:
    """What people get from whichever process."""

    def __init__(self, ca: Path, token: str) -> None:
        self._ca = ca
        self._token = token

    def people(self, server: ServerProcess) -> http.client.HTTPSConnection:
        """One connection to the people's listener."""
        context = people_client_context(self._ca)
        return http.client.HTTPSConnection("localhost", server.ports["people"], context=context, timeout=20)

    def ask(self, server: ServerProcess, path: str) -> tuple[int, Any]:
        """Status and document of the JSON API."""
        connection = self.people(server)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def get(self, server: ServerProcess, path: str, cookie: str) -> tuple[int, bytes]:
        """A page as a browser gets it."""
        connection = self.people(server)
        try:
            connection.request("GET", path, headers={"cookie": cookie})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def api(self, server: ServerProcess, path: str) -> Any:
        """The document; while the database is away there is none."""
        status, document = self.ask(server, path)
        if status == 503:
            raise ConnectionError(document["detail"])
        assert status == 200, document
        return document

    def cookie(self, server: ServerProcess) -> str:
        """Of a session, as a browser gets it from the login form."""
        connection = self.people(server)
        try:
            connection.request("GET", "/login")
            form = connection.getresponse()
            word = re.search(rb'name="word" value="([^"]+)"', form.read())
            assert word
            fields = {"word": word[1].decode(), "name": "operator", "password": PASSWORD, "next": "/"}
            kept = (form.getheader("set-cookie") or "").split(";")[0]
            origin = f"https://localhost:{server.ports['people']}"
            head = {"cookie": kept, "origin": origin, "content-type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/login", urlencode(fields), head)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        assert answer.status == 303
        cookies = answer.headers.get_all("set-cookie") or []
        return next(one.split(";")[0] for one in cookies if one.startswith("__Host-kaofen="))

    @contextmanager
    def events(self, server: ServerProcess, cookie: str) -> Iterator[Callable[[], dict[str, Any]]]:
        """The live stream from now on: each call gives the next row that it brings, for some seconds."""
        connection = self.people(server)
        connection.request("GET", "/live/events", headers={"cookie": cookie})
        answer = connection.getresponse()
        assert answer.status == 200

        end = time.monotonic() + STREAM_S

        def row() -> dict[str, Any]:
            while True:
                line = answer.readline()
                assert line, "the stream ended"
                assert time.monotonic() < end, "the stream does not bring it"
                if line.startswith(b'data: {"key"'):
                    found: dict[str, Any] = json.loads(line[6:])
                    return found

        try:
            yield row
        finally:
            connection.close()


class Pair:
    """`one` made the database; `two` has a copy of its keys. Both run unless a test stopped them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.zygotes = (Zygotes(), Zygotes(commands=False))
        self.one = ServerProcess(folder / "one", self.zygotes[0], url)
        self.two = self.one.sibling(folder / "two", self.zygotes[1])
        token = self.one.ok("token", str(self.one.config)).strip()
        self.pages = Pages(self.one.tls.server / "ca.pem", token)

    @property
    def both(self) -> tuple[ServerProcess, ServerProcess]:
        return self.one, self.two

    def run(self) -> Pair:
        """Start whichever does not run."""
        for each in self.both:
            if not each.pid:
                each.start()
        return self

    def close(self) -> None:
        """End both and what started them."""
        for each in self.both:
            each.close()
        for each in self.zygotes:
            each.close()

    def enrolled(self, gateway_id: str) -> SampleLog:
        """An empty log whose gateway may upload to both."""
        log = SampleLog(gateway_id)
        self.one.enrol(log)
        return log

    # -- gateways ------------------------------------------------------------------------------------------------------

    def leads(self, server: ServerProcess) -> bool:
        """Whether this process projects, watches and audits."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{server.ports['local']}/metrics", timeout=10) as answer:
            return b"kaofen_server_leads 1.0" in answer.read()

    def leader(self) -> tuple[ServerProcess, ServerProcess]:
        """(the one that leads, the other one), as soon as one does."""
        found: list[ServerProcess] = []
        eventually("one process leads", lambda: found.extend(s for s in self.both if s.pid and self.leads(s)) or found)
        other = self.two if found[0] is self.one else self.one
        return found[0], other


def deliver(server: ServerProcess, log: SampleLog, at_once: int = 200) -> None:
    """Everything from where the server says it stands, every receipt checked."""
    size = 0
    with server.connection(log.gateway_id) as connection:
        while size < log.size:
            stop = min(size + at_once, log.size)
            status, body = post(connection, UPLOAD, log.upload(size, stop))
            if status == 409:
                size = int(body)
                continue
            assert status == 200, body
            assert log.receipt_time(stop, body, server.mirror)
            size = stop


class Told:
    """What the clients of one log were told, by whichever process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = {"size": 0, "cosigned": 0, "time": 0}
        self._roots: dict[int, bytes] = {}

    def now(self, what: str) -> int:
        """The newest that anybody knows: taken before a request."""
        with self._lock:
            return self._newest[what]

    def hear(self, what: str, value: int, before: int) -> None:
        """An answer to a request that began when `before` was known."""
        with self._lock:
            assert value >= before, f"{what} {value} was told after {before}"
            self._newest[what] = max(value, self._newest[what])

    def root(self, size: int, root: bytes) -> None:
        """One of the roots that somebody holds a receipt or a cosigned note for."""
        with self._lock:
            assert self._roots.setdefault(size, root) == root, f"two roots of size {size}"

    def known(self, size: int) -> bytes | None:
        with self._lock:
            return self._roots.get(size)


class Client:
    """One gateway's connection to one process, with the oracle's ear."""

    def __init__(self, connection: http.client.HTTPSConnection, server: ServerProcess, told: Told) -> None:
        self._connection = connection
        self._server = server
        self._told = told

    def upload(self, log: SampleLog, start: int, stop: int) -> int:
        """The status; a receipt is verified, its size and root are heard."""
        before = self._told.now("size")
        status, body = post(self._connection, UPLOAD, log.upload(start, stop))
        if status == 200:
            assert log.receipt_time(stop, body, self._server.mirror)
            self._told.hear("size", stop, before)
            self._told.root(stop, log.root(stop))
        elif status == 409:
            self._told.hear("size", int(body), before)
        return status

    def beat(self, log: SampleLog, instance: str = "9f" * 16) -> int:
        """A heartbeat; the size that its answer says."""
        before = self._told.now("size")
        document = {"v": 1, "origin": log.origin, "size": log.size, "instance": instance, "rigs": []}
        document["software"] = "the-test"
        document["unsent"] = max(0, log.size - before)
        status, body = post(self._connection, HEARTBEAT, json.dumps(document).encode())
        assert status == 200, body
        size = int(json.loads(body)["size"])
        self._told.hear("size", size, before)
        return size

    def checkpoint(self, log: SampleLog) -> None:
        """The cosigned note that everybody may read."""
        before = self._told.now("cosigned")
        self._connection.request("GET", f"/{origin_hash(log.origin)}/checkpoint")
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            found, _ = parse_checkpoint(body)
            self._told.hear("cosigned", found.size, before)
            self._told.root(found.size, found.root)


def eventually(what: str, holds: Callable[[], Any], within_s: float = 30.0) -> float:
    """Until it holds, at the latest after so long; how long it took. A server that is away does not hold."""
    begin = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - begin
        except GONE:
            pass
        assert time.monotonic() - begin < within_s, f"after {within_s} s still waiting: {what}"
        time.sleep(0.05)
