"""The scripts lead to the tables that `init` makes, in both forms, and a database of another revision is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
import sqlalchemy as sa
from alembic.autogenerate import api, produce_migrations
from alembic.runtime.migration import MigrationContext

from server.database import revisions
from server.database.names import SCHEMAS
from server.database.schemas import create_kept
from server.database.tables import KEPT, Kind
from server.errors import Unsafe

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: tuple[Kind, ...] = get_args(Kind)


def shape(connection: sa.Connection, schema: str | None) -> dict[str, Any]:
    """Everything that matters of each table."""
    look = sa.inspect(connection)
    return {
        name: {
            "columns": {
                one["name"]: (str(one["type"]) if schema else None, one["nullable"], one.get("default") is not None)
                for one in look.get_columns(name, schema)
            },
            "key": look.get_pk_constraint(name, schema)["constrained_columns"],
            "unique": sorted(one["column_names"] for one in look.get_unique_constraints(name, schema)),
            "foreign": [one["constrained_columns"] for one in look.get_foreign_keys(name, schema)],
            "indexes": sorted((one["name"], one["column_names"]) for one in look.get_indexes(name, schema)),
        }
        for name in look.get_table_names(schema)
    }


def what_is_missing(kind: Kind) -> str:
    """The operations that a new script must have, ready to be taken over."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        revisions.upgrade(connection, kind)
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        script = produce_migrations(context, KEPT[kind])
        assert script.upgrade_ops is not None
        code = api.render_python_code(script.upgrade_ops)
    return f"server/migrations/{kind} lacks a script (types from server/migrations/types.py) with about:\n{code}"


@pytest.fixture
def sqlite() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def empty(postgres_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_the_scripts_lead_to_the_tables_of_a_fresh_sqlite_file(sqlite: sa.Connection, kind: Kind) -> None:
    """Columns, keys and indexes are the same whether a database is new or old."""
    revisions.upgrade(sqlite, kind)
    migrated = shape(sqlite, None)
    assert migrated.pop(revisions.TABLE)
    fresh = sa.create_engine("sqlite://")
    with fresh.begin() as connection:
        KEPT[kind].create_all(connection)
        assert migrated == shape(connection, None), what_is_missing(kind)
    fresh.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_the_scripts_lead_to_the_tables_of_a_fresh_postgresql(empty: sa.Engine, kind: Kind) -> None:
    """The same in PostgreSQL, column types included."""
    with empty.begin() as connection:
        create_kept(connection)
        fresh = shape(connection, SCHEMAS[kind])
        connection.rollback()
    with empty.begin() as connection:
        revisions.upgrade(connection, kind)
        assert shape(connection, SCHEMAS[kind]) == fresh, what_is_missing(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_revisions_are_one_line(kind: Kind) -> None:
    """0001, 0002, … without a gap: two people who write a script at the same time see it."""
    numbers = revisions.known(kind)
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_revision_is_refused(sqlite: sa.Connection, kind: Kind) -> None:
    """A database of a later program is neither written nor migrated by this one."""
    revisions.upgrade(sqlite, kind)
    revisions.check(sqlite, kind, "here")
    sqlite.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unsafe, match=r"9999.*later program"):
        revisions.check(sqlite, kind, "here")
    with pytest.raises(Unsafe, match="9999"):
        revisions.upgrade(sqlite, kind)


def test_a_database_of_the_first_version_is_taken_over(sqlite: sa.Connection) -> None:
    """Version 0.1.0 kept no number: its tables count as 0001, and the scripts after it are run."""
    revisions.upgrade(sqlite, "registry", revisions.FIRST)
    sqlite.execute(sa.text("DROP TABLE alembic_version"))
    assert revisions.found(sqlite, "registry") == revisions.FIRST
    assert revisions.upgrade(sqlite, "registry") == revisions.known("registry")[1:]
    revisions.check(sqlite, "registry", "here")
