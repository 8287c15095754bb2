"""What the single values of a rig's message must be (docs/rig-interface-v1-mqtt.md M2-M4).

Owns: kind, limits and form of one value, and the law that what is personal or not checked is not shown: every
check adds the byte ranges of such values to `hidden`. A refusal never quotes a value: it may be a person's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Erased, Node, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.observation import FieldValue

Plain: TypeAlias = int | str | bool | None
Check: TypeAlias = "Callable[[str, Node, list[Span]], FieldValue]"
PlainCheck: TypeAlias = Callable[[str, Node, list[Span]], Plain]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,3}))?Z")


def number(low: int, high: int) -> PlainCheck:
    """An integer within limits."""

    def check(name: str, node: Node, _hidden: list[Span]) -> int:
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            raise _kind(name, "a number")
        _within(name, node.value, low, high)
        return node.value

    return check


def flag(name: str, node: Node, _hidden: list[Span]) -> bool:
    """True or false."""
    if not isinstance(node.value, bool):
        raise _kind(name, "true or false")
    return node.value


def word(*words: str) -> PlainCheck:
    """One of these words."""

    def check(name: str, node: Node, _hidden: list[Span]) -> str:
        text = _string(name, node)
        if text not in words:
            raise DecodeError("code", f"{name} is none of {', '.join(words)}")
        return text

    return check


def text(low: int, high: int, form: str = "[ -~]*") -> PlainCheck:
    """Text of so many characters in this form; if none is named, ASCII as in the Modbus half."""
    pattern = re.compile(form)

    def check(name: str, node: Node, _hidden: list[Span]) -> str:
        found = _string(name, node)
        _within(f"length of {name}", len(found), low, high)
        if pattern.fullmatch(found) is None:
            raise DecodeError("text", f"{name} has a character that it may not have")
        return found

    return check


def personal(most: int) -> PlainCheck:
    """Text of at most so many bytes that belongs to a person; "" where it was erased."""

    def check(name: str, node: Node, hidden: list[Span]) -> str:
        hidden.append(node.span)
        if isinstance(node.value, Erased):
            return ""
        found = _string(name, node)
        _within(f"length of {name}", len(found.encode()), 0, most)
        if _CONTROL.search(found):
            raise DecodeError("text", f"{name} has a control character")
        return found

    return check


def moment(name: str, node: Node, _hidden: list[Span]) -> str | None:
    """A time in UTC, to the second or with milliseconds; None of a rig without a clock."""
    if node.value is None:
        return None
    found = _TIME.fullmatch(_string(name, node))
    try:
        if found is None:
            raise ValueError  # noqa: TRY301  (one refusal for both)
        datetime.fromisoformat(f"{found[1]}+00:00")
    except ValueError:
        raise DecodeError("text", f"{name} is not a time like 2026-11-23T06:42:05Z") from None
    return f"{found[1]}.{found[2].ljust(3, '0')}Z" if found[2] else f"{found[1]}Z"


def stamp(name: str, node: Node, hidden: list[Span]) -> str | None:
    """A time that always has milliseconds."""
    found = moment(name, node, hidden)
    return found if found is None or "." in found else f"{found[:-1]}.000Z"


def rows(most: int, checks: Mapping[str, PlainCheck]) -> Check:
    """A list of at most so many objects, each with exactly these values checked."""

    def check(name: str, node: Node, hidden: list[Span]) -> FieldValue:
        if not isinstance(node.value, list):
            raise _kind(name, "a list")
        _within(f"length of {name}", len(node.value), 0, most)
        found: list[dict[str, Plain]] = []
        for row in node.value:
            if not isinstance(row.value, dict):
                raise _kind(f"a row of {name}", "an object")
            nodes = required(row.value, checks, f"{name}.")
            found.append({key: one(f"{name}.{key}", nodes[key], hidden) for key, one in checks.items()})
            hide_rest(row.value, checks, hidden)
        return found

    return check


def required(members: Mapping[str, Node], names: Mapping[str, object], where: str = "") -> Mapping[str, Node]:
    """The members, none of these names missing."""
    missing = [f"{where}{name}" for name in names if name not in members]
    if missing:
        raise DecodeError("missing_field", f"no {', '.join(missing)}")
    return members


def hide_rest(members: Mapping[str, Node], known: Mapping[str, object], hidden: list[Span]) -> None:
    """What the interface does not name cannot be told from something personal."""
    hidden += [node.span for name, node in members.items() if name not in known]


def _within(name: str, value: int, low: int, high: int) -> None:
    """Unlike that of the Modbus half it does not quote the number: a rig may send another one in its place."""
    if not low <= value <= high:
        raise DecodeError("range", f"{name} is outside {low}..{high}")


def _string(name: str, node: Node) -> str:
    if not isinstance(node.value, str):
        raise _kind(name, "a text")
    return node.value


def _kind(name: str, wanted: str) -> DecodeError:
    return DecodeError("wrong_kind", f"{name} is not {wanted}")
