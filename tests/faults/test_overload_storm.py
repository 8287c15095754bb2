"""Storms over real mTLS: a crowd at a slow server, a stalled database, a whole fleet back at once after an outage."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from chaos_proxy_world import serving, way_tls
from fake_entry_store import FakeEntryStore
from sample_uploads import DOMAIN, SampleLog
from server_bench import MIRROR_VERIFIER, bench
from storm_fleet import Fleet, Tally, Target, member

from certs.ca import issue_gateway
from certs.contexts import gateway_client_context
from server import limits
from server.config import read_config
from server.evidence.store import Gateway
from server.opened import opened, opened_registry

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from server_process import ServerProcess
    from tls_material import TlsMaterial

CROWD = 30


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return way_tls(tmp_path_factory.mktemp("tls"))


def logs_of(count: int, entries: int) -> list[SampleLog]:
    """One log each."""
    return [SampleLog(f"gw-{number:03d}").grow(entries) for number in range(count)]


def contexts_of(authority: Path, folder: Path, logs: Sequence[SampleLog]) -> list[ssl.SSLContext]:
    """A certificate each."""
    made = []
    for log in logs:
        own = folder / log.gateway_id
        issue_gateway(authority, DOMAIN, log.gateway_id).write(own)
        made.append(gateway_client_context(own / "cert.pem", own / "cert.key", own / "ca.pem"))
    return made


class Stalling(FakeEntryStore):
    """A database that answers no write while `flowing` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def append_many(self, *given, **named):
        await self.flowing.wait()
        return await super().append_many(*given, **named)


@asynccontextmanager
async def crowd(tls: TlsMaterial, folder: Path, count: int, entries: int) -> AsyncIterator[tuple[object, Fleet]]:
    """A fleet and an in-process server over a store that can stall."""
    logs = logs_of(count, entries)
    async with bench(Stalling()) as made, serving(made, tls) as port:
        for log in logs:
            await made.enrol(log)
        fleet = Fleet(logs, contexts_of(tls.authority, folder, logs), Target(port))
        try:
            yield made, fleet
        finally:
            await fleet.close()


async def test_a_crowd_is_sent_away_early_and_all_come_through(tls: TlsMaterial, tmp_path: Path) -> None:
    """S4, B13: a server that thinks itself slow serves some, tells the others when, and in the end has every entry."""
    async with crowd(tls, tmp_path, CROWD, 2) as (made, fleet):
        made.ingest.admission.pace.seconds = 0.1
        made.store.flowing.clear()  # or the first might be through before the last has come
        running, tally = asyncio.create_task(fleet.run()), fleet.tally
        async with asyncio.timeout(20):
            while not tally.statuses[503]:
                await asyncio.sleep(0.005)
        made.store.flowing.set()
        await running
        assert not tally.unexplained
        assert set(tally.statuses) <= {200, 429, 503}
        assert tally.statuses[503] > 0
        assert tally.receipts == CROWD * 2
        assert tally.tries <= 2 * tally.receipts
        fleet.check(MIRROR_VERIFIER)
        for one in fleet.members:
            held = await made.store.entries(one.log.origin, 0, 9)
            assert [each.data for each in held] == one.log.entries


async def test_a_stalled_database_bounds_what_waits(tls: TlsMaterial, tmp_path: Path) -> None:
    """S2, I10: nothing is answered that is not stored; what waits is bounded; after it everything goes on."""
    async with crowd(tls, tmp_path, 20, 2) as (made, fleet):
        made.store.flowing.clear()
        admission = made.ingest.admission
        running = asyncio.create_task(fleet.run())
        async with asyncio.timeout(20):
            while admission.turns.busy < 20:
                await asyncio.sleep(0.005)
        assert fleet.tally.receipts == 0
        assert admission.places == 20
        assert admission.bytes <= 20 * limits.LIVE_BODY_MAX
        admission.pace.seconds = limits.TURN_WAIT_S / 20 * 1.01  # learnt by now at any real server
        late = SampleLog("gw-late").grow(1)
        await made.enrol(late)
        tally, context = Tally(), contexts_of(tls.authority, tmp_path, [late])[0]
        one = member(late, context, Target(fleet.members[0]._target.port))
        assert await one.step(tally) >= limits.RETRY_AFTER_S
        assert tally.statuses == {503: 1}
        made.store.flowing.set()
        await running
        await one.run(tally)
        await one.hang_up()
        fleet.check(MIRROR_VERIFIER)
        assert not fleet.tally.unexplained


def enrol_all(server: ServerProcess, logs: Sequence[SampleLog]) -> list[ssl.SSLContext]:
    """As `gateway add` does, many at once."""

    async def add() -> None:
        async with opened_registry(read_config(server.config)) as registry:
            for log in logs:
                await registry.add_gateway(Gateway(log.gateway_id, log.public_key))

    asyncio.run(add())
    return contexts_of(server.tls.authority, server.folder, logs)


async def stored(server: ServerProcess, logs: Sequence[SampleLog]) -> None:
    """The stopped server's evidence: exactly these logs."""
    async with opened(read_config(server.config), write=False) as open_:
        for log in logs:
            held = await open_.store.entries(log.origin, 0, log.size + 1)
            assert [each.data for each in held] == log.entries, log.origin


def reconnect_storm(server: ServerProcess, count: int, before: int, after: int) -> Tally:
    """A busy fleet, the server killed under it, and all of them back at once; what they met."""
    logs = logs_of(count, before + after)
    contexts = enrol_all(server, logs)
    server.start()
    target = Target(server.ports["gateways"])

    async def storm() -> Tally:
        fleet = Fleet(logs, contexts, target)
        try:
            await fleet.run(until=before)
            running = asyncio.create_task(fleet.run(within_s=120))
            async with asyncio.timeout(60):
                while fleet.tally.receipts < count * before + count // 4:
                    await asyncio.sleep(0)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            target.port = server.ports["gateways"]
            fleet.tally.took.clear()
            fleet.tally.statuses.clear()
            await running
        finally:
            await fleet.close()
        fleet.check(server.mirror)
        return fleet.tally

    tally = asyncio.run(storm())
    assert not tally.unexplained
    assert set(tally.statuses) <= {0, 200, 409, 429, 503}
    server.stop()
    asyncio.run(stored(server, logs))
    return tally


@pytest.mark.crash
def test_a_fleet_comes_back_at_once(server: ServerProcess) -> None:
    """S4, B13, P2: thirty gateways under a killed server: each entry once, in order, receipted; no other answers."""
    tally = reconnect_storm(server, 30, before=1, after=2)
    assert tally.receipts >= 30


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.timeout(240)
def test_two_hundred_gateways_come_back_at_once(server: ServerProcess) -> None:
    """S4, B13, P2: the whole fleet, on however slow a machine; `script/bench storm` tells what a receipt costs."""
    tally = reconnect_storm(server, 200, before=5, after=25)
    assert (
        tally.tries - tally.statuses[0] <= 2 * tally.receipts + 200
    )  # a 409 for what the old process answered to nobody
