"""How often a record was refused, and when it is tried again.

Owns: the count of failed readings per record, the growing pause, and the rule that the same refusal is told once
per while, not at every try. Pure: the time comes in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from device_adapters.limits import ATTEMPTS, REFUSAL_AGAIN_S, RETRY_FIRST_S, RETRY_MAX_S, STATUS_RETRY_MAX_S

if TYPE_CHECKING:
    from device_adapters.observation import Evidence

Asked: TypeAlias = int | None


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    rounds: int = 0
    retry_at: float = 0.0
    told: Evidence | None = None
    told_at: float = 0.0


@dataclass(slots=True)
class Refusals:
    """Trouble by what was asked for: a sequence number, or None for the status block."""

    _troubles: dict[Asked, _Trouble] = field(default_factory=dict)

    def pause_s(self, asked: Asked, now: float) -> float:
        """How long this must not be tried again."""
        trouble = self._troubles.get(asked)
        return max(0.0, trouble.retry_at - now) if trouble else 0.0

    def given_up(self, asked: Asked) -> bool:
        """Whether it failed three times in a row, and was not read since: nothing else waits for it."""
        trouble = self._troubles.get(asked)
        return trouble is not None and trouble.rounds > 0

    def failed(self, evidence: Evidence, now: float, *, at_once: bool = False) -> bool:
        """One more reading failed. True when that is to be told: the third (`at_once`: any), not if told lately."""
        trouble = self._troubles.setdefault(evidence.asked, _Trouble())
        trouble.failures += 1
        if trouble.failures < ATTEMPTS:
            return at_once and _news(trouble, evidence, now)
        trouble.failures = 0
        longest = STATUS_RETRY_MAX_S if evidence.asked is None else RETRY_MAX_S
        trouble.retry_at = now + min(RETRY_FIRST_S * 2.0**trouble.rounds, longest)
        trouble.rounds = min(trouble.rounds + 1, 16)
        return _news(trouble, evidence, now)

    def good(self, asked: Asked) -> None:
        """It was read after all."""
        self._troubles.pop(asked, None)

    def forget_records(self) -> None:
        """The rig's memory may be another one: its numbers may mean other records."""
        self._troubles = {None: self._troubles[None]} if None in self._troubles else {}


def _news(trouble: _Trouble, evidence: Evidence, now: float) -> bool:
    """Whether this was not told lately; it is then."""
    known = trouble.told
    if known is not None and _same(known, evidence) and now - trouble.told_at < REFUSAL_AGAIN_S:
        return False
    trouble.told, trouble.told_at = evidence, now
    return True


def _same(one: Evidence, other: Evidence) -> bool:
    """Whether two refusals say the same. The bytes may differ: a heartbeat counts on."""
    return (one.reason, one.detail) == (other.reason, other.detail)
