"""What the server calls its things inside a PostgreSQL database: schemas, channel and advisory locks.

Advisory locks with one number: LEADER, PREPARE, PLANS and MATCHES (one publication, one match at a time), and
WRITER_BASE + n for a transaction that inserts bundles numbered above n (server/evidence/locks.py). With two numbers:
one of the classes below and a hash of what is locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.database.tables import Kind

SCHEMAS: Final[dict[Kind, str]] = {
    "evidence": "kaofen_evidence",
    "registry": "kaofen_registry",
    "people": "kaofen_people",
}
EVIDENCE: Final = SCHEMAS["evidence"]
PROJECTIONS: Final = "kaofen_projections"
LIVE: Final = "kaofen_live"
CHANNEL: Final = "kaofen_live"

LEADER: Final = 0x4B46_0001
PREPARE: Final = 0x4B46_0002
PLANS: Final = 0x4B46_0003
MATCHES: Final = 0x4B46_0004
WRITER_BASE: Final = 0x4B46 << 48
WRITER_SPAN: Final = 1 << 48
GATEWAY_CLASS: Final = 0x4B01
WITNESS_CLASS: Final = 0x4B02
BESIDE_CLASS: Final = 0x4B03
