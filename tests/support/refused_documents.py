"""Calls that the format refuses, and calls at a limit that it takes: entries, evidence, zip files.

Data for tests/unit/scorelog_format/test_format_words.py: what a refusal says is frozen in tests/vectors/refusals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from format_samples import (
    ATTEMPT,
    document,
    openings_of,
    policy_text,
    rig_document,
    sample_evidence,
    sample_log,
)

from scorelog.format import canonical, entry, evidence, limits, storedzip

if TYPE_CHECKING:
    from collections.abc import Callable

Calls = dict[str, "Callable[[], object]"]

_LOG: Final = sample_log()
_HEX: Final = "ab" * 32
_RAW: Final = {"area": "event", "at": 0, "bytes": "AAAAAAAA", "cut": []}
_LONG: Final = "长" * 200


def _entry(**changed: Any) -> bytes:
    made = {**document(0, "gateway.started"), **changed}
    return entry.build_entry({name: value for name, value in made.items() if value is not ...})


def _rig(**changed: Any) -> bytes:
    made = {**rig_document(2, "deduction", {"line": 1}), **changed}
    return entry.build_entry({name: value for name, value in made.items() if value is not ...})


def _read(**changed: Any) -> bytes:
    made = document(0, "gateway.started")
    return entry.build_entry({**made, "read": {**made["read"], **changed}})


def _raw(**changed: Any) -> bytes:
    return _entry(raw=[{**_RAW, **changed}])


def _sized(size: int) -> bytes:
    """An entry of so many bytes."""
    spare = size - len(canonical.encode({**document(0, "gateway.started"), "reason": ""}))
    return _entry(reason="x" * spare)


def _evidence(*items: evidence.EvidenceItem, attempt: str = ATTEMPT) -> bytes:
    return evidence.build_evidence(attempt, items, policy_text())


def _spoilt(name: str, old: bytes, new: bytes) -> object:
    """The sample bundle with bytes of one file changed, and the sums made again."""
    members = dict(storedzip.decode_zip(sample_evidence()))
    assert old in members[name]
    members[name] = members[name].replace(old, new, 1)
    return _packed(members)


def _packed(members: dict[str, bytes]) -> object:
    files = [(name, data) for name, data in members.items() if name != "SHA256SUMS"]
    listed = [files[0], ("SHA256SUMS", evidence._sums(files)), *files[1:]]
    return evidence.parse_evidence(storedzip.encode_zip(listed))


def _without(name: str) -> object:
    return _packed({key: data for key, data in storedzip.decode_zip(sample_evidence()) if key != name})


def _and(name: str, data: bytes) -> object:
    return _packed({**dict(storedzip.decode_zip(sample_evidence())), name: data})


def _deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made


REFUSED: Final[Calls] = {
    "canonical: no object": lambda: canonical.encode([]),
    "canonical: too deep": lambda: canonical.encode(_deep(limits.JSON_DEPTH_MAX)),
    "canonical: too deep in bytes": lambda: canonical.decode(b'{"a":' * 40 + b"{}" + b"}" * 40),
    "canonical: endlessly deep": lambda: canonical.decode(b'{"a":' * 200_000),
    "canonical: too deep in a list": lambda: canonical.encode({"key": [[_deep(limits.JSON_DEPTH_MAX)]]}),
    "canonical: a float": lambda: canonical.encode({"a": [{"b": 1.5}]}),
    "canonical: bytes": lambda: canonical.encode({"k" * 60: b""}),
    "canonical: a key": lambda: canonical.encode({"a": [0, {1: 2}]}),
    "canonical: a long key": lambda: canonical.encode({"a": {("x" * 60,): 2}}),
    "canonical: beyond": lambda: canonical.encode({"a": [limits.INT_MAX + 1]}),
    "canonical: below": lambda: canonical.encode({"a": -limits.INT_MAX - 1}),
    "canonical: a surrogate": lambda: canonical.encode({"a": "\ud800"}),
    "canonical: a long number": lambda: canonical.decode(b'{"a":' + b"1." * 40 + b"}"),
    "canonical: a long integer": lambda: canonical.decode(b'{"a":' + b"1" * 5000 + b"}"),
    "canonical: a long key twice": lambda: canonical.decode(b'{"' + b"k" * 90 + b'":1,"' + b"k" * 90 + b'":1}'),
    "entry: bytes beyond": lambda: entry.parse_entry(bytes(limits.ENTRY_BYTES_MAX + 1)),
    "entry: built beyond": lambda: _sized(limits.ENTRY_BYTES_MAX + 1),
    "entry: another version": lambda: _entry(v=2),
    "entry: no version": lambda: _entry(v=...),
    "entry: a true version": lambda: _entry(v=True),
    "entry: a long version": lambda: _entry(v=_LONG),
    "entry: no type": lambda: _entry(type=...),
    "entry: a type beyond": lambda: _entry(type="t" * (limits.TYPE_CHARS_MAX + 1)),
    "entry: a type": lambda: _entry(type="Gateway"),
    "entry: no salt": lambda: _entry(salt=...),
    "entry: no part of a rig's record": lambda: _rig(station=..., profile=...),
    "entry: a content key": lambda: entry.content_mac(b"short", []),
    "entry: a long binding": lambda: _entry(binding=_LONG),
    "entry: a source": lambda: _entry(source="somebody"),
    "entry: a guarantee": lambda: _entry(guarantee="perfect"),
    "entry: no binding": lambda: _entry(binding="somehow"),
    "entry: a sync": lambda: _read(sync="perhaps"),
    "entry: a long text where an object is": lambda: _entry(read=_LONG),
    "entry: a boot": lambda: _read(boot="6D" * 16),
    "entry: no time": lambda: _read(utc=1),
    "entry: a time": lambda: _read(utc="2026-02-30T00:00:00Z"),
    "entry: no count of time": lambda: _read(mono_us=-1),
    "entry: a count beyond": lambda: _read(mono_us=limits.INT_MAX + 1),
    "entry: no word of sync": lambda: _read(sync=1),
    "entry: raw beyond": lambda: _entry(raw=[{**_RAW, "bytes": "AAAA" * 8000}, {**_RAW, "bytes": "AAAA" * 8000}]),
    "entry: an area": lambda: _raw(area=1),
    "entry: an area's place": lambda: _raw(at=-1),
    "entry: no area": lambda: _entry(raw=[_RAW, _LONG]),
    "entry: bytes of an area": lambda: _raw(bytes=None),
    "entry: no base64": lambda: _raw(bytes="A"),
    "entry: no cuts": lambda: _raw(cut=_LONG),
    "entry: a cut of one": lambda: _raw(cut=[[1]]),
    "entry: a long cut": lambda: _raw(cut=[[_LONG, 1]]),
    "entry: cuts out of order": lambda: _raw(cut=[[2, 2], [3, 1]]),
    "entry: an empty cut": lambda: _raw(cut=[[2, 0]]),
    "entry: a cut beyond": lambda: _raw(cut=[[2, 5]]),
    "entry: a commitment": lambda: _entry(candidate=[{"field": "ticket", "sha256": _HEX}, {"field": "name"}]),
    "entry: a long commitment": lambda: _entry(candidate=[_LONG]),
    "entry: a field twice": lambda: _entry(candidate=[{"field": "ticket", "sha256": _HEX}] * 2),
    **{
        f"entry: {name}": lambda name=name: _entry(**{name: _LONG if name in {"salt", "plan"} else -1})  # type: ignore[misc]
        for name in (
            "salt",
            "rig",
            "station",
            "attempt",
            "binding",
            "session",
            "plan",
            "source",
            "guarantee",
            "epoch",
            "seq",
            "ordinal",
            "conflict_with",
            "content",
            "profile",
            "rig_time",
            "fields",
            "raw",
            "candidate",
            "leaves",
        )
    },
    "evidence: an attempt": lambda: _evidence(_LOG.item(2), attempt="x" * 100),
    "evidence: no entries": _evidence,
    "evidence: an entry twice": lambda: _evidence(_LOG.item(2), _LOG.item(2)),
    "evidence: an empty entry": lambda: _evidence(replace(_LOG.item(2), entry=b"")),
    "evidence: a long entry": lambda: _evidence(replace(_LOG.item(2), entry=bytes(65_536))),
    "evidence: openings of another": lambda: _evidence(_LOG.item(2, openings_of(3))),
    "evidence: another version": lambda: _spoilt("attempt.json", b'"v":1', b'"v":2'),
    "evidence: no attempt": lambda: _spoilt("attempt.json", b'"attempt":"', b'"attempts":"'),
    "evidence: no list": lambda: _and("attempt.json", b'{"attempt":"x","entries":{},"v":1}'),
    "evidence: no JSON": lambda: _and("attempt.json", b"x"),
    "evidence: no policy": lambda: _without("policy.txt"),
    "evidence: no manifest": lambda: _without("attempt.json"),
    "evidence: no entry": lambda: _without("entries/0002.json"),
    "evidence: no proof": lambda: _without("entries/0002.tlog-proof"),
    "evidence: a proof": lambda: _spoilt("entries/0002.tlog-proof", b"index 3", b"index 03"),
    "evidence: entries out of order": lambda: _spoilt("entries/0002.tlog-proof", b"index 3", b"index 2"),
    "evidence: a file too many": lambda: _and("f" * 100, b""),
    "evidence: an opening of no entry": lambda: _spoilt("openings.json", b'"entry":4', b'"entry":7'),
    "evidence: an opening of entry 0": lambda: _spoilt("openings.json", b'"entry":4', b'"entry":0'),
    "evidence: an opening without a blind": lambda: _spoilt("openings.json", b'"blind":"', b'"blind":"x'),
    "evidence: an opening without a value": lambda: _spoilt("openings.json", b'"value"', b'"values"'),
    "evidence: an opening's base64": lambda: _spoilt("openings.json", b'"value":"', b'"value":"x'),
    "evidence: an opening's field": lambda: _spoilt("openings.json", b'"ticket"', b'"Ticket"'),
    "evidence: openings that are no list": lambda: _and("openings.json", b'{"openings":{},"v":1}'),
    "evidence: an opening that is none": lambda: _and("openings.json", b'{"openings":[1],"v":1}'),
    "zip: bytes beyond": lambda: storedzip.decode_zip(bytes(limits.EVIDENCE_BYTES_MAX + 1)),
    "zip: members beyond": lambda: storedzip.encode_zip([("a", b"")] * (2 * limits.EVIDENCE_ENTRIES_MAX + 9)),
    "zip: written beyond": lambda: storedzip.encode_zip([("a", bytes(limits.EVIDENCE_BYTES_MAX - 99))]),
    "zip: a name beyond": lambda: storedzip.decode_zip(storedzip.encode_zip([("n" * 129, b"")])),
}

TAKEN: Final[Calls] = {
    "canonical: as deep": lambda: canonical.decode(canonical.encode(_deep(limits.JSON_DEPTH_MAX - 1))),
    "canonical: as far": lambda: canonical.decode(canonical.encode({"a": [limits.INT_MAX, -limits.INT_MAX]})),
    "entry: as long": lambda: entry.parse_entry(_sized(limits.ENTRY_BYTES_MAX)),
    "entry: a type as long": lambda: _entry(type="t" * limits.TYPE_CHARS_MAX),
    "entry: counts": lambda: [_read(mono_us=count) for count in (0, limits.INT_MAX)],
    "entry: cuts side by side": lambda: _raw(cut=[[0, 2], [2, 1], [3, 3]]),
    "entry: as many raw bytes": lambda: _raw(bytes="AAAA" * (limits.RAW_BYTES_MAX // 3) + "AAA="),
    "evidence: the longest entry": lambda: _evidence(replace(_LOG.item(2), entry=bytes(65_535))),
    "evidence: the shortest entry": lambda: _evidence(replace(_LOG.item(2), entry=b"x")),
    "zip: a name as long": lambda: storedzip.decode_zip(storedzip.encode_zip([("n" * 128, b"")])),
    "zip: as many members": lambda: storedzip.decode_zip(
        storedzip.encode_zip([("a", b"")] * (2 * limits.EVIDENCE_ENTRIES_MAX + 8))
    ),
    "zip: as long": lambda: storedzip.decode_zip(storedzip.encode_zip([("a", bytes(limits.EVIDENCE_BYTES_MAX - 100))])),
}
