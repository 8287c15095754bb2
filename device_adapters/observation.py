"""What a rig said, as plain values that pass from an adapter to the gateway and to the server.

Owns: raw areas, observations, live status, position, evidence of a refused reading. Pure data: no wire, no clock,
no log. The field names of an observation are those of `docs/formats/entry.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Guarantee: TypeAlias = Literal["latched", "double-read", "single-read", "unacknowledged"]
Source: TypeAlias = Literal["sensor", "simulator", "examiner", "oral"]
FieldValue: TypeAlias = "int | str | bool | list[dict[str, int | str | bool | None]] | None"


@dataclass(frozen=True, slots=True)
class RawArea:
    """Bytes as they stood in the rig: words from register address `at`, each word high byte first.

    `data` is uncut. `cut` names the (offset, length) byte ranges that hold personal words: the gateway zeroes and
    commits them before the area enters an entry. In evidence of a refused reading the position of personal words is
    not proven, so there the whole area is marked.
    """

    area: str
    at: int
    data: bytes
    cut: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How far the gateway's log has followed one rig: `epoch` and `seq` of the newest observation stored."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that happened at a rig; becomes one entry of the type `type`.

    `rig_time` is RFC 3339 UTC with milliseconds, or None for a rig without a clock. `mode` is the rig's mode at
    that moment (`exam`, `practice`, `maintenance`), None for observations that the adapter itself makes
    (`rig.rebooted`, `sequence.gap`): those carry no `raw`. `first_read_us` is the caller's monotonic time of the read
    that first showed the record, 0 when nobody looked; a figure about the reading, no part of what was read.
    """

    type: str
    rig: str
    epoch: int
    seq: int
    ordinal: int
    fields: Mapping[str, FieldValue]
    guarantee: Guarantee
    source: Source
    personal: Mapping[str, bytes] = field(default_factory=dict)
    raw: tuple[RawArea, ...] = ()
    rig_time: str | None = None
    mode: str | None = None
    first_read_us: int = field(default=0, compare=False)

    @property
    def position(self) -> Position:
        """Where the log stands once this observation is in it."""
        return Position(self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class RigStatus:
    """What the rig shows at this moment. Live, unproven, never logged.

    `state` is `idle`, `open`, `running`, `finished`, `fault`, or `unknown` for a code that the profile does not
    name; `mode` likewise. Scores are hundredths. `item` is "" and `exam_no` 0 when there is none. `unreadable` is not
    the rig's word: the oldest record that cannot be read and keeps the rig from freeing anything from there on.
    Two are equal whatever their heartbeat.
    """

    rig: str
    state: str
    mode: str
    item: str
    ordinal: int
    elapsed_s: int
    limit_s: int
    running_score: int
    deduction_count: int
    last_seq: int
    acked_seq: int
    exam_no: int
    fault: int
    heartbeat: int = field(compare=False)
    unreadable: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A reading that was refused: why, what was asked for, and the bytes that came.

    `reason` is one of the codes of `errors.REASONS`. `asked` is the sequence number wanted, None for the status
    block. `rig` is the serial that the gateway expected; a found one stands in `detail` and in the raw bytes.
    """

    rig: str
    reason: str
    detail: str
    asked: int | None
    epoch: int | None = None
    raw: tuple[RawArea, ...] = ()
