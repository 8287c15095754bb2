"""Two processes' view of one registry, over SQLite and over PostgreSQL: what the stores' contracts run on."""

from __future__ import annotations

from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa

from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.evidence.database import create, open_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.database.seam import Database

Databases: TypeAlias = "tuple[Database, Database]"


@asynccontextmanager
async def over_sqlite(folder: Path) -> AsyncIterator[Databases]:
    """One file, opened twice."""
    create(folder)
    made = open_registry(folder), open_registry(folder)
    yield made
    for each in made:
        await each.close()


@asynccontextmanager
async def over_postgres(postgres_url: str) -> AsyncIterator[Databases]:
    """Two pools."""
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
