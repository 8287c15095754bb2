"""A maker's register map, as data: the file format of simulators/rigs (docs/simulators.md, "Rigs of makers").

Owns: reading such a file, strictly. How words are made of values, blocks.py knows; what the rig does, rig.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulators.device.codes import EventType, Mode, Outcome, State
from simulators.errors import InputError
from simulators.layouts.shape import Bell, Bits, Block, Check, Flags, Layout, Rows, Told, Window
from simulators.layouts.sums import SUMS
from simulators.layouts.values import Place, parse_place
from simulators.limits import READ_WORDS_MAX
from simulators.model_tables import check_serial, deduction_lines, told_events
from simulators.toml_file import Table, table_of, toml_table

if TYPE_CHECKING:
    from enum import IntEnum

_FOLDER = Path(__file__).resolve().parent.parent / "rigs"
_SEEN = ("exam_no", "item", "ordinal", "elapsed_s", "limit_s", "deduction_count", "serial", "boot", "mode")
_STATUS = (*_SEEN, "state", "last_seq", "oldest_seq", "acked_seq", "clock", "running_score", "heartbeat", "fault")
_RESULT = (*_SEEN, "seq", "words", "ticket", "name", "started", "finished", "outcome", "score", "veto_lines", "faults")
_EVENT = ("type", "happened", "line", "points", "veto", "mode_before")
_CODES: dict[str, type[IntEnum]] = {"state": State, "mode": Mode, "outcome": Outcome}
_ROW = ("line", "points", "at_s", "veto")
_NEEDED = {"status": ("serial", "last_seq"), "result": ("seq", "serial", "score", "item")}
_HEAD = ("page", "seq")
_FLAGS = ("state", "mode", "fault")
_SPACES = ("holding", "input")
_ADDRESSES = 65_536
_FLAG_BITS_MAX = 64


def shipped() -> tuple[str, ...]:
    """The layouts that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def find_layout(name: str) -> Layout:
    """By name, or from a file whose name ends in .toml."""
    if name.endswith(".toml"):
        return load_layout(Path(name))
    if name not in shipped():
        raise InputError(
            f"there is no rig {name!r}; there are {', '.join(shipped())}, or name a file that ends in .toml"
        )
    return load_layout(_FOLDER / f"{name}.toml")


def load_layout(path: Path) -> Layout:
    """From a file. InputError names file and line."""
    return _layout(toml_table(path))


def parse_layout(data: bytes) -> Layout:
    """From bytes."""
    return _layout(table_of(data, "rig"))


def _layout(top: Table) -> Layout:
    top.number("rig", low=1, high=1)
    lines, bits = deduction_lines(top)
    names = top.table("codes")
    codes = {key: _codes(names, key, kind) for key, kind in _CODES.items()}
    names.done()
    layout = Layout(
        id=top.text("id"),
        serial=top.text("serial"),
        rubric=top.text("rubric"),
        status=_block(top.table("status"), "status"),
        result=_block(top.table("result"), "result"),
        codes=codes,
        told=_told(top.table("told")) if "told" in top else None,
        bell=_bell(top.table("bell")) if "bell" in top else None,
        flags=_flags(top.table("flags")) if "flags" in top else None,
        ready=_place(top, "ready") if "ready" in top else None,
        overwrites=top.flag("overwrites", default=False),
        read_words_max=top.number("read_words_max", READ_WORDS_MAX, low=1, high=READ_WORDS_MAX),
        lines=lines,
        bits=bits,
        items=top.texts("items", ()),
        events=_events(top.table("events")) if "events" in top else {EventType.ITEM_FINISHED: 0},
    )
    check_serial(top, layout.serial)
    if layout.told is None and layout.bell is None and not (layout.overwrites or layout.result.cleared):
        raise top.wrong("overwrites", "a rig that is told nothing (no [told]) must overwrite: overwrites = true")
    top.done()
    return layout


def _codes(codes: Table, key: str, kind: type[IntEnum]) -> dict[str, int]:
    table = codes.table(key)
    found = {name.name.lower(): table.number(name.name.lower(), high=0xFFFF) for name in kind}
    table.done()
    return found


def _events(table: Table) -> dict[EventType, int]:
    return {kind: table.number(key, high=0xFFFF) for key, kind in told_events(table).items()}


def _told(table: Table) -> Told:
    told = Told(_place(table, "at"), table.text("kind", one_of=("register", "echo")) == "echo")
    table.done()
    return told


def _bell(table: Table) -> Bell:
    bell = Bell(table.number("coil", high=_ADDRESSES - 1), table.number("answer", high=_ADDRESSES - 1))
    table.done()
    return bell


def _flags(table: Table) -> Flags:
    count, put = table.number("bits", low=1, high=_FLAG_BITS_MAX), table.table("put")
    places: dict[str, Bits] = {}
    for key in put.keys:
        low, _, high = put.text(key).partition("-")
        if key not in _FLAGS or not low.isdecimal() or not (high or low).isdecimal():
            raise put.wrong(key, f"{key}: one of {', '.join(_FLAGS)}, as LOW-HIGH or one bit")
        places[key] = Bits(int(low), int(high or low))
        if not places[key].low <= places[key].high < count:
            raise put.wrong(key, f"{key}: there are only {count} bits")
    flags = Flags(table.number("at", high=_ADDRESSES - 1), count, places)
    table.done()
    return flags


def _block(table: Table, name: str) -> Block:
    words = table.number("words", low=1, high=0xFFFF)
    block = Block(
        at=table.number("at", high=_ADDRESSES - 1),
        words=words,
        places=_places(table.table("put"), _STATUS if name == "status" else (*_RESULT, *_EVENT)),
        check=_check(table.table("check")) if "check" in table else None,
        slots=table.number("slots", 1, low=1, high=4096),
        every=table.number("every", words, low=words, high=0xFFFF),
        rows=_rows(table.table("rows")) if "rows" in table else None,
        space=table.text("space", "holding", one_of=_SPACES),
        cleared=table.flag("cleared", default=False),
        window=_window(table.table("window")) if "window" in table else None,
    )
    for needed in _NEEDED[name]:
        if needed not in block.places:
            raise table.wrong("put", f"[{name}.put] has no {needed}")
    apart = block.slots > 1 and not block.cleared and block.window is None
    if block.longest > block.every and apart:
        raise table.wrong("every", f"every = {block.every}: a whole record has {block.longest} words")
    if block.at + block.extent > _ADDRESSES:
        raise table.wrong("at", f"[{name}] ends behind address {_ADDRESSES - 1}")
    if name == "status" and words > READ_WORDS_MAX:
        raise table.wrong("words", f"words = {words}: a status is read at once, so at most {READ_WORDS_MAX}")
    table.done()
    return block


def _check(table: Table) -> Check:
    check = Check(table.text("kind", one_of=tuple(SUMS)), _place(table, "at"), table.number("from", 0, high=0xFFFF))
    table.done()
    return check


def _window(table: Table) -> Window:
    window = Window(
        words=table.number("words", low=1, high=READ_WORDS_MAX),
        head=table.number("head", low=1, high=READ_WORDS_MAX),
        first=table.number("first", 0, high=1),
        turn_ms=table.number("turn_ms", 0, high=1000),
        page=_place(table, "page"),
        slot=_place(table, "slot"),
        places=_places(table.table("put"), _HEAD),
    )
    table.done()
    return window


def _rows(table: Table) -> Rows:
    rows = Rows(
        at=table.number("at", high=0xFFFF),
        words=table.number("words", low=1, high=64),
        most=table.number("most", low=1, high=64),
        places=_places(table.table("put"), _ROW),
    )
    table.done()
    return rows


def _places(table: Table, names: tuple[str, ...]) -> dict[str, tuple[Place, ...]]:
    """Known names, and any other one whose text says what always stands there."""
    found: dict[str, tuple[Place, ...]] = {}
    for key in table.keys:
        places = tuple(_parsed(table, key, text) for text in table.texts(key))
        if key not in names and any(place.const is None and place.span is None for place in places):
            raise table.wrong(key, f"{key} is nothing that a rig knows: const= or range=, or one of {', '.join(names)}")
        found[key] = places
    return found


def _place(table: Table, key: str) -> Place:
    return _parsed(table, key, table.text(key))


def _parsed(table: Table, key: str, text: str) -> Place:
    try:
        return parse_place(text, key)
    except InputError as error:
        raise table.wrong(key, str(error)) from None
