"""The rigs and brokers that a process looks after now, each with its tasks, so that one can end while others run on.

Owns: which supervisor runs under which tasks. What they do is supervise.py's and brokers.py's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from gateway.push.listener import PushListener
    from gateway.supervising.brokers import BrokerLink
    from gateway.supervising.supervise import RigSupervisor

_NOT_READY_S: Final = 0.5


class Hall:
    """One per process. `begin` makes a task of that name whose failure ends the process."""

    def __init__(self, begin: Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._begin = begin
        self._rigs: dict[str, RigSupervisor] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        """How many rigs are looked after."""
        return len(self._rigs)

    def take_up(self, supervisor: RigSupervisor, before: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """From now on this rig is read, once `before` is over."""
        serial = supervisor.subject.serial

        async def read() -> None:
            await before()
            await supervisor.run()

        self._rigs[serial] = supervisor
        self._tasks[f"rig {serial}"] = [
            self._begin(f"rig {serial}", read()),
            self._begin(f"ready {serial}", supervisor.keep_ready()),
        ]

    def connect(self, link: BrokerLink) -> None:
        """From now on this broker is connected."""
        self._tasks[f"broker {link.id}"] = [self._begin(f"broker {link.id}", link.run())]

    def listen(self, listener: PushListener) -> None:
        """From now on rigs can push to this listener."""
        self._tasks[f"push {listener.id}"] = [self._begin(f"push {listener.id}", listener.run())]

    async def let_go(
        self, serials: Iterable[str], brokers: Iterable[str], why: str, listeners: Iterable[str] = ()
    ) -> None:
        """These end, in order: the rigs are told that nobody records, then nothing more is asked of them."""
        ending = [self._rigs.pop(serial) for serial in serials]
        await _told_not_ready(ending)
        names = [*(f"rig {one.subject.serial}" for one in ending), *(f"broker {name}" for name in brokers)]
        names += [f"push {name}" for name in listeners]
        await _cancelled([task for name in names for task in self._tasks.pop(name, ())])
        for supervisor in ending:
            await supervisor.retire(why)

    def halt(self) -> None:
        """The storage failed: from this instant on nothing is acknowledged."""
        for supervisor in self._rigs.values():
            supervisor.halt()

    async def say_not_ready(self) -> None:
        """No exam may start that nobody records."""
        await _told_not_ready(list(self._rigs.values()))

    async def cancel(self, *, brokers: bool) -> None:
        """Nothing more is read; with `brokers` their connections end as well."""
        tasks = [each for name, each in self._tasks.items() if brokers or name.startswith("rig ")]
        await _cancelled([task for each in tasks for task in each])

    async def close(self) -> None:
        """Drop all connections."""
        await asyncio.gather(*(supervisor.close() for supervisor in self._rigs.values()))


async def _told_not_ready(supervisors: list[RigSupervisor]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_NOT_READY_S):
            await asyncio.gather(*(each.say_not_ready() for each in supervisors))


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
