"""N4: the line breaks after k bytes of request or reply, TLS inside, between the real transport and server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chaos_proxy import Cut, Fault
from chaos_proxy_world import Way, way, way_tls

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tls_material import TlsMaterial

SAMPLES = 40
HANDSHAKE_TAIL = 40  # the last bytes of a connection, one by one: the reply's last record


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return way_tls(tmp_path_factory.mktemp("tls"))


async def lengths(at: Way) -> tuple[int, int]:
    """How many bytes one small upload with its handshake takes each way."""
    await at.record()
    await at.drain()
    line = at.proxy.lines[-1]
    return line.up, line.down


async def broken_once(at: Way, fault: Fault) -> bool:
    """One upload over a line with this fault, then over a good one; whether the fault cost the first try."""
    await at.record()
    await at.next_line(fault)
    waited = await at.uploader.step()
    await at.drain()
    return waited > 0


def sampled(length: int) -> list[int]:
    """Evenly over the whole connection, and every one of its last bytes."""
    return sorted({*range(0, length, max(1, length // SAMPLES)), *range(length - HANDSHAKE_TAIL, length, 4)})


async def sweep(at: Way, points: Iterable[int], *, up: bool, how: str) -> int:
    """Every point in turn on one growing log; how many of them cost a try."""
    cost = 0
    for k in points:
        cut = Cut(k, how)
        cost += await broken_once(at, Fault(up=cut) if up else Fault(down=cut))
    return cost


@pytest.mark.parametrize("up", [True, False], ids=["request", "reply"])
async def test_a_line_cut_anywhere_loses_and_repeats_nothing(tls: TlsMaterial, tmp_path: Path, up: bool) -> None:
    """N4, P2: reset after k bytes, for k spread over the whole connection: unknown, asked again, stored once."""
    async with way(tls, tmp_path) as at:
        length = (await lengths(at))[0 if up else 1]
        points = sampled(length)
        cost = await sweep(at, points, up=up, how="reset")
        assert cost >= len(points) * 9 // 10, "the faults did not reach the upload"
        await at.check()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("up", [True, False], ids=["request", "reply"])
async def test_a_line_cut_after_every_byte(tls: TlsMaterial, tmp_path: Path, up: bool, how: str) -> None:
    """N4, P2: all k, by a reset and by an orderly end."""
    async with way(tls, tmp_path) as at:
        length = (await lengths(at))[0 if up else 1]
        cost = await sweep(at, range(length), up=up, how=how)
        assert cost >= length * 9 // 10
        await at.check()
