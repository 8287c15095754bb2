"""The address space of a maker's rig, by its layout; see simulators.registers.RegisterMap.

[status]  [told]  [ready]  [result: slot 0 | slot 1 | …]     everything else is no address
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from simulators.errors import ModbusRefusal
from simulators.layouts.blocks import sealed, start_of
from simulators.registers import ILLEGAL_ADDRESS, ILLEGAL_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.layouts.layout import Layout
    from simulators.layouts.rig import MakerRig
    from simulators.layouts.values import Place
    from simulators.rig import Rig

_TEXTS = ("ticket", "name", "item")


class LayoutRegisters:
    """One model."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.status_at = layout.status.at
        self.full_score: bytes | None = None

    def area_of(self, address: int) -> str:
        """Three areas: results are its only records."""
        status, result = self._layout.status, self._layout.result
        if status.at <= address < status.at + status.words:
            return "status"
        if result.at <= address < result.at + result.slots * result.every:
            return "result"
        return "control" if self._written(address) is not None else ""

    def read(self, rig: Rig, address: int, count: int) -> bytes:
        """An area is not read past its end, nor more than this maker serves in one request."""
        if count > self._layout.read_words_max:
            raise ModbusRefusal(ILLEGAL_VALUE)
        area, last = self.area_of(address), self.area_of(address + count - 1)
        if not area or area != last:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        if area == "status":
            start = 2 * (address - self.status_at)
            return rig.status_block()[start : start + 2 * count]
        if area == "control":
            return self._control(rig, address, count)
        result = self._layout.result
        first, offset = divmod(address - result.at, result.every)
        slots = range(first, (address + count - result.at - 1) // result.every + 1)
        return b"".join(self.record(rig, area, slot) for slot in slots)[2 * offset : 2 * (offset + count)]

    def _control(self, rig: Rig, address: int, count: int) -> bytes:
        place = self._written(address)
        if place is None or (address, count) != (place.at, place.words):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        told, ready = rig.control_block()
        return place.bytes_of(ready if place == self._layout.ready else told)

    def write(self, rig: Rig, address: int, words: bytes) -> None:
        """A whole number, or nothing."""
        place = self._written(address)
        if place is None or (address, len(words)) != (place.at, 2 * place.words):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        value = int.from_bytes(bytes(words[place.order.index(index)] for index in range(len(words))), "big")
        if place == self._layout.ready:
            rig.write_ready(value)
        else:
            rig.write_ack(value)

    def slot(self, area: str, address: int) -> tuple[int, int]:  # noqa: ARG002 - there are only results
        """By the distance of slots."""
        result = self._layout.result
        slot = (address - result.at) // result.every
        return slot, result.at + slot * result.every

    def record(self, rig: Rig, area: str, slot: int, *, before: bool = False) -> bytes:  # noqa: ARG002 - as above
        """From the rig's memory."""
        result = self._layout.result
        kept = (rig.memory.event_before if before else rig.memory.event)(slot % result.slots)
        return kept[: 2 * result.every].ljust(2 * result.every, b"\0")

    def used(self, area: str, record: bytes) -> int:  # noqa: ARG002 - as above
        """As many words as the maker's record has, rows counted by what it says of itself."""
        result = self._layout.result
        if result.rows is None or "words" not in result.places:
            return result.words
        place = result.places["words"][0]
        said = int.from_bytes(record[2 * place.at : 2 * place.at + 2], "little" if place.order == (1, 0) else "big")
        return min(said or result.words, len(record) // 2)

    def word_of(self, area: str, name: str) -> int:  # noqa: ARG002 - as above
        """By the layout; a text stands for any text, personal ones first."""
        places = self._layout.result.places
        if name == "text":
            name = next(each for each in _TEXTS if each in places)
            return places[name][0].at
        place = places[name][0]
        return place.at + (1 if name == "serial" else place.words - 1)

    def numbers(self, area: str) -> tuple[int, ...]:  # noqa: ARG002 - as above
        """All its places."""
        return tuple(place.at for place in self._layout.result.places["seq"])

    def sealed(self, area: str, record: bytes) -> bytes:  # noqa: ARG002 - as above
        """With this maker's checksum."""
        return sealed(self._layout.result.check, record)

    def status_with(self, rig: Rig, changes: Mapping[str, int]) -> bytes:
        """Made again; `last_seq_again` is the last place of `last_seq`, where there are two."""
        maker = cast("MakerRig", rig)
        plain = {name: value for name, value in changes.items() if name != "last_seq_again"}
        block = maker.status_words(plain)
        places = self._layout.status.places["last_seq"]
        if "last_seq_again" in changes and len(places) > 1:
            at = 2 * start_of(places[-1], self._layout.status.words)
            again = places[-1].bytes_of(changes["last_seq_again"])
            block = sealed(self._layout.status.check, block[:at] + again + block[at + len(again) :])
        return block

    def _written(self, address: int) -> Place | None:
        """The word that a gateway may write and that holds this address."""
        told = self._layout.told
        for place in (told.place if told else None, self._layout.ready):
            if place is not None and place.at <= address < place.at + place.words:
                return place
        return None
