"""From rows to the API's models."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from server.live.rows import origin_hash
from server.people import formats, models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.evidence.store import LogState
    from server.people.alertdesk import AlertItem
    from server.projection.scores import ScoreRow


def cursor_of(score: ScoreRow) -> str:
    """The place of an item in the order of arrival."""
    return f"{score.bundle}-{score.index}"


def at(us: int | None) -> str | None:
    """RFC 3339, or null."""
    return None if us is None else formats.iso(us)


def item(score: ScoreRow, logs: Mapping[str, LogState]) -> models.Item:
    """One finished item."""
    log = logs.get(score.origin)
    receipted = log is not None and score.index < log.cosigned_size
    return models.Item(
        cursor=cursor_of(score),
        origin_hash=origin_hash(score.origin),
        differences=[models.Difference(**one) for one in score.differences],
        deductions=[_deduction(one) for one in score.deductions],
        read_at=at(score.read_us),
        received_at=formats.iso(score.received_us),
        receipted=receipted,
        cosigned_at=at(log.cosigned_s * 1_000_000) if log and receipted else None,
        **{
            name: value
            for name, value in asdict(score).items()
            if name not in {"bundle", "decoded", "differences", "deductions", "read_us", "received_us"}
        },
    )


def _deduction(one: Mapping[str, Any]) -> models.Deduction:
    return models.Deduction(
        line=one.get("line", 0),
        points=one.get("points", 0),
        at_s=one.get("at_s"),
        veto=bool(one.get("veto", False)),
    )


def attempt(row: Mapping[str, Any]) -> models.Attempt:
    """One attempt."""
    kept = {name: value for name, value in row.items() if name not in {"first_us", "last_us"}}
    return models.Attempt(
        total=None if row["total_e6"] is None else formats.total(row["total_e6"]),
        first_at=formats.iso(row["first_us"]),
        last_at=formats.iso(row["last_us"]),
        **kept,
    )


def entry(row: Mapping[str, Any], logs: Mapping[str, LogState]) -> models.TimelineEntry:
    """One entry."""
    log = logs.get(row["origin"])
    return models.TimelineEntry(
        origin=row["origin"],
        origin_hash=origin_hash(row["origin"]),
        index=row["index"],
        type=row["type"],
        rig=row["rig"],
        station=row["station"],
        rig_time=row["rig_time"],
        read_at=at(row["read_us"]),
        received_at=formats.iso(row["received_us"]),
        receipted=log is not None and row["index"] < log.cosigned_size,
        fields=row["fields"],
        flags=row["flags"],
    )


def alert(one: AlertItem) -> models.AlertModel:
    """One alert."""
    seen = one.acknowledged
    return models.AlertModel(
        id=one.id,
        kind=one.kind,
        severity=one.severity,
        at=formats.iso(one.at_us),
        origin=one.origin,
        index=one.index,
        rig=one.rig,
        attempt=one.attempt,
        detail=dict(one.detail),
        times=one.times,
        over=one.over,
        acknowledged_by=seen.account if seen else None,
        acknowledged_at=at(seen.at_us) if seen else None,
        acknowledged_note=seen.note if seen else None,
    )


def log(state: LogState) -> models.Log:
    """One log."""
    return models.Log(
        origin=state.origin,
        origin_hash=origin_hash(state.origin),
        generation=state.generation,
        size=state.size,
        cosigned_size=state.cosigned_size,
        cosigned_at=at(state.cosigned_s * 1_000_000) if state.cosigned_size else None,
        frozen=state.frozen,
    )
