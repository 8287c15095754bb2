"""One attempt over all its rigs and gateways: what the plan wanted, what happened, what is happening, how sure it is.

With `?part=now` the page leaves out the timeline, whose proofs cost time: the page's script reads itself again with it
whenever a hint says that something has changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request

from server.errors import Missing
from server.people import limits
from server.people.progress import progress_of
from server.people.wallpages import may_see_names
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection
    from starlette.responses import Response

    from server.people.accounts import Account
    from server.people.render import Renderer
    from server.people.services import Services

log = structlog.get_logger()

ATTEMPT = re.compile(r"[0-9a-f]{32}")
Row = dict[str, Any]
# Of an attempt of which no record has come.
NOTHING_YET: Row = dict.fromkeys(
    ("ticket", "identity", "ack", "abort_reason", "pass_mark", "claimed_total", "total_e6", "passed", "first_us",
     "last_us", "matched_to"),
) | {"rigs": [], "stations": [], "item_count": 0, "state": "open", "complete": False, "failed_by_veto": False,
     "verdict": "none", "notes": [], "runs": [], "matches": [], "staged": False, "planned": []}  # fmt: skip


def attempt_page(router: APIRouter, services: Services, renderer: Renderer) -> None:
    """GET /attempts/{id}."""
    context = services.context

    @router.get("/attempts/{attempt_id}")
    async def attempt(request: Request, attempt_id: str, part: Annotated[str, Query(max_length=8)] = "") -> Response:
        session = await services.guard.browser(request)
        whole = part != "now"
        async with context.projections.reading() as db:
            detail = await queries.attempt_detail(db, attempt_id) if ATTEMPT.fullmatch(attempt_id) else None
            if detail is None:
                raise Missing("there is no such attempt")
            row = shown(attempt_id, detail)
            own = [attempt_id, *(one["staged"] for one in row["matches"])]
            entries = await timeline(db, own) if whole else []
        rubric = context.book.rubric(row["rubric"])
        rigs = [one for one in context.board.rig_rows() if one["attempt"] in own]
        cosigned = {state.origin: state.cosigned_size for state in await context.store.logs()}
        return renderer.page(
            request,
            "attempt.html",
            session=session,
            attempt=row,
            begun=detail["attempt"] is not None,
            person=await person(services, session.account, attempt_id, look=whole),
            progress=progress_of(row["planned"], row["runs"], rigs, cosigned),
            rubric=rubric,
            book=context.book,
            weights={code: s.weight for s in rubric.subjects.values() for code in s.items} if rubric else {},
            whole=whole,
            steps=await services.timelines.of(entries),
            truncated=len(entries) >= limits.TIMELINE_SHOWN,
            alerts=await services.desk.items(limits.PAGE_DEFAULT, attempt=attempt_id),
            now_us=context.clock.now_us(),
        )


async def timeline(db: AsyncConnection, own: Sequence[str]) -> list[Row]:
    """The entries of the attempt and of what was matched to it, by log and index."""
    found = [entry for one in own for entry in await queries.timeline(db, one, limits.TIMELINE_SHOWN)]
    return sorted(found, key=lambda entry: (entry["origin"], entry["index"]))[: limits.TIMELINE_SHOWN]


async def person(services: Services, account: Account, attempt_id: str, *, look: bool) -> Mapping[str, str]:
    """Who sits it, for those who may see that; the page reading itself again is not another look."""
    if not may_see_names(account):
        return {}
    known = (await services.context.plans.openings([attempt_id])).get(attempt_id, {})
    if known and look:
        log.info("candidates looked at", account=account.name, attempt=attempt_id)
    return known


def shown(attempt_id: str, detail: Mapping[str, Any]) -> Row:
    """The composed row; of an attempt that has no record yet, what the plan says."""
    row, planned = detail["attempt"], detail["planned"]
    if row is not None:
        return dict(row)
    places = planned["places"] or [None] * len(planned["items"])
    return NOTHING_YET | {
        "attempt": attempt_id,
        "session": planned["session"],
        "point": planned["point"],
        "plan": planned["sha256"],
        "try_no": planned["try_no"],
        "rubric": planned["rubric"],
        "planned": [{"item": item, "place": place} for item, place in zip(planned["items"], places, strict=True)],
    }
