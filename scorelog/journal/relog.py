"""The `relogged` entry: one that was stranded in a quarantined generation, logged again with a reference.

An entry that does not fit into another one travels in parts, each an entry of its own; nothing is left behind.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from scorelog.format.entry import Entry, build_entry, parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.limits import SALT_BYTES
from scorelog.format.tree import leaf_hash
from scorelog.journal.clock import Clock, read_time
from scorelog.journal.request import Built

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.format.entry import EntryKey
    from scorelog.journal.store import NewOpening

PART_BYTES: Final = 32_768  # base64 of it and the frame stay below an entry's limit
WHOLE_BYTES_MAX: Final = 45_000  # so does an entry of this size with its candidate list
_TAKEN_OVER: Final = ("entry", "part", "candidate")


def new_document(kind: str, clock: Clock) -> dict[str, Any]:
    """The common fields of an entry that the journal makes itself."""
    salt = secrets.token_hex(SALT_BYTES)
    return {"v": 1, "type": kind, "salt": salt, "read": read_time(clock).to_json()}


def key_of(entry: Entry) -> tuple[EntryKey, str] | None:
    """Key and content that an entry stands for: its own, or those of the entry that it wraps."""
    if entry.type == types.RELOGGED:
        inner = _unwrapped(entry)
        return None if inner is None else key_of(inner)
    return None if entry.key is None or entry.content is None else (entry.key, entry.content)


def adoption_of(entry: bytes) -> tuple[str, str, str] | None:
    """Type, hash and text of an adopted profile or rubric, itself or logged again; None for anything else."""
    parsed = _parsed(entry)
    if parsed is not None and parsed.type == types.RELOGGED:
        parsed = _unwrapped(parsed)
    if parsed is None or parsed.type not in (types.PROFILE_ADOPTED, types.RUBRIC_ADOPTED):
        return None
    digest, text = parsed.document.get("sha256"), parsed.document.get("text")
    if not (isinstance(digest, str) and isinstance(text, str)):
        return None
    return (parsed.type, digest, text) if hashlib.sha256(text.encode()).hexdigest() == digest else None


def relogged(origin: str, index: int, entry: bytes, openings: tuple[NewOpening, ...], clock: Clock) -> Iterator[Built]:
    """The entries that carry one stranded entry into the next generation."""
    previous = {"origin": origin, "index": index, "leaf": leaf_hash(entry).hex()}
    for number, carried in enumerate(_carriers(entry)):
        document = {**new_document(types.RELOGGED, clock), "previous": previous, **carried}
        made = build_entry(document)
        known = key_of(parse_entry(made))
        key, content = known if known is not None else (None, None)
        yield Built(made, leaf_hash(made), key, content, openings if number == 0 else (), None)


def _carriers(entry: bytes) -> Iterator[dict[str, Any]]:
    """What of the stranded entry each new one holds."""
    parsed = _parsed(entry)
    if parsed is not None and parsed.type == types.RELOGGED:  # stranded twice: the same inside, a newer reference
        yield {name: parsed.document[name] for name in _TAKEN_OVER if name in parsed.document}
        return
    # The commitments are repeated outside, so that an opening can be checked against the entry that it lies beside.
    candidate = parsed.document.get("candidate") if parsed is not None else None
    beside = {} if not candidate else {"candidate": candidate}
    if len(entry) + len(str(beside)) <= WHOLE_BYTES_MAX:
        yield {"entry": base64.b64encode(entry).decode(), **beside}
        return
    chunks = [entry[at : at + PART_BYTES] for at in range(0, len(entry), PART_BYTES)]
    for number, chunk in enumerate(chunks, 1):
        part = {"number": number, "of": len(chunks), "bytes": base64.b64encode(chunk).decode()}
        yield {"part": part, **(beside if number == 1 else {})}


def _unwrapped(entry: Entry) -> Entry | None:
    wrapped = entry.document.get("entry")
    if not isinstance(wrapped, str):
        return None
    try:
        inner = _parsed(base64.b64decode(wrapped, validate=True))
    except binascii.Error:
        return None
    return None if inner is None or inner.type == types.RELOGGED else inner


def _parsed(entry: bytes) -> Entry | None:
    try:
        return parse_entry(entry)
    except FormatError:
        return None
