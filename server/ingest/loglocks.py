"""One lock a log: uploads of one log go one after the other, those of different logs side by side.

Owns no state of a log; a lock is forgotten when nobody holds it or waits for it.
"""

from __future__ import annotations

import asyncio


class LogLocks:
    """The locks of this process by origin."""

    def __init__(self) -> None:
        self._locks: dict[str, LogLock] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def of(self, origin: str) -> LogLock:
        """To be entered at once: `async with locks.of(origin)`."""
        lock = self._locks.get(origin)
        if lock is None:
            lock = self._locks[origin] = LogLock(self._locks, origin)
        return lock


class LogLock:
    """Held by one, in the order in which they came."""

    __slots__ = ("_lock", "_locks", "_origin", "_users")

    def __init__(self, locks: dict[str, LogLock], origin: str) -> None:
        self._locks = locks
        self._origin = origin
        self._users = 0
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        self._users += 1
        try:
            await self._lock.acquire()
        except BaseException:  # cancelled while it waited: it never leaves
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
        self._leave()

    def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            del self._locks[self._origin]
