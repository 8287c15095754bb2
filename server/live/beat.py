"""A heartbeat, read leniently: it is unproven and unlogged, so what has the wrong shape is simply not shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from server.live import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES: Final = frozenset({"idle", "open", "running", "finished", "fault", "offline", "unknown"})


@dataclass(frozen=True, slots=True)
class RigBeat:
    """What a gateway said about one rig.

    `silent_s` is how long it had been without an answer when it said so; `unreadable` the number of the oldest record
    that cannot be read, behind which the rig is held.
    """

    rig: str
    station: str | None
    state: str
    mode: str | None
    item: str | None
    ordinal: int | None
    elapsed_s: int | None
    limit_s: int | None
    running_score: int | None
    deduction_count: int | None
    last_seq: int
    unreadable: int | None
    silent_s: float | None


@dataclass(frozen=True, slots=True)
class Beat:
    """What a gateway said about itself."""

    origin: str | None
    size: int | None
    unsent: int | None
    oldest_unsent_ms: int | None
    utc_ms: int | None
    sync: str | None
    trusted: bool
    offset_ms: int | None
    disk_free: int | None
    disk_total: int | None
    disk_percent_free: int | None
    certificate_ms: int | None
    software: str | None
    accepts_exams: bool
    plan_version: int | None
    plan_refused: str | None
    brokers: tuple[Mapping[str, str | None], ...]
    rigs: tuple[RigBeat, ...]


def read_beat(body: Mapping[str, Any]) -> Beat:
    """Take what has the right shape."""
    clock, disk, certificate = (_object(body, key) for key in ("clock", "disk", "certificate"))
    utc_ms = _time_ms(clock.get("utc"))
    free, total = _count(disk, "free_bytes"), _count(disk, "total_bytes")
    rigs = body.get("rigs")
    return Beat(
        origin=_text(body, "origin"),
        size=_count(body, "size"),
        unsent=_count(body, "unsent"),
        oldest_unsent_ms=_count(body, "oldest_unsent_ms"),
        utc_ms=utc_ms,
        sync=_text(clock, "sync"),
        trusted=clock.get("trusted") is not False,
        offset_ms=_signed(clock, "offset_ms"),
        disk_free=free,
        disk_total=total,
        disk_percent_free=free * 100 // total if free is not None and total else None,
        certificate_ms=_time_ms(certificate.get("not_after")),
        software=_text(body, "software"),
        accepts_exams=body.get("accepts_exams") is not False,
        plan_version=_count(_object(body, "plan"), "version"),
        plan_refused=_text(body, "plan_refused"),
        brokers=_brokers(body.get("brokers")),
        rigs=tuple(
            beat
            for rig in (rigs if isinstance(rigs, list) else [])
            if isinstance(rig, dict) and (beat := _rig(rig, utc_ms)) is not None
        ),
    )


def _rig(body: Mapping[str, Any], utc_ms: int | None) -> RigBeat | None:
    serial = _text(body, "rig")
    if not serial:
        return None
    state = _text(body, "state") or "unknown"
    since_ms = _time_ms(body.get("since_utc"))
    silent = state in {"offline", "unknown"}
    return RigBeat(
        rig=serial,
        station=_text(body, "station"),
        state=state if state in STATES else "unknown",
        mode=_text(body, "mode"),
        item=_text(body, "item") or None,
        ordinal=_count(body, "ordinal"),
        elapsed_s=_count(body, "elapsed_s"),
        limit_s=_count(body, "limit_s"),
        running_score=_count(body, "running_score"),
        deduction_count=_count(body, "deduction_count"),
        last_seq=_count(body, "last_seq") or 0,
        unreadable=_count(body, "unreadable"),
        silent_s=max(0.0, (utc_ms - since_ms) / 1000) if silent and utc_ms and since_ms else (0.0 if silent else None),
    )


def _brokers(told: object) -> tuple[Mapping[str, str | None], ...]:
    listed = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return tuple({"id": _text(one, "id"), "state": _text(one, "state")} for one in listed[: limits.BROKERS_SHOWN])


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    return value[:256] if isinstance(value, str) else None


def _count(body: Mapping[str, Any], key: str) -> int | None:
    value = body.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _signed(body: Mapping[str, Any], key: str) -> int | None:
    value = body.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53 else None


def _time_ms(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int(moment.timestamp() * 1000) if moment.tzinfo else int(moment.replace(tzinfo=UTC).timestamp() * 1000)
