"""The sessions of the plan in use: opened and closed in the log, and which of them a record may belong to now (B2, B3).

    clock, server's word ──step──> session.opened (with the nonce, or after 10 s without) ... session.closed

A clock that cannot be right opens nothing by itself: then the server's word does (heartbeat), and tickets are bound
without a window. Owns no file: what is open is read back from the log.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from gateway import limits
from gateway.plan.roster import View, in_order
from scorelog.format import types
from scorelog.format.text import utc_us
from scorelog.journal.errors import LogFull

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.plan.roster import Roster
    from gateway.recording.recorder import Recorder
    from gateway.sending.transport import HeartbeatAnswer
    from scorelog.format.plan import Plan, Session
    from scorelog.journal.clock import Clock

_log = structlog.get_logger("gateway.plan")
_STEP_S = 1.0

OwnEntry = tuple[str, dict[str, Any]]


class Sessions:
    """One per process. `opened` are the sessions that the log has opened and not closed."""

    def __init__(self, recorder: Recorder, clock: Clock, opened: Iterable[str]) -> None:
        self._recorder = recorder
        self._clock = clock
        self._open = dict.fromkeys(opened)
        self._roster: Roster | None = None
        self._nonces: dict[str, str] = {}
        self._told: frozenset[str] | None = None  # sessions that are open at the server; None: it never said
        self._server: tuple[int, int] | None = None  # its clock, and ours (monotonic) when it said so
        self._waiting: dict[str, int] = {}
        self.turn = asyncio.Lock()  # a plan is taken into use between two steps, never within one

    @property
    def open(self) -> tuple[str, ...]:
        """Sessions that are open here."""
        return tuple(self._open)

    @property
    def plan(self) -> Plan | None:
        """The plan in use."""
        return None if self._roster is None else self._roster.copy.plan

    def use(self, roster: Roster, closed: Iterable[str] = ()) -> None:
        """From now on; it is adopted, and with it these sessions were closed."""
        self._roster = roster
        for ident in closed:
            self._open.pop(ident, None)

    def hear(self, answer: HeartbeatAnswer) -> None:
        """The server's word: its clock, its open sessions and their nonces."""
        self._told = frozenset(one.id for one in answer.sessions)
        self._nonces = {one.id: one.nonce for one in answer.sessions}
        with contextlib.suppress(ValueError):
            said = datetime.fromisoformat(answer.time)
            if said.tzinfo is not None:
                self._server = (round(said.timestamp() * 1e6), self._clock.mono_us())

    def view(self) -> View | None:
        """What a record is bound by at this moment."""
        roster = self._roster
        if roster is None:
            return None
        if self.trusts_clock():
            sessions = in_order(roster.windows.values(), self._clock.now_us())
            return View(roster, sessions, sessions)
        known = tuple(session for session in self._open if session in roster.windows)
        return View(roster, tuple(dict.fromkeys((*known, *roster.windows))), known)

    def trusts_clock(self) -> bool:
        """Whether the wall clock can be right: after the plan was made, not years after, and near the server's."""
        plan, now_us = self.plan, self._clock.now_us()
        if plan is None or now_us < limits.PLAUSIBLE_TIME_US:
            return False
        published_us = utc_us(plan.published)
        if not published_us - limits.CLOCK_BEFORE_PLAN_US <= now_us <= published_us + limits.CLOCK_AFTER_PLAN_US:
            return False
        if self._server is None:
            return True
        server_us = self._server[0] + self._clock.mono_us() - self._server[1]
        return abs(server_us - now_us) <= limits.CLOCK_OFFSET_US

    def closed_by(self, plan: Plan) -> list[str]:
        """Open sessions that a plan has no more, or has moved to another time."""
        return [ident for ident in self._open if self._moves(plan.session(ident), ident)]

    def _moves(self, session: Session | None, ident: str) -> bool:
        if session is None:
            return True
        now_us, before = self._clock.now_us(), None if self.plan is None else self.plan.session(ident)
        if not self.trusts_clock() or session.opens_us <= now_us < session.closes_us:
            return False
        return session.opens_us > now_us or (before is not None and now_us < before.closes_us)

    def closing(self, ident: str, plan: Plan) -> OwnEntry:
        """The entry, for the transaction that adopts this plan."""
        return _closed(ident, "plan", plan.sha256)

    async def run(self) -> NoReturn:
        """Until cancelled."""
        while True:
            with contextlib.suppress(LogFull):  # nothing was written; the next step tries again
                await self.step()
            await self._clock.sleep(_STEP_S)

    async def step(self) -> None:
        """Open and close what is due."""
        async with self.turn:
            plan = self.plan
            if plan is None:
                return
            for ident in [one for one in self._open if self._is_over(plan, one)]:
                reason = "window" if plan.session(ident) else "plan"
                await self._recorder.note_all([_closed(ident, reason, plan.sha256)])
                del self._open[ident]
                _log.info("session closed", session=ident)
            for session in plan.sessions:
                if session.id not in self._open and self._is_due(session):
                    await self._begin(plan, session)

    async def _begin(self, plan: Plan, session: Session) -> None:
        nonce = self._nonces.get(session.id)
        if nonce is None:
            now = self._clock.mono_us()
            until = self._waiting.setdefault(session.id, now + round(limits.NONCE_WAIT_S * 1e6))
            if now < until:
                return
        self._waiting.pop(session.id, None)
        fields = {
            "session": session.id,
            "opens": session.opens,
            "closes": session.closes,
            "nonce": nonce,
            "plan": plan.sha256,
        }
        await self._recorder.note_all([(types.SESSION_OPENED, {"fields": fields})])
        self._open[session.id] = None
        _log.info("session opened", session=session.id, nonce=nonce is not None)

    def _is_due(self, session: Session) -> bool:
        if self.trusts_clock():
            return session.opens_us <= self._clock.now_us() < session.closes_us
        return self._told is not None and session.id in self._told

    def _is_over(self, plan: Plan, ident: str) -> bool:
        session = plan.session(ident)
        if session is None:
            return True
        if self.trusts_clock():
            return self._clock.now_us() >= session.closes_us
        return self._told is not None and ident not in self._told


def _closed(session: str, reason: str, plan: str) -> OwnEntry:
    return types.SESSION_CLOSED, {"fields": {"session": session, "reason": reason, "plan": plan}}
