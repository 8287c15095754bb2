"""The gateways: a list of all, and one page for each with everything that tells how the box is doing.

What a gateway says of itself is unproven and shown as such; what is stored and receipted is this server's own word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from fastapi import APIRouter, Path, Request

from server.errors import Missing
from server.live import limits as live_limits
from server.people import limits
from server.people.alertdesk import Wanted
from server.people.wallpages import may_see_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from server.evidence.store import Gateway, LogState
    from server.people.accounts import Account
    from server.people.render import Renderer
    from server.people.services import Services
    from server.plan.store import StoredPlan

log = structlog.get_logger()

DAY_MS = 86_400_000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GatewayView:
    """One gateway: who it is, what it says, what is stored of it, and which of its values want attention."""

    gateway: Gateway
    live: Row
    states: Sequence[LogState]
    certificate_days: int | None
    warnings: frozenset[str]

    @property
    def state(self) -> str:
        """A key of words.GATEWAY_STATES."""
        if self.gateway.status == "revoked":
            return "revoked"
        if not self.live or self.live["heard_ms"] is None:
            return "silent" if self.live and self.live["silent"] else "waiting"
        return "silent" if self.live["silent"] else "left" if self.live["catching_up"] else "online"


def gateway_pages(router: APIRouter, services: Services, renderer: Renderer) -> None:
    """The list and the page of each."""
    context = services.context

    async def views() -> list[GatewayView]:
        states = sorted(await context.store.logs(), key=lambda state: -state.generation)
        live = {row["gateway"]: row for row in context.board.gateway_rows()}
        now_ms = context.clock.now_us() // 1000
        return [
            view_of(one, live.get(one.id, {}), [state for state in states if state.gateway_id == one.id], now_ms)
            for one in await context.store.gateways()
        ]

    @router.get("/gateways")
    async def gateways(request: Request) -> Response:
        session = await services.guard.browser(request)
        found = sorted(await views(), key=lambda view: (view.state == "revoked", view.gateway.id))
        return renderer.page(request, "gateways.html", session=session, views=found)

    @router.get("/gateways/{gateway_id}")
    async def gateway(request: Request, gateway_id: Annotated[str, Path(max_length=limits.NAME_MAX)]) -> Response:
        session = await services.guard.browser(request)
        view = next((one for one in await views() if one.gateway.id == gateway_id), None)
        if view is None:
            raise Missing("there is no such gateway")
        plan = await context.plans.for_gateway(gateway_id)
        rows = [row for row in context.board.rig_rows() if row["gateway"] == gateway_id]
        return renderer.page(
            request,
            "gateway.html",
            session=session,
            view=view,
            plan=plan,
            rigs=rigs_of(gateway_id, rows, plan),
            tickets=await planned_tickets(services, session.account, rows),
            alerts=await services.desk.listing(Wanted(gateway=gateway_id), limits.ALERTS_ON_GATEWAY),
            now_us=context.clock.now_us(),
        )


async def planned_tickets(services: Services, account: Account, rows: Sequence[Row]) -> Mapping[str, str]:
    """Attempt → ticket of those whom the plan knows and the rig does not, for those who may see names."""
    unsaid = [row["attempt"] for row in rows if row["attempt"] and not row["ticket"]]
    if not unsaid or not may_see_names(account):
        return {}
    known = await services.context.plans.openings(unsaid)
    if known:
        log.info("candidates looked at", account=account.name, attempts=len(known))
    return {attempt: values["ticket"] for attempt, values in known.items() if "ticket" in values}


def view_of(gateway: Gateway, live: Row, states: Sequence[LogState], now_ms: int) -> GatewayView:
    """With the limits of server/live/limits.py."""
    ends_ms = live.get("certificate_ms")
    days = None if ends_ms is None else (ends_ms - now_ms) // DAY_MS
    offset, percent = live.get("clock_offset_ms"), live.get("disk_percent_free")
    wants = {
        "unsent": bool(live.get("catching_up")),
        "clock": live.get("clock_trusted") is False or abs(offset or 0) > live_limits.CLOCK_OFF_S * 1000,
        "certificate": days is not None and days < live_limits.CERTIFICATE_SOON_DAYS,
        "disk": percent is not None and percent < live_limits.DISK_LOW_PERCENT,
        "exams": live.get("accepts_exams") is False,
        "silent": bool(live.get("silent")),
    }
    return GatewayView(gateway, live, states, days, frozenset(name for name, is_so in wants.items() if is_so))


def rigs_of(gateway_id: str, rows: Sequence[Row], plan: StoredPlan | None) -> list[Mapping[str, Any]]:
    """The rigs that it tells of, and those that the plan gives it and of which nothing was heard, by station."""
    planned = {rig.serial: rig for rig in plan.plan.rigs} if plan else {}
    told = {row["rig"] for row in rows}
    found: list[Mapping[str, Any]] = [{"row": row, "planned": planned.get(row["rig"])} for row in rows]
    found += [
        {"row": None, "planned": rig}
        for rig in planned.values()
        if rig.gateway == gateway_id and rig.serial not in told
    ]
    return sorted(found, key=_place)


def _place(one: Mapping[str, Any]) -> tuple[str, str]:
    row, planned = one["row"], one["planned"]
    return (planned.station if planned else row["station"] or "~", planned.serial if planned else row["rig"])
