"""The tables inside a PostgreSQL database: one schema a kind, made once, all in one transaction.

Texts have no length limit and sort by their bytes, numbers have 64 bits, as in the SQLite form: a value that one form
takes, the other takes too, and an index does not depend on the host's locale (which changes with its C library).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from server.database import names, revisions
from server.database.tables import KEPT
from server.errors import AlreadyThere

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

OURS = (*names.SCHEMAS.values(), names.PROJECTIONS, names.LIVE)


def in_schema(tables: sa.MetaData, schema: str) -> sa.MetaData:
    """A copy of these tables as PostgreSQL gets them."""
    made = sa.MetaData(schema=schema, naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
    for table in tables.sorted_tables:
        copied = table.to_metadata(made, schema=schema)
        for column in copied.columns:
            column.type = _widest(column.type)
    return made


def _widest(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum):
        return sa.Text(collation="C")
    return sa.BigInteger() if isinstance(kind, sa.Integer) else kind


def there(connection: sa.Connection) -> list[str]:
    """Our schemas that this database has already."""
    query = sa.text("SELECT nspname FROM pg_namespace WHERE nspname = ANY(:names) ORDER BY nspname")
    return list(connection.execute(query, {"names": list(OURS)}).scalars())


def refuse_taken(connection: sa.Connection, where: str) -> None:
    """AlreadyThere when one of our schemas is."""
    found = there(connection)
    if found:
        raise AlreadyThere(
            f"{where}: has schema {found[0]} already; fresh tables would deny everything that was receipted"
        )


def create_kept(connection: sa.Connection) -> None:
    """Every table that is kept, empty; AlreadyThere when one of our schemas is."""
    refuse_taken(connection, "the database")
    for kind, tables in KEPT.items():
        create_schema(connection, names.SCHEMAS[kind], tables)
        revisions.stamp(connection, kind)


def create_schema(connection: sa.Connection, schema: str, tables: sa.MetaData) -> None:
    """One schema and its tables."""
    connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    in_schema(tables, schema).create_all(connection, checkfirst=False)
