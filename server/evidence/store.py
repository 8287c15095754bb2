"""EntryStore: the seam between the server and the database that holds the evidence.

Owns the shapes of what is stored and what each call promises. Never verifies a signature or a tree
(server/ingest/mirror.py does, before), never decodes an entry (server/projection does, after). Real form:
server/evidence/sql.py (SQLAlchemy Core; SQLite, or PostgreSQL by one URL). Strict fake:
tests/support/fake_entry_store.py. Both pass tests/contracts/entry_store_contract.py.

Format of the database: docs/formats/evidence-store.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scorelog.format.commitment import Opening

GatewayStatus = Literal["active", "revoked"]


@dataclass(frozen=True, slots=True)
class LogState:
    """Where one log stands on this server.

    `cosigned` is the newest saved note with the mirror's line, of size `cosigned_size` (<= `size`; None before the
    first). `cosigned_s` is the latest time that any cosignature of this log carries.
    """

    origin: str
    gateway_id: str
    generation: int
    size: int
    range_hashes: tuple[bytes, ...]
    root: bytes
    checkpoint: bytes
    cosigned: bytes | None
    cosigned_size: int
    cosigned_s: int
    frozen: str | None
    updated_us: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate that was seen, or was revoked."""

    fingerprint: str
    status: GatewayStatus
    first_seen_us: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """An enrolled gateway. `log_key` is the raw Ed25519 public key; its note name is the origin of each generation."""

    id: str
    log_key: bytes
    status: GatewayStatus = "active"
    reason: str | None = None
    added_us: int = 0
    certificates: tuple[Certificate, ...] = ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The certificates of this gateway that are still good."""
        return tuple(c.fingerprint for c in self.certificates if c.status == "active")


@dataclass(frozen=True, slots=True)
class Bundle:
    """One verified upload that is to be stored whole: entries `[old_size, new_size)` and the checkpoint of `new_size`.

    `range_hashes` is the compact range at `new_size`, `leaves` the hashes of the entries, `cosigned_s` the time that
    the mirror's cosignature will carry: stored with the entries, so that no later cosignature is ever earlier.
    `regained` entries were receipted before by this very server: a frozen log takes them too, and stays frozen.
    """

    origin: str
    gateway_id: str
    generation: int
    old_size: int
    new_size: int
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    openings: tuple[Opening, ...]
    checkpoint: bytes
    root: bytes
    range_hashes: tuple[bytes, ...]
    received_us: int
    cosigned_s: int
    regained: bool = False


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint note with the mirror's line, and the time that line carries."""

    origin: str
    size: int
    note: bytes
    cosigned_s: int


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The newest checkpoint that the witness key cosigned for an origin (not the mirror's statement)."""

    origin: str
    size: int
    root: bytes
    note: bytes
    cosigned_s: int


@dataclass(frozen=True, slots=True)
class BundleRef:
    """A stored bundle by its place in the order of arrival; `seq` grows and is the projector's cursor."""

    seq: int
    origin: str
    start: int
    stop: int
    received_us: int


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it lies in the database, for the auditor: nothing in it is believed."""

    ref: BundleRef
    entries: bytes
    leaves: bytes
    checkpoint: bytes
    cosigned_s: int = 0
    sealed: bool = True  # whether the server's own seal on the times holds


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A tile as it lies in the database: 256 hashes of tile level `level` and the hash of all of them."""

    level: int
    n: int
    root: bytes
    hashes: bytes


@dataclass(frozen=True, slots=True)
class RowFinding:
    """Rows that cannot be as the server wrote them, and belong to no log that is checked."""

    origin: str | None
    index: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry with the openings that are still there."""

    origin: str
    index: int
    data: bytes
    received_us: int
    openings: tuple[Opening, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upload that was refused, kept as it came (body at most limits.UPLOAD_BODY_MAX)."""

    origin: str
    gateway_id: str
    status: int
    reason: str
    body: bytes
    at_us: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must see. The same (kind, origin, index, detail) again only raises `times`, `last_us`."""

    id: int
    kind: str
    origin: str | None
    index: int | None
    detail: str
    evidence: bytes
    first_us: int
    last_us: int
    times: int


class EntryStore(Protocol):
    """All of it may raise StoreFailed (fatal): then nothing is known of the call, and every later write fails too."""

    async def log(self, origin: str) -> LogState | None:
        """The log's state, or None when nothing of it was ever stored."""

    async def logs(self) -> list[LogState]:
        """All logs, by origin."""

    async def gateways(self) -> list[Gateway]:
        """All enrolled gateways, by id."""

    async def gateway(self, gateway_id: str) -> Gateway | None:
        """One gateway as it stands in the database now (another process may have revoked it)."""

    async def add_gateway(self, gateway: Gateway) -> None:
        """Enrol; AlreadyThere when the id is taken."""

    async def set_gateway_status(self, gateway_id: str, status: GatewayStatus, reason: str | None = None) -> None:
        """Revoke or allow; Missing when there is no such gateway."""

    async def certificate_seen(self, gateway_id: str, fingerprint: str) -> Certificate:
        """Remember a certificate of this gateway; the answer's status is what counts."""

    async def revoke_certificate(self, gateway_id: str, fingerprint: str, reason: str) -> None:
        """Refuse this certificate from the next request on, seen before or not."""

    async def append(self, bundle: Bundle) -> bool:
        """Durable when it returns True. False, and nothing stored: the log is not at `old_size`, or it is frozen.

        Also when it was cosigned at a later time than `cosigned_s` (by another process, whose clock is ahead).

        Damaged, and nothing stored, when rows that are there contradict the log's size (somebody changed them).
        The first bundle of a generation freezes the lower generations of the same gateway, in the same transaction.
        """

    async def append_many(
        self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
    ) -> list[bool]:
        """The same for several bundles in one transaction, in order, each with its own verdict.

        `cosigned` are notes to keep in the same transaction, as `save_cosigned` does. `again` are new cosignatures of
        trees that are held already: their verdicts follow, False when the log does not stand at that size any more or
        was cosigned later, so that no line of a smaller size is ever made after one of a larger size.
        """

    async def save_cosigned(self, origin: str, size: int, note: bytes, cosigned_s: int) -> None:
        """Keep the note with the mirror's line; an older size, or the same size at an older time, is ignored."""

    async def entries(self, origin: str, start: int, stop: int) -> list[StoredEntry]:
        """Entries `[start, stop)` as far as they are stored, in order."""

    async def arrived(self, first: int, last: int) -> list[StoredEntry]:
        """Entries of the bundles with `seq` from `first` to `last`, in their order; Damaged when one cannot be read."""

    async def bundles_after(self, seq: int, limit: int) -> list[BundleRef]:
        """Bundles with a higher `seq`, in order of `seq`; one with a lower `seq` than these never comes after them."""

    async def stored_bundles(self, origin: str, start: int, limit: int) -> list[StoredBundle]:
        """Raw bundles of one log from the one with `stop` > `start` on, for audit and export."""

    async def stored_tiles(self, origin: str, level: int, start: int, limit: int) -> list[StoredTile]:
        """Raw tiles of one level from number `start` on, for the audit."""

    async def row_findings(self) -> list[RowFinding]:
        """What is wrong with rows beside the logs: broken seals, deleted rows, rows of no log."""

    async def node(self, origin: str, level: int, index: int) -> bytes:
        """Hash of the complete subtree over leaves `[index << level, (index + 1) << level)`; Missing when not there."""

    async def hashes(self, origin: str, level: int, start: int, stop: int) -> list[bytes]:
        """Hashes `[start, stop)` of tile level `level` (tree level 8 x `level`), for the tiles."""

    async def openings(self, origin: str, start: int, stop: int) -> list[Opening]:
        """Openings of the entries `[start, stop)` that are still there, by (index, field)."""

    async def refuse(self, refusal: Refusal) -> None:
        """Keep a refused upload; the same body again only counts. Bounded per origin."""

    async def refusals(self, origin: str | None = None) -> list[Refusal]:
        """Kept refusals, oldest first."""

    async def alarm(self, kind: str, origin: str | None, index: int | None, detail: str, evidence: bytes = b"") -> int:
        """Raise an alarm; its id."""

    async def alarms(self, after: int = 0, limit: int = 1000) -> list[Alarm]:
        """Alarms with a higher id, in order of id."""

    async def witnessed(self, origin: str) -> Witnessed | None:
        """What the witness cosigned last."""

    async def witness(self, before: Witnessed | None, after: Witnessed) -> bool:
        """Replace `before` by `after`; False, and nothing stored, when `before` is not the last any more."""

    async def close(self) -> None:
        """Close the database; idempotent."""
