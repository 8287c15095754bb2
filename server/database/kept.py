"""A PostgreSQL database as the server's own: made once, looked at before each use, opened for pages and projections.

It remembers whose it is: the mirror's public key. A process with other keys would give receipts that no gateway takes,
and seals that every audit calls broken, so it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from server.database import limits, names, revisions
from server.database.location import shown
from server.database.postgres import first_line
from server.database.schemas import create_kept, in_schema, there
from server.database.tables import KEPT, PROJECTIONS
from server.errors import Missing, ServerError, Unsafe, Unsettled
from server.evidence.schema import SCHEMA_VERSION, meta
from server.live import relay
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.database.postgres import Postgres
    from server.projection.engine import Engines

MIRROR: Final = "mirror"


def run(postgres: Postgres, work: Callable[[sa.Connection], None]) -> None:
    """One transaction outside of the running server's pools of threads."""
    try:
        with postgres.writer.connect() as connection, connection.begin():
            work(connection)
    except ServerError:
        raise
    except sa.exc.SQLAlchemyError as error:
        raise Unsettled(f"{shown(postgres.url)}: {first_line(error)}") from error


def create(postgres: Postgres, mirror_vkey: str) -> None:
    """Every kept table, empty; AlreadyThere when there are some."""

    def work(connection: sa.Connection) -> None:
        create_kept(connection)
        own(connection, mirror_vkey)

    run(postgres, work)


def own(connection: sa.Connection, mirror_vkey: str) -> None:
    """Write down whose evidence it is."""
    rows = [{"key": "schema", "value": str(SCHEMA_VERSION)}, {"key": MIRROR, "value": mirror_vkey}]
    table = in_schema(meta.metadata, names.EVIDENCE).tables[f"{names.EVIDENCE}.meta"]
    connection.execute(sa.delete(table))
    connection.execute(sa.insert(table), rows)


def drop(postgres: Postgres) -> None:
    """Take back what `create` has just made."""

    def work(connection: sa.Connection) -> None:
        for schema in there(connection):
            connection.execute(sa.schema.DropSchema(schema, cascade=True))

    run(postgres, work)


def check(postgres: Postgres, mirror_vkey: str | None) -> None:
    """Missing, Unsafe, or fine: there, of our revision, and of this mirror key (None: not asked)."""

    def work(connection: sa.Connection) -> None:
        where = shown(postgres.url)
        if names.EVIDENCE not in there(connection):
            raise Missing(f"{where}: no evidence in this database; `kaofen-server init` or `move` makes it, once")
        for kind in KEPT:
            revisions.check(connection, kind, where)
        table = in_schema(meta.metadata, names.EVIDENCE).tables[f"{names.EVIDENCE}.meta"]
        owner = connection.execute(sa.select(table.c.value).where(table.c.key == MIRROR)).scalar_one_or_none()
        if mirror_vkey is not None and owner != mirror_vkey:
            raise Unsafe(f"{where}: this evidence is of the mirror key {owner}; give this server the same keys folder")

    run(postgres, work)


def migrate(postgres: Postgres) -> list[str]:
    """Bring every kept schema to our revision in one transaction; what was run."""
    done: list[str] = []

    def work(connection: sa.Connection) -> None:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(names.LEADER))).scalar_one():
            raise Unsafe(f"{shown(postgres.url)}: a server runs on this database; stop every one first")
        done.extend(f"{kind} {each}" for kind in KEPT for each in revisions.upgrade(connection, kind))

    run(postgres, work)
    return done


def people_engines(postgres: Postgres) -> Engines:
    """For the accounts."""
    return postgres.views(names.SCHEMAS["people"], limits.PEOPLE_CONNECTIONS)


def open_projections(postgres: Postgres) -> ProjectionStore:
    """Their tables and those of the live fan-out are made where they are not there; the leader prepares them."""
    tables = in_schema(PROJECTIONS, names.PROJECTIONS)

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(names.PREPARE)))
        connection.execute(sa.schema.CreateSchema(names.PROJECTIONS, if_not_exists=True))
        tables.create_all(connection)
        relay.prepare(connection)

    run(postgres, work)
    return ProjectionStore(postgres.views(names.PROJECTIONS, 1), tables)
