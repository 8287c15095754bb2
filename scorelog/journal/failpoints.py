"""Named places where a test makes the machine fail: killed, or told by the disk that a step did not work.

    KAOFEN_FAILPOINTS="journal.commit=kill@3;state.rename=error"

    kill         SIGKILL to this process before the step
    kill-after   the step is done, then SIGKILL
    error        OSError (EIO) before the step: not persisted
    error-after  the step is done, then OSError (EIO): persisted, though the caller is told it failed
    @n           at the n-th hit only (1 = the first, which is the default); @0 = at every hit

Owns the list of names of the whole house (each package registers its own at import). When nothing is armed, which
is always so in production, a failpoint costs one global check.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, NoReturn, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

Action = Literal["kill", "kill-after", "error", "error-after"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
VARIABLE: Final = "KAOFEN_FAILPOINTS"

_registered: dict[str, str] = {}
REGISTERED: Final[Mapping[str, str]] = _registered  # name -> one sentence; complete once all packages are imported


class _Step(Protocol):
    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class _Off:
    """What `failpoint` gives when nothing is armed."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class _Armed:
    """One failpoint that will act, and how often it was reached."""

    __slots__ = ("_lock", "action", "at", "hits", "name")

    def __init__(self, name: str, action: Action, at: int) -> None:
        self.name = name
        self.action = action
        self.at = at
        self.hits = 0
        self._lock = threading.Lock()

    def reached(self) -> Action | None:
        with self._lock:
            self.hits += 1
            return self.action if self.at in (0, self.hits) else None


class _Acting:
    """The step around which one armed failpoint acts."""

    __slots__ = ("_action", "_name")

    def __init__(self, name: str, action: Action) -> None:
        self._name = name
        self._action = action

    def __enter__(self) -> None:
        if (deed := _BEFORE.get(self._action)) is not None:
            deed(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and (deed := _AFTER.get(self._action)) is not None:
            deed(self._name)


_OFF: Final = _Off()
_armed: dict[str, _Armed] | None = None
_observer: Callable[[str], _Step] | None = None


def register(name: str, why: str) -> str:
    """Add a name to the list; returns it, so that the constant is defined where it is registered."""
    if _registered.get(name, why) != why:
        raise ValueError(f"failpoint {name} is registered twice")
    _registered[name] = why
    return name


def failpoint(name: str) -> _Step:
    """The context of one step of the process, `with` which that step runs."""
    if _armed is None:
        return _OFF
    if name not in _registered:
        raise LookupError(f"failpoint {name} is not registered")
    if _observer is not None:
        return _observer(name)
    armed = _armed.get(name)
    action = armed.reached() if armed is not None else None
    return _OFF if action is None else _Acting(name, action)


def parse(text: str) -> dict[str, _Armed]:
    """The specification of the environment variable; ValueError names the part that is wrong."""
    found: dict[str, _Armed] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, equals, rest = part.partition("=")
        word, at_sign, count = rest.partition("@")
        action = next((known for known in ACTIONS if known == word), None)
        if not equals or action is None or (at_sign and not count.isdecimal()):
            raise ValueError(f"{VARIABLE}: {part!r} is not name=action[@n] with an action of {', '.join(ACTIONS)}")
        found[name] = _Armed(name, action, int(count) if at_sign else 1)
    return found


def arm(text: str) -> None:
    """Arm from here on; an empty text disarms."""
    global _armed  # noqa: PLW0603  # the one global that keeps the switched-off cost at one check
    found = parse(text)
    _armed = found or None


@contextmanager
def observed(step: Callable[[str], _Step]) -> Iterator[None]:
    """Inside the block `step` decides what becomes of each step, nothing else is armed.

    For a simulation, which has many processes in one and cannot kill itself.
    """
    global _armed, _observer  # noqa: PLW0603  # as above
    _armed, _observer = {}, step
    try:
        yield
    finally:
        _armed = _observer = None


@contextmanager
def armed(text: str) -> Iterator[None]:
    """Armed inside the block only."""
    arm(text)
    try:
        yield
    finally:
        arm("")


def unregistered() -> list[str]:
    """Armed names that no imported package knows: a composition root refuses to start with them."""
    return sorted(name for name in _armed or () if name not in _registered)


def _kill(_: str) -> NoReturn:  # pragma: no cover  # nothing that it did can be written down afterwards
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL returned")


def _fail(name: str) -> NoReturn:
    raise OSError(errno.EIO, f"failpoint {name}")


_BEFORE: Final[dict[Action, Callable[[str], NoReturn]]] = {"kill": _kill, "error": _fail}
_AFTER: Final[dict[Action, Callable[[str], NoReturn]]] = {"kill-after": _kill, "error-after": _fail}

arm(os.environ.get(VARIABLE, ""))
