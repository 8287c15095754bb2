"""What can go wrong in the projections.

    ServerError
    ├── Unreadable      this entry cannot be projected: it is quarantined with the reason, and the next one follows
    └── MovedOn         another process has projected what this one was about to: take up its state again

A failing database leaves as SQLAlchemy's own error: the projector waits and tries the same batch again. What one entry
may do to a whole batch is POISON: a value that the database cannot hold, or one that a composition trips over.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from server.errors import ServerError

POISON: Final = (sa.exc.StatementError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def refuse_other(error: Exception) -> None:
    """Raise again what is the database's fault and no entry's."""
    if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, sa.exc.DataError):
        raise error


class Unreadable(ServerError):  # noqa: N818  (what it is, not that it went wrong)
    """An entry whose content is not what its type promises."""


class MovedOn(ServerError):  # noqa: N818  (as above)
    """The projections are further than this projector."""
