"""What must hold among the fields of one record: inside it, apart from each other, and personal words marked.

Owns: the checks of places down to the bit, as the wire has them. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_adapters.language.profile import Field
    from device_adapters.language.tables import Report
    from device_adapters.language.toml_lines import Path

PERSONAL_WORDS = ("ticket", "name", "identity", "id_no", "phone", "candidate", "birth", "sex", "gender")


def check_fields(fields: Iterable[Field], words: int, path: Path, report: Report) -> None:
    """All fields of a record, or of a row, of so many words."""
    seen: list[tuple[int, Field]] = []
    for field in sorted(fields, key=lambda field: _place(field, words)):
        start = field.at if field.at >= 0 else words + field.at
        if start < 0 or start + field.words > words:
            report.add((*path, field.name), f"lies outside the {words} words")
            start = max(start, 0)
        _check_personal(field, (*path, field.name), report)
        taken = _taken(field) << start * 16
        over = next((other.name for bits, other in seen if bits & taken), None)
        if over is not None:
            report.add((*path, field.name), f"overlaps {over}")
        seen.append((taken, field))


def _place(field: Field, words: int) -> tuple[int, int]:
    """Where a reader looks for it: the first bit, and the last."""
    start = (field.at if field.at >= 0 else words + field.at) * 16
    low, high = field.bits or (0, field.words * 16 - 1)
    return start + low, start + high


def _taken(field: Field) -> int:
    """The bits of the wire that hold the value, counted from the first byte; of some bits of a number, just these."""
    size = field.words * 2
    if field.bits is None:
        return (1 << size * 8) - 1
    low, high = field.bits
    taken = 0
    for bit in range(low, high + 1):
        byte = field.order.index("ABCDEFGH"[size - 1 - bit // 8])
        taken |= 1 << byte * 8 + bit % 8
    return taken


def _check_personal(field: Field, path: Path, report: Report) -> None:
    if field.personal is not None and (field.type != "text" or field.const is not None):
        report.add((*path, "personal"), "only a text without constant can be personal")
    looks = field.name.lower() in PERSONAL_WORDS or field.name.lower().startswith(("candidate_name", "id_number"))
    if looks and field.type == "text" and field.personal is None:
        report.add(path, "looks like a person's, and is not marked personal")
