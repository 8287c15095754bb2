"""The composition root: everything is made, wired, started and stopped here, and nowhere else.

    gateways (mTLS) ─▶ GatewayApp ─▶ Ingest ─▶ Committer ─▶ EntryStore ◀─ Auditor
                            │ heartbeats          │ stored       │
                            ▼                     ▼              ▼
    people (HTTPS) ◀─ pages, SSE ◀─ Hub ◀─ LiveBoard ◀─── Projector ─▶ projections

With SQLite this is the only process. With PostgreSQL there may be several: each stores, receipts and shows; one of them
leads, which means that projector, board, registry watch, audit and the look for notes that were never kept run there
(server/live/relay.py). When it dies, another one begins with all five.

Order of stopping: streams end, listeners refuse new work and let running requests end, the committer stores what still
waits, then projector, board and auditor are cancelled, then the databases close. A failed write ends the process with
exit code 1: the service manager starts it again and recovery runs.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from certs.contexts import gateway_server_context, people_server_context
from certs.errors import CertsError
from server.audit import Auditor
from server.control import ControlApp, socket_path
from server.database.location import AWAY
from server.errors import Busy, ConfigError, Fatal, ServerError
from server.evidence.database import sqlite_is_old
from server.ingest.checking import SecondProcess
from server.ingest.committer import Committer
from server.ingest.heartbeat import Heartbeats
from server.ingest.protocol import BoundedProtocol, IdentifiedProtocol, listener_protocol
from server.ingest.readside import ReadSide
from server.ingest.routes import GatewayApp
from server.ingest.service import Ingest
from server.ingest.witness import Witness
from server.listeners import Listener, listener, raise_descriptors
from server.live.board import LiveBoard
from server.live.fanout import Alone, Fanout
from server.live.hub import Hub
from server.live.relay import Relay
from server.local import LocalApp
from server.matches.desk import MatchDesk
from server.matches.store import MatchStore
from server.memory import give_back_again_and_again, share_arenas
from server.opened import Opened, folder_held, opened
from server.people.app import create_people_app
from server.people.context import PeopleContext
from server.people.render import check_templates
from server.plan.desk import PlanDesk
from server.plan.known import KnownPlans
from server.plan.store import PlanStore
from server.projection.projector import Projector
from server.projection.rubrics import RubricBook

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from server.config import Config
    from server.people.accounts import AccountStore
    from server.projection.store import ProjectionStore

log = structlog.get_logger()

RESTART_AFTER_S = 5.0
AWAY_AFTER_S = 1.0
REGISTRY_EVERY_S = 5.0
NOTES_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Views:
    """Everything that shows, and may be thrown away."""

    accounts: AccountStore
    projections: ProjectionStore
    hub: Hub
    board: LiveBoard
    projector: Projector
    context: PeopleContext
    fanout: Fanout

    async def close(self) -> None:
        """Close what they opened."""
        await self.fanout.close()
        await self.accounts.close()
        await self.projections.close()


class Server:
    """One running server."""

    def __init__(self, open_: Opened, views: Views) -> None:
        self._open = open_
        self._views = views
        self._stop = asyncio.Event()
        self._failed: Fatal | None = None
        config, keys, store, clock = open_.config, open_.keys, open_.store, open_.clock
        self.committer = Committer(store, keys.mirror, clock, stored=self._stored, cosigned=self._cosigned)
        self.second = SecondProcess()
        self.ingest = Ingest(store, self.committer, clock, config.domain, second=self.second)
        self.auditor = Auditor(
            store, keys.verifiers, clock, pause_s=config.audit_pause_s, bytes_per_s=config.audit_bytes_per_s
        )
        self._listeners = self._make_listeners()

    def _make_listeners(self) -> dict[str, Listener]:
        config, keys, store, clock = self._open.config, self._open.keys, self._open.store, self._open.clock
        gateway_tls, people_tls = tls_contexts(config)
        fanout = self._views.fanout
        heartbeats = Heartbeats(store, clock, self._views.board.heartbeat, forward=fanout.beat)
        if isinstance(fanout, Relay):
            fanout.take = heartbeats.take
        self.heartbeats = heartbeats
        witness = Witness(store, keys.witness, clock, config.domain)
        plans = PlanDesk(self._views.context.plans, clock)
        gateways = GatewayApp(self.ingest, heartbeats, witness, ReadSide(store), self.fail, plans=plans)
        people = create_people_app(self._views.context)
        control = ControlApp(self.ingest, store, self.auditor, self._views.accounts)
        made = {
            "gateways": listener(gateways, config.gateways, listener_protocol(IdentifiedProtocol), gateway_tls),
            "people": listener(
                people,
                config.people,
                listener_protocol(BoundedProtocol, connections_per_peer=config.people_connections_per_address),
                people_tls,
            ),
            "control": listener(control, socket_path(config.data), listener_protocol(BoundedProtocol)),
        }
        if config.local is not None:
            made["local"] = listener(
                LocalApp(self.trouble, self.figures), config.local, listener_protocol(BoundedProtocol)
            )
        return made

    # -- life ------------------------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[dict[str, int]], None]) -> None:
        """Until `stop`, or until a write fails (raises it)."""
        await self.committer.recover()
        try:
            async with asyncio.TaskGroup() as tasks:
                committing = tasks.create_task(self._commit(), name="committer")
                serving = [
                    tasks.create_task(each.serve(), name=f"listener {name}") for name, each in self._listeners.items()
                ]
                watching = [
                    tasks.create_task(self._supervise(name, work), name=name)
                    for name, work in (
                        ("fanout", self._views.fanout.run),
                        ("leading", self._lead),
                        ("memory", partial(give_back_again_and_again, self._open.clock)),
                    )
                ]
                await self._listening(serving)
                ready({name: each.port for name, each in self._listeners.items() if each.started})
                await self._stop.wait()
                await self._wind_down(serving, committing)
                for task in watching:
                    task.cancel()
        except* ServerError as group:
            raise group.exceptions[0] from None
        finally:
            await self.second.close()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Begin an orderly stop; called twice is once."""
        self._stop.set()

    def fail(self, error: Fatal) -> None:
        """A write failed somewhere: end the process."""
        self._failed = self._failed or error
        self._stop.set()

    async def _commit(self) -> None:
        """A failed write ends the run through `fail`, so that waiting requests are still answered."""
        try:
            await self.committer.run()
        except Fatal as error:
            log.critical("write failed", error=str(error))
            self.fail(error)

    async def _listening(self, serving: list[asyncio.Task[None]]) -> None:
        while not all(each.started for each in self._listeners.values()):
            if any(task.done() for task in serving) or self._stop.is_set():
                return
            await asyncio.sleep(0.01)

    async def _wind_down(self, serving: list[asyncio.Task[None]], committing: asyncio.Task[None]) -> None:
        self._views.hub.close()
        for each in self._listeners.values():
            each.stop()
        await asyncio.wait(serving)
        self.committer.stop()
        await asyncio.wait({committing})

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """What only shows or looks must not stop what stores (P8): said once, started again after a pause."""
        while True:
            try:
                await work()
            except Fatal as error:
                self.fail(error)
                return
            except (Busy, *AWAY) as error:
                log.warning("task waits", task=name, reason=type(error).__name__)
                await self._open.clock.sleep(AWAY_AFTER_S)
                continue
            except Exception:  # the supervisor: a bug here may cost the view, never the ingest
                log.exception("task failed", task=name)
            await self._open.clock.sleep(RESTART_AFTER_S)

    async def _lead(self) -> None:
        """Term after term: what exactly one process may do runs between gaining and losing the lead."""
        fanout = self._views.fanout
        while True:
            await fanout.gain()
            self.heartbeats.forget()
            led = [
                asyncio.create_task(self._supervise(name, work), name=name)
                for name, work in (
                    ("projector", self._project),
                    ("board", self._views.board.run),
                    ("auditor", self.auditor.run),
                    ("registry", self._follow_registry),
                    ("notes", self._keep_notes),
                )
            ]
            try:
                await fanout.lost()
            finally:
                for task in led:
                    task.cancel()
                await asyncio.gather(*led, return_exceptions=True)

    async def _project(self) -> None:
        await self._views.projections.prepare()
        await self._views.projector.run()

    async def _keep_notes(self) -> None:
        """A process that died between a commit and its note has left a log without its newest note."""
        while self._open.postgres is not None:
            await self._open.clock.sleep(NOTES_EVERY_S)
            await self.committer.recover()
        await asyncio.Event().wait()

    # -- wiring ----------------------------------------------------------------------------------------------------

    async def _follow_registry(self) -> None:
        """The board expects every enrolled gateway to speak, and no revoked one, also when that changes meanwhile."""
        expected: set[str] = set()
        while True:
            active = {each.id for each in await self._open.store.gateways() if each.status == "active"}
            logs = sorted(await self._open.store.logs(), key=lambda one: one.generation) if active - expected else []
            for gateway_id in sorted(active - expected):
                held = {one.origin: one.size for one in logs if one.gateway_id == gateway_id}
                self._views.board.expect(gateway_id, held)
            for gateway_id in sorted(expected - active):
                self._views.board.forget(gateway_id)
            expected = active
            await self._open.clock.sleep(REGISTRY_EVERY_S)

    def _stored(self, origin: str, size: int) -> None:
        self._views.fanout.stored(origin, size)

    def _cosigned(self, _origin: str, _size: int) -> None:
        self._views.fanout.cosigned()

    def trouble(self) -> str | None:
        """Why this server cannot give receipts, or None."""
        if self._failed is not None:
            return str(self._failed)
        return "stopping" if self._stop.is_set() else None

    async def figures(self) -> dict[str, float]:
        """For /metrics."""
        logs = await self._open.store.logs()
        refused = {f"uploads_refused_{status}": float(n) for status, n in self.ingest.refused.items()}
        return {
            "logs": len(logs),
            "entries": sum(state.size for state in logs),
            "entries_cosigned": sum(state.cosigned_size for state in logs),
            "uploads_accepted": self.ingest.accepted,
            "upload_commits": self.committer.commits,
            "upload_signatures_second": self.second.checked,
            "audit_passes": self.auditor.passes,
            "audit_findings": self.auditor.findings,
            "projected_entries": self._views.projector.progress.entries,
            "streams": self._views.hub.streams,
            "leads": float(self._views.fanout.leads),
            **refused,
            **self.ingest.admission.figures(),
        }


def tls_contexts(config: Config) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the gateways' and the people's listener."""
    tls, people = config.gateways_tls, config.people_tls
    try:
        if tls.client_ca is None:
            raise ConfigError("gateways.client_ca is missing")
        return gateway_server_context(tls.cert, tls.key, tls.client_ca), people_server_context(people.cert, people.key)
    except CertsError as error:
        raise ConfigError(f"{error}; `kaofen-certs server` issues one") from error


async def open_views(open_: Opened) -> Views:
    """Projections, people and the live board."""
    clock, store = open_.clock, open_.store
    accounts = await open_.accounts()
    projections = await open_.projections()
    book, hub = RubricBook(), Hub(clock, secrets.token_hex(8))
    board = LiveBoard(clock, hub, book, alarm=store.alarm)
    matches = MatchStore(open_.registry, open_.keys.sealer)
    known = KnownPlans(open_.registry)
    projector = Projector(store, projections, clock, book=book, listener=board, known=known, matches=matches)

    async def matched() -> None:
        fanout.matched()

    context = PeopleContext(
        store=store,
        projections=projections,
        book=book,
        board=board,
        hub=hub,
        clock=clock,
        accounts=accounts,
        mirror_vkey=open_.keys.mirror.vkey,
        secret=open_.keys.cookies,
        plans=PlanStore(open_.registry),
        matches=MatchDesk(matches, projections, book, clock, matched),
        title=open_.config.title,
        streams_max=open_.config.people_streams,
    )
    fanout: Fanout = Alone(board, projector)
    if open_.postgres is not None:
        fanout = Relay(
            open_.postgres.url,
            clock,
            hub=hub,
            board=board,
            projector=projector,
            projections=projections,
            book=book,
        )
    return Views(accounts, projections, hub, board, projector, context, fanout)


async def serve(config: Config, ready: Callable[[dict[str, int]], None]) -> None:
    """`kaofen-server run`."""
    if config.database is None and sqlite_is_old():
        log.info("old SQLite", note="one writing connection per database is kept; see docs/server.md")
    raise_descriptors()
    share_arenas()
    check_templates()
    with folder_held(config):
        await _serve(config, ready)


async def _serve(config: Config, ready: Callable[[dict[str, int]], None]) -> None:
    async with opened(config, write=True) as open_:
        views = await open_views(open_)
        try:
            server = Server(open_, views)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, server.stop)
            await server.run(ready)
        finally:
            socket_path(config.data).unlink(missing_ok=True)
            await views.close()
