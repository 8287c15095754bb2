"""Where pushed requests are dealt with, whatever server brought them: place, proof, body, verdict, answer.

    path ──> rig of this listener? ──> Guard (headers only) ──> body ──> Window ──> Answer

Owns: the windows and guards of all rigs that push, and the gateway's time as rigs are told it. Knows no HTTP library;
never raises for what a request holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff, NotProven
from device_adapters.http.answers import Answer, of_error, of_records, of_status, problem, records_of
from device_adapters.http.guard import Guard
from device_adapters.http.window import Window
from device_adapters.limits import PUSH_ANSWER_S, PUSH_BODY_MAX
from device_adapters.messages.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from device_adapters.language.shape import Shape
    from device_adapters.observation import Position
    from scorelog.journal.clock import Clock

PREFIX: Final = "/push/v1/"
_METHODS: Final = {"records": "POST", "status": "POST", "position": "GET"}
_JSON: Final = "application/json"
_LINES: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request. `path` as it stood on the wire; header names in lower case, each once."""

    method: str
    path: str
    headers: Mapping[str, str]
    length: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """A rig that pushes, at its listener."""

    serial: str
    listener: str
    shape: Shape
    secret: bytes = field(repr=False)
    signed: bool
    status_every_ms: int = 2000

    @property
    def answer_s(self) -> float:
        """An answer never takes so long that its rig, which waits for it, would be taken for gone."""
        return min(PUSH_ANSWER_S, 2 * self.status_every_ms / 1000)


@dataclass(slots=True)
class _Counter:
    place: Place
    guard: Guard
    window: Window


class Desk:
    """One per process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_s = clock.now_us() / 1e6 - clock.mono_us() / 1e6
        self._counters: dict[str, _Counter] = {}
        self._listening: set[str] = set()

    @property
    def now_s(self) -> float:
        """The wall clock as it was at the start, counted on: it never goes back, whatever is done to the clock."""
        return self._began_s + self._clock.mono_us() / 1e6

    def set_up(self, places: Iterable[Place]) -> None:
        """Exactly these rigs push. What did not change stays: the window and what it was told, the nonces."""
        wanted = {place.serial: place for place in places}
        for serial in self._counters.keys() - wanted.keys():
            self._counters.pop(serial).window.shut()
        for place in wanted.values():
            known = self._counters.get(place.serial)
            if known is None or (known.place.shape, known.place.listener) != (place.shape, place.listener):
                self._counters[place.serial] = self._new(place)
            elif known.place != place:
                known.place, known.guard = place, self._guard(place)

    def _new(self, place: Place) -> _Counter:
        known = self._counters.get(place.serial)
        if known is not None:
            known.window.shut()
        window = Window(Mailbox(place.serial, place.shape), place.answer_s)
        if place.listener in self._listening:
            window.open()
        return _Counter(place, self._guard(place), window)

    def _guard(self, place: Place) -> Guard:
        """A secret that comes back must not bring its nonces' second life: nothing signed before now is taken."""
        return Guard(place.serial, place.secret, signed=place.signed, since_s=self.now_s)

    def window(self, serial: str, position: Position | None) -> Window:
        """Of a rig whose adapter is made now."""
        window = self._counters[serial].window
        window.begin(position)
        return window

    def listening(self, listener: str, *, yes: bool) -> None:
        """Whether this listener's rigs can be heard."""
        (self._listening.add if yes else self._listening.discard)(listener)
        for one in self._counters.values():
            if one.place.listener == listener:
                one.window.open() if yes else one.window.shut()

    async def take(self, listener: str, request: Request, body: Callable[[], Awaitable[bytes | None]]) -> Answer:
        """One request, whole. `body` is called only for one that is proven, at most once; None: it did not come."""
        counter, what = self._find(listener, request.path)
        if counter is None:
            return problem(404, "place", "no rig of this gateway pushes there: is the serial right, and the path?")
        try:
            admission = counter.guard.admit(request.method, request.path, request.headers, self.now_s)
            if (wrong := _misplaced(request, what)) is not None:
                return wrong
            data = await body()
            if data is None:
                return problem(408, "slow", "the body did not come whole in time", 1)
            admission.check(data)
        except (NotProven, BackOff) as error:
            return of_error(error, self.now_s)
        return await self._answer(counter.window, what, request.headers.get("content-type", ""), data)

    async def _answer(self, window: Window, what: str, kind: str, data: bytes) -> Answer:
        if what == "position":
            return Answer(200, {"v": 1, "serial": window.box.serial, "newest": window.newest, **window.told()})
        media = kind.partition(";")[0].strip().lower()  # RFC 9110 8.3.1: its letters count as one case
        if media not in (_JSON, *((_LINES,) if what == "records" else ())):
            return problem(415, "content_type", f"{_JSON}, or {_LINES} for records, one a line")
        if what == "status":
            return of_status(window.say_status(data), window.told())
        return await self._records(window, data, lines=media == _LINES)

    async def _records(self, window: Window, data: bytes, *, lines: bool) -> Answer:
        try:
            payloads = records_of(data) if lines else [data]
        except ValueError as error:
            return problem(400, "batch", str(error))
        if window.full:
            return problem(503, "busy", "so many records wait for their answers already", 1)
        verdicts = await window.hand_in(payloads)
        return of_records(verdicts, window.told())

    def _find(self, listener: str, path: str) -> tuple[_Counter | None, str]:
        serial, _, what = path.removeprefix(PREFIX).partition("/")
        counter = self._counters.get(serial) if path.startswith(PREFIX) and what in _METHODS else None
        return (counter if counter is not None and counter.place.listener == listener else None), what


def _misplaced(request: Request, what: str) -> Answer | None:
    """What its head alone shows."""
    if request.method != _METHODS[what]:
        return problem(405, "method", f"{what} takes {_METHODS[what]}")
    if (request.length or 0) > PUSH_BODY_MAX:
        return problem(413, "oversize", f"the body has more than {PUSH_BODY_MAX} bytes: send fewer records")
    return None
