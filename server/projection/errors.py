"""What can go wrong in the projections.

    ServerError
    ├── Unreadable      this entry cannot be projected: it is quarantined with the reason, and the next one follows
    └── MovedOn         another process has projected what this one was about to: take up its state again

A failing database leaves as SQLAlchemy's own error: the projector waits and tries the same bundle again.
"""

from __future__ import annotations

from server.errors import ServerError


class Unreadable(ServerError):  # noqa: N818  (what it is, not that it went wrong)
    """An entry whose content is not what its type promises."""


class MovedOn(ServerError):  # noqa: N818  (as above)
    """The projections are further than this projector."""
