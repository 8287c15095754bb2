"""Matches into the projections: each moves the records of a staged attempt, and both attempts are composed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from server.projection import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.projection.composing import Composing
    from server.projection.scores import Result


class Matched(Protocol):
    """One kept match; `planned` None undoes."""

    @property
    def number(self) -> int:
        """Its place among all matches, from 1."""

    @property
    def staged(self) -> str:
        """Whose records."""

    @property
    def planned(self) -> str | None:
        """Where they belong."""

    @property
    def account(self) -> str:
        """Who says so."""

    @property
    def why(self) -> str:
        """Why."""

    @property
    def at_us(self) -> int:
        """When."""


class Matches(Protocol):
    """Where matches are kept; they survive the projections."""

    async def after(self, number: int) -> Sequence[Matched]:
        """The next ones behind a number, in order."""


async def take_matches(db: AsyncConnection, matches: Sequence[Matched], composing: Composing) -> list[Result]:
    """These are the newest; what they touch is composed again."""
    table, touched = schema.matched, set()
    for one in matches:
        before = sa.select(table.c.planned).where(table.c.staged == one.staged)
        touched |= {one.staged, *(await db.execute(before)).scalars(), *((one.planned,) if one.planned else ())}
        await db.execute(sa.delete(table).where(table.c.staged == one.staged))
        if one.planned is not None:
            row = {"number": one.number, "account": one.account, "why": one.why, "at_us": one.at_us}
            await db.execute(sa.insert(table).values(staged=one.staged, planned=one.planned, **row))
    composing.matched = True
    return (await composing.recompose(db, touched)).results
