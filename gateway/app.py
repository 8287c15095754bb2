"""The composition root: makes every part, owns every task by name, and ends them in order.

reload: reload.py: only what differs
start:  texts ─> log ─> fold ─> start entries ─> plan ─> local pages ─> uploader, heartbeat ─> rigs ─> READY
stop:   rigs ─> log drained ─> `gateway.stopped` ─> uploader's grace ─> log closed ─> exit 0
fatal:  rigs cut off at once (no more acks) ─> told "not ready" ─> exit 1; the service manager starts it again
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from gateway.errors import Exhausted, Fatal, GenerationFrozen
from gateway.identity import certificate_not_after_us, mirror_verifier
from gateway.lifecycle import Start, record_start, record_stop, resume_clock
from gateway.meters import Meters
from gateway.page.local import LocalPages
from gateway.plan.keeper import PlanKeeper, take_up
from gateway.plan.sessions import Sessions
from gateway.plan.shelf import Shelf
from gateway.push.figures import PushFigures
from gateway.recording.freeze import Freezer
from gateway.recording.rebuild import rebuild
from gateway.recording.recorder import Recorder
from gateway.recording.spool import Spool
from gateway.reload import Reloader, Setup
from gateway.resources import lacking, told, watch_callbacks
from gateway.sending.heartbeat import Heartbeat, Progress
from gateway.sending.uploader import Uploader
from gateway.supervising.board import Board
from gateway.supervising.bus_figures import BusFigures
from gateway.supervising.hall import Hall
from gateway.supervising.supervise import RigSupervisor
from scorelog.format.text import utc_text, utc_us
from scorelog.journal.errors import JournalError, LogFull, LogUntrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from random import Random

    from device_adapters.contract import Adapter, Position
    from gateway.notify import Notifier
    from gateway.plan.roster import View
    from gateway.recording.rebuild import Readable
    from gateway.recording.texts import Texts
    from gateway.sending.transport import ServerClient
    from gateway.settings.config import Config, RigConfig
    from gateway.supervising.brokers import BrokerLink
    from gateway.supervising.wires import Wires
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import LogStore

_log = structlog.get_logger("gateway")
_TICK_S = 1.0
_NOT_READY_S = 0.5


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process edge hands in: the four seams, randomness, and the box's secret."""

    log: LogStore
    older: Iterable[Readable]
    client: ServerClient
    clock: Clock
    rng: Random
    random: Callable[[int], bytes]
    adapter: Callable[[RigConfig, Position | None], Adapter]
    notifier: Notifier
    content_key: bytes = field(repr=False)
    wires: Wires | None = None  # None: rigs in memory
    read_setup: Callable[[], Setup] | None = None  # for a reload


class App:
    """One running gateway."""

    def __init__(self, config: Config, texts: Texts, parts: Parts, start: Start, *, young_until_us: int = 0) -> None:
        self._config = config
        self._parts = parts
        self._start = start
        self._texts = texts
        self.on_ready: Callable[[int], None] = lambda _port: None  # told the port of the local pages
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._hall = Hall(self._begun)
        self._links: Mapping[str, BrokerLink] = parts.wires.links if parts.wires else {}
        log, clock = parts.log, parts.clock
        self._kept = kept = take_up(Shelf(config.data / "plan"))
        self._past = rebuild(log, parts.older, rigs=len(config.rigs), since=partial(kept.looks_back_to, clock=clock))
        self._meters = Meters()
        self._bus_figures = BusFigures(parts.wires.buses if parts.wires else {})
        self._meters.registry.register(self._bus_figures)
        self._push_figures = PushFigures(parts.wires.listeners if parts.wires else {})
        self._meters.registry.register(self._push_figures)
        self._board = Board([texts.subject(rig) for rig in config.rigs], clock)
        self._progress = Progress(log, clock)
        self._recorder = Recorder(
            log,
            clock,
            parts.random,
            attempts=self._past.attempts,
            spool=Spool(config.data / "practice"),
            meters=self._meters,
            anchor_age_s=config.pace.anchor_age_s,
            content_key=parts.content_key,
            view=self._view,
        )
        self._adopted = set(self._past.adopted | texts.hashes())
        self._plans = self._plan_keeper()
        self._uploader = Uploader(
            log,
            parts.client,
            mirror_verifier(config.server.mirror_vkey),
            clock=clock,
            rng=parts.rng,
            freezer=Freezer(config.data),
            meters=self._meters,
            backoff_cap_s=config.pace.backoff_cap_s,
            young_until_us=young_until_us,
        )
        self._heartbeat = Heartbeat(
            log,
            parts.client,
            self._uploader,
            board=self._board,
            progress=self._progress,
            clock=clock,
            meters=self._meters,
            every_s=config.pace.heartbeat_s,
            instance=start.instance,
            software=start.software,
            not_after_us=certificate_not_after_us(config.server.cert),
            hear=self._plans.hear,
            more=self._said_beside,
        )
        self.pages = LocalPages(
            log,
            self._progress,
            self._meters,
            clock=clock,
            status=self.status,
            take_receipt=self._uploader.take_receipt,
        )
        self._reloader = self._make_reloader()

    async def run(self) -> int:
        """Until told to stop; the exit code."""
        try:
            with told():
                await self._begin()
            await self._stop.wait()
        except (Fatal, JournalError, OSError) as error:
            self._failure = self._failure or error
        return await self._end()

    def request_stop(self) -> None:
        """From a signal: stop in order. A second one does not wait."""
        if self._stop.is_set():
            _log.warning("hard exit")
            hard_exit()
        self._stop.set()

    def request_reload(self) -> None:
        """From a signal: take the changed configuration into use."""
        self._reloader.ask()

    def status(self) -> dict[str, Any]:
        """What `kaofen-gateway status` shows."""
        log, room = self._parts.log, self._parts.log.room()
        return {
            "running": True,
            "origin": log.origin,
            "generation": log.generation,
            "size": log.size,
            "receipted": log.receipted_size,
            "unsent": self._progress.unsent,
            "oldest_unsent_ms": self._progress.oldest_unsent_ms(),
            "upload_trouble": self._uploader.trouble,
            "trouble": self.pages.trouble(),
            "accepts_exams": self._accepts_exams(),
            "free_bytes": room.free_bytes,
            "total_bytes": room.total_bytes,
            "server": {"url": self._config.server.url, **self._heartbeat.link},
            "server_offset_ms": _ms(self._heartbeat.server_offset_us),
            "clock_sync": self._parts.clock.sync_state(),
            "certificate_not_after": utc_text(certificate_not_after_us(self._config.server.cert)),
            "instance": self._start.instance,
            "software": self._start.software,
            **self._plans.status(),
            "configuration": self._reloader.status(),
            "brokers": [link.to_json() for link in self._links.values()],
            "buses": self._bus_figures.to_json(),
            "pushes": self._push_figures.to_json(),
            "rigs": [{**view.told(), **self._recorder.stored(view.subject)} for view in self._board.rigs.values()],
            "refusals": self._board.refusals(),
        }

    def _said_beside(self) -> dict[str, Any]:
        """What plan and brokers add to a heartbeat."""
        return {**self._plans.said(), "brokers": [link.said() for link in self._links.values()]}

    async def _begin(self) -> None:
        log, config = self._parts.log, self._config
        read = self._past.last_read
        resume_clock(self._recorder, self._past, self._parts.clock, utc_us(read["utc"]) if read else None)
        await record_start(self._recorder, log, self._past, config=config, texts=self._texts, start=self._start)
        await self._plans.start(self._kept)
        await self.pages.start(*config.listen)
        self._own("uploader", self._uploader.run())
        self._own("log watch", self._uploader.watch_log())
        self._own("heartbeat", self._heartbeat.run())
        self._own("tick", self._tick())
        self._own("plan", self._plans.run())
        self._own("sessions", self._plans.sessions.run())
        self._own("reload", self._reloader.run())
        for link in self._links.values():
            self._hall.connect(link)
        for listener in self._parts.wires.listeners.values() if self._parts.wires else ():
            self._hall.listen(listener)
        for rig in config.rigs:
            self._take_up(rig, self._texts)
        _log.info("gateway started", origin=log.origin, size=log.size, rigs=len(self._hall), port=self.pages.port)
        self.on_ready(self.pages.port)
        self._parts.notifier.tell(READY=1, STATUS=self._sentence())

    async def _end(self) -> int:
        self._parts.notifier.tell(STOPPING=1)
        if self._failure is None:
            return await self._end_in_order()
        if isinstance(self._failure, LogUntrusted):
            # Damage met while running: the next start quarantines this generation, as it would have at its start.
            log = self._parts.log
            Freezer(self._config.data).freeze(log.origin, log.size, str(self._failure), self._parts.clock.now_us())
        frozen = isinstance(self._failure, GenerationFrozen)
        cause = self._failure if self._parts.log.failed is None else self._parts.log.failed
        _log.error("gateway failed", reason=str(cause), frozen=frozen, missing=lacking(cause))
        await self._hall.say_not_ready()
        await self._hall.cancel(brokers=True)
        await _cancel(self._tasks)
        with contextlib.suppress(Exception):  # the process edge: whatever is left, the exit code says it failed
            async with asyncio.timeout(_NOT_READY_S):
                await self._close()
        return 1

    async def _end_in_order(self) -> int:
        await self._hall.say_not_ready()
        await self._hall.cancel(brokers=False)
        log = self._parts.log
        try:
            with told():
                with contextlib.suppress(LogFull):
                    await record_stop(self._recorder, log, self._start)
                self._uploader.wake()
                await self._grace()
                await self._hall.cancel(brokers=True)
                await _cancel(self._tasks)
                await self._close()
        except (Fatal, JournalError, OSError) as error:
            _log.error("gateway failed", reason=str(error))
            return 1
        _log.info("gateway stopped", size=log.size, unsent=log.size - log.receipted_size)
        return 0

    async def _grace(self) -> None:
        """A reachable server gets the last entries; an unreachable one is not waited for beyond the grace."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.pace.stop_grace_s):
                await self._uploader.settled()

    async def _close(self) -> None:
        await self._hall.close()
        await self.pages.stop()
        await self._parts.client.close()
        await self._parts.log.close()

    async def _tick(self) -> None:
        """Tells the service manager that this loop turns; looks at the clock."""
        every = min(_TICK_S, (self._parts.notifier.watchdog_s or _TICK_S) / 3)
        while True:
            with contextlib.suppress(LogFull):
                await self._recorder.check_clock()
            self._parts.notifier.tell(WATCHDOG=1, STATUS=self._sentence())
            await self._parts.clock.sleep(every)

    def _plan_keeper(self) -> PlanKeeper:
        clock, config = self._parts.clock, self._config
        return PlanKeeper(
            Shelf(config.data / "plan"),
            self._parts.client,
            self._recorder,
            sessions=Sessions(self._recorder, clock, self._past.sessions),
            clock=clock,
            gateway_id=config.gateway_id,
            rigs={rig.serial: rig.station for rig in config.rigs},
            adopted=self._adopted,
        )

    def _make_reloader(self) -> Reloader:
        setup = Setup(self._config, self._texts, {})
        return Reloader(
            setup,
            self._parts.read_setup or (lambda: setup),
            recorder=self._recorder,
            clock=self._parts.clock,
            board=self._board,
            hall=self._hall,
            wires=self._parts.wires,
            plans=self._plans,
            adopted=self._adopted,
            take_up=self._take_up,
        )

    def _view(self) -> View | None:
        """What records are bound by at this moment; asked only once the plan's part is made."""
        return self._plans.sessions.view()

    def _take_up(self, rig: RigConfig, texts: Texts) -> None:
        self._hall.take_up(self._supervisor(rig, texts), lambda: self._plans.first_plan(self._heartbeat.tried))

    def _sentence(self) -> str:
        up = sum(view.state not in ("offline", "unknown") for view in self._board.rigs.values())
        return f"{up} of {len(self._board.rigs)} rigs, {self._parts.log.size} entries, {self._progress.unsent} unsent"

    def _accepts_exams(self) -> bool:
        log = self._parts.log
        return log.failed is None and not self._stop.is_set() and log.room().accepts_exams

    def _supervisor(self, rig: RigConfig, texts: Texts) -> RigSupervisor:
        return RigSupervisor(
            texts.subject(rig),
            lambda position: self._parts.adapter(rig, position),
            self._recorder,
            board=self._board,
            clock=self._parts.clock,
            rng=self._parts.rng,
            meters=self._meters,
            accepts_exams=self._accepts_exams,
        )

    def _own(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._begun(name, work))

    def _begun(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(self._guarded(name, work), name=name)

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A task that ends by itself ends the process: every one of them is meant to run as long as it does."""
        try:
            with told():
                await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the process edge: it is logged and becomes the exit code
            self.fail(error)
            if not isinstance(error, (Fatal, JournalError)):
                _log.exception("task broken", task=name)

    def fail(self, error: BaseException) -> None:
        """From this instant on nothing is acknowledged; the process ends."""
        words = None if isinstance(error, (Fatal, JournalError)) else lacking(error)
        self._failure = self._failure or (error if words is None else Exhausted(words))
        self._hall.halt()
        self._stop.set()


def hard_exit(code: int = 1) -> None:
    """Without waiting for anything; the log is safe at every instant."""
    os._exit(code)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ms(value_us: int | None) -> int | None:
    return None if value_us is None else value_us // 1000


def install_signals(app: App) -> None:
    """SIGTERM and SIGINT stop in order; the second one at once. SIGHUP takes up a changed configuration."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.request_stop)
    loop.add_signal_handler(signal.SIGHUP, app.request_reload)
    watch_callbacks(loop, app.fail)
