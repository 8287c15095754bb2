"""PlanStore keeps one contract over SQLite and PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from plan_store_contract import PlanStoreContract

from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.evidence.database import create, open_registry
from server.plan.store import PlanStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from server.database.seam import Database


def changer(database: Database, table: str, blob: str) -> Callable[[str], Awaitable[None]]:
    """Runs a statement behind the store's back."""

    async def change(statement: str) -> None:
        said = statement.format(plans=table).replace("x'7b7d'", blob)
        await database.write(lambda connection: connection.execute(sa.text(said)))

    return change


class TestSqlite(PlanStoreContract):
    """All laws over two processes' view of one file."""

    @pytest.fixture
    async def databases(self, tmp_path: Path) -> AsyncIterator[tuple[Database, Database]]:
        create(tmp_path)
        made = open_registry(tmp_path), open_registry(tmp_path)
        yield made
        for each in made:
            await each.close()

    @pytest.fixture
    def plans(self, databases: tuple[Database, Database]) -> PlanStore:
        return PlanStore(databases[0])

    @pytest.fixture
    def other(self, databases: tuple[Database, Database]) -> PlanStore:
        return PlanStore(databases[1])

    @pytest.fixture
    def change(self, databases: tuple[Database, Database]) -> Callable[[str], Awaitable[None]]:
        return changer(databases[0], "plans", "x'7b7d'")


class TestPostgres(PlanStoreContract):
    """All laws over two processes' pools."""

    @pytest.fixture
    async def databases(self, postgres_url: str) -> AsyncIterator[tuple[Database, Database]]:
        url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
        with ExitStack() as stack:
            pools = [connect(url, readers=2, writers=2) for _ in range(2)]
            for pool in pools:
                stack.callback(pool.dispose)
            with pools[0].writer.begin() as connection:
                create_kept(connection)
            made = tuple(pool.database(SCHEMAS["registry"]) for pool in pools)
            yield made[0], made[1]
            for each in made:
                await each.close()

    @pytest.fixture
    def plans(self, databases: tuple[Database, Database]) -> PlanStore:
        return PlanStore(databases[0])

    @pytest.fixture
    def other(self, databases: tuple[Database, Database]) -> PlanStore:
        return PlanStore(databases[1])

    @pytest.fixture
    def change(self, databases: tuple[Database, Database]) -> Callable[[str], Awaitable[None]]:
        return changer(databases[0], "kaofen_registry.plans", "'\\x7b7d'::bytea")
