"""One simulated world by one seed: boxes with their rigs, a server, lines between them, faults, an oracle.

safety     exams run, faults fall           the oracle sees every acknowledgement and every receipt
liveness   no faults, no new exams          everything must be at the server within bounded virtual time
judgement  the oracle compares what rigs latched with what the server holds
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import structlog
from dst_box import Box
from dst_broker import MessageRig
from dst_bugs import Bug
from dst_clock import SimClock
from dst_disk import copied
from dst_faults import swarm_of
from dst_life import LIFE, Life, step, task_factory
from dst_loop import SimLoop, Stalled
from dst_oracle import Oracle
from dst_parts import sim_parts
from dst_remembered import remembered
from dst_rig import named
from dst_server import SimServer

from device_adapters.language.profile import Poll
from scorelog.journal import failpoints
from server.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dst_faults import Fault
    from dst_life import Doom

DRAIN_S_MAX = 300.0
DRAIN_SICK_S_MAX = 1500.0  # a young generation is not given up again within ten minutes
_BROKEN = {"task broken", "adapter broken", "request failed", "task failed"}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a world: the commit tier's are small."""

    gateways: int = 2
    safety_s: float = 20.0
    pause_s: float = 3.0
    faults_per_kind: int = 2
    idle_ms: int = 1000  # between two looks at an idle rig

    def lasting(self, seconds: float) -> Scale:
        """Of another length: longer worlds have more faults, with more time between them."""
        return replace(self, safety_s=seconds, faults_per_kind=max(2, round(seconds**0.5 / 3.3)))


SHORT = Scale()
MINUTES = Scale(pause_s=6.0).lasting(180.0)
LONG = Scale(gateways=3, pause_s=60.0, idle_ms=4000).lasting(8 * 3600.0)


@dataclass(slots=True)
class Outcome:
    """What a run came to. `digest` is over everything that happened: equal for equal seeds."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    digest: str = ""
    virtual_s: float = 0.0
    drained_s: float = 0.0
    entries: int = 0
    records: int = 0
    starts: int = 0
    faults: tuple[str, ...] = ()


class World:
    """Use once: `World(seed).run()`."""

    def __init__(self, seed: int, bug: type[Bug] | None = None, scale: Scale = SHORT, *, tracing: bool = False) -> None:
        self.seed = seed
        self.bug = (bug or Bug)(self)
        self.scale = scale
        self.tracing = tracing
        self.outcome = Outcome(seed)
        self.loop = SimLoop()
        self.loop.set_task_factory(task_factory)  # type: ignore[arg-type]
        self.loop.set_exception_handler(self._unhandled)
        self._digest = hashlib.sha256()
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._over: asyncio.Event
        self._calm = False
        self.oracle = Oracle(self)
        self.boxes: list[Box] = []
        self.server: SimServer

    def rng(self, name: str) -> Random:
        """A source of its own for each part, so that one part's draws do not move another's."""
        return Random(named(f"{self.seed}/{name}"))

    def run(self) -> Outcome:
        """The whole life of this world."""
        home = Path(tempfile.mkdtemp(prefix="world-", dir=sim_parts().folder))
        structlog.configure(processors=[self._heard], cache_logger_on_first_use=False)
        try:
            with self.loop.threads(), failpoints.observed(step), remembered():
                self.loop.run_until_complete(self._live(home))
        except Stalled as stalled:
            self.wrong(f"I14 {stalled}")
        finally:
            structlog.reset_defaults()
            self.loop.close()
            shutil.rmtree(home, ignore_errors=True)
        self.outcome.digest = self._digest.hexdigest()
        return self.outcome

    # --- what the parts of the world say

    def noted(self, event: str, **fields: object) -> None:
        """One line of the trace, and of the digest."""
        line = f"{self.loop.time():12.6f} {event} {' '.join(f'{name}={value}' for name, value in fields.items())}"
        self._digest.update(line.encode())
        if self.tracing:
            sys.stdout.write(line + "\n")

    def wrong(self, what: str) -> None:
        """An invariant is broken: the run ends."""
        self.noted("WRONG", what=what)
        self.outcome.wrong.append(what)
        self._over.set()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task of the world itself, of no process."""
        token = LIFE.set(None)
        try:
            task = self.loop.create_task(work, name=name)
        finally:
            LIFE.reset(token)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def new_life(
        self,
        name: str,
        doom: Doom | None,
        crashed: Callable[[Life, str | None], None],
        latency: Callable[[str], float],
    ) -> Life:
        """A process begins."""
        return Life(name, None if self._calm else doom, latency=latency, crashed=crashed, noted=self.noted)

    async def administer(self, work: Coroutine[Any, Any, None]) -> None:
        """What an operator does at the server; its machine may die under his hands."""
        task = self.spawn(work, "operator")
        await asyncio.wait({task}, timeout=2.0)
        if not task.done():
            task.cancel()
        elif not task.cancelled() and (error := task.exception()) and not isinstance(error, ServerError):
            raise error

    # --- the phases

    async def _live(self, home: Path) -> None:
        self._over = asyncio.Event()
        self._begin(home)
        if not await self._passes(self.scale.safety_s):
            await self._be_calm()
            began = self.loop.time()
            await self._drain(began)
            self.outcome.drained_s = self.loop.time() - began
        if not self.outcome.wrong:
            await self.oracle.judge()
        self.outcome.virtual_s = self.loop.time()
        self.outcome.entries = sum(map(len, self.oracle.receipted.values()))
        self.outcome.records = sum(len(rig.history) for box in self.boxes for rig in box.rigs.values())
        self.outcome.starts = sum(box.starts for box in self.boxes)
        await self._end()

    def _begin(self, home: Path) -> None:
        parts = sim_parts()
        copied(parts.server, home / "server-0")
        self.server = SimServer(self, home / "server-0", SimClock(self.loop, self.rng("server clock")))
        self.spawn(self.server.run(), "server")
        for each in parts.boxes[: self.scale.gateways]:
            folder = home / f"{each.gateway_id}-0"
            copied(each.folder, folder)
            box = Box(self, each, folder, SimClock(self.loop, self.rng(f"clock {each.gateway_id}")))
            self.boxes.append(box)
            self.spawn(box.run(), box.id)
            for rig in box.rigs.values():
                rig.poll = Poll(
                    self.scale.idle_ms, {"idle": self.scale.idle_ms, "running": self.scale.idle_ms * 2 // 5}
                )
                rig.on_ack = lambda rig, record, box=box: self.oracle.acked(box, rig, record)
                self.spawn(rig.examine(self.scale.pause_s), rig.serial)
                if isinstance(rig, MessageRig):
                    self.spawn(rig.beat(2 * self.scale.idle_ms / 1000), f"beat {rig.serial}")
        rng = self.rng("faults")
        kinds = swarm_of(self.seed)
        self.outcome.faults = tuple(kind.__name__ for kind in kinds)
        for kind in kinds:
            for _ in range(rng.randint(min(1, self.scale.faults_per_kind), self.scale.faults_per_kind)):
                self.spawn(self._befall(kind, Random(rng.random()), rng.uniform(0, self.scale.safety_s)), "fault")

    async def _befall(self, kind: Fault, rng: Random, at_s: float) -> None:
        await asyncio.sleep(at_s)
        self.noted("fault", kind=kind.__name__)
        await kind(self, rng)

    async def _passes(self, seconds: float) -> bool:
        """Whether the world ended before so much time had passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    async def _be_calm(self) -> None:
        """From now on nothing goes wrong and no exam begins."""
        self._calm = True
        self.noted("calm")
        for task in [task for task in self._tasks if task.get_name() == "fault" or task.get_name().startswith("LV-")]:
            task.cancel()
        for box in self.boxes:
            box.full, box.next_doom = False, None
            box.broker.up = True
            box.link.up, box.link.trouble, box.link.delay_s = True, 0.0, (0.001, 0.02)
            box.clock.mend()
            if box.life is not None:
                box.life.doom = None
            for rig in box.rigs.values():
                rig.faults, rig.cable, rig.state = 0.0, True, "idle"
                rig.unreadable.clear()
        self.server.clock.mend()
        if self.server.life is not None:
            self.server.life.doom = None
        while self.server.store is None:
            await asyncio.sleep(0.5)
        for box in self.boxes:
            await self.administer(self.server.store.set_gateway_status(box.id, "active"))

    async def _drain(self, began: float) -> None:
        most = DRAIN_SICK_S_MAX if any(map(self.oracle.sick, self.boxes)) else DRAIN_S_MAX
        while not self._drained():
            if await self._passes(1.0):
                return
            if self.loop.time() - began > most:
                self.wrong(f"I14 not drained after {most:.0f} s: {self._standing()}")
                return
        self.noted("drained", after_s=round(self.loop.time() - began))

    def _drained(self) -> bool:
        return self.server.store is not None and all(
            box.log is not None
            and box.log.failed is None
            and box.log.receipted_size == box.log.size == self.oracle.on_server(box.log.origin)
            and not any(rig.kept for rig in box.rigs.values())
            for box in self.boxes
        )

    def _standing(self) -> str:
        said = []
        for box in self.boxes:
            sizes = "down" if box.log is None else f"{box.log.receipted_size}/{box.log.size}"
            said.append(f"{box.id} {sizes} kept {[len(rig.kept) for rig in box.rigs.values()]}")
        return ", ".join(said)

    async def _end(self) -> None:
        """Everything of it stops, and gives its files free."""
        tasks = [task for task in self._tasks if task.get_name() != "burial"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for machine in (*self.boxes, self.server):
            if machine.life is not None:
                machine.life.end()
                await machine.life.gone()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.oracle.close()

    # --- what must not happen

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.noted("unhandled", message=context.get("message"))
        self.outcome.wrong.append(f"unhandled: {context.get('message')}: {context.get('exception')!r}")

    def _heard(self, _logger: object, _method: str, event: dict[str, Any]) -> Any:
        """The house's own log lines: some of them say that code of ours broke."""
        life = LIFE.get()
        if life is not None and not life.dead:
            if event.get("event") in _BROKEN:
                self.wrong(f"P8 {life.name}: {event['event']}: {sys.exc_info()[1]!r}")
            if self.tracing:
                sys.stdout.write(f"             {life.name}: {event}\n")
        raise structlog.DropEvent
