"""The texts that a log adopted: profiles, rubrics and plans, whole or in parts, as they were logged or logged again.

Owns which of them the next generation adopts again. A text proves itself by its hash, whatever state the log is in.
Reads entries in the order of the log; what does not fit together is passed over.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.wrapped import joined, part_of, wrapped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from scorelog.format.entry import Entry
    from scorelog.format.wrapped import Part

_WHOLE: Final = frozenset({types.PROFILE_ADOPTED, types.RUBRIC_ADOPTED})
_CARRIED: Final = ("sha256", "version", "part", "of", "text")

Adopted = tuple[str, dict[str, Any]]
"""Type and own fields of one entry that adopts a text or a part of it."""


class Adoptions:
    """A fold over entries; each text comes out once, when it is complete."""

    def __init__(self, plans: Collection[str]) -> None:
        self._plans = plans  # hashes of those that are wanted; there may be one a day, of a megabyte each
        self._seen: set[tuple[str, str]] = set()
        self._pieces: list[Part] = []
        self._texts: list[dict[str, Any]] = []

    def take(self, entry: bytes) -> Iterator[Adopted]:
        """One entry more; the entries by which a text that is complete with it is adopted again."""
        parsed = self._unwrapped(_parsed(entry))
        if parsed is None or parsed.type not in _WHOLE | {types.PLAN_ADOPTED}:
            return
        fields: dict[str, Any] = {name: parsed.document[name] for name in _CARRIED if name in parsed.document}
        texts = [fields] if parsed.type in _WHOLE else self._whole_plan(fields)
        digest = fields.get("sha256")
        if not isinstance(digest, str) or (parsed.type, digest) in self._seen or not _hashes_to(texts, digest):
            return
        self._seen.add((parsed.type, digest))
        yield from ((parsed.type, one) for one in texts)

    def _unwrapped(self, entry: Entry | None) -> Entry | None:
        if entry is None or entry.type != types.RELOGGED:
            return entry
        part = part_of(entry)
        if part is None:
            inner = wrapped(entry)
        else:
            self._pieces = [*(self._pieces if part.number > 1 else ()), part]
            inner = joined(self._pieces) if part.number == part.of else None
        return None if inner is None else _parsed(inner)

    def _whole_plan(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        """All parts of the plan that these fields end, or nothing."""
        if fields.get("sha256") not in self._plans:
            return []
        self._texts = [*(self._texts if fields.get("part") != 1 else ()), fields]
        numbers = [(one.get("part"), one.get("of"), one.get("sha256")) for one in self._texts]
        count = len(numbers)
        return self._texts if numbers == [(at, count, fields["sha256"]) for at in range(1, count + 1)] else []


def plans_named(entry: bytes) -> Iterator[str]:
    """Hashes of the plans that an entry was bound by, itself or the one that it wraps."""
    parsed = _parsed(entry)
    inner = None if parsed is None else wrapped(parsed)
    if parsed is not None and inner is not None:
        parsed = _parsed(inner)
    if parsed is not None:
        for named in (parsed.plan, parsed.fields.get("plan")):
            if isinstance(named, str):
                yield named


def _hashes_to(texts: list[dict[str, Any]], digest: str) -> bool:
    if not texts or not all(isinstance(one.get("text"), str) for one in texts):
        return False
    return hashlib.sha256("".join(one["text"] for one in texts).encode()).hexdigest() == digest


def _parsed(entry: bytes) -> Entry | None:
    try:
        return parse_entry(entry)
    except FormatError:
        return None
