"""Which gateways may upload is asked for every request and seldom read: a change counts at the next request."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, TypeVar

import pytest
from sample_uploads import SampleLog
from two_registries import Databases, over_postgres, over_sqlite

from server.evidence import enrolment
from server.evidence.registry import RegistryView
from server.evidence.store import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from server.database.seam import Database

T = TypeVar("T")


class Counting:
    """A database that counts how often it is read."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.reads = 0

    async def read(self, work: Callable[[Connection], T]) -> T:
        self.reads += 1
        return await self._real.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await self._real.write(work)

    def version(self) -> int | None:
        return self._real.version()

    async def close(self) -> None:
        await self._real.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def databases(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Databases]:
    """Two processes' views of one registry."""
    if request.param == "sqlite":
        made = over_sqlite(tmp_path)
    else:
        made = over_postgres(request.getfixturevalue("postgres_url"))
    async with made as pair:
        yield pair


async def add(database: Database, gateway_id: str) -> None:
    gateway = Gateway(gateway_id, SampleLog(gateway_id).public_key)
    await database.write(lambda connection: enrolment.add(connection, gateway, 1))


async def revoke(database: Database, gateway_id: str) -> None:
    await database.write(lambda connection: enrolment.set_status(connection, gateway_id, "revoked", "stolen"))


async def test_what_another_process_changes_counts_at_the_next_request(databases: Databases) -> None:
    """Design section 11: enrolment, revocation of a gateway and of a certificate, each seen at once."""
    view, other = RegistryView(databases[0]), databases[1]
    assert await view.gateway("gw-01") is None
    await add(other, "gw-01")
    assert (found := await view.gateway("gw-01")) is not None
    assert found.status == "active"
    assert await view.gateway("gw-01") == found
    await other.write(lambda connection: enrolment.revoke_certificate(connection, "gw-01", "ab" * 32, "lost", 5))
    assert (found := await view.gateway("gw-01")) is not None
    assert [each.status for each in found.certificates] == ["revoked"]
    for status in ("revoked", "active", "revoked"):
        await other.write(lambda connection, to=status: enrolment.set_status(connection, "gw-01", to, None))
        assert (found := await view.gateway("gw-01")) is not None
        assert found.status == status


async def test_what_this_process_changes_counts_too(databases: Databases) -> None:
    """The server itself writes the certificates that it sees."""
    view = RegistryView(databases[0])
    await add(databases[0], "gw-01")
    assert (await view.gateway("gw-01")) is not None
    await databases[0].write(lambda connection: enrolment.certificate_seen(connection, "gw-01", "cd" * 32, 7))
    assert (found := await view.gateway("gw-01")) is not None
    assert found.fingerprints == ("cd" * 32,)


async def test_nothing_is_read_again_while_nobody_writes(tmp_path: Path) -> None:
    """SQLite: a hundred requests cost one read, and one more after a change."""
    async with over_sqlite(tmp_path) as (one, other):
        counting = Counting(one)
        view = RegistryView(counting)
        await add(other, "gw-01")
        for _ in range(100):
            assert await view.gateway("gw-01")
        assert counting.reads == 1
        await revoke(other, "gw-01")
        for _ in range(100):
            assert (found := await view.gateway("gw-01")) is not None
            assert found.status == "revoked"
        assert counting.reads == 2


async def test_a_change_counts_from_its_commit_on(tmp_path: Path) -> None:
    """Not before, not when it is rolled back, and never waited for by the event loop: also pages written too early."""
    async with over_sqlite(tmp_path) as (one, other):
        view = RegistryView(one)
        gateways = [Gateway(f"gw-{number:03}", bytes(32)) for number in range(300)]
        await other.write(lambda connection: [enrolment.add(connection, each, 1) for each in gateways])
        changing = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
        changing.execute("PRAGMA cache_size=1")  # spills its pages into the file before the commit
        for end, status in (("ROLLBACK", "active"), ("COMMIT", "revoked")):
            assert (found := await view.gateway("gw-299")) is not None
            assert found.status == "active"
            changing.execute("BEGIN IMMEDIATE")
            changing.execute("UPDATE gateways SET status = 'revoked', reason = hex(randomblob(2000))")
            asked = asyncio.ensure_future(view.gateway("gw-000"))
            await asyncio.sleep(0)
            changing.execute(end)
            assert await asked is not None
            for gateway_id in ("gw-000", "gw-299"):
                assert (found := await view.gateway(gateway_id)) is not None
                assert found.status == status
        changing.close()


async def test_requests_of_one_moment_share_a_read(postgres_url: str) -> None:
    """PostgreSQL: nothing is remembered; who comes while a read is under way gets a later one, together."""
    async with over_postgres(postgres_url) as (one, other):
        for number in range(20):
            await add(other, f"gw-{number:02}")
        counting = Counting(one)
        view = RegistryView(counting)
        found = await asyncio.gather(*(view.gateway(f"gw-{number:02}") for number in range(21)))
        assert [each.id if each else None for each in found] == [*(f"gw-{number:02}" for number in range(20)), None]
        assert counting.reads == 1
        first = asyncio.ensure_future(view.gateway("gw-00"))
        while counting.reads == 1:
            await asyncio.sleep(0)
        await revoke(other, "gw-00")  # committed while that read may be under way
        late = await asyncio.gather(*(view.gateway("gw-00") for _ in range(5)))
        assert await first is not None
        assert {each.status for each in late if each} == {"revoked"}
        assert counting.reads == 3
