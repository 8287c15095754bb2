"""The seam between what is stored and where: plain functions of a SQLAlchemy connection, run in one transaction each.

    await database.read(partial(statements.log, origin=origin))
    await database.write(lambda connection: connection.execute(insert(table).values(row)))

Real forms: server/evidence/database.py (SQLite), server/database/postgres.py (PostgreSQL). Whoever writes such a
function uses SQLAlchemy Core only, touches nothing but the connection, and may be called a second time: the PostgreSQL
form runs it again after a deadlock or a connection that was lost before the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")


class Database(Protocol):
    """One database (a file, or a schema of one)."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run in one read transaction over one snapshot."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run in one write transaction: durable when it returns.

        StoreFailed (SQLite): the process ends. Unsettled (PostgreSQL): whether it is stored is not known; ask.
        """

    def version(self) -> int | None:
        """Another number after every change, whoever made it; at once and without waiting. None: not known, read.

        Asked inside of `read`, after the first row was read: the number of the state that is being read.
        """

    async def close(self) -> None:
        """Close every connection; idempotent."""
