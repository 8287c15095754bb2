"""One run of one simulated process, and everything that can befall it.

    spawn ─> tasks and simulated threads of this life ─> every failpoint they pass is a step ─> fault, or nothing

A crash does not unwind the code: it copies the disk as it stands at that instant (dst_disk.py), and from then on
nothing that the old code does reaches anybody: its rigs, its network and its disk are no longer the world's. So a
process can die at any step, in the middle of a transaction too. The same for a machine that loses power.
"""

from __future__ import annotations

import asyncio
import errno
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dst_threads import rest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

LIFE: ContextVar[Life | None] = ContextVar("life", default=None)

Action = Literal["crash", "crash-after", "torn", "error", "error-after", "full"]
_ERRNO = {"error": errno.EIO, "error-after": errno.EIO, "full": errno.ENOSPC}


@dataclass(frozen=True, slots=True)
class Doom:
    """What befalls a life, and at which of its steps (counted from 1) whose name begins so."""

    action: Action
    at: int
    among: str = ""


class Life:
    """Made by the machine; `crashed(life, torn)` is told at the instant of a crash."""

    def __init__(
        self,
        name: str,
        doom: Doom | None,
        *,
        latency: Callable[[str], float],
        crashed: Callable[[Life, str | None], None],
        noted: Callable[..., None],
    ) -> None:
        self.name = name
        self.dead = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_death: list[Callable[[], None]] = []
        self.closing: list[Callable[[], Coroutine[Any, Any, None]]] = []  # files to be given free after it
        self.doom = doom
        self.before_torn: Callable[[str], None] = lambda _step: None
        self._latency = latency
        self._crashed = crashed
        self._noted = noted
        self._hits = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task of this life; so are those that it makes."""
        context = copy_context()
        context.run(LIFE.set, self)
        return asyncio.get_running_loop().create_task(work, name=name, context=context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Told by the task factory."""
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def crash(self, torn: str | None = None) -> None:
        """The process is gone at this instant; its code is cut off at the loop's next turn."""
        if self.dead:
            return
        self.dead = True
        self._crashed(self, torn)
        for told in self.on_death:
            told()
        asyncio.get_running_loop().call_soon(self._cut)

    def end(self) -> None:
        """It ended by itself."""
        self.dead = True
        for told in self.on_death:
            told()
        self._cut()

    async def gone(self) -> None:
        """Wait until no task of it is left."""
        while left := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1.0)

    def step(self, name: str) -> _Step:
        """What `failpoint(name)` is in the simulation."""
        doom = self.doom
        if self.dead or doom is None or not name.startswith(doom.among):
            return _Step(self, name, None)
        self._hits += 1
        if self._hits != doom.at:
            return _Step(self, name, None)
        self.doom = None
        self._noted("doom", action=doom.action, step=name)
        return _Step(self, name, doom.action)

    def rest(self, name: str) -> None:
        rest(self._latency(name))

    def _cut(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if not self.ended.done():
            self.ended.set_result(None)


class _Step:
    __slots__ = ("_action", "_life", "_name")

    def __init__(self, life: Life, name: str, action: Action | None) -> None:
        self._life = life
        self._name = name
        self._action = action

    def __enter__(self) -> None:
        self._life.rest(self._name)
        if self._action == "crash":
            self._life.crash()
        elif self._action == "torn":
            self._life.before_torn(self._name)
        elif self._action in ("error", "full"):
            raise OSError(_ERRNO[self._action], f"simulated at {self._name}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or self._action is None:
            return
        if self._action == "crash-after":
            self._life.crash()
        elif self._action == "torn":
            self._life.crash(self._name)
        elif self._action == "error-after":
            raise OSError(_ERRNO[self._action], f"simulated after {self._name}")


class _Nothing:
    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


_NOTHING = _Nothing()


def step(name: str) -> _Step | _Nothing:
    """For `failpoints.observed`."""
    life = LIFE.get()
    return _NOTHING if life is None else life.step(name)


def task_factory(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """Every task knows whose it is."""
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    life = context.get(LIFE) if context is not None else LIFE.get()
    if life is not None:
        life.adopt(task)
    return task
