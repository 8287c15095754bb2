"""What would make more sense of a message that the profile cannot read. Pure; a hint fits every sample, or is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node, read_object
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from device_adapters.language.shape import Layout

_NAME: Final = re.compile(r"\b([a-z_]{2,24})\b")
_PATHS_SHOWN: Final = 3


def elsewhere(layout: Layout, detail: str, payloads: Sequence[bytes]) -> tuple[str, str] | None:
    """A value that is missing under its path, and stands under another that ends alike: (Chinese, English)."""
    for name in _NAME.findall(detail):
        path = layout.paths.get(name, (name,))
        common = _paths(path[-1], payloads)
        others = [".".join(one) for one in common if one != path]
        if path not in common and others:
            shown = printable(", ".join(sorted(others)[:_PATHS_SHOWN]))
            return f"{name} 可能位于 {shown}。", f"{name} may be at {shown}."
    return None


def _paths(key: str, payloads: Sequence[bytes]) -> set[tuple[str, ...]]:
    """Places that every message has, with this last key in whatever case."""
    found: list[set[tuple[str, ...]]] = []
    for payload in payloads:
        try:
            found.append({path for path in _walk(read_object(payload), ()) if path[-1].lower() == key.lower()})
        except DecodeError:
            return set()
    return set.intersection(*found) if found else set()


def _walk(found: Mapping[str, Node], at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, node in found.items():
        yield (*at, key)
        if isinstance(node.value, dict):
            yield from _walk(node.value, (*at, key))
