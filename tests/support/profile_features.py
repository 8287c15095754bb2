"""What of the profile language each shipped profile uses: the table of docs/rig-library.md.

`python tests/support/profile_features.py` prints it.
"""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING

from tree import ROOT

from device_adapters.language.build import GUARANTEES, INDEXES
from device_adapters.language.build_field import ANY_ORDER
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.handshake import HANDSHAKES
from device_adapters.language.lint import examine_file
from device_adapters.language.shape import Shape
from device_adapters.language.values import TIMES, TRIGGER, PlainShape, SparkShape
from device_adapters.language.words import BCD, CODINGS, TYPES
from device_adapters.limits import REGISTERS_PER_READ
from gateway.recording.texts import base_finder, shipped_profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.language.profile import Field, Output, Profile, Record
    from device_adapters.language.values import ValueSet

OTHER = {
    "handshake": HANDSHAKES,
    "guarantee": GUARANTEES,
    "index": INDEXES,
    "checksum": [*CHECKSUMS, "none"],
    "coding": CODINGS,
}
KNOWN = [
    *(f"type {name}" for name in TYPES),
    *(f"order {name}" for name in ANY_ORDER),
    *(f"{group} {name}" for group, names in OTHER.items() for name in names),
    *(f"scale {worth}" for worth in ("0.01", "0.1", "0.5", "1")),
    *("bits of one word shared", "digits cut", "codes", "constant", "limits", "sums", "checksum from a later word"),
    *(
        "rows",
        "second record",
        "several pages",
        "pages in a window",
        "pages that need time",
        "one event only",
        "personal ticket",
        "personal name",
        "rig time",
        "epoch of the rig's own clock",
    ),
    *("fixed", "fixed: no rows", "lines of bits", "flag", "ready word"),
    *("input registers", "status flags", "pause after connect", "gap between requests", "smaller blocks"),
    *("addresses from 1", "transport modbus-tcp", "transport modbus-rtu", "transport mqtt", "transport http"),
    *("message paths", "message words", "message scale", "message rows", "transport mqtt-values"),
    *("transport sparkplug", "record stamped by its metric"),
    *("ended by a trigger", "joined by number", "numbers count", "numbers grow", "a value that stays"),
    *("a value kept by the broker", "presence", "clock rfc3339", "clock unix-s", "clock unix-ms"),
]


def shipped() -> dict[str, Profile]:
    """Every profile that comes with the program, by its file's name."""
    found = {}
    for file in sorted(shipped_profiles(), key=lambda file: file.name):
        profile, findings = examine_file(file.name, file.read_bytes(), base_finder(ROOT / "device_adapters/profiles/x"))
        assert profile is not None, findings
        assert findings == []
        found[file.name.removesuffix(".toml")] = profile
    return found


def features(profile: Profile) -> set[str]:
    """Rows of the table in which this profile stands."""
    if profile.message is not None:
        return {f"transport {profile.transport.kind}", f"guarantee {profile.guarantee}", *_of_messages(profile)}
    records = [profile.status, *profile.records.values()]
    handshake = "none" if profile.ack is None else "echo" if profile.ack.echo else "sequence"
    handshake = handshake if profile.coil is None else "coil"
    found = {f"guarantee {profile.guarantee}", f"handshake {handshake}"}
    for record in records:
        found |= set(_of_record(record, profile.transport.registers_max))
    for rule in profile.rules.values():
        found |= {"second record"} if rule.record is not None else set()
        found |= set(chain.from_iterable(map(_of_output, rule.fields)))
    found |= set(_of_transport(profile))
    rest = {
        "one event only": "type" not in profile.event.fields,
        "rig time": profile.rig_time is not None,
        "ready word": profile.ready is not None,
        "codes": bool(profile.codes),
    }
    return found | {name for name, there in rest.items() if there}


def _of_messages(profile: Profile) -> Iterator[str]:
    shape = profile.message
    if isinstance(shape, PlainShape) and shape.presence is not None:
        yield "presence"
    if isinstance(shape, SparkShape) and shape.stamps:
        yield "record stamped by its metric"
    if shape is not None and not isinstance(shape, Shape):
        yield from _of_values(shape.said)
        return
    for layout in (shape.record, shape.status) if shape is not None else ():
        rest = {
            "message paths": layout.paths,
            "message words": layout.words,
            "message scale": layout.factors,
            "message rows": layout.rows,
            "fixed": layout.fixed,
        }
        yield from (name for name, there in rest.items() if there)


def _of_values(said: ValueSet) -> Iterator[str]:
    yield "ended by a trigger" if said.by == TRIGGER else "joined by number"
    yield f"numbers {'count' if said.counts else 'grow'}"
    if said.fixed:
        yield "fixed"
    for value in said.values.values():
        rest = {
            "a value that stays": value.stays,
            "a value kept by the broker": value.retained,
            "lines of bits": value.lines,
            f"clock {value.clock}": value.name in TIMES,
        }
        yield from (name for name, there in rest.items() if there)


def _of_transport(profile: Profile) -> Iterator[str]:
    transport = profile.transport
    yield f"transport {transport.kind}"
    rest = {
        "input registers": any(area.space == "input" for area in profile.areas.values()),
        "status flags": profile.status.tail is not None,
        "pause after connect": transport.pause_after_connect_ms > 0,
        "gap between requests": transport.min_gap_ms > 0,
        "smaller blocks": transport.registers_max < REGISTERS_PER_READ,
        "addresses from 1": transport.address_offset < 0,
    }
    yield from (name for name, there in rest.items() if there)


def _of_record(record: Record, page: int) -> Iterator[str]:
    yield f"index {record.index}"
    yield f"checksum {record.crc_kind or 'none'}"
    rows = list(record.repeat.fields.values()) if record.repeat is not None else []
    for field in (*record.fields.values(), *rows):
        yield from _of_field(field)
    shared = [field.at for field in record.fields.values() if field.bits is not None]
    rest = {
        "rows": bool(rows),
        "sums": bool(record.sums),
        "checksum from a later word": record.crc_from > 0,
        "several pages": record.words_max > page,
        "pages in a window": record.window is not None,
        "pages that need time": record.window is not None and record.window.turn_ms > 0,
        "bits of one word shared": len(shared) > len(set(shared)),
    }
    yield from (name for name, there in rest.items() if there)


def _of_field(field: Field) -> Iterator[str]:
    yield f"type {field.type}"
    yield f"order {field.order}"
    if field.coding:
        yield f"coding {field.coding}"
    if field.hundredths is not None:
        yield f"scale {field.hundredths / 100:g}"
    if field.personal is not None:
        yield f"personal {field.personal}"
    if field.bits is not None and field.type in BCD:
        yield "digits cut"
    if field.type == "epoch" and field.zone:
        yield "epoch of the rig's own clock"
    if field.const is not None:
        yield "constant"
    if field.low is not None or field.high is not None:
        yield "limits"


def _of_output(output: Output) -> Iterator[str]:
    if output.kind in {"fixed", "flag"}:
        yield output.kind
    elif output.kind == "lines":
        yield "lines of bits"
    elif output.kind == "rows" and not output.source:
        yield "fixed: no rows"
    if output.hundredths is not None:
        yield f"scale {output.hundredths / 100:g}"


def table() -> str:
    """Feature by profile; a row in which no profile stands says so."""
    found = {name: features(profile) for name, profile in shipped().items()}
    heads = [f"{number}" for number, _ in enumerate(found, start=1)]
    lines = [f"{number}. `{name}`" for number, name in enumerate(found, start=1)]
    lines += ["", f"| feature | {' | '.join(heads)} |", f"| --- |{' :-: |' * len(heads)}"]
    for row in KNOWN:
        marks = ["x" if row in used else "" for used in found.values()]
        lines.append(f"| {row}{'' if any(marks) else ' (none yet)'} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
