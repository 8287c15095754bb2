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
