"""MatchStore keeps one contract over SQLite and PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from match_store_contract import SEALER, Change, MatchStoreContract

from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.evidence.database import create, open_registry
from server.matches.store import MatchStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.database.seam import Database

Databases = tuple["Database", "Database"]


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
        create(tmp_path)
        made = open_registry(tmp_path), open_registry(tmp_path)
        yield made
        for each in made:
            await each.close()


class TestMatchesInPostgres(Both):
    """All laws over two processes' pools."""

    table = "kaofen_registry.matches"

    @pytest.fixture
    async def databases(self, postgres_url: str) -> AsyncIterator[Databases]:
        url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
        with ExitStack() as stack:
            pools = [connect(url, readers=2, writers=2) for _ in range(2)]
            for pool in pools:
                stack.callback(pool.dispose)
            with pools[0].writer.begin() as connection:
                create_kept(connection)
            made = pools[0].database(SCHEMAS["registry"]), pools[1].database(SCHEMAS["registry"])
            yield made
            for each in made:
                await each.close()
