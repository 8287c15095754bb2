"""One entry of the log: something that happened, as the gateway recorded it (docs/formats/entry.md).

Owns the common fields and their shape. Unknown fields and types are kept; what is judged is the frame that all
entries share. An entry is encoded once, by `build_entry`; after that only its bytes count.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from scorelog.format import canonical, types
from scorelog.format.entry_parts import (
    Committed,
    RawArea,
    ReadTime,
    is_count,
    read_candidate,
    read_raw,
    read_time,
)
from scorelog.format.errors import EntryError, FormatError
from scorelog.format.limits import (
    ATTEMPT_BYTES,
    CONTENT_KEY_BYTES,
    ENTRY_BYTES_MAX,
    HASH_BYTES,
    SALT_BYTES,
    TYPE_CHARS_MAX,
)
from scorelog.format.text import is_hex, utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scorelog.format.canonical import JsonObject

__all__ = ["Committed", "Entry", "EntryKey", "RawArea", "ReadTime", "build_entry", "content_mac", "parse_entry"]

VERSION = 1

_TYPE = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*\Z")
_RIG_RECORD = ("rig", "station", "epoch", "ordinal", "content", "source", "guarantee", "profile", "fields", "raw")


class EntryKey(NamedTuple):
    """What makes a rig's record the same record when it is read again."""

    rig: str
    epoch: int
    seq: int
    type: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry. `document` is the whole object, unknown fields included; do not change it."""

    document: JsonObject
    read: ReadTime
    raw: tuple[RawArea, ...]
    candidate: tuple[Committed, ...]

    @property
    def type(self) -> str:
        """One of `types`, or a later one."""
        return str(self.document["type"])

    @property
    def known(self) -> bool:
        """Whether the type is one of this schema version."""
        return self.type in types.KNOWN

    @property
    def rig(self) -> str | None:
        """Serial of the rig."""
        return self.document.get("rig")

    @property
    def station(self) -> str | None:
        """Where the rig stands."""
        return self.document.get("station")

    @property
    def attempt(self) -> str | None:
        """The attempt's random id, 32 hex."""
        return self.document.get("attempt")

    @property
    def binding(self) -> str | None:
        """Who said that this candidate is at this rig."""
        return self.document.get("binding")

    @property
    def session(self) -> str | None:
        """The plan's session that the attempt belongs to."""
        return self.document.get("session")

    @property
    def plan(self) -> str | None:
        """SHA-256 (hex) of the plan that bound the candidate."""
        return self.document.get("plan")

    @property
    def epoch(self) -> int | None:
        """Boot counter of the rig."""
        return self.document.get("epoch")

    @property
    def seq(self) -> int | None:
        """The rig's sequence number."""
        return self.document.get("seq")

    @property
    def ordinal(self) -> int | None:
        """Which of several entries of one rig record."""
        return self.document.get("ordinal")

    @property
    def content(self) -> str | None:
        """Keyed hash (hex) over the record's latched bytes, uncut; only the gateway can make it."""
        return self.document.get("content")

    @property
    def profile(self) -> str | None:
        """SHA-256 (hex) of the rig profile."""
        return self.document.get("profile")

    @property
    def source(self) -> str | None:
        """Whether a sensor, a simulator or a person said so."""
        return self.document.get("source")

    @property
    def guarantee(self) -> str | None:
        """What the way of reading vouches for."""
        return self.document.get("guarantee")

    @property
    def rig_time(self) -> str | None:
        """What the rig claims the time was."""
        return self.document.get("rig_time")

    @property
    def conflict_with(self) -> int | None:
        """Index of the entry with the same key and other content."""
        return self.document.get("conflict_with")

    @property
    def fields(self) -> JsonObject:
        """The decoded fields of the type; empty if it has none."""
        return self.document.get("fields") or {}

    @property
    def leaves(self) -> tuple[str, ...]:
        """The leaf hashes (hex) that a closing entry lists."""
        return tuple(self.document.get("leaves") or ())

    @property
    def key(self) -> EntryKey | None:
        """The idempotency key, if the entry came from a rig's own record."""
        rig, epoch, seq, ordinal = self.rig, self.epoch, self.seq, self.ordinal
        if rig is None or epoch is None or seq is None or ordinal is None or self.content is None:
            return None
        return EntryKey(rig, epoch, seq, self.type, ordinal)


def parse_entry(data: bytes) -> Entry:
    """The entry in these bytes."""
    if len(data) > ENTRY_BYTES_MAX:
        raise EntryError(f"{len(data)} bytes", where="entry", expected=f"at most {ENTRY_BYTES_MAX}")
    return _read_document(canonical.decode(data))


def build_entry(document: Mapping[str, Any]) -> bytes:
    """The bytes of a new entry. Stricter than reading: only words of this schema version are written."""
    entry = _read_document(dict(document))
    _check_words(document)
    if "seq" in document:
        missing = [name for name in _RIG_RECORD if name not in document]
        if missing:
            raise EntryError(f"no {', '.join(missing)}", where=f"entry {entry.type}", expected="a rig record's fields")
    data = canonical.encode(dict(document))
    if len(data) > ENTRY_BYTES_MAX:
        raise EntryError(f"{len(data)} bytes", where=f"entry {entry.type}", expected=f"at most {ENTRY_BYTES_MAX}")
    return data


def content_mac(secret: bytes, areas: Iterable[bytes]) -> str:
    """HMAC-SHA256 (hex) over a record's latched bytes, uncut: the areas in order, each after its length (u32).

    Keyed, because the bytes hold the ticket: a plain hash would tell it to whoever tries all tickets (P7).
    """
    if len(secret) != CONTENT_KEY_BYTES:
        raise ValueError(f"a content key has {CONTENT_KEY_BYTES} bytes, this one {len(secret)}")
    mac = hmac.new(secret, digestmod="sha256")
    for area in areas:
        mac.update(len(area).to_bytes(4, "big"))
        mac.update(area)
    return mac.hexdigest()


def _read_document(document: JsonObject) -> Entry:
    if type(document.get("v")) is not int or document["v"] != VERSION:
        raise EntryError(f"schema version {document.get('v')!r:.40}", where="entry field v", expected=f"{VERSION}")
    kind = document.get("type")
    if not isinstance(kind, str) or len(kind) > TYPE_CHARS_MAX or _TYPE.match(kind) is None:
        raise EntryError(f"{kind!r:.80}", where="entry field type", expected="a name like item.finished")
    for name, check, expected in _SHAPES:
        if name in document and not check(document[name]):
            raise EntryError(f"{document[name]!r:.80}", where=f"entry field {name}", expected=expected)
    if "salt" not in document:
        raise EntryError("no salt", where="entry", expected=f"{SALT_BYTES} random bytes in hex")
    return Entry(document, read_time(document), read_raw(document), read_candidate(document))


def _check_words(document: Mapping[str, Any]) -> None:
    _check_word("read.sync", document["read"]["sync"], types.SYNC_STATES)
    for name, words in (("binding", types.BINDINGS), ("source", types.SOURCES), ("guarantee", types.GUARANTEES)):
        if name in document:
            _check_word(name, document[name], words)


def _check_word(name: str, value: str, words: frozenset[str]) -> None:
    if value not in words:
        raise EntryError(f"{value!r:.80}", where=f"entry field {name}", expected=", ".join(sorted(words)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_leaves(value: Any) -> bool:
    return isinstance(value, list) and all(is_hex(one, HASH_BYTES) for one in value)


def _is_time_or_null(value: Any) -> bool:
    if value is None:
        return True
    try:
        utc_us(value)
    except (FormatError, TypeError):
        return False
    return True


_SHAPES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("salt", lambda value: is_hex(value, SALT_BYTES), f"{SALT_BYTES} bytes in hex"),
    ("rig", _is_name, "a serial number"),
    ("station", _is_text, "a name"),
    ("attempt", lambda value: is_hex(value, ATTEMPT_BYTES), f"{ATTEMPT_BYTES} bytes in hex"),
    ("binding", _is_text, "a word"),
    ("session", _is_name, "a session's id"),
    ("plan", lambda value: is_hex(value, HASH_BYTES), "SHA-256 in hex"),
    ("source", _is_text, "a word"),
    ("guarantee", _is_text, "a word"),
    ("epoch", is_count, "a count"),
    ("seq", is_count, "a count"),
    ("ordinal", is_count, "a count"),
    ("conflict_with", is_count, "an index"),
    ("content", lambda value: is_hex(value, HASH_BYTES), "HMAC-SHA256 in hex"),
    ("profile", lambda value: is_hex(value, HASH_BYTES), "SHA-256 in hex"),
    ("rig_time", _is_time_or_null, "a UTC time or null"),
    ("fields", lambda value: isinstance(value, dict), "an object"),
    ("raw", lambda value: isinstance(value, list), "a list"),
    ("candidate", lambda value: isinstance(value, list), "a list"),
    ("leaves", _is_leaves, "a list of SHA-256 in hex"),
)
