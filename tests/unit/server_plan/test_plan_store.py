"""PlanStore keeps one contract over SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from plan_store_contract import PlanStoreContract
from two_registries import Databases, over_postgres, over_sqlite

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


class Both(PlanStoreContract):
    """Over whatever `databases` gives."""

    table, blob = "plans", "x'7b7d'"

    @pytest.fixture
    def plans(self, databases: Databases) -> PlanStore:
        return PlanStore(databases[0])

    @pytest.fixture
    def other(self, databases: Databases) -> PlanStore:
        return PlanStore(databases[1])

    @pytest.fixture
    def change(self, databases: Databases) -> Callable[[str], Awaitable[None]]:
        return changer(databases[0], self.table, self.blob)


class TestSqlite(Both):
    """All laws over two processes' view of one file."""

    @pytest.fixture
    async def databases(self, tmp_path: Path) -> AsyncIterator[Databases]:
        async with over_sqlite(tmp_path) as made:
            yield made


class TestPostgres(Both):
    """All laws over two processes' pools."""

    table, blob = "kaofen_registry.plans", "'\\x7b7d'::bytea"

    @pytest.fixture
    async def databases(self, postgres_url: str) -> AsyncIterator[Databases]:
        async with over_postgres(postgres_url) as made:
            yield made
