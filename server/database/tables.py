"""Every table of the server by where it lies: three kinds that are kept, one that can be made again.

A room that has tables of its own puts them into one of these MetaData objects and is imported here, so that `init`, the
migrations, `move` and `backup` all know them. Another room with registry tables: one more import line below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from server.evidence import schema as evidence_schema
from server.matches import schema as matches_schema
from server.people import accounts
from server.plan import schema as plan_schema
from server.projection import schema as projection_schema

if TYPE_CHECKING:
    from sqlalchemy import MetaData

Kind = Literal["evidence", "registry", "people"]
REGISTRY_ROOMS: Final = (plan_schema, matches_schema)

KEPT: Final[dict[Kind, MetaData]] = {
    "evidence": evidence_schema.evidence,
    "registry": plan_schema.registry,
    "people": accounts.metadata,
}
PROJECTIONS: Final = projection_schema.metadata
