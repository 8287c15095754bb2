"""What a reader makes of one message; and which numbers came before. Pure."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from device_adapters.decoding.decode import Decoded
from device_adapters.observation import Evidence
from gateway.rig.limits import NUMBERS_KEPT_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.rig.heard.message import Message
    from gateway.rig.heard.sheets import Sheet

AGAIN: Final = "again"
CHANGED: Final = "changed"
Found: TypeAlias = Decoded | Evidence


@dataclass(frozen=True, slots=True)
class Taken:
    """One message. `kind`: `record`, `status`, `will`, `value`, `presence`, `birth`, `data`, `death` or `other`.

    `found`: the records and refusals that a gateway would have of it. `note`: `again` for a record that came before
    with these bytes, `changed` for one that came before with others.
    """

    kind: str
    sheet: Sheet
    found: tuple[Found, ...] = ()
    note: str = ""


class Reader(Protocol):
    """One form of message, one rig. See `ear.Hearer`."""

    serial: str

    def topics(self) -> Iterable[str]:
        """What to subscribe to."""

    def read(self, message: Message) -> Taken:
        """What it says."""

    def late(self) -> tuple[Found, ...]:
        """What became certain since, without another message."""

    def lost(self) -> None:
        """The connection is gone: what was said before it may have changed since."""

    def wants(self) -> str:
        """What this rig must say before anything of it can be believed, in words; empty when nothing is missing."""


class Numbers:
    """Of the records of one rig, bounded."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def note(self, found: Decoded) -> str:
        """`again`, `changed`, or nothing for a new one."""
        key = (found.epoch, found.seq)
        digest = hashlib.sha256(b"\0".join(area.data for area in found.areas if area.area != "topic")).digest()
        known = self._known.get(key)
        self._known[key] = digest
        while len(self._known) > NUMBERS_KEPT_MAX:
            self._known.popitem(last=False)
        return "" if known is None else AGAIN if known == digest else CHANGED

    def of(self, found: Iterable[Found]) -> str:
        """The worst of several."""
        notes = [self.note(one) for one in found if isinstance(one, Decoded)]
        return CHANGED if CHANGED in notes else AGAIN if AGAIN in notes else ""
