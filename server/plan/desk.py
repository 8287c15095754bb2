"""What a gateway is told of plans: the plan of its point (GET /gateway/v1/plan), and a word in each heartbeat's answer.

Rules 3, 6 and 7 of docs/formats/plan.md. Whoever is asked for here is an enrolled gateway already: routes.py looks.
The answer holds openings and goes over mTLS to a gateway that the plan names, and nowhere else; nothing of it is logged
but point and version (P7).
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog

from server.errors import Damaged, Refused
from server.ingest.problems import Answer

if TYPE_CHECKING:
    from scorelog.journal.clock import Clock
    from server.plan.store import PlanStore, StoredPlan

log = structlog.get_logger()

VERSION: Final = 1
REMEMBERED_US: Final = 1_000_000  # a heartbeat need not ask the database each time
NOTHING: Final[dict[str, Any]] = {"plan_version": None, "sessions": []}


class PlanDesk:
    """Answers gateways."""

    def __init__(self, plans: PlanStore, clock: Clock) -> None:
        self._plans = plans
        self._clock = clock
        self._damaged: set[str] = set()
        self._current: dict[str, tuple[int, StoredPlan | None]] = {}

    async def told(self, gateway_id: str) -> dict[str, Any]:
        """The part of a heartbeat's answer: version, and the nonces of open sessions. A damaged plan tells nothing."""
        try:
            stored = await self._remembered(gateway_id)
        except Damaged as error:  # a heartbeat is more than its plan: the gateway goes on with the one it has
            if gateway_id not in self._damaged:
                log.warning("plan damaged", gateway=gateway_id, error=str(error))
            self._damaged.add(gateway_id)
            return NOTHING
        self._damaged.discard(gateway_id)
        if stored is None:
            return NOTHING
        nonces = await self._plans.nonces(stored, self._clock.now_us())
        return {"plan_version": stored.version, "sessions": [{"id": name, "nonce": nonce} for name, nonce in nonces]}

    async def _remembered(self, gateway_id: str) -> StoredPlan | None:
        now_us = self._clock.now_us()
        asked_us, stored = self._current.get(gateway_id, (None, None))
        if asked_us is None or abs(now_us - asked_us) >= REMEMBERED_US:
            stored = await self._plans.for_gateway(gateway_id)
            self._current[gateway_id] = (now_us, stored)
        return stored

    async def fetch(self, gateway_id: str, if_none_match: str) -> Answer:
        """The plan with its openings and rubrics; 304 for whoever has it, 404 for a gateway of no point."""
        stored = await self._plans.for_gateway(gateway_id)
        if stored is None:
            raise Refused(404, f"no plan names gateway {gateway_id}")
        etag = f'"{stored.sha256}"'
        headers = ((b"etag", etag.encode()),)
        if etag in {each.strip().removeprefix("W/") for each in if_none_match.split(",")}:
            return Answer(HTTPStatus.NOT_MODIFIED, b"", "", headers=headers)
        openings = await self._plans.openings_of(stored.plan)
        document = {
            "v": VERSION,
            "version": stored.version,
            "sha256": stored.sha256,
            "plan": stored.text.decode(),
            "openings": [each.to_json() for each in openings],
            "rubrics": [each.decode() for each in stored.rubrics],
        }
        log.info("plan fetched", gateway=gateway_id, point=stored.point, version=stored.version)
        body = json.dumps(document, ensure_ascii=False).encode()
        return Answer(HTTPStatus.OK, body, "application/json", headers=headers)
