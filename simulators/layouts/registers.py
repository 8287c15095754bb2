"""The address space of a maker's rig, by its layout; see simulators.registers.RegisterMap.

[status]  [told]  [ready]  [result: slot 0 | slot 1 | …]     everything else is no address
                           [result: head | page]             of the slot and page that two more words name
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from simulators.device.registers import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    READ_COILS,
    READ_DISCRETE,
    READ_HOLDING,
    READ_INPUT,
    WRITE_COIL,
    WRITE_COILS,
    straight_cut,
)
from simulators.errors import ModbusRefusal
from simulators.layouts.blocks import sealed, start_of, words_at
from simulators.layouts.memory import ReadOnce, ResultRing
from simulators.layouts.panel import LayoutPanel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.device.registers import Panel
    from simulators.device.rig import Rig
    from simulators.faults.base import Look
    from simulators.layouts.rig import MakerRig
    from simulators.layouts.shape import Layout, Window
    from simulators.layouts.values import Place

_TEXTS = ("ticket", "name", "item")
_SPACES = {READ_INPUT: "input"}
_BITS = frozenset({READ_COILS, READ_DISCRETE, WRITE_COIL, WRITE_COILS})


class LayoutRegisters:
    """One model."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.status_at = layout.status.at
        self.full_score: bytes | None = None
        self.reads = frozenset({READ_HOLDING, READ_INPUT})
        bits = layout.flags is not None or layout.bell is not None
        self.panel: Panel | None = LayoutPanel(layout.flags, layout.bell) if bits else None

    def area_of(self, address: int, function: int = READ_HOLDING) -> str:
        """Three areas: results are its only records."""
        if function in _BITS:
            return "" if self.panel is None else self.panel.area_of(address, function)
        status, result, space = self._layout.status, self._layout.result, _SPACES.get(function, "holding")
        if status.space == space and status.at <= address < status.at + status.words:
            return "status"
        if result.space == space and result.at <= address < result.at + result.extent:
            return "result"
        return "control" if space == "holding" and self._written(address) is not None else ""

    def read(self, rig: Rig, address: int, count: int, function: int = READ_HOLDING) -> bytes:
        """An area is not read past its end, nor more than this maker serves in one request."""
        if count > self._layout.read_words_max:
            raise ModbusRefusal(ILLEGAL_VALUE)
        area, last = self.area_of(address, function), self.area_of(address + count - 1, function)
        if not area or area != last:
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        if area == "status":
            start = 2 * (address - self.status_at)
            return rig.status_block()[start : start + 2 * count]
        if area == "control":
            return self._control(rig, address, count)
        return self._results(cast("MakerRig", rig), address, count)

    def _results(self, rig: MakerRig, address: int, count: int) -> bytes:
        result = self._layout.result
        if result.window is not None:
            return self._shown(rig, result.window)[2 * (address - result.at) :][: 2 * count]
        if isinstance(rig.memory, ReadOnce):
            rig.memory.begin_read()
            words = self.record(rig, "result", 0)[2 * (address - result.at) :][: 2 * count]
            if address + count == result.at + result.words:
                rig.read_away()
            return words
        first, offset = divmod(address - result.at, result.every)
        slots = range(first, (address + count - result.at - 1) // result.every + 1)
        return b"".join(self.record(rig, "result", slot) for slot in slots)[2 * offset : 2 * (offset + count)]

    def _shown(self, rig: MakerRig, window: Window) -> bytes:
        """The head and the page as they stand."""
        slot, page = rig.turning.shown(rig.time.bus_us(), window.turn_ms)
        ring = cast("ResultRing", rig.memory)
        head = words_at(window.head, window.places, {"page": page, "seq": ring.number(slot)})
        return head + self._page(window, page, self.record(rig, "result", slot))

    def _page(self, window: Window, page: int, record: bytes) -> bytes:
        start = 2 * window.words * max(0, page - window.first)
        return record[start : start + 2 * window.words].ljust(2 * window.words, b"\0")

    def _control(self, rig: Rig, address: int, count: int) -> bytes:
        place, window = self._written(address), self._layout.result.window
        if place is None or (address, count) != (place.at, place.words):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        if window is not None and place in {window.page, window.slot}:
            turning = cast("MakerRig", rig).turning
            return place.bytes_of(turning.page if place == window.page else turning.slot)
        told, ready = rig.control_block()
        return place.bytes_of(ready if place == self._layout.ready else told)

    def write(self, rig: Rig, address: int, words: bytes) -> None:
        """A whole number, or nothing."""
        place = self._written(address)
        if place is None or (address, len(words)) != (place.at, 2 * place.words):
            raise ModbusRefusal(ILLEGAL_ADDRESS)
        value = int.from_bytes(bytes(words[place.order.index(index)] for index in range(len(words))), "big")
        window = self._layout.result.window
        if window is not None and place == window.page:
            cast("MakerRig", rig).turning.turn(rig.time.bus_us(), page=value)
        elif window is not None and place == window.slot:
            cast("MakerRig", rig).turning.turn(rig.time.bus_us(), slot=value)
        elif place == self._layout.ready:
            rig.write_ready(value)
        else:
            rig.write_ack(value)

    def slot(self, rig: Rig, area: str, address: int) -> tuple[int, int]:  # noqa: ARG002 - there are only results
        """By the distance of slots; where there is one place, what it shows."""
        result = self._layout.result
        if result.window is not None:
            maker = cast("MakerRig", rig)
            return maker.turning.shown(maker.time.bus_us(), result.window.turn_ms)[0], result.at
        if result.cleared:
            return 0, result.at
        slot = (address - result.at) // result.every
        return slot, result.at + slot * result.every

    def cut(self, look: Look, slot_words: bytes) -> bytes:
        """Straight on, or the page of it that is shown, behind the head as it is."""
        _, start = self.slot(look.rig, look.area, look.address)
        window = self._layout.result.window
        if window is None:
            return straight_cut(look, start, slot_words)
        maker = cast("MakerRig", look.rig)
        page = maker.turning.shown(maker.time.bus_us(), window.turn_ms)[1]
        shown = self._shown(maker, window)[: 2 * window.head] + self._page(window, page, slot_words)
        return straight_cut(look, start, shown)

    def record(self, rig: Rig, area: str, slot: int, *, before: bool = False) -> bytes:  # noqa: ARG002 - as above
        """From the rig's memory."""
        result = self._layout.result
        kept = (rig.memory.event_before if before else rig.memory.event)(slot % result.slots)
        return kept[: 2 * result.longest].ljust(2 * result.longest, b"\0")

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
        told, window = self._layout.told, self._layout.result.window
        turning: tuple[Place, ...] = (window.page, window.slot) if window is not None else ()
        places = (told.place if told else None, self._layout.ready, *turning)
        for place in places:
            if place is not None and place.at <= address < place.at + place.words:
                return place
        return None
