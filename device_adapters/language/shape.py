"""How a maker's messages are shaped: topics, and where in the JSON the values of interface v1 lie.

Owns: `Layout` and `Shape`, and the way from a maker's object to the interface's names. What lies at no named place
is not shown: nobody can tell it from something personal. Pure. Spec: docs/formats/profile.md rules 23 to 27.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

Path: TypeAlias = tuple[str, ...]
NOWHERE: Final[Span] = (0, 0)


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of message. What no table names lies at the top, under its own name, in the interface's words.

    `paths`: a value's place. `words`: the maker's word for each of ours. `fixed`: what the maker never sends.
    `factors`: what a number is multiplied by to give the interface's unit. `rows`: names inside a list's objects.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, int | str | bool] = field(default_factory=dict)
    factors: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def arrange(self, found: Mapping[str, Node], names: Mapping[str, object]) -> dict[str, Node]:
        """The values of these names, as far as they are there. A path through something else is no path."""
        return {name: node for name in names if (node := self._value(name, found)) is not None}

    def rest(self, found: Mapping[str, Node], names: Mapping[str, object]) -> list[Span]:
        """The places of everything else."""
        wanted = {self._path(name) for name in names if name not in self.fixed}
        hidden: list[Span] = []
        _walk(found, (), wanted, hidden)
        return hidden

    def _path(self, name: str) -> Path:
        return self.paths.get(name, (name,))

    def _value(self, name: str, found: Mapping[str, Node]) -> Node | None:
        if name in self.fixed:
            return Node(self.fixed[name], NOWHERE)
        path = self.paths.get(name)
        node = found.get(name if path is None else path[0])
        for step in path[1:] if path is not None else ():
            node = node.value.get(step) if node is not None and isinstance(node.value, dict) else None
        return None if node is None else self._own(name, node)

    def _own(self, name: str, node: Node) -> Node:
        """In the interface's words and unit."""
        value = node.value
        if name in self.words and isinstance(value, int | str) and not isinstance(value, bool):
            word = self.words[name].get(str(value))
            if word is None:
                raise DecodeError("code", f"{name} has a word that the profile does not name")
            return Node(word, node.span)
        if name in self.factors and isinstance(value, int) and not isinstance(value, bool):
            return Node(value * self.factors[name], node.span)
        if name in self.rows and isinstance(value, list):
            return Node([self._row(name, row) for row in value], node.span)
        return node

    def _row(self, name: str, row: Node) -> Node:
        if not isinstance(row.value, dict):
            return row
        ours = {theirs: name for name, theirs in self.rows[name].items()}
        renamed: dict[str, Node] = {}
        for key, node in row.value.items():
            inner = ours.get(key, f"\0{key}" if key in self.rows[name] else key)
            renamed[inner] = self._own(f"{name}.{inner}", node)
        return Node(renamed, row.span)


def _walk(found: Mapping[str, Node], at: Path, wanted: set[Path], hidden: list[Span]) -> None:
    for key, node in found.items():
        path = (*at, key)
        if path in wanted:
            continue
        if isinstance(node.value, dict) and any(one[: len(path)] == path for one in wanted):
            _walk(node.value, path, wanted, hidden)
        else:
            hidden.append(node.span)


@dataclass(frozen=True, slots=True)
class Topics:
    """Topic templates; `{serial}` stands for the rig's serial. `ready` None: the rig is never told."""

    record: str
    status: str
    ack: str
    resend: str | None
    ready: str | None

    def of(self, template: str, serial: str) -> str:
        """The topic of one rig."""
        return template.replace("{serial}", serial)


@dataclass(frozen=True, slots=True)
class Shape:
    """All that a model's messages are like."""

    topics: Topics
    record: Layout = field(default_factory=Layout)
    status: Layout = field(default_factory=Layout)
    resend_every_ms: int = 1000


INTERFACE_V1: Final = Shape(
    Topics(
        "kaofen/v1/{serial}/record",
        "kaofen/v1/{serial}/status",
        "kaofen/v1/{serial}/ack",
        "kaofen/v1/{serial}/resend",
        "kaofen/v1/{serial}/ready",
    )
)
# Over HTTP a rig has an address of its own: what is told to it waits for its next request (rig-interface-v1-http.md).
# So a resend is heard only with the next status, and its pause is longer than the time between two of them.
PUSHED: Final = Shape(Topics("record", "status", "ack", "resend", "ready"), resend_every_ms=3000)
