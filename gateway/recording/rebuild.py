"""The fold's state out of the log after a restart: newest entries first, until no open exam lacks its beginning.

Reads only; the window is bounded, so a log of years starts as fast as one of days. A (ticket, try) that lies before
the window is a new attempt, which the server sees and a person joins; a text adopted before it is adopted again. While
a session of the plan may bind records, the window reaches back to where its first record may stand (B4, B6).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gateway import limits
from gateway.recording.attempts import TICKET, Attempts, Fact, fact_of_entry
from scorelog.format import types
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.text import utc_us
from scorelog.format.tree import leaf_hash
from scorelog.format.wrapped import joined, part_of, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scorelog.format.commitment import Opening
    from scorelog.format.wrapped import Part


class Readable(Protocol):
    """As much of a log as the fold reads."""

    @property
    def size(self) -> int:
        """Entries that may be read."""
        ...

    def entries(self, start: int, stop: int) -> list[bytes]:
        """In the order of the log."""
        ...

    def openings(self, start: int, stop: int) -> list[Opening]:
        """Of those entries."""
        ...


@dataclass(frozen=True, slots=True)
class Past:
    """What the log says about earlier runs of this gateway."""

    attempts: Attempts
    adopted: frozenset[str]
    config: Mapping[str, Any] | None
    last_type: str | None
    last_read: Mapping[str, Any] | None
    sessions: tuple[str, ...] = ()  # opened in this generation and not closed


class _Window:
    """Facts from newest to oldest, and what is still missing."""

    def __init__(self, least: int, since: Callable[[int], int | None]) -> None:
        self._least = least
        self._since = since
        self._since_us: int | None = None
        self._reached_us: int | None = None
        self.sessions: dict[str, bool] = {}  # by id: whether its newest word is that it is open
        self.facts: list[Fact] = []
        self.adopted: set[str] = set()
        self.config: Mapping[str, Any] | None = None
        self.last: Mapping[str, Any] | None = None
        self.taken = 0
        self._parts: list[Part] = []
        self._seen: set[str] = set()
        self._wanted: set[tuple[str, str]] = set()

    @property
    def complete(self) -> bool:
        """Large enough, and it holds the beginning of every rig's newest exam that is open, and the configuration."""
        if self._since_us is not None and (self._reached_us is None or self._reached_us >= self._since_us):
            return False
        return self.taken >= self._least and self.config is not None and not self._wanted

    def take(self, entry: bytes, ticket: bytes) -> None:
        """One entry more, older than all before it."""
        self.taken += 1
        document = json.loads(entry)
        self._note_time(document)
        self.last = self.last or document
        kind = document.get("type")
        if kind == types.CONFIG_CHANGED:
            self.config = self.config or document
        elif kind in (types.PROFILE_ADOPTED, types.RUBRIC_ADOPTED, types.PLAN_ADOPTED):
            self.adopted.add(str(document.get("sha256")))  # all parts of a plan stand in one transaction
        if kind == types.RELOGGED:
            entry, document = self._inner(entry)
        self._take_session(document)
        self._take_fact(fact_of_entry(document, leaf_hash(entry), ticket))

    def _inner(self, entry: bytes) -> tuple[bytes, Mapping[str, Any]]:
        """The stranded entry in a `relogged` one; of one in parts, with the first part, which comes last here."""
        try:
            outer = parse_entry(entry)
            part = part_of(outer)
            if part is not None:
                self._parts = [part, *(() if part.number == part.of else self._parts)]
            held = wrapped(outer) if part is None else joined(self._parts)
            return (b"", {}) if held is None else (held, parse_entry(held).document)
        except FormatError:
            return b"", {}

    def _note_time(self, document: Mapping[str, Any]) -> None:
        """How far back the window reaches; a clock that had not heard the time yet says nothing."""
        try:
            at_us = utc_us(document["read"]["utc"])
        except (FormatError, KeyError, TypeError):
            return
        if self.last is None:
            self._since_us = self._since(at_us)
        if at_us >= limits.PLAUSIBLE_TIME_US:
            self._reached_us = at_us if self._reached_us is None else min(self._reached_us, at_us)

    def _take_session(self, document: Mapping[str, Any]) -> None:
        kind, fields = document.get("type"), document.get("fields")
        if kind in (types.SESSION_OPENED, types.SESSION_CLOSED) and isinstance(fields, dict):
            self.sessions.setdefault(str(fields.get("session")), kind == types.SESSION_OPENED)

    def _take_fact(self, fact: Fact) -> None:
        if fact.rig is None:
            return
        self.facts.append(fact)
        if fact.attempt is None:
            return
        exam = (fact.rig, fact.attempt)
        if fact.rig not in self._seen:
            self._seen.add(fact.rig)
            if fact.type not in types.CLOSING and (fact.ticket or fact.session):
                self._wanted.add(exam)
        if fact.type == types.IDENTITY_CHECKED:
            self._wanted.discard(exam)


def rebuild(
    log: Readable,
    older: Iterable[Readable] = (),
    *,
    rigs: int = 0,
    since: Callable[[int], int | None] = lambda _newest_us: None,
) -> Past:
    """Folds the newest part of the log; `older` are earlier generations, newest first, looked at only if needed.

    `since` says, from the time of the newest entry, how far back in time the window must reach.
    """
    window = _Window(max(limits.REBUILD_ENTRIES, rigs * limits.REBUILD_ENTRIES_PER_RIG), since)
    _read_back(log, window)
    adopted = frozenset(window.adopted)  # once per generation: each can be judged without the one before it
    sessions = tuple(ident for ident, is_open in reversed(window.sessions.items()) if is_open)
    for source in older:
        if window.complete:
            break
        _read_back(source, window)
    attempts = Attempts()
    for fact in reversed(window.facts):
        attempts.apply(fact)
    last = window.last or {}
    return Past(attempts, adopted, window.config, last.get("type"), last.get("read"), sessions)


def _read_back(log: Readable, window: _Window) -> None:
    stop = log.size
    while stop > 0 and window.taken < limits.REBUILD_ENTRIES_MAX:
        if window.complete:
            return
        start = max(0, stop - limits.REBUILD_CHUNK)
        tickets = tickets_of(log.openings(start, stop))
        for index, entry in zip(range(stop - 1, start - 1, -1), reversed(log.entries(start, stop)), strict=True):
            window.take(entry, tickets.get(index, b""))
        stop = start


def tickets_of(openings: Sequence[Opening]) -> dict[int, bytes]:
    """From index to ticket, of the openings that are still there."""
    return {opening.index: opening.value for opening in openings if opening.field == TICKET}
