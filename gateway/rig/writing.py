"""A draft as the text of a profile: what is certain as keys, what is not as a remark.

Owns: how a draft is written. It is never complete: what a person decides stands in it as lines that begin with `#?`,
and `rig lint` says what is still missing. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.rig.blocks import RESULT, STATUS
from gateway.rig.roles import PERSONAL
from gateway.rig.unsaid import MARK, before, behind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.rig.blocks import Block
    from gateway.rig.fields import Doubt, Draft, Entry

_AGAIN = {"seq": "seq_again", "last_seq": "last_seq_again"}


def as_toml(draft: Draft, source: str) -> str:
    """The draft as a file. It is not complete, and `rig lint` says what is missing."""
    lines = [
        f"# Draft, made from {_comment(source)}: {counted(draft.open)}. What is doubtful is left out, or marked `?`.",
        "# Lines that begin with #? are yours to decide (docs/connect-a-rig.md): correct them, take the mark away.",
        "profile = 1",
        *before(draft),
        *_areas(draft),
        *_all_codes(draft),
    ]
    for block in draft.blocks:
        lines += _block(block, draft)
    return "\n".join([*lines, *behind(draft)]) + "\n"


def _areas(draft: Draft) -> Iterator[str]:
    yield from ("", "[areas]")
    for block in draft.blocks:
        slots, stride = block.ring or (1, block.words)
        yield f"{block.name} = {{ at = {block.at}, words = {slots * stride} }}"
    for entry in draft.entries:
        if entry.write:
            yield (
                f"{_area_name(entry, draft)} = {{ at = {entry.at}, words = {entry.words}, write = true }}  "
                f"# {_remark(entry)}"
            )


def _area_name(entry: Entry, draft: Draft) -> str:
    taken = {block.name for block in draft.blocks} | {other.name for other in draft.entries if other.write} - {
        entry.name
    }
    same = [other for other in draft.entries if other.write and other.name == entry.name]
    return entry.name if entry.name not in taken and len(same) == 1 else f"{entry.name}_{entry.at}"


def _all_codes(draft: Draft) -> list[str]:
    tables = {}
    for block in draft.blocks:
        for entry in block.entries:
            if entry.codes and not entry.filler:
                tables[code_table(entry, draft)] = entry
    if not tables:
        return []
    return ["", "[codes]", *(f"{name} = {{ {_codes(entry.codes)} }}" for name, entry in tables.items())]


def code_table(entry: Entry, draft: Draft) -> str:
    """Fields of one name share a table when they mean the same."""
    same = [other for block in draft.blocks for other in block.entries if other.name == entry.name and other.codes]
    return entry.name if all(other.codes == entry.codes for other in same) else f"{entry.name}_{entry.block}"


def _block(block: Block, draft: Draft) -> list[str]:
    table = STATUS if block.name == STATUS else f"records.{block.name}"
    lines = ["", *([f"# {_comment(block.title)}"] if block.title else [])]
    lines += [f"[{table}]", f'area = "{block.name}"', f"words = {block.words}"]
    if draft.order is not None:
        lines.append(f'order = "{draft.order}"')
    if block.ring is not None and block.name != STATUS:
        lines += ['index = "sequence"', f"slots = {block.ring[0]}", f"stride = {block.ring[1]}"]
    for first, last in _AGAIN.items():
        if block.has(first) and block.has(last):
            lines += [f'before = "{first}"', f'after = "{last}"']
    if block.has("crc"):
        known = f'crc = {{ field = "crc", kind = "{draft.checksum}" }}'
        lines.append(known if draft.checksum is not None else '#? crc = { field = "crc", kind = "crc16-modbus" }')
    lines += ["", f"[{table}.fields]"]
    return lines + [_field(entry, block, draft) for entry in block.entries]


def _field(entry: Entry, block: Block, draft: Draft) -> str:
    at = entry.at - block.at
    if entry.filler:
        return f"# {at}, {entry.words} words: {_remark(entry)}"
    keys = [f"at = {at}"]
    if entry.type is not None:
        keys += [f'type = "{entry.type}"', *_type_keys(entry, draft.order)]
    if entry.codes:
        keys.append(f'codes = "{code_table(entry, draft)}"')
    if entry.name == "score" and entry.type is not None and block.name == RESULT:
        keys.append("max = 10000")
    mark, torn = (f"{MARK} ", f"; scale: {_comment(entry.torn)}") if entry.torn else ("", "")
    return f"{mark}{entry.name} = {{ {', '.join(keys)} }}  # {_remark(entry)}{torn}"


def _type_keys(entry: Entry, common: str | None) -> list[str]:
    own = _order(entry, common)
    keys = [f'order = "{own}"'] if own is not None else []
    if entry.type in {"text", "time-bcd"}:
        keys.append(f"words = {entry.words}")
    if entry.type == "text":
        if entry.coding is not None:
            keys.append(f'coding = "{entry.coding}"')
        if entry.name in PERSONAL:
            keys.append(f'personal = "{entry.name}"')
        return keys
    if entry.type == "bits":
        keys.append(f"bits = [{entry.bit}, {entry.bit}]")
    if entry.zone is not None:
        keys.append(f'zone = "{entry.zone}"')
    if entry.scale is not None:
        keys.append(f'scale = "{entry.scale}"')
    elif entry.torn:
        keys.append('scale = "?"')
    return keys


def _order(entry: Entry, common: str | None) -> str | None:
    """Its own: what the row says, for as many words as it has."""
    if entry.type == "text" or entry.words == 1:
        return "AB" if common is None else None  # the protocol's own: a register comes high byte first
    return widened(entry.order, entry.words) if entry.order is not None else None


def widened(order: str, words: int) -> str | None:
    """`CDAB` of four words is `GHEFCDAB`: the same turn, over all of them."""
    letters = "ABCDEFGHIJKL"[: 2 * words]
    pairs = [letters[at : at + 2] for at in range(0, len(letters), 2)]
    if order in {"CDAB", "DCBA"}:
        pairs.reverse()
    if order in {"BADC", "DCBA"}:
        pairs = [pair[::-1] for pair in pairs]
    return "".join(pairs) if order in {"ABCD", "CDAB", "BADC", "DCBA"} else None


def _remark(entry: Entry) -> str:
    mark = " ?" if entry.type is None and not entry.write and not entry.filler else ""
    return f"{entry.ref}{mark} {_comment(entry.told)}"


def _codes(codes: Mapping[int, str]) -> str:
    return ", ".join(f'{number} = "{_comment(meaning)}"' for number, meaning in sorted(codes.items()))


def _comment(text: str) -> str:
    """On one line, and nothing that ends a text or a comment."""
    return re.sub(r'[\s"\\\x00-\x1f\x7f]+', " ", text).strip()


def counted(doubts: Sequence[Doubt]) -> str:
    """How many, in words."""
    return f"{len(doubts)} doubt{'' if len(doubts) == 1 else 's'}"
