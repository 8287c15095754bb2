"""Which revision a database has, whether this program may write it, and how it gets from an older one to ours.

A database carries the number of its newest script (server/migrations) in `alembic_version`; one of version 0.1.0 has no
such table and counts as 0001. `run` and every command refuse another number than ours and change nothing;
`kaofen-server migrate` runs the scripts in between, in one transaction.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from server.database.names import SCHEMAS
from server.errors import Unsafe

if TYPE_CHECKING:
    from server.database.tables import Kind

FOLDER: Final = Path(str(files("server.migrations")))
TABLE: Final = "alembic_version"
FIRST: Final = "0001"


def known(kind: Kind) -> list[str]:
    """Every revision of this program, oldest first."""
    return sorted(path.stem[1:5] for path in (FOLDER / kind).glob("r[0-9][0-9][0-9][0-9]_*.py"))


def found(connection: sa.Connection, kind: Kind) -> str | None:
    """The revision of these tables; None when there is none of them."""
    there = set(sa.inspect(connection).get_table_names(_schema(connection, kind)))
    if TABLE not in there:
        return FIRST if there else None
    version = sa.table(TABLE, sa.column("version_num"), schema=_schema(connection, kind))
    return str(connection.execute(sa.select(version.c.version_num)).scalar_one())


def check(connection: sa.Connection, kind: Kind, where: object) -> None:
    """Unsafe unless the tables are of exactly this program's revision."""
    revision, ours = found(connection, kind), known(kind)
    if revision == ours[-1]:
        return
    if revision in ours:
        raise Unsafe(
            f"{where}: schema {kind} {revision}, this program needs {ours[-1]}; "
            "stop every server, make a backup, then run `kaofen-server migrate CONFIG`"
        )
    raise Unsafe(f"{where}: schema {kind} {revision}, this program knows up to {ours[-1]}: it is of a later program")


def stamp(connection: sa.Connection, kind: Kind) -> None:
    """Fresh tables have our revision."""
    version = sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), primary_key=True),
        schema=_schema(connection, kind),
    )
    version.create(connection)
    connection.execute(sa.insert(version).values(version_num=known(kind)[-1]))


def upgrade(connection: sa.Connection, kind: Kind, to: str = "head") -> list[str]:
    """Run what is missing inside the caller's transaction; the revisions that were run."""
    from alembic.operations import Operations  # noqa: PLC0415  # only `migrate` pays for it
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    before = found(connection, kind)
    if before is not None and before not in known(kind):
        check(connection, kind, "the database")
    script = ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER / kind)])
    schema = _schema(connection, kind)
    if schema is not None:
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        connection.execute(sa.text(f'SET LOCAL search_path = "{schema}"'))
    options = {"version_table_schema": schema, "fn": lambda revision, _: script._upgrade_revs(to, revision)}  # noqa: SLF001  # what alembic's own `upgrade` passes
    context = MigrationContext.configure(connection, opts=options)
    if before is not None and context.get_current_revision() is None:
        context.stamp(script, FIRST)
    with Operations.context(context):
        context.run_migrations()
    after = found(connection, kind) or ""
    return [each for each in known(kind) if (before or "") < each <= after]


def _schema(connection: sa.Connection, kind: Kind) -> str | None:
    return SCHEMAS[kind] if connection.dialect.name == "postgresql" else None
