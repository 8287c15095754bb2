"""Which gateways may upload, as the registry says it now, without asking it again while nobody has written to it.

    SQLite        the file counts its changes, also those of other processes: looked at for every request, and what is
                  remembered is forgotten as soon as the count is another
    PostgreSQL    nothing is remembered: requests that come while a read is under way share the next one

Either way a request sees every change that was made before it came: a revocation counts at the next request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from server import limits
from server.evidence import enrolment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from server.database.seam import Database
    from server.evidence.store import Gateway


class RegistryView:
    """Reads of one gateway at a time, over either form."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: int | None = None
        self._known: dict[str, Gateway] = {}
        self._waiting: _Group | None = None
        self._one_at_a_time = asyncio.Lock()

    async def gateway(self, gateway_id: str) -> Gateway | None:
        """As it stands in the database now."""
        version = self._database.version()
        if version is None:
            return await self._shared(gateway_id)
        if version == self._version and (known := self._known.get(gateway_id)) is not None:
            return known
        version, found = await self._database.read(partial(self._read_one, gateway_id=gateway_id))
        if version != self._version or len(self._known) >= limits.GATEWAYS_KNOWN_MAX:
            self._known.clear()
            self._version = version
        if found is not None:
            self._known[gateway_id] = found
        return found

    def _read_one(self, connection: Connection, gateway_id: str) -> tuple[int | None, Gateway | None]:
        """The gateway first: from then on nobody commits until this transaction ends, so the count is of its state."""
        found = enrolment.gateway(connection, gateway_id)
        return self._database.version(), found

    async def _shared(self, gateway_id: str) -> Gateway | None:
        group = self._waiting
        if group is None:
            ids: set[str] = set()
            group = self._waiting = _Group(ids, asyncio.create_task(self._read(ids)))
        group.ids.add(gateway_id)
        return (await asyncio.shield(group.found)).get(gateway_id)

    async def _read(self, ids: set[str]) -> dict[str, Gateway]:
        async with self._one_at_a_time:
            self._waiting = None  # the read begins: who asks from here on needs a later one
            found = await self._database.read(partial(enrolment.some_gateways, gateway_ids=sorted(ids)))
        return {each.id: each for each in found}


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests that share one read."""

    ids: set[str]
    found: asyncio.Task[dict[str, Gateway]]
