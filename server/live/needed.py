"""A task that lives only while somebody needs it: begun by the first, stopped by the last, begun anew if it fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = structlog.get_logger()


class WhileNeeded:
    """Runs `work`; when that fails, it says so and calls `failed`, which sends those away who need it."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], failed: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._failed = failed
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> bool:
        """Somebody needs it; True when it did not run yet."""
        if self._task is not None:
            return False
        self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name)
        self._task.add_done_callback(self._ended)
        return True

    def stop(self) -> None:
        """Nobody needs it any more; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("live task failed", task=self._name, error=type(error).__name__, exc_info=error)
            self._failed()
