"""All alerts in one list: those that follow from evidence, the store's alarms, and who has seen which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from server.live.rows import silent_rig
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.evidence.store import Alarm, EntryStore
    from server.live.board import LiveBoard
    from server.people.accounts import Account, AccountStore, Acknowledgement
    from server.projection.store import ProjectionStore

# Shown for information, not counted as waiting for somebody.
COUNTED: Final = ("alarm", "warning")
ALARMS_MAX: Final = 100_000
_WARNINGS: Final = frozenset({"rig_silent", "refilled"})
# The detail of these is a name, which needs no words around it in either language.
_NAMED: Final = frozenset({"rig_silent", "gateway_silent"})
_UNHEARD: Final = frozenset({"offline", "unknown"})


@dataclass(frozen=True, slots=True)
class AlertItem:
    """One line of the list."""

    id: str
    kind: str
    severity: str
    at_us: int
    origin: str | None
    index: int | None
    rig: str | None
    attempt: str | None
    detail: Mapping[str, Any]
    times: int
    acknowledged: Acknowledgement | None
    over: bool = False  # a silence that has ended, as far as the board has heard


class AlertDesk:
    """Reads both sources; writes only acknowledgements."""

    def __init__(
        self,
        store: EntryStore,
        projections: ProjectionStore,
        accounts: AccountStore,
        board: LiveBoard,
    ) -> None:
        self._store = store
        self._projections = projections
        self._accounts = accounts
        self._board = board
        self._counted = 0

    async def items(self, limit: int, *, only_open: bool = False, attempt: str | None = None) -> list[AlertItem]:
        """Newest first."""
        seen = await self._accounts.acknowledged()
        async with self._projections.reading() as db:
            rows = await queries.alerts(db, ALARMS_MAX, attempt_id=attempt)
        found = [_from_row(row, seen) for row in rows]
        if attempt is None:
            heard = self._heard()
            found += [_from_alarm(alarm, seen, heard) for alarm in await self._store.alarms(0, ALARMS_MAX)]
        found.sort(key=lambda item: (item.at_us, item.id), reverse=True)
        return [item for item in found if not (only_open and item.acknowledged)][:limit]

    def _heard(self) -> frozenset[str]:
        """The gateways and rigs that are heard now, by the names that alarms of silence carry."""
        speaking = {one["gateway"] for one in self._board.gateway_rows() if one["heard_ms"] and not one["silent"]}
        return frozenset(speaking) | {
            silent_rig(one["rig"], one["gateway"])
            for one in self._board.rig_rows()
            if one["gateway"] in speaking and not one["silent"] and one["state"] not in _UNHEARD
        }

    async def open_count(self) -> int:
        """How many alarms and warnings nobody has seen; the last number while the projections are being rebuilt."""
        seen = await self._accounts.acknowledged()
        try:
            async with self._projections.reading() as db:
                ids = await queries.alert_ids(db, COUNTED)
        except SQLAlchemyError:
            return self._counted
        ids += [_alarm_id(alarm) for alarm in await self._store.alarms(0, ALARMS_MAX)]
        self._counted = sum(one not in seen for one in ids)
        return self._counted

    async def acknowledge(self, alert: str, account: Account, note: str) -> bool:
        """False when there is no such alert."""
        if alert not in {item.id for item in await self.items(ALARMS_MAX)}:
            return False
        await self._accounts.acknowledge(alert, account, note)
        self._board.alerts(await self.open_count())
        return True


def _from_row(row: Mapping[str, Any], seen: Mapping[str, Acknowledgement]) -> AlertItem:
    return AlertItem(
        row["id"],
        row["kind"],
        row["severity"],
        row["at_us"],
        row["origin"],
        row["index"],
        row["rig"],
        row["attempt"],
        row["detail"],
        1,
        seen.get(row["id"]),
    )


def _alarm_id(alarm: Alarm) -> str:
    # A silence that comes back is a new alert, though the store only counts it.
    return f"e{alarm.id}-{alarm.times}"


def _from_alarm(alarm: Alarm, seen: Mapping[str, Acknowledgement], heard: frozenset[str]) -> AlertItem:
    return AlertItem(
        _alarm_id(alarm),
        alarm.kind,
        "warning" if alarm.kind in _WARNINGS else "alarm",
        alarm.last_us,
        alarm.origin,
        alarm.index,
        None,
        None,
        {"what" if alarm.kind in _NAMED else "reason": alarm.detail},
        alarm.times,
        seen.get(_alarm_id(alarm)),
        over=alarm.kind in _NAMED and alarm.detail in heard,
    )
