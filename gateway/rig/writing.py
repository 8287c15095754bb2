"""A draft as the text of a profile: what is certain as keys, what is not as a remark.

Owns: how a draft is written. It is never complete: `rig lint` says what a person still has to write. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.rig.meanings import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.rig.draft import Doubt, Draft, Entry


def as_toml(draft: Draft, source: str) -> str:
    """The draft as a file. It is not complete, and `rig lint` says what is missing."""
    return "\n".join(_lines(draft, source)) + "\n"


def _lines(draft: Draft, source: str) -> list[str]:
    entries = [entry for entry in draft.entries if not entry.write]
    start = entries[0].at if entries else draft.entries[0].at
    end = max((entry.at + entry.words for entry in entries), default=start + 1)
    lines = [
        f"# Draft, made from {_comment(source)}: {counted(draft.doubts)}. What is doubtful is left out, or marked `?`.",
        "# By hand (docs/formats/profile.md): id, version, guarantee, name, transport, poll, status, event, entries;",
        "# and the one record below is to be cut into those of the rig.",
        "profile = 1",
        "",
        "[areas]",
        f"table = {{ at = {start}, words = {end - start} }}",
    ]
    lines += [
        f"{entry.name} = {{ at = {entry.at}, words = {entry.words}, write = true }}  # {_remark(entry)}"
        for entry in draft.entries
        if entry.write
    ]
    if any(entry.codes for entry in entries):
        lines += ["", "[codes]"]
        lines += [f"{entry.name} = {{ {_codes(entry.codes)} }}" for entry in entries if entry.codes]
    lines += ["", "[records.table]", 'area = "table"', f"words = {end - start}"]
    if draft.order is not None:
        lines.append(f'order = "{draft.order}"')
    lines += ["", "[records.table.fields]"]
    return lines + [_field(entry, start, draft.order) for entry in entries]


def _field(entry: Entry, start: int, common: str | None) -> str:
    keys = [f"at = {entry.at - start}"]
    if entry.type is not None:
        keys += [f'type = "{entry.type}"', *_type_keys(entry, common)]
    if entry.codes:
        keys.append(f'codes = "{entry.name}"')
    return f"{entry.name} = {{ {', '.join(keys)} }}  # {_remark(entry)}"


def _type_keys(entry: Entry, common: str | None) -> list[str]:
    own = entry.order if entry.order is not None and len(entry.order) == entry.words * 2 else None
    if common is None and (entry.words == 1 or entry.type == "text"):
        own = "AB"  # the protocol's own: a register comes high byte first
    keys = [f'order = "{own}"'] if own is not None else []
    if entry.type == "text":
        keys.append(f"words = {entry.words}")
        if entry.coding is not None:
            keys.append(f'coding = "{entry.coding}"')
        if entry.name in PERSONAL:
            keys.append(f'personal = "{entry.name}"')
        return keys
    if entry.type == "bits":
        keys.append(f"bits = [{entry.bit}, {entry.bit}]")
    if entry.scale is not None:
        keys.append(f'scale = "{entry.scale}"')
    return keys


def _remark(entry: Entry) -> str:
    return f"{entry.ref}{' ?' if entry.type is None and not entry.write else ''} {_comment(entry.told)}"


def _codes(codes: Mapping[int, str]) -> str:
    return ", ".join(f'{number} = "{_comment(meaning)}"' for number, meaning in sorted(codes.items()))


def _comment(text: str) -> str:
    """On one line, and nothing that ends a text or a comment."""
    return re.sub(r'[\s"\\\x00-\x1f\x7f]+', " ", text).strip()


def counted(doubts: Sequence[Doubt]) -> str:
    """How many, in words."""
    return f"{len(doubts)} doubt{'' if len(doubts) == 1 else 's'}"
