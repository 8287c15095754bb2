"""The JSON API under /api/v1: read only, but for acknowledging an alert. Its document is /api/openapi.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from server.errors import Missing
from server.people import limits, models, shapes
from server.people.alertdesk import Wanted
from server.people.guard import ForbiddenError
from server.people.problems import DOCUMENTED, WRITING, documented
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.evidence.store import LogState
    from server.people.services import Services

ENTRY_TYPE = "application/json"
PROOF_TYPE = "text/plain; charset=utf-8"
# Where the values that an operation asks for are found: target → its parameter → member of the listed rows.
ATTEMPT_LINKS = {target: {"attempt_id": "attempt"} for target in ("attempt", "evidence")}
ENTRY_LINKS = {target: {"origin_hash": "origin_hash", "index": "index"} for target in ("entry", "proof")}
ALERT_LINKS = {"acknowledge": {"alert_id": "id"}}
Limit = Annotated[int, Query(ge=1, le=limits.PAGE_MAX)]
AttemptId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
OriginHash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Index = Annotated[int, Path(ge=0, le=2**53 - 1)]


def api_router(services: Services) -> APIRouter:
    """All routes, each behind a session or a Bearer token."""

    async def caller(request: Request) -> None:
        await services.guard.caller(request)

    router = APIRouter(prefix="/api/v1", dependencies=[Depends(caller)], responses=DOCUMENTED)
    _live_routes(router, services)
    _attempt_routes(router, services)
    _proof_routes(router, services)

    @router.get("/alerts", responses=_links("alerts", ALERT_LINKS))
    async def alerts(
        limit: Limit = limits.PAGE_DEFAULT,
        only_open: bool = False,
        severity: Annotated[str, Query(pattern="^(alarm|warning|notice)?$")] = "",
        gateway: Annotated[str, Query(max_length=limits.NAME_MAX)] = "",
    ) -> models.Alerts:
        """Alerts, newest first: what follows from evidence, and what ingest, audit and the live board raised."""
        wanted = Wanted("open" if only_open else "all", severity, gateway)
        return models.Alerts(alerts=[shapes.alert(one) for one in (await services.desk.listing(wanted, limit)).rows])

    @router.post("/alerts/{alert_id}/acknowledge", operation_id="acknowledge", status_code=204, responses=WRITING)
    async def acknowledge(
        request: Request,
        alert_id: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,80}$")],
        body: models.Acknowledge,
        x_csrf_token: Annotated[str, Header()] = "",
    ) -> None:
        """Say that somebody has seen it; the first one stays. Operators only; a session needs X-CSRF-Token."""
        account = await services.guard.caller(request)
        if account.role != "operator":
            raise ForbiddenError("only an operator may acknowledge alerts")
        if "authorization" not in request.headers:
            services.guard.check_word(await services.guard.browser(request), x_csrf_token)
        if not await services.desk.acknowledge(alert_id, account, body.note):
            raise Missing(f"no alert {alert_id}")

    return router


def _live_routes(router: APIRouter, services: Services) -> None:
    context = services.context

    @router.get("/live")
    async def live() -> models.Live:
        """The live board now. Changes follow on /live/events from `id` on."""
        return models.Live(**context.board.snapshot())

    @router.get("/rigs")
    async def rigs() -> models.Rows:
        """Every rig: proven values, and marked as `live` what a heartbeat merely says."""
        return models.Rows(rows=context.board.rig_rows())

    @router.get("/gateways")
    async def gateways() -> models.Gateways:
        """Every enrolled gateway with its logs."""
        states = await context.store.logs()
        live = {row["gateway"]: row for row in context.board.gateway_rows()}
        return models.Gateways(
            gateways=[
                models.GatewayModel(
                    id=one.id,
                    status=one.status,
                    logs=[shapes.log(state) for state in states if state.gateway_id == one.id],
                    live=live.get(one.id),
                )
                for one in await context.store.gateways()
            ],
        )


def _attempt_routes(router: APIRouter, services: Services) -> None:
    context = services.context

    async def logs() -> dict[str, LogState]:
        return {state.origin: state for state in await context.store.logs()}

    @router.get("/items", responses=_links("items", ENTRY_LINKS))
    async def items(
        after: Annotated[str, Query(pattern=r"^(\d{1,18}-\d{1,18})?$")] = "", limit: Limit = limits.PAGE_DEFAULT
    ) -> models.Items:
        """Every finished item in the order of arrival, each with claim, recomputation and receipt."""
        bundle, _, index = after.partition("-")
        place = (int(bundle), int(index)) if after else (0, -1)
        async with context.projections.reading() as db:
            rows = await queries.scores_after(db, *place, limit)
        known = await logs()
        more = shapes.cursor_of(rows[-1]) if len(rows) == limit else None
        return models.Items(items=[shapes.item(row, known) for row in rows], next=more)

    @router.get("/attempts", responses=_links("attempts", ATTEMPT_LINKS))
    async def attempts(
        search: Annotated[str, Query(max_length=limits.SEARCH_MAX)] = "",
        state: Annotated[str, Query(pattern="^(open|passed|failed|aborted|mismatch)?$")] = "",
        before: Annotated[str, Query(pattern=r"^(\d{1,18}-[0-9a-f]{32})?$")] = "",
        limit: Limit = limits.PAGE_DEFAULT,
    ) -> models.Attempts:
        """Attempts, the one with the newest entry first. `search` finds id, rig or station: no ticket in a URL."""
        rows = await services.attempts(search, state, before, limit, tickets=False)
        more = services.cursor(rows[-1]) if len(rows) == limit else None
        return models.Attempts(attempts=[shapes.attempt(row) for row in rows], next=more)

    @router.post("/attempts/search", responses=documented(400))
    async def search_attempts(wanted: models.Search) -> models.Attempts:
        """The same with the words in the body: these may be a ticket."""
        rows = await services.attempts(wanted.search, wanted.state, wanted.before, wanted.limit)
        more = services.cursor(rows[-1]) if len(rows) == wanted.limit else None
        return models.Attempts(attempts=[shapes.attempt(row) for row in rows], next=more)

    @router.get("/attempts/{attempt_id}", operation_id="attempt", responses=_links("entries", ENTRY_LINKS))
    async def attempt(attempt_id: AttemptId) -> models.AttemptDetail:
        """One attempt with its items and entries."""
        async with context.projections.reading() as db:
            row = await queries.attempt(db, attempt_id)
            if row is None:
                raise Missing(f"no attempt {attempt_id}")
            scores = await queries.items_of(db, attempt_id)
            entries = await queries.timeline(db, attempt_id, limits.TIMELINE_MAX)
        known = await logs()
        return models.AttemptDetail(
            attempt=shapes.attempt(row),
            items=[shapes.item(score, known) for score in scores],
            entries=[shapes.entry(entry, known) for entry in entries],
        )

    @router.get(
        "/attempts/{attempt_id}/evidence",
        operation_id="evidence",
        response_class=Response,
        responses=_file("application/zip") | documented(409),
    )
    async def evidence(attempt_id: AttemptId, openings: bool = False) -> Response:
        """The evidence bundle for `kaofen-verify attempt`; with `openings` it holds the candidate's personal data."""
        data = await services.evidence(attempt_id, openings=openings)
        return _download(data, "application/zip", f"kaofen-{attempt_id}.zip")


def _proof_routes(router: APIRouter, services: Services) -> None:
    prover = services.prover

    @router.get(
        "/entries/{origin_hash}/{index}",
        operation_id="entry",
        response_class=Response,
        responses=_file(ENTRY_TYPE),
    )
    async def entry(origin_hash: OriginHash, index: Index) -> Response:
        """The entry, byte for byte."""
        state = await prover.log_of(origin_hash)
        stored = await prover.entry(state.origin, index)
        return _download(stored.data, ENTRY_TYPE, f"{index}.json")

    @router.get(
        "/entries/{origin_hash}/{index}/proof",
        operation_id="proof",
        response_class=Response,
        responses=_file("text/plain") | documented(409),
    )
    async def proof(origin_hash: OriginHash, index: Index) -> Response:
        """The tlog-proof of the entry, verified a moment ago; 409 while its cosignature is on its way."""
        state = await prover.log_of(origin_hash)
        made = await prover.prove(state, index, await prover.policy())
        if made.problem:
            raise HTTPException(500, f"the proof does not verify: {made.problem}")
        return _download(made.proof.encode(), PROOF_TYPE, f"{index}.tlog-proof")

    @router.get("/policy", response_class=Response, responses=_file("text/plain"))
    async def policy() -> Response:
        """The trust policy (tlog-policy) with every log and this server as its mirror."""
        return _download((await prover.policy()).encode(), PROOF_TYPE, "policy.txt")


def _links(rows: str, targets: Mapping[str, Mapping[str, str]]) -> dict[int | str, dict[str, object]]:
    """OpenAPI links from the first row of an answer."""
    links = {
        target: {
            "operationId": target,
            "parameters": {name: f"$response.body#/{rows}/0/{member}" for name, member in taken.items()},
        }
        for target, taken in targets.items()
    }
    return {200: {"description": "the rows", "links": links}}


def _file(media_type: str) -> dict[int | str, dict[str, object]]:
    return {200: {"content": {media_type: {}}, "description": "the file"}}


def _download(data: bytes, media_type: str, name: str) -> Response:
    return Response(data, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
