"""Rows of the evidence tables to the dataclasses of store.py and back. No SQL, no decisions."""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from scorelog.format.tiles import frame_entries
from server.evidence.store import (
    Alarm,
    Bundle,
    BundleRef,
    Certificate,
    Gateway,
    LogState,
    Refusal,
    StoredBundle,
    StoredTile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Row

    from scorelog.format.commitment import Opening
    from server.evidence.seal import Sealer

HASH_BYTES = 32


def split_hashes(joined: bytes) -> tuple[bytes, ...]:
    """Hashes of 32 bytes, as they lie one behind the other in a column."""
    return tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))


def log_values(bundle: Bundle) -> dict[str, Any]:
    """What of `logs` changes with an upload."""
    return {
        "size": bundle.new_size,
        "root": bundle.root,
        "range_hashes": b"".join(bundle.range_hashes),
        "checkpoint": bundle.checkpoint,
        "cosigned_s": bundle.cosigned_s,
        "updated_us": bundle.received_us,
    }


def bundle_values(log_id: int, bundle: Bundle, sealer: Sealer) -> dict[str, Any]:
    """The bundle row."""
    return {
        "log_id": log_id,
        "start": bundle.old_size,
        "stop": bundle.new_size,
        "received_us": bundle.received_us,
        "cosigned_s": bundle.cosigned_s,
        "seal": sealer.seal(bundle.origin, bundle.old_size, bundle.new_size, bundle.received_us, bundle.cosigned_s),
        "checkpoint": bundle.checkpoint,
        "leaves": b"".join(bundle.leaves),
        "entries": frame_entries(bundle.entries),
    }


def opening_values(log_id: int, opening: Opening) -> dict[str, Any]:
    """The opening row."""
    return {
        "log_id": log_id,
        "entry_index": opening.index,
        "field": opening.field,
        "blind": opening.blind,
        "value": opening.value,
    }


def log_state(row: Row[Any]) -> LogState:
    """A row of `logs`."""
    return LogState(
        origin=row.origin,
        gateway_id=row.gateway_id,
        generation=row.generation,
        size=row.size,
        range_hashes=split_hashes(row.range_hashes),
        root=row.root,
        checkpoint=row.checkpoint,
        cosigned=row.cosigned,
        cosigned_size=row.cosigned_size,
        cosigned_s=row.cosigned_s,
        frozen=row.frozen,
        updated_us=row.updated_us,
    )


def bundle_ref(row: Any) -> BundleRef:
    """The columns seq, origin, start, stop, received_us."""
    return BundleRef(row.seq, row.origin, row.start, row.stop, row.received_us)


def stored_bundle(row: Any, sealer: Sealer) -> StoredBundle:
    """A bundle row with the origin of its log."""
    expected = sealer.seal(row.origin, row.start, row.stop, row.received_us, row.cosigned_s)
    sealed = compare_digest(row.seal, expected)
    return StoredBundle(bundle_ref(row), row.entries, row.leaves, row.checkpoint, row.cosigned_s, sealed)


def stored_tile(row: Row[Any]) -> StoredTile:
    """A row of `tiles`."""
    return StoredTile(row.level, row.n, row.root, row.hashes)


def gateway(row: Row[Any], certificates: Iterable[Row[Any]]) -> Gateway:
    """A row of `gateways` with those of its certificates."""
    seen = tuple(certificate(each) for each in certificates)
    return Gateway(row.id, row.log_key, row.status, row.reason, row.added_us, seen)


def certificate(row: Row[Any]) -> Certificate:
    """A row of `certificates`."""
    return Certificate(row.fingerprint, row.status, row.first_seen_us, row.reason)


def refusal(row: Row[Any]) -> Refusal:
    """A row of `refusals`."""
    return Refusal(row.origin, row.gateway_id, row.status, row.reason, row.body, row.at_us, row.times)


def alarm(row: Row[Any]) -> Alarm:
    """A row of `alarms`."""
    return Alarm(
        row.id, row.kind, row.origin, row.entry_index, row.detail, row.evidence, row.first_us, row.last_us, row.times
    )


def alarm_identity(kind: str, origin: str | None, index: int | None, detail: str) -> bytes:
    """What makes two alarms the same one (a UNIQUE over NULLs would not)."""
    return hashlib.sha256("\0".join((kind, repr(origin), repr(index), detail)).encode()).digest()
