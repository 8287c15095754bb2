"""Strict JSON of a rig's message, with the byte range of every value (docs/rig-interface-v1-mqtt.md M1).

Owns: what JSON is accepted, and where in the bytes a value lies. Never says what a value means. A document whose
personal ranges were zeroed in place is read again: NULs stand for a value exactly at the ranges named in `erased`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from device_adapters.errors import DecodeError
from device_adapters.limits import MESSAGE_BYTES_MAX, MESSAGE_DEPTH_MAX, MESSAGE_DIGITS_MAX

if TYPE_CHECKING:
    from collections.abc import Collection

Span: TypeAlias = tuple[int, int]


class Erased:
    """In place of a value whose bytes were zeroed."""


ERASED: Final = Erased()
Value: TypeAlias = "int | str | bool | dict[str, Node] | list[Node] | Erased | None"

_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(rb"(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# A member as nearly all are: a name and a text without escapes, a number of few digits, or a word; and what follows it.
_PLAIN_MEMBER = re.compile(
    rb'[ \t\n\r]*"([^"\\\x00-\x1f]*+)"[ \t\n\r]*:[ \t\n\r]*'
    rb'(?:"([^"\\\x00-\x1f]*+)"|(-?(?:0|[1-9][0-9]{0,17}))|(true|false|null))[ \t\n\r]*([,}])'
)
_TEXT, _DIGITS, _WORD, _BEHIND = 2, 3, 4, 5
_WORDS: Final = ((b"true", True), (b"false", False), (b"null", None))
_MEANINGS: Final = dict(_WORDS)


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place: of a text what lies between the quotes, of anything else all of it."""

    value: Value
    span: Span


def read_object(data: bytes, erased: Collection[Span] = ()) -> dict[str, Node]:
    """The members of the one object that `data` is. Raises DecodeError, which quotes nothing."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise DecodeError("oversize", f"{len(data)} bytes, at most {MESSAGE_BYTES_MAX}")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError("not_utf8", f"byte {error.start} is not UTF-8") from None
    scanner = _Scanner(data, frozenset(erased))
    node = scanner.value(1)
    scanner.skip()
    if scanner.at != len(data) or not isinstance(node.value, dict):
        raise DecodeError("not_json", f"not one JSON object and nothing else (byte {scanner.at})")
    return node.value


class _Scanner:
    """A cursor over the bytes."""

    def __init__(self, data: bytes, erased: frozenset[Span]) -> None:
        self._data = data
        self._lengths = {start: length for start, length in erased if length > 0}
        self.at = 0

    def skip(self) -> None:
        """Over white space."""
        found = _SPACE.match(self._data, self.at)
        self.at = found.end() if found else self.at

    def value(self, depth: int) -> Node:
        """The value from here on."""
        self.skip()
        start = self.at
        if self._erased(start):
            return Node(ERASED, (start, self.at - start))
        if self._sees(b'"'):
            return self._text()
        if self._sees(b"{") or self._sees(b"["):
            if depth > MESSAGE_DEPTH_MAX:
                raise DecodeError("oversize", f"more than {MESSAGE_DEPTH_MAX} levels of objects and lists")
            found: Value = self._object(depth) if self._sees(b"{") else self._list(depth)
        else:
            found = self._plain()
        return Node(found, (start, self.at - start))

    def _sees(self, token: bytes) -> bool:
        return self._data.startswith(token, self.at)

    def _take(self, token: bytes) -> bool:
        self.skip()
        if not self._sees(token):
            return False
        self.at += len(token)
        return True

    def _need(self, token: bytes) -> None:
        if not self._take(token):
            raise DecodeError("not_json", f"no {token.decode()} at byte {self.at}")

    def _erased(self, start: int) -> bool:
        """Whether zeros that stand for something begin here; goes over them."""
        length = self._lengths.get(start)
        if length is None or self._data[start : start + length] != bytes(length):
            return False
        self.at = start + length
        return True

    def _object(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        self._need(b"{")
        if self._take(b"}"):
            return members
        while True:
            if not self._lengths and (plain := self._plain_members(members)) is not None:
                if plain:
                    return members
                continue
            self.skip()
            name = self._string()
            if name in members:
                raise DecodeError("duplicate_key", f"a key stands twice in one object (before byte {self.at})")
            self._need(b":")
            members[name] = self.value(depth + 1)
            if not self._take(b","):
                self._need(b"}")
                return members

    def _plain_members(self, members: dict[str, Node]) -> bool | None:
        """Whether the object ended with the member that comes; None: it is not as plain as that, and stays."""
        found = _PLAIN_MEMBER.match(self._data, self.at)
        if found is None or (name := found[1].decode()) in members:
            return None
        kind = _TEXT if found[_TEXT] is not None else _DIGITS if found[_DIGITS] is not None else _WORD
        said, (start, end) = found[kind], found.span(kind)
        value: Value = said.decode() if kind == _TEXT else int(said) if kind == _DIGITS else _MEANINGS[said]
        members[name] = Node(value, (start, end - start))
        self.at = found.end()
        return found[_BEHIND] == b"}"

    def _list(self, depth: int) -> list[Node]:
        items: list[Node] = []
        self._need(b"[")
        if self._take(b"]"):
            return items
        while True:
            items.append(self.value(depth + 1))
            if not self._take(b","):
                self._need(b"]")
                return items

    def _text(self) -> Node:
        start = self.at + 1
        if self._erased(start):
            node = Node(ERASED, (start, self.at - start))
            if not self._sees(b'"'):
                raise DecodeError("not_json", f"no end of the text at byte {self.at}")
            self.at += 1
            return node
        text = self._string()
        return Node(text, (start, self.at - 1 - start))

    def _string(self) -> str:
        found = _STRING.match(self._data, self.at)
        if found is None:
            raise DecodeError("not_json", f"no text, or one without an end, at byte {self.at}")
        text: str = json.loads(found.group())
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DecodeError("not_utf8", f"half a surrogate pair in the text at byte {self.at}") from None
        self.at = found.end()
        return text

    def _plain(self) -> int | bool | None:
        for token, meaning in _WORDS:
            if self._sees(token):
                self.at += len(token)
                return meaning
        found = _NUMBER.match(self._data, self.at)
        if found is None:
            raise DecodeError("not_json", f"no value at byte {self.at}")
        rest = _FRACTION.match(self._data, found.end())
        if rest is not None and rest.group():
            raise DecodeError("not_integer", f"a fraction or an exponent at byte {found.end()}")
        if len(found.group()) > MESSAGE_DIGITS_MAX:
            raise DecodeError("range", f"a number of {len(found.group())} digits at byte {self.at}")
        self.at = found.end()
        return int(found.group())
