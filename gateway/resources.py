"""What the machine gives to this process: descriptors, threads, memory; and what becomes of it when it gives no more.

1. A start takes what the process needs for its whole life, or is refused: descriptors for every rig and for the log,
   the threads for work beside the loop. A box that starts does not find out in mid-exam that it has too little.
2. Without descriptors whatever needs a new one rests and tries again (a rig, the server, a page). What is open goes on.
3. Without memory, or where a step of the storage gets no descriptor, the process ends with one line that names what is
   missing: half a step may be in memory, and never in the log. The restart has everything.

Never decides what is retried: that is its callers'. Spec: docs/limits.md; reliability.md G11.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gateway import limits
from gateway.errors import ConfigError, Exhausted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from gateway.settings.config import Config

_NO_THREAD = "can't start new thread"  # as the interpreter says it


def lacking(error: BaseException) -> str | None:
    """What of the machine this error says is used up, and where to look; None if it says something else."""
    seen: BaseException | None = error
    while seen is not None:
        if (words := _words(seen)) is not None:
            return words
        seen = seen.__cause__
    return None


def _words(error: BaseException) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EMFILE:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"all {most} file descriptors of this process are in use: see LimitNOFILE= of its service"
    if number == errno.ENFILE:
        return "all file descriptors of this machine are in use: see fs.file-max"
    if number == errno.ENOMEM or isinstance(error, MemoryError):
        return "no memory is left: see MemoryMax= of its service, and what else runs on this box"
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return "no thread can be started: see TasksMax= of its service, and the memory of this box"
    return None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What ends the process for want of something is Exhausted, in one line; every other error is as it was."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        if (words := lacking(error)) is None:
            raise
        raise Exhausted(words) from error


def descriptors_least(config: Config) -> int:
    """So many a process needs with every rig, bus and broker connected and one rig behind each push listener."""
    lines = len(config.rigs) + len(config.buses) + len(config.brokers) + 2 * len(config.pushes)
    return limits.DESCRIPTORS_BASE + lines


def take_descriptors(config: Config) -> int:
    """As many as full listeners need, or as many as there are; how many that is. Raises ConfigError below the least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = descriptors_least(config)
    wanted = least + len(config.pushes) * limits.PUSH_CONNECTIONS_MAX
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY and soft < least:
        raise ConfigError(
            f"this process may have {soft} file descriptors, and {len(config.rigs)} rigs need {least}: "
            "raise LimitNOFILE= of its service (or `ulimit -n`)"
        )
    return soft


def few_descriptors(number: int) -> bool:
    """Whether a connection that was given this descriptor takes one of the last, which are for log and rigs.

    The kernel hands out the lowest number that is free: so many are in use.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return most != resource.RLIM_INFINITY and number >= most - limits.DESCRIPTORS_KEPT


def take_threads(loop: asyncio.AbstractEventLoop) -> ThreadPoolExecutor:
    """Start every thread for work beside the loop now. Raises Exhausted; then none of them stays."""
    pool = ThreadPoolExecutor(limits.THREADS, thread_name_prefix="beside")
    together = threading.Barrier(limits.THREADS + 1)  # nobody is idle before all are there, so each gets a thread
    try:
        with told():
            for _ in range(limits.THREADS):
                pool.submit(together.wait)
    except Exhausted:
        together.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    together.wait()
    loop.set_default_executor(pool)
    return pool


def watch_callbacks(loop: asyncio.AbstractEventLoop, fail: Any) -> None:
    """What breaks in a callback of the loop reaches nobody who waits: without memory it ends the process instead."""

    def broken(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, MemoryError):
            fail(error)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(broken)
