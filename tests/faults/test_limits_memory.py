"""G11: a server that gets no more memory and no more threads: what was receipted stays, a restart goes on."""

from __future__ import annotations

import http.client
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sample_uploads import SampleLog
from server_process import Zygotes, post, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server_process import ServerProcess

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

UPLOAD = "/gateway/v1/upload"
GONE = (OSError, http.client.HTTPException)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, zygotes: Zygotes) -> Iterator[ServerProcess]:
    with served(tmp_path_factory.mktemp("memory"), zygotes) as made:
        yield made


def address_space(pid: int) -> int:
    """Bytes that the process has mapped."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def send(server: ServerProcess, log: SampleLog, size: int, until: int) -> int:
    """Upload from `size` on; the size of the newest receipt. Ends at a lost line; other answers must be of overload."""
    try:
        with server.connection(log.gateway_id) as connection:
            while size < until:
                stop = min(size + 8, until)
                status, body = post(connection, UPLOAD, log.upload(size, stop))
                if status != 200:
                    assert status in {500, 503}
                    return size
                assert log.receipt_time(stop, body, server.mirror)
                size = stop
    except GONE:
        pass
    return size


def test_nothing_receipted_is_lost_without_memory(server: ServerProcess) -> None:
    """P1, G11: no page more, and no stack for a thread: receipts are given or not given, never given and forgotten."""
    log = SampleLog("gw-01").grow(160)
    if not server.pid:
        server.start()
    server.enrol(log)
    size = send(server, log, 0, 16)
    assert size == 16
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.prlimit(server.pid, resource.RLIMIT_AS, (address_space(server.pid) // 2, hard))
    size = send(server, log, size, 96)
    resource.prlimit(server.pid, resource.RLIMIT_AS, (hard, hard))
    server.kill()
    server.start()
    with server.connection(log.gateway_id) as connection:
        status, body = post(connection, UPLOAD, log.upload(0, 1))
        assert status == 409, body
        held = int(body)
    assert held >= size, "the server forgot a receipt"
    assert send(server, log, held, 160) == 160
    assert server.stop() == 0


def peak(pid: int) -> int:
    """The most KiB that the process had in memory since `peak_from_here`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def peak_from_here(pid: int) -> int:
    """Forget the peak; what it is now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak(pid)


@pytest.mark.parametrize("head", ["content-length: 1073741824", "transfer-encoding: chunked"])
def test_a_body_of_a_gibibyte_is_cut_and_costs_little(server: ServerProcess, head: str) -> None:
    """B20: with a length it is refused by its head, without one cut at the limit; memory grows by 20 MiB at most."""
    log = SampleLog("gw-02")
    if not server.pid:
        server.start()
    server.certify(log.gateway_id)
    before = peak_from_here(server.pid)
    part, sent = b"10000\r\n" + bytes(0x10000) + b"\r\n", 0
    with server.connection(log.gateway_id) as connection:
        connection.connect()
        try:
            connection.sock.sendall(f"POST {UPLOAD} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n".encode())
            while sent < 1 << 30:
                connection.sock.sendall(part)
                sent += len(part)
        except OSError:
            pass
    assert sent < 1 << 26, "the line was not cut"  # our own buffers and the kernel's are among it
    assert peak(server.pid) - before <= 20 << 10
