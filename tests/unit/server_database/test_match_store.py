"""MatchStore keeps one contract over SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from match_store_contract import SEALER, Change, MatchStoreContract
from two_registries import Databases, over_postgres, over_sqlite

from server.matches.store import MatchStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Both(MatchStoreContract):
    """Over whatever `databases` gives."""

    table = "matches"

    @pytest.fixture
    def store(self, databases: Databases) -> MatchStore:
        return MatchStore(databases[0], SEALER)

    @pytest.fixture
    def other(self, databases: Databases) -> MatchStore:
        return MatchStore(databases[1], SEALER)

    @pytest.fixture
    def change(self, databases: Databases) -> Change:
        async def changed(statement: str) -> None:
            said = sa.text(statement.format(matches=self.table))
            await databases[0].write(lambda connection: connection.execute(said))

        return changed


class TestMatchesInSqlite(Both):
    """All laws over two processes' view of one file."""

    @pytest.fixture
    async def databases(self, tmp_path: Path) -> AsyncIterator[Databases]:
        async with over_sqlite(tmp_path) as made:
            yield made


class TestMatchesInPostgres(Both):
    """All laws over two processes' pools."""

    table = "kaofen_registry.matches"

    @pytest.fixture
    async def databases(self, postgres_url: str) -> AsyncIterator[Databases]:
        async with over_postgres(postgres_url) as made:
            yield made
