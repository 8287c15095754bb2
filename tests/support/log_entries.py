"""Entries for log tests: small, valid, and told apart by what the test says about them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from scorelog.format.commitment import committed
from scorelog.format.entry import EntryKey, build_entry
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scorelog.journal.store import NewOpening

READ = {"boot": "6d" * 16, "mono_us": 81_234_567, "sync": "synced", "utc": "2026-11-23T06:42:05.123456Z"}


def salt_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def content_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(seq: int, rig: str = "LV-0001", epoch: int = 1, kind: str = "item.finished", ordinal: int = 0) -> EntryKey:
    return EntryKey(rig, epoch, seq, kind, ordinal)


def plain(text: str, **fields: object) -> AppendRequest:
    """An entry without a key, like a gateway's own."""
    document = {"v": 1, "type": "gateway.started", "salt": salt_of(text), "read": READ, "reason": text, **fields}
    return AppendRequest(lambda _: build_entry(document))


def scored(
    key: EntryKey, content: str = "first reading", openings: Sequence[NewOpening] = (), note: str = ""
) -> AppendRequest:
    """An entry that came from a rig's record; `content` names the latched words."""
    return AppendRequest(scored_builder(key, content, openings, note), key, content_of(content), tuple(openings))


def scored_builder(
    key: EntryKey, content: str, openings: Sequence[NewOpening] = (), note: str = ""
) -> Callable[[int | None], bytes]:
    def build(conflict_with: int | None) -> bytes:
        document = {
            "v": 1,
            "type": key.type,
            "salt": salt_of(f"{key} {content} {note}"),
            "read": READ,
            "rig": key.rig,
            "station": "A-01",
            "epoch": key.epoch,
            "seq": key.seq,
            "ordinal": key.ordinal,
            "content": content_of(content),
            "profile": content_of("profile"),
            "guarantee": "latched",
            "source": "simulator",
            "fields": {"score": 8750, "note": note},
            "raw": [],
            "candidate": [committed(blind, field, value).to_json() for field, blind, value in openings],
        }
        if conflict_with is not None:
            document["conflict_with"] = conflict_with
        return build_entry(document)

    return build


def opening(field: str, value: str) -> NewOpening:
    return field, hashlib.sha256(f"blind {field} {value}".encode()).digest(), value.encode()
