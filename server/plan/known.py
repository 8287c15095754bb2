"""What this server published and told, as the projector asks: a plan's hash, a session's nonce. Only for alarms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from server.plan.schema import plans, session_nonces

if TYPE_CHECKING:
    from server.database.seam import Database


class KnownPlans:
    """Over the registry's tables; never makes a nonce."""

    def __init__(self, registry: Database) -> None:
        self._registry = registry

    async def published(self, sha256: str) -> bool:
        """Whether a plan of this hash was published here."""
        return await self._registry.read(partial(_published, sha256=sha256))

    async def nonce(self, session_id: str) -> str | None:
        """The nonce that was told for this session, if any was."""
        return await self._registry.read(partial(_nonce, session_id=session_id))


def _published(connection: Connection, sha256: str) -> bool:
    query = select(plans.c.version).where(plans.c.sha256 == sha256)
    return connection.execute(query).scalar_one_or_none() is not None


def _nonce(connection: Connection, session_id: str) -> str | None:
    query = select(session_nonces.c.nonce).where(session_nonces.c.session_id == session_id)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found
