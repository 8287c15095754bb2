"""What one rig model is like, as frozen data read from a TOML file. Nothing about a model lives in code.

Owns: the shape of a profile, its strict loading and its identity (SHA-256 of the file's bytes). Never opens a wire.
Spec: docs/formats/profile.md. `load_profile` accepts exactly what `lint` has no finding for.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, TypeAlias

from device_adapters.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.handshake import Coil, Word
    from device_adapters.language.measures import Measure
    from device_adapters.language.shape import Shape
    from device_adapters.language.values import PlainShape, SparkShape
    from device_adapters.language.window import Window
    from device_adapters.observation import Guarantee

Codes: TypeAlias = "Mapping[int, str]"
_AS_IS = frozenset({"uint16", "uint32", "uint48", "uint64", "epoch"})


@dataclass(frozen=True, slots=True)
class Transport:
    """How to talk to the rig, and the model's workarounds. Times in milliseconds.

    `address_offset` is added to every address on the wire; `one_field`: no request reads more than one field.
    """

    kind: str
    unit: int
    timeout_ms: int
    connect_timeout_ms: int
    pause_after_connect_ms: int
    min_gap_ms: int
    busy_wait_ms: int
    registers_max: int
    address_offset: int = 0
    one_field: bool = False


@dataclass(frozen=True, slots=True)
class Poll:
    """How often the status block is read, by the state that it showed."""

    status_every_ms: int
    by_state: Mapping[str, int]

    def interval_s(self, state: str) -> float:
        """Pause before the next status reading; a state that the profile does not name is read as fast as any."""
        known = self.by_state.get(state)
        return (min(self.by_state.values()) if known is None else known) / 1000


@dataclass(frozen=True, slots=True)
class Area:
    """A range of one of the rig's tables (`language.spaces`); of bits, `words` counts bits."""

    name: str
    at: int
    words: int
    write: bool
    space: str = "holding"


@dataclass(frozen=True, slots=True)
class Field:
    """Some words of a record and what they mean.

    `at` counts words from the record's start, or, below 0, from its end. `hundredths` is what a number is
    multiplied by to give hundredths. A code that `codes` does not name is refused, unless the field is not
    `strict` (live status only). `zone`: seconds by which the rig's own clock is before UTC. `natural`: the number is
    these bytes, highest first; `plain`: and any is allowed.
    """

    name: str
    at: int
    words: int
    type: str
    order: str
    coding: str
    bits: tuple[int, int] | None
    hundredths: int | None
    codes: Codes | None
    const: int | str | None
    low: int | None
    high: int | None
    personal: str | None
    strict: bool = True
    zone: int = 0
    natural: bool = dataclass_field(init=False, repr=False, compare=False)
    plain: bool = dataclass_field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        natural = (
            self.type in _AS_IS and not self.zone and self.bits is None and self.order == "ABCDEFGH"[: 2 * self.words]
        )
        free = (self.const, self.low, self.high) == (None,) * 3 and not (self.codes and self.strict)
        object.__setattr__(self, "natural", natural)
        object.__setattr__(self, "plain", natural and free and self.hundredths in {None, 1})


@dataclass(frozen=True, slots=True)
class Repeat:
    """A group of words that occurs as often as the field `count` says, at most `most` times."""

    name: str
    at: int
    words: int
    count: str
    most: int
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Sum:
    """Fields whose sum cannot be above `most`, unless the field `unless_zero` is 0."""

    fields: tuple[str, ...]
    most: int
    unless_zero: str | None


@dataclass(frozen=True, slots=True)
class Tail:
    """Bits that are read right after a block, and stand behind its words in so many words of their own."""

    at: int
    bits: int
    words: int


@dataclass(frozen=True, slots=True)
class Record:
    """A block that is latched as one: sequence number before and after, length word, checksum.

    `index` says where record number s lies: `fixed` (one place), `sequence` (slot = s mod slots),
    `named` (an event names the slot).
    """

    name: str
    at: int
    words: int
    slots: int
    stride: int
    index: str
    before: str | None
    after: str | None
    length: str | None
    crc: str | None
    crc_kind: str | None
    fields: Mapping[str, Field]
    repeat: Repeat | None
    sums: tuple[Sum, ...]
    crc_from: int = 0  # the first word that the checksum covers
    tail: Tail | None = None
    window: Window | None = None
    places: tuple[tuple[Field, int, int], ...] = dataclass_field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """`places`: of each field its first byte (from the end, below 0) and how many there are."""
        places = tuple((field, field.at * 2, field.words * 2) for field in self.fields.values())
        object.__setattr__(self, "places", places)

    @property
    def words_max(self) -> int:
        """Length of the longest such record."""
        return self.words + (self.repeat.words * self.repeat.most if self.repeat else 0)

    @property
    def block_words(self) -> int:
        """Words in the block's own registers, without the bits behind them."""
        return self.words - (self.tail.words if self.tail is not None else 0)

    def address(self, slot: int) -> int:
        """Register address of the record in `slot`; in a window all are shown at one place."""
        return self.at if self.window is not None else self.at + slot * self.stride


@dataclass(frozen=True, slots=True)
class Line:
    """The deduction that a set bit stands for."""

    bit: int
    line: int
    points: int
    veto: bool


@dataclass(frozen=True, slots=True)
class Output:
    """One field of an entry: the record and field it comes from, and what it may be.

    `kind` is `number`, `text`, `flag`, `time`, `rows` (the list of all rows of the record's repeat), `lines` (one row
    for each bit of a number that is set), or `fixed` (what the rig never sends, and is always the same).
    """

    name: str
    record: str
    source: str
    kind: str
    codes: Codes | None
    hundredths: int | None
    low: int | None
    high: int | None
    fixed: int | str | bool | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryRule:
    """What one event code becomes: the entry type, its fields, and the second record that belongs to it.

    `agree` names pairs (field of the second record, field of the event) that must be equal.
    """

    name: str
    code: int
    type: str
    record: str | None
    slot: str | None
    agree: tuple[tuple[str, str], ...]
    fields: tuple[Output, ...]
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """One rig model. One with `message` is heard over MQTT: it has no registers, and what tells of them is empty."""

    id: str
    version: str
    name: Mapping[str, str]
    text: bytes
    sha256: str
    guarantee: Guarantee
    transport: Transport
    poll: Poll
    areas: Mapping[str, Area]
    records: Mapping[str, Record]
    status: Record
    event: Record
    rules: Mapping[int, EntryRule]
    rig_time: tuple[str, str | None] | None
    ack: Word | None
    ready: Word | None
    message: Shape | PlainShape | SparkShape | None = None
    codes: Mapping[str, Codes] = dataclass_field(default_factory=dict)
    coil: Coil | None = None

    @property
    def told(self) -> bool:
        """Whether the rig learns that its records are stored."""
        return self.ack is not None or self.coil is not None


def load_profile(text: bytes) -> Profile:
    """The profile that these bytes are. Raises ProfileError with every finding of the linter."""
    from device_adapters.language.lint import examine  # noqa: PLC0415  (lint builds the shapes above)

    profile, findings = examine(text)
    if profile is None or findings:
        raise ProfileError(tuple(findings))
    return profile
