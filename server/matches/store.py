"""MatchStore: every match that was ever made, in order, over the registry's table.

    add(staged, planned or None) ─▶ one sealed row ─▶ after(number) ─▶ the projector, which composes anew

Owns storing and reading. A row whose seal does not hold was not made by this server: it counts for nothing, and fsck
and the audit name it. Whether a match may be made is judged before (rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, insert, select, text

from server import limits as server_limits
from server.database import names
from server.evidence.store import RowFinding
from server.matches import limits
from server.matches.schema import matches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sqlalchemy import Row

    from server.database.seam import Database
    from server.evidence.seal import Sealer


@dataclass(frozen=True, slots=True)
class Match:
    """A person said: these records belong to that attempt. `planned` None: no longer."""

    number: int
    staged: str
    planned: str | None
    account: str
    why: str
    at_us: int


class MatchStore:
    """Matches of one server."""

    def __init__(self, registry: Database, sealer: Sealer) -> None:
        self._registry = registry
        self._sealer = sealer

    async def after(self, number: int) -> list[Match]:
        """The next rows behind a number whose seals hold, in order; empty when there is none."""
        return await self._registry.read(partial(_after, number=number, sealer=self._sealer))

    async def current(self, staged: str) -> Match | None:
        """The newest row of a staged attempt."""
        return await self._registry.read(partial(_current, staged=staged, sealer=self._sealer))

    async def findings(self) -> list[RowFinding]:
        """What fsck and the audit say of the rows."""
        return await self._registry.read(partial(findings, sealer=self._sealer))

    async def add(self, made: Match, expected: int | None) -> Match | None:
        """Store it under the next number. None, and nothing stored: the newest row of it is not `expected` any more."""
        return await self._registry.write(partial(_add, made=made, expected=expected, sealer=self._sealer))


def _sealed(sealer: Sealer, one: Match) -> bytes:
    return sealer.seal("match", one.number, one.staged, one.planned, one.account, one.why, one.at_us)


def _read(row: Row[Any]) -> Match:
    return Match(row.number, row.staged, row.planned, row.account, row.why, row.at_us)


def _after(connection: Connection, number: int, sealer: Sealer) -> list[Match]:
    query = select(matches).where(matches.c.number > number).order_by(matches.c.number)
    found: list[Match] = []
    for row in connection.execute(query):
        one = _read(row)
        if compare_digest(_sealed(sealer, one), bytes(row.seal)):
            found.append(one)
        if len(found) == limits.AT_ONCE:
            break
    return found


def _current(connection: Connection, staged: str, sealer: Sealer) -> Match | None:
    query = select(matches).where(matches.c.staged == staged).order_by(matches.c.number.desc())
    rows = ((_read(row), bytes(row.seal)) for row in connection.execute(query))
    return next((one for one, seal in rows if compare_digest(_sealed(sealer, one), seal)), None)


def _add(connection: Connection, made: Match, expected: int | None, sealer: Sealer) -> Match | None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({names.MATCHES})"))
    newest = _current(connection, made.staged, sealer)
    if (newest.number if newest else None) != expected:
        return None
    number = (connection.execute(select(func.max(matches.c.number))).scalar_one() or 0) + 1
    stored = Match(number, made.staged, made.planned, made.account, made.why, made.at_us)
    row = {
        "number": number,
        "staged": stored.staged,
        "planned": stored.planned,
        "account": stored.account,
        "why": stored.why,
        "at_us": stored.at_us,
        "seal": _sealed(sealer, stored),
    }
    connection.execute(insert(matches).values(row))
    return stored


def findings(connection: Connection, sealer: Sealer) -> list[RowFinding]:
    """Rows that this server did not make, and numbers that are gone; bounded."""
    found = [RowFinding(None, None, said) for said in _findings(connection, sealer)]
    return found[: server_limits.FINDINGS_PER_LOG_MAX]


def _findings(connection: Connection, sealer: Sealer) -> Iterator[str]:
    wanted = 1
    for row in connection.execute(select(matches).order_by(matches.c.number)):
        if row.number != wanted:
            yield f"matches {wanted} to {row.number - 1} are gone"
        wanted = row.number + 1
        if not compare_digest(_sealed(sealer, _read(row)), bytes(row.seal)):
            yield f"match {row.number} is not as the server kept it"
