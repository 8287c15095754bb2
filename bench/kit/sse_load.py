"""The load of the live bench: many browsers' streams in one process, over TLS, each event timed as it arrives.

python sse_load.py SPEC.json      prints `open` when all streams are open, reads until its stdin ends, then prints what
it counted. Spec: host, port, ca, cookies (one a login), streams, path, markers (regular expressions with one group of
digits), out. For every match it appends (marker number, digits, arrival in us) to `out`, three 8-byte integers.

Plain non-blocking TLS sockets over epoll: a stream costs a receive and nothing more, so that this process is not what
is measured. Every fourth stream is read for markers, of the others the bytes are counted. Streams come from several
loopback addresses, as browsers do from several halls.
"""

from __future__ import annotations

import array
import gc
import json
import re
import selectors
import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

PER_ADDRESS: Final = 200
PIECE: Final = 64 << 10
TAIL: Final = 40  # a marker may be cut in two by the end of a TLS record
READ_EVERY: Final = 4


class Stream:
    """One browser's stream."""

    __slots__ = ("line", "read", "tail")

    def __init__(self, line: ssl.SSLSocket, *, read: bool) -> None:
        self.line = line
        self.read = read
        self.tail = b""


class Load:
    """All streams and what they brought."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._context = ssl.create_default_context(cafile=spec["ca"])
        self._markers = [re.compile(one.encode()) for one in spec["markers"]]
        self._selector = selectors.DefaultSelector()
        self.seen = array.array("q")
        self.bytes = 0
        self.receives = 0
        self.ended = 0
        self._over = False
        self._room = memoryview(bytearray(PIECE))

    def open(self) -> None:
        """All streams, one after the other."""
        for number in range(self._spec["streams"]):
            stream = Stream(self._connect(number), read=number % READ_EVERY == 0)
            self._selector.register(stream.line, selectors.EVENT_READ, stream)

    def _connect(self, number: int) -> ssl.SSLSocket:
        where, cookies = (self._spec["host"], self._spec["port"]), self._spec["cookies"]
        source = f"127.0.0.{2 + number // PER_ADDRESS}"
        plain = socket.create_connection(where, timeout=30, source_address=(source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = self._context.wrap_socket(plain, server_hostname="localhost")
        cookie = f"cookie: {cookies[number % len(cookies)]}\r\n" if cookies else ""
        line.sendall(f"GET {self._spec['path']} HTTP/1.1\r\nhost: localhost\r\n{cookie}\r\n".encode())
        head = line.recv(PIECE)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"stream {number}: {head[:300]!r}")
        line.setblocking(False)
        return line

    def run(self) -> None:
        """Until stdin ends."""
        threading.Thread(target=self._wait_for_the_end, daemon=True).start()
        while not self._over:
            for key, _ in self._selector.select(0.1):
                self._read(key.data)

    def _wait_for_the_end(self) -> None:
        sys.stdin.read()
        self._over = True

    def _read(self, stream: Stream) -> None:
        while not self._over:
            try:
                length = stream.line.recv_into(self._room)
            except ssl.SSLWantReadError:
                return
            except OSError:
                length = 0
            if not length:
                self.ended += 1
                self._selector.unregister(stream.line)
                return
            self.receives += 1
            self.bytes += length
            if stream.read:
                self._look(stream, bytes(self._room[:length]), time.time_ns() // 1000)

    def _look(self, stream: Stream, piece: bytes, at_us: int) -> None:
        text = stream.tail + piece
        ends = 0
        for number, marker in enumerate(self._markers):
            for match in marker.finditer(text):
                self.seen.extend((number, int(match[1]), at_us))
                ends = max(ends, match.end())
        stream.tail = text[max(ends, len(text) - TAIL) :]


def main() -> int:
    """Open, read, tell."""
    spec = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    load = Load(spec)
    load.open()
    gc.collect()
    gc.freeze()
    print("open", flush=True)
    load.run()
    Path(spec["out"]).write_bytes(load.seen.tobytes())
    read = -(-spec["streams"] // READ_EVERY)
    print(json.dumps({"read": read, "bytes": load.bytes, "receives": load.receives, "ended": load.ended}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
