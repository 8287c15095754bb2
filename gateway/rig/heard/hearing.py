"""What was heard so far: the newest sheet of every kind, and what is new since it was asked for last. Bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from device_adapters.observation import Evidence
from gateway.rig.heard.message import PROVEN, UNCHECKED
from gateway.rig.heard.sheets import Row, Sheet, value_text
from gateway.rig.heard.taken import AGAIN, CHANGED
from gateway.rig.limits import FOUND_KEPT_MAX
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_adapters.decoding.decode import Decoded
    from gateway.rig.heard.message import Message
    from gateway.rig.heard.taken import Found, Reader, Taken

REQUESTS: Final = "requests"
_NOTES: Final = {
    AGAIN: "重发，内容相同 sent again, the same bytes",
    CHANGED: "同序号内容不同 OTHER BYTES UNDER A USED NUMBER",
    "": "",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A record, or a refusal, in words. `good`: it is one."""

    good: bool
    text: str


@dataclass(slots=True)
class Hearing:
    """See `ear.Hearer`."""

    reader: Reader
    sheets: dict[str, Sheet] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)
    untold: int = 0
    breaks: int = 0

    def topics(self) -> Iterable[str]:
        """Those of the rig."""
        return self.reader.topics()

    def take(self, message: Message, verdict: str = "") -> Taken:
        """One message."""
        if verdict:
            self._judge(message, verdict)
        taken = self.reader.read(message)
        self.kinds[taken.kind] += 1
        self.sheets[taken.sheet.name] = taken.sheet
        self._tell(taken.found, taken.note)
        return taken

    def _judge(self, message: Message, verdict: str) -> None:
        """The newest request to each place, and whether it is proven."""
        row = Row(message.topic, message.origin, f"{len(message.payload)} B", verdict)
        if verdict not in {PROVEN, UNCHECKED}:
            row = replace(row, value="", wrong=verdict)
        known = self.sheets.get(REQUESTS, Sheet(REQUESTS, ""))
        rows = {one.name: one for one in known.rows} | {row.name: row}
        self.sheets[REQUESTS] = replace(known, rows=tuple(rows.values()))

    def lost(self) -> None:
        """The connection is gone."""
        self.breaks += 1
        self.reader.lost()

    def news(self) -> tuple[Told, ...]:
        """Records and refusals since the last call."""
        self._tell(self.reader.late(), "")
        told, self.told = tuple(self.told), []
        return told

    @property
    def count(self) -> int:
        """Messages so far."""
        return sum(self.kinds.values())

    def _tell(self, found: Iterable[Found], note: str) -> None:
        for one in found:
            if len(self.told) >= FOUND_KEPT_MAX:
                self.untold += 1
            elif isinstance(one, Evidence):
                self.told.append(Told(good=False, text=refusal_text(one)))
            else:
                self.told.append(Told(good=note != CHANGED, text=record_text(one, note)))


def record_text(found: Decoded, note: str = "") -> str:
    """Numbers and words of the profile; personal values are no fields."""
    said = " ".join(f"{name} {value_text(name, value)}" for name, value in found.fields.items())
    return f"{found.type} seq {found.seq} boot {found.epoch} {found.mode or '-'}: {said}{_tail(_NOTES[note])}"


def refusal_text(found: Evidence) -> str:
    """Why, without a word of what came."""
    seq = "" if found.asked is None else f" seq {found.asked}"
    return f"拒收 REFUSED{seq}: {found.reason}: {printable(found.detail)}"


def _tail(text: str) -> str:
    return f" ({text})" if text else ""
