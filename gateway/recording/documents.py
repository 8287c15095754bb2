"""Entry documents of docs/formats/entry.md, made from observations and from what the gateway itself has to say.

Pure: values in, a `Draft` out. A draft becomes bytes in the log's writer, once, when it is known whether it conflicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway import limits
from gateway.recording.cutting import cut
from scorelog.format import types
from scorelog.format.entry import EntryKey, ReadTime, build_entry, content_mac
from scorelog.format.limits import SALT_BYTES
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from device_adapters.contract import Evidence, Observation
    from gateway.plan.binding import Bound
    from gateway.recording.practice import PracticeRun

    Random = Callable[[int], bytes]

# Types whose own fields also stand beside the common ones (the table of entry.md); they come from no rig record.
_FLAT = frozenset({types.RIG_REBOOTED, types.SEQUENCE_GAP})


@dataclass(frozen=True, slots=True)
class Subject:
    """The rig that an entry speaks of, as configured."""

    serial: str
    station: str
    profile: str
    source: str
    transport: str = ""  # "mqtt" for a rig that sends messages


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry but for `conflict_with`."""

    document: dict[str, Any]
    key: EntryKey | None = None
    content: str | None = None
    openings: tuple[tuple[str, bytes, bytes], ...] = ()

    def request(self) -> AppendRequest:
        """What the log is asked to append."""
        return AppendRequest(self.build, self.key, self.content, self.openings)

    def build(self, conflict_with: int | None) -> bytes:
        """The final bytes; called in the log's writer thread."""
        extra = {} if conflict_with is None else {"conflict_with": conflict_with}
        return build_entry({**self.document, **extra})


def own_entry(kind: str, read: ReadTime, random: Random, fields: Mapping[str, Any]) -> Draft:
    """An entry of the gateway about itself, or about a rig that it names in `fields`."""
    return Draft({"v": 1, "type": kind, "salt": random(SALT_BYTES).hex(), "read": read.to_json(), **fields})


def observed(
    observation: Observation,
    subject: Subject,
    read: ReadTime,
    random: Random,
    *,
    content: str,
    bound: Bound | None = None,
    leaves: Sequence[bytes] = (),
) -> Draft:
    """One rig record as an entry, personal words cut out and committed."""
    hidden = cut(observation.raw, observation.personal, random)
    fields = dict(observation.fields)
    document: dict[str, Any] = {
        "v": 1,
        "type": observation.type,
        "salt": random(SALT_BYTES).hex(),
        "read": read.to_json(),
        "rig": observation.rig,
        "station": subject.station,
        "epoch": observation.epoch,
        "seq": observation.seq,
        "ordinal": observation.ordinal,
        "content": content,
        "profile": subject.profile,
        "guarantee": observation.guarantee,
        "source": observation.source,
        "rig_time": observation.rig_time,
        "raw": hidden.raw,
        "fields": fields,
    }
    if observation.type in _FLAT:
        document.update(fields)
    if observation.mode not in (None, "exam"):
        document["mode"] = observation.mode
    if hidden.candidate:
        document["candidate"] = hidden.candidate
    if bound is not None:
        named = {"attempt": bound.attempt, "binding": bound.binding, "session": bound.session, "plan": bound.plan}
        document.update({name: value for name, value in named.items() if value is not None})
    if observation.type in types.CLOSING:
        document.update(listed(leaves))
    key = EntryKey(observation.rig, observation.epoch, observation.seq, observation.type, observation.ordinal)
    return Draft(document, key, content, hidden.openings)


def content_of(observation: Observation, secret: bytes) -> str:
    """Keyed hash of the latched bytes, uncut, the areas in order (rule 7)."""
    return content_mac(secret, [area.data for area in observation.raw])


def listed(leaves: Sequence[bytes]) -> dict[str, Any]:
    """The attempt's leaf hashes; of an endless attempt the newest, with the number that is left out."""
    shown = leaves[-limits.LEAVES_LISTED_MAX :]
    document: dict[str, Any] = {"leaves": [leaf.hex() for leaf in shown]}
    if len(shown) < len(leaves):
        document["leaves_before"] = len(leaves) - len(shown)
    return document


def practised(run: PracticeRun, subject: Subject, read: ReadTime, random: Random, *, secret: bytes) -> Draft:
    """One practice run as one entry; its key is that of the last record, its content that of all of them."""
    content = content_mac(secret, [bytes.fromhex(record) for record in run.records])
    document = {
        "v": 1,
        "type": types.PRACTICE_SUMMARY,
        "salt": random(SALT_BYTES).hex(),
        "read": read.to_json(),
        "rig": run.rig,
        "station": subject.station,
        "epoch": run.epoch,
        "seq": run.last_seq,
        "ordinal": 0,
        "content": content,
        "profile": subject.profile,
        "guarantee": run.guarantee,
        "source": run.source,
        "rig_time": run.finished,
        "mode": run.mode,
        "raw": [],
        "fields": run.summary(),
    }
    return Draft(document, EntryKey(run.rig, run.epoch, run.last_seq, types.PRACTICE_SUMMARY, 0), content)


def refused(evidence: Evidence, subject: Subject, read: ReadTime, random: Random, count: int) -> Draft:
    """A reading that failed its checks, with everything that came (P5)."""
    hidden = cut(evidence.raw, {}, random)
    document = {
        "v": 1,
        "type": types.READING_REFUSED,
        "salt": random(SALT_BYTES).hex(),
        "read": read.to_json(),
        "rig": evidence.rig,
        "station": subject.station,
        "profile": subject.profile,
        "source": subject.source,
        "reason": evidence.reason,
        "detail": evidence.detail[:400],
        "asked": evidence.asked,
        "raw": hidden.raw,
    }
    if count > 1:
        document["count"] = count
    if subject.transport:
        document["transport"] = subject.transport
    if hidden.candidate:
        document["candidate"] = hidden.candidate
    return Draft(document, openings=hidden.openings)
