"""P1, P2, S1: the real server is killed or fails at every failpoint under uploads; nothing receipted is lost."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest
from sample_uploads import SampleLog
from server_process import ServerProcess, Zygotes, post, served

from server import failpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real_postgres import RealPostgres

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

UPLOAD = "/gateway/v1/upload"
POINTS = [value for name, value in vars(failpoints).items() if name.isupper() and isinstance(value, str)]
GONE = (OSError, http.client.HTTPException)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, zygotes: Zygotes) -> Iterator[ServerProcess]:
    """Over SQLite."""
    with served(tmp_path_factory.mktemp("crash"), zygotes) as made:
        yield made


@pytest.fixture(scope="module")
def over_postgres(
    tmp_path_factory: pytest.TempPathFactory, zygotes: Zygotes, postgres: RealPostgres
) -> Iterator[ServerProcess]:
    """Over PostgreSQL."""
    url = postgres.fresh()
    with served(tmp_path_factory.mktemp("crash"), zygotes, url) as made:
        yield made
    postgres.drop(url)


def send_until_gone(server: ServerProcess, log: SampleLog, uploads: int) -> int:
    """Upload as the gateway does, every receipt checked; the size of the last one. Ends when the server does."""
    receipted = size = 0
    try:
        with server.connection(log.gateway_id) as connection:
            for _ in range(uploads):
                status, body = post(connection, UPLOAD, log.upload(size, min(size + 2, log.size)))
                if status == 200:
                    size = min(size + 2, log.size)
                    assert log.receipt_time(size, body, server.mirror)
                    receipted = size
                elif status == 409:
                    size = int(body)
                    assert size >= receipted, "the server forgot a receipt"
                else:
                    assert status in {500, 503}
                if receipted == log.size:
                    break
    except GONE:
        pass
    return receipted


def drain(server: ServerProcess, log: SampleLog, receipted: int) -> None:
    """Faults off: everything arrives, once, in order, byte for byte; what was receipted before is still held."""
    with server.connection(log.gateway_id) as connection:
        status, body = post(connection, UPLOAD, log.upload(log.size, log.size))
        held = log.size if status == 200 else int(body)
        assert held >= receipted
    assert send_until_gone(server, log, 50) == log.size
    assert server.stop() == 0
    assert "0 findings" in server.ok("fsck", str(server.config))


@pytest.mark.parametrize(
    "action",
    [
        "kill",
        "error-after",
        pytest.param("kill-after", marks=pytest.mark.long),
        pytest.param("error", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("point", POINTS)
def test_nothing_receipted_is_lost(server: ServerProcess, point: str, action: str) -> None:
    """Killed before or after the step, or told that it failed: the oracle finds every receipted entry once."""
    log = SampleLog(f"{point}-{action}".replace(".", "-")).grow(10, openings=True)
    server.enrol(log)
    try:
        server.start(f"{point}={action}@3")
        receipted = send_until_gone(server, log, 12)
        if point in {failpoints.BEGIN, failpoints.INSERT, failpoints.COMMIT} and action.startswith("error"):
            assert server.wait() == 1, "a failed write ends the process"
        server.kill()
        server.start()
        drain(server, log, receipted)
    finally:
        server.kill()


# Where it matters most; all others with the long tests.
AT_EVERY_COMMIT = {(failpoints.COMMIT, "kill"), (failpoints.COMMIT, "error-after")}


@pytest.mark.parametrize(
    ("point", "action"),
    [
        pytest.param(point, action, marks=[] if (point, action) in AT_EVERY_COMMIT else [pytest.mark.long])
        for point in POINTS
        for action in ("kill", "kill-after", "error", "error-after")
    ],
)
def test_nothing_receipted_is_lost_over_postgres(over_postgres: ServerProcess, point: str, action: str) -> None:
    """The same oracle. A transaction of unknown outcome is answered 503, and the process goes on: it asks again."""
    server, log = over_postgres, SampleLog(f"{point}-{action}".replace(".", "-")).grow(10, openings=True)
    server.enrol(log)
    try:
        server.start(f"{point}={action}@3")
        receipted = send_until_gone(server, log, 12)
        if action.startswith("error"):
            assert receipted == log.size, "it went on by itself"
            assert server.stop() == 0
        server.kill()
        server.start()
        drain(server, log, receipted)
    finally:
        server.kill()
