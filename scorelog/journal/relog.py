"""The `relogged` entry: one that was stranded in a quarantined generation, logged again with a reference.

An entry that does not fit into another one travels in parts, each an entry of its own; nothing is left behind.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from scorelog.format.entry import Entry, build_entry, parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.limits import SALT_BYTES
from scorelog.format.tree import leaf_hash
from scorelog.format.wrapped import key_of, stated_key
from scorelog.journal.clock import Clock, read_time
from scorelog.journal.request import Built

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.journal.store import NewOpening

PART_BYTES: Final = 32_768  # base64 of it and the frame stay below an entry's limit
WHOLE_BYTES_MAX: Final = 45_000  # so does an entry of this size with its candidate list
_TAKEN_OVER: Final = ("entry", "part", "key", "doubt", "candidate")


def new_document(kind: str, clock: Clock) -> dict[str, Any]:
    """The common fields of an entry that the journal makes itself."""
    salt = secrets.token_hex(SALT_BYTES)
    return {"v": 1, "type": kind, "salt": salt, "read": read_time(clock).to_json()}


def relogged(
    origin: str, index: int, entry: bytes, openings: tuple[NewOpening, ...], clock: Clock, *, doubt: str | None = None
) -> Iterator[Built]:
    """The entries that carry one stranded entry into the next generation."""
    previous = {"origin": origin, "index": index, "leaf": leaf_hash(entry).hex()}
    doubted = {} if doubt is None else {"doubt": doubt}
    for number, carried in enumerate(_carriers(entry)):
        document = {**new_document(types.RELOGGED, clock), "previous": previous, **doubted, **carried}
        made = build_entry(document)
        known = key_of(parse_entry(made))
        key, content = known if known is not None else (None, None)
        yield Built(made, leaf_hash(made), key, content, openings if number == 0 else (), None)


def _carriers(entry: bytes) -> Iterator[dict[str, Any]]:
    """What of the stranded entry each new one holds."""
    parsed = _parsed(entry)
    if parsed is not None and parsed.type == types.RELOGGED:
        # Stranded twice: the same inside, a newer reference; a doubt that once was is not lifted by better days.
        yield {name: parsed.document[name] for name in _TAKEN_OVER if name in parsed.document}
        return
    # The commitments are repeated outside, so that an opening can be checked against the entry that it lies beside.
    candidate = parsed.document.get("candidate") if parsed is not None else None
    beside = {} if not candidate else {"candidate": candidate}
    if len(entry) + len(str(beside)) <= WHOLE_BYTES_MAX:
        yield {"entry": base64.b64encode(entry).decode(), **beside}
        return
    known = None if parsed is None else key_of(parsed)
    key = {} if known is None else {"key": stated_key(*known)}
    chunks = [entry[at : at + PART_BYTES] for at in range(0, len(entry), PART_BYTES)]
    for number, chunk in enumerate(chunks, 1):
        part = {"number": number, "of": len(chunks), "bytes": base64.b64encode(chunk).decode()}
        yield {"part": part, **(beside if number == 1 else {}), **(key if number == len(chunks) else {})}


def _parsed(entry: bytes) -> Entry | None:
    try:
        return parse_entry(entry)
    except FormatError:
        return None
