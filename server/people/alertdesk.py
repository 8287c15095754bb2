"""All alerts in one list: those that follow from evidence, the store's alarms, and who has seen which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy.exc import SQLAlchemyError

from server.live.rows import silent_rig
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.evidence.store import Alarm, EntryStore
    from server.live.board import LiveBoard
    from server.people.accounts import Account, AccountStore, Acknowledgement
    from server.projection.store import ProjectionStore

# Shown for information, not counted as waiting for somebody.
COUNTED: Final = ("alarm", "warning")
ALARMS_MAX: Final = 100_000
_WARNINGS: Final = frozenset({"rig_silent", "refilled"})
SHOWS: Final[tuple[Show, ...]] = ("open", "over", "all")
SEVERITIES: Final = ("alarm", "warning", "notice")
# The detail of these is a name, which needs no words around it in either language.
_NAMED: Final = frozenset({"rig_silent", "gateway_silent"})
_RESTORED, _REFILLED = "restored", "refilled"
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
    over: bool = False  # a silence or a gap that has ended, as far as this server knows

    @property
    def gateway(self) -> str | None:
        """Whose it is."""
        return self.origin.rsplit("/", 2)[1] if self.origin and self.origin.count("/") > 1 else None


Show = Literal["open", "over", "all"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts: `open` waits for somebody, `over` of these has ended by itself; empty words mean any."""

    show: Show = "open"
    severity: str = ""
    gateway: str = ""

    def shows(self, one: AlertItem) -> bool:
        """By whether somebody has seen it."""
        return self.show == "all" or (one.acknowledged is None and (one.over or self.show == "open"))

    def fits(self, one: AlertItem) -> bool:
        """By gateway."""
        return not self.gateway or one.gateway == self.gateway


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of alerts, newest first, and how many there are under each other choice."""

    rows: list[AlertItem]
    shows: Mapping[str, int]
    severities: Mapping[str, int]
    gateways: Sequence[str]
    more: bool


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
            alarms = await self._store.alarms(0, ALARMS_MAX)
            refilled = {alarm.origin: alarm.last_us for alarm in alarms if alarm.kind == _REFILLED}
            found += [_from_alarm(alarm, seen, heard, refilled) for alarm in alarms]
        found.sort(key=lambda item: (item.at_us, item.id), reverse=True)
        return [item for item in found if not (only_open and item.acknowledged)][:limit]

    async def listing(self, wanted: Wanted, limit: int) -> Listing:
        """What a person wants to see of them."""
        every = await self.items(2 * ALARMS_MAX)
        mine = [one for one in every if wanted.fits(one)]
        shown = [one for one in mine if wanted.shows(one)]
        rows = [one for one in shown if wanted.severity in {"", one.severity}]
        return Listing(
            rows=rows[:limit],
            shows={show: sum(map(Wanted(show).shows, mine)) for show in SHOWS},
            severities={name: sum(one.severity == name for one in shown) for name in SEVERITIES},
            gateways=sorted({one.gateway for one in every if one.gateway}),
            more=len(rows) > limit,
        )

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

    async def acknowledge_over(self, account: Account, note: str) -> int:
        """All that have ended and that nobody has seen; how many these were."""
        ended = [one for one in await self.items(2 * ALARMS_MAX, only_open=True) if one.over]
        for one in ended:
            await self._accounts.acknowledge(one.id, account, note)
        self._board.alerts(await self.open_count())
        return len(ended)

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


def _from_alarm(
    alarm: Alarm,
    seen: Mapping[str, Acknowledgement],
    heard: frozenset[str],
    refilled: Mapping[str | None, int],
) -> AlertItem:
    over = alarm.detail in heard if alarm.kind in _NAMED else alarm.kind == _RESTORED
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
        over=over and (alarm.kind in _NAMED or refilled.get(alarm.origin, 0) > alarm.last_us),
    )
