"""The gateway's plan, sessions and recorder on a log in memory, with a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fake_clock import FakeClock
from fake_log_store import FakeLogStore
from fake_server_client import FakeServer, FakeServerClient
from gateway_parts import counted_bytes, make_recorder, subject

from gateway.plan.answer import parse_answer
from gateway.plan.keeper import PlanKeeper, take_up
from gateway.plan.roster import Roster
from gateway.plan.sessions import Sessions
from gateway.plan.shelf import Shelf
from gateway.recording.rebuild import rebuild
from scorelog.format.entry import parse_entry
from scorelog.format.text import utc_text

if TYPE_CHECKING:
    from pathlib import Path

    from gateway_plans import PlanDraft

    from device_adapters.contract import Observation
    from gateway.plan.roster import View
    from scorelog.format.entry import Entry


class PlanBench:
    """One gateway of the name gw-01; `start()` is one run of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log, self.clock, self.server = FakeLogStore(), FakeClock(), FakeServer()
        self.client = FakeServerClient(self.server)
        self.shelf = Shelf(folder / "plan")
        self.starts = 0
        self.boot()

    def boot(self) -> None:
        """Forget everything but the log and the disk, as a new process does; the plan is not taken up yet."""
        self.starts += 1
        self.kept = take_up(self.shelf)
        self.past = rebuild(self.log, since=lambda newest_us: self.kept.looks_back_to(newest_us, self.clock))
        random = counted_bytes(f"start {self.starts}")
        self.recorder = make_recorder(
            self.log,
            self.clock,
            self.folder,
            attempts=self.past.attempts,
            random=random,
            view=self.view,
        )
        self.sessions = Sessions(self.recorder, self.clock, self.past.sessions)
        self.keeper = PlanKeeper(
            self.shelf,
            self.client,
            self.recorder,
            sessions=self.sessions,
            clock=self.clock,
            gateway_id="gw-01",
            rigs={"LV-0001": "A-01", "LV-0002": "A-09", "LV-0003": "A-03", "LV-0007": "A-07"},
            adopted=set(self.past.adopted),
        )

    def view(self) -> View | None:
        """What records are bound by."""
        return self.sessions.view()

    async def restart(self) -> None:
        """Boot, and go on with the kept plan."""
        self.boot()
        await self.keeper.start(self.kept)

    def use(self, draft: PlanDraft) -> None:
        """Take a plan into use as if it were adopted; the disk has it."""
        copy = parse_answer(draft.answer())
        self.shelf.keep(copy)
        self.sessions.use(Roster(copy))

    async def beat(self, *, time: str | None = None) -> None:
        """One heartbeat's answer; the server's clock agrees, if no other time is given."""
        self.server.time = lambda: time or utc_text(self.clock.now_us())
        self.keeper.hear(await self.client.heartbeat({"origin": self.log.origin}))

    async def record(self, observation: Observation) -> Entry:
        """One record; its entry."""
        await self.recorder.observe(subject(observation.rig), observation)
        return self.entries[-1]

    @property
    def entries(self) -> list[Entry]:
        """The log."""
        return [parse_entry(entry) for entry in self.log.entries(0, self.log.size)]

    def of_type(self, kind: str) -> list[Entry]:
        """Those of one type."""
        return [entry for entry in self.entries if entry.type == kind]

    def session_words(self) -> list[tuple[Any, ...]]:
        """(type, session, nonce or reason) of what was opened and closed."""
        return [
            (entry.type.removeprefix("session."), entry.fields["session"], _said(entry.fields))
            for entry in self.entries
            if entry.type.startswith("session.")
        ]


def _said(fields: Any) -> Any:
    return fields["reason"] if "reason" in fields else fields["nonce"]
