"""What the witness key last cosigned, per origin: a statement of its own, apart from what the mirror stores."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from server.evidence.locks import lock_witnessed
from server.evidence.schema import witnessed
from server.evidence.store import Witnessed


def last(connection: Connection, origin: str) -> Witnessed | None:
    """The newest checkpoint that was cosigned."""
    row = connection.execute(select(witnessed).where(witnessed.c.origin == origin)).one_or_none()
    return Witnessed(row.origin, row.size, row.root, row.note, row.cosigned_s) if row else None


def advance(connection: Connection, before: Witnessed | None, after: Witnessed) -> bool:
    """Compare and store: False, and nothing stored, when the last one is not `before` any more."""
    lock_witnessed(connection, after.origin)
    values = {"size": after.size, "root": after.root, "note": after.note, "cosigned_s": after.cosigned_s}
    if last(connection, after.origin) is None:
        if before is not None:
            return False
        connection.execute(insert(witnessed).values(origin=after.origin, **values))
        return True
    if before is None:
        return False
    unchanged = (witnessed.c.origin == after.origin) & (witnessed.c.size == before.size)
    same = unchanged & (witnessed.c.root == before.root) & (witnessed.c.cosigned_s <= after.cosigned_s)
    return bool(connection.execute(update(witnessed).where(same).values(values)).rowcount)
