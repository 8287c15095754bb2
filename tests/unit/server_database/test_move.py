"""The way from SQLite to PostgreSQL knows every kept table, also those that are added later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from server.database.move import move
from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import in_schema
from server.database.tables import KEPT
from server.errors import Unsettled
from server.evidence.database import FILES, MOVED_FILE, create, create_people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.database.postgres import Postgres


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Postgres]:
    made = connect(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    yield made
    made.dispose()


def a_value(column: sa.Column[Any]) -> Any:
    """The same for every column of a type, so that foreign keys hold."""
    if isinstance(column.type, sa.LargeBinary):
        return b"\0\xff"
    return 1 << 40 if isinstance(column.type, sa.Integer) else "考"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One row in each table."""
    create(tmp_path)
    create_people(tmp_path)
    for name, kind in FILES.items():
        engine = sa.create_engine(f"sqlite:///{tmp_path / name}")
        with engine.begin() as connection:
            for table in KEPT[kind].sorted_tables:
                connection.execute(sa.delete(table))
                connection.execute(sa.insert(table), {one.name: a_value(one) for one in table.columns})
        engine.dispose()
    return tmp_path


def test_every_row_of_every_table_arrives(data: Path, postgres: Postgres) -> None:
    """P1: rows as they were, and the next row gets the next number."""
    moved = move(data, postgres, "the key")
    assert set(moved) == {table.name for tables in KEPT.values() for table in tables.sorted_tables}
    assert set(moved.values()) == {1}
    assert "to postgresql://" in (data / MOVED_FILE).read_text()
    with postgres.writer.begin() as connection:
        for kind, tables in KEPT.items():
            for table in in_schema(tables, SCHEMAS[kind]).sorted_tables:
                if table.name != "meta":
                    expected = tuple(a_value(one) for one in table.columns)
                    assert tuple(connection.execute(sa.select(table)).one()) == expected
        logs = in_schema(KEPT["evidence"], SCHEMAS["evidence"]).tables[f"{SCHEMAS['evidence']}.logs"]
        values = {one.name: a_value(one) for one in logs.columns if one.name != "id"} | {"origin": "another"}
        assert connection.execute(sa.insert(logs).values(values).returning(logs.c.id)).scalar_one() == (1 << 40) + 1


def test_a_move_that_ends_half_way_leaves_nothing(data: Path, postgres: Postgres) -> None:
    """P1: the target is empty as before, and the files are the evidence."""
    engine = sa.create_engine(f"sqlite:///{data / 'registry.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE gateways SET reason = 'a' || char(0) || 'b'"))
    engine.dispose()
    with pytest.raises(Unsettled, match="NUL"):
        move(data, postgres, "the key")
    assert not (data / MOVED_FILE).exists()
    with postgres.writer.connect() as connection:
        found = connection.execute(sa.text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'kaofen%'"))
        assert found.scalar_one() == 0
