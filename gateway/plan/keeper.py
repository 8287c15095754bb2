"""The plan in use: taken up at the start, fetched when the server has another one, adopted before its first use (B1).

    offer(version) ─> fetch ─> check ─> keep on disk ─> rubric.adopted, plan.adopted, session.closed ─fsync─> use

Owns the order of these steps. A plan that does not hold is refused with its reason and the old one stays; a server
that cannot be reached changes nothing. Only a failed log is fatal.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from gateway import limits
from gateway.errors import PlanRefused, Retry
from gateway.plan.answer import PlanCopy, check_place, parse_answer
from gateway.plan.roster import Roster, looks_back_to
from gateway.plan.show import as_status
from scorelog.format import types
from scorelog.format.plan import parts
from scorelog.journal.errors import LogFull
from scorelog.journal.failpoints import failpoint, register

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.plan.sessions import OwnEntry, Sessions
    from gateway.plan.shelf import Shelf
    from gateway.recording.recorder import Recorder
    from gateway.sending.transport import HeartbeatAnswer, ServerClient
    from scorelog.journal.clock import Clock

_ANSWER = register("gateway.plan-answer", "a fetched plan was read and is not yet checked")
_ADOPT = register("gateway.plan-adopt", "a kept plan is appended to the log, before its first use")
_NO_PLAN = 404
_SAME = 304

_log = structlog.get_logger("gateway.plan")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the disk held at the start: a plan, nothing, or something that does not hold any more."""

    copy: PlanCopy | None
    damage: str = ""

    def looks_back_to(self, newest_us: int, clock: Clock) -> int | None:
        """See roster.looks_back_to."""
        if self.copy is None:
            return None
        return looks_back_to(Roster(self.copy).windows.values(), newest_us, clock.now_us())


def take_up(shelf: Shelf) -> Kept:
    """Before the log is folded, which needs to know the sessions."""
    try:
        return Kept(shelf.load())
    except PlanRefused as error:
        return Kept(None, str(error))


class PlanKeeper:
    """One per process."""

    def __init__(
        self,
        shelf: Shelf,
        client: ServerClient,
        recorder: Recorder,
        *,
        sessions: Sessions,
        clock: Clock,
        gateway_id: str,
        rigs: Mapping[str, str],
        adopted: set[str],
    ) -> None:
        self._shelf = shelf
        self._client = client
        self._recorder = recorder
        self.sessions = sessions
        self._clock = clock
        self._gateway_id = gateway_id
        self._rigs = dict(rigs)  # serial and station, as configured
        self._adopted = adopted
        self._refused: str | None = None
        self._offered = asyncio.Event()
        self._not_before: tuple[int | None, int] = (None, 0)  # which version, until when (monotonic)
        self._offer: int | None = None
        self._tried = asyncio.Event()

    async def start(self, kept: Kept) -> None:
        """Go on with the plan that the disk holds; adopt it, if a crash or a new generation left that to do."""
        if kept.damage:
            self._refuse("kept", kept.damage)
        if kept.copy is None:
            return
        try:
            check_place(kept.copy, self._gateway_id, None)
            self._shelf.tidy(kept.copy.plan.sha256)
            await self._adopt(kept.copy)
        except PlanRefused as error:
            self._refuse("kept", str(error))

    def hear(self, answer: HeartbeatAnswer) -> None:
        """What a heartbeat's answer says of plan and sessions."""
        self.sessions.hear(answer)
        plan, version = self.sessions.plan, answer.plan_version
        self._offer = version
        if version is None or (plan is not None and plan.version == version):
            self._refused = None
            return
        tried, until = self._not_before
        if tried != version or self._clock.mono_us() >= until:
            self._offered.set()

    async def first_plan(self, heard: asyncio.Event) -> None:
        """Before the rigs are read: a box without a plan asks for one first, so that no exam is staged for nothing.

        `heard`: the first heartbeat is over. Nobody waits long: the rigs keep their records meanwhile.
        """
        if self.sessions.plan is not None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.FIRST_PLAN_WAIT_S):
                await heard.wait()
                if self._offer is not None:
                    await self._tried.wait()

    async def run(self) -> NoReturn:
        """Until cancelled. Raises StorageFailed."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            version = self._offer
            wait_s = await self._once()
            self._tried.set()
            self._not_before = (version, self._clock.mono_us() + round(wait_s * 1e6))

    def rigs_are(self, rigs: Mapping[str, str]) -> None:
        """The configuration changed: serial and station of each."""
        self._rigs = dict(rigs)

    def said(self) -> dict[str, Any]:
        """For the heartbeat: public words only."""
        plan = self.sessions.plan
        held = None if plan is None else {"version": plan.version, "sha256": plan.sha256}
        return {"plan": held, "plan_refused": self._refused, "sessions": list(self.sessions.open)}

    def status(self) -> dict[str, Any]:
        """For the box's own status and page."""
        return as_status(self.sessions.plan, self._refused, self.sessions.open)

    async def _once(self) -> float:
        """One try; after how many seconds the same version is asked for again."""
        plan = self.sessions.plan
        try:
            answer = await self._client.plan(None if plan is None else plan.sha256)
        except Retry as error:
            self._refuse("fetched", str(error))
            return limits.PLAN_UNREACHABLE_S
        if answer.status in (_NO_PLAN, _SAME):
            if answer.status == _NO_PLAN:
                self._refuse("fetched", "the server has no plan for this gateway")
            return limits.PLAN_RETRY_S
        try:
            with failpoint(_ANSWER):
                copy = await asyncio.to_thread(parse_answer, answer.body)
                check_place(copy, self._gateway_id, plan)
            await asyncio.to_thread(self._shelf.keep, copy)
            await self._adopt(copy)
        except PlanRefused as error:
            self._refuse("fetched", str(error))
        except LogFull:
            self._refuse("fetched", "the log is full")
        except OSError as error:
            self._refuse("fetched", f"it cannot be kept: {error.strerror}")
        return limits.PLAN_RETRY_S

    async def _adopt(self, copy: PlanCopy) -> None:
        """In one transaction with the ends of the sessions that it has no more; in use once that is durable."""
        plan = copy.plan
        async with self.sessions.turn:
            closed = self.sessions.closed_by(plan) if plan.sha256 not in self._adopted else []
            entries = [*self._adoption(copy), *(self.sessions.closing(ident, plan) for ident in closed)]
            if entries:
                with failpoint(_ADOPT):
                    await self._recorder.note_all(entries)
            self._adopted |= {plan.sha256, *(rubric.sha256 for rubric in copy.rubrics)}
            self.sessions.use(Roster(copy), closed)
        self._refused = None
        _log.info("plan in use", version=plan.version, sha256=plan.sha256, point=plan.point, missing=copy.missing)
        self._say_owners(copy)

    def _adoption(self, copy: PlanCopy) -> list[OwnEntry]:
        plan = copy.plan
        entries: list[OwnEntry] = [
            (types.RUBRIC_ADOPTED, {"sha256": rubric.sha256, "text": rubric.text})
            for rubric in copy.rubrics
            if rubric.sha256 not in self._adopted
        ]
        if plan.sha256 in self._adopted:
            return entries
        pieces = parts(plan.text.decode())
        for number, piece in enumerate(pieces, 1):
            head = {"sha256": plan.sha256, "version": plan.version, "part": number, "of": len(pieces)}
            entries.append((types.PLAN_ADOPTED, {**head, "text": piece}))
        return entries

    def _say_owners(self, copy: PlanCopy) -> None:
        """B7: read and logged all the same; the server alarms."""
        for serial, station in self._rigs.items():
            rig = copy.plan.rig(serial)
            if rig is None:
                _log.warning("rig not in plan", rig=serial)
            elif rig.gateway != self._gateway_id:
                _log.warning("rig of another gateway", rig=serial, owner=rig.gateway)
            elif rig.station != station:
                _log.warning("rig at another station", rig=serial, station=station, planned=rig.station)

    def _refuse(self, which: str, reason: str) -> None:
        """Once per change. The reason is about form and names of the public text, never about a value (P7)."""
        if self._refused != reason:
            _log.warning("plan refused", which=which, reason=reason)
        self._refused = reason
