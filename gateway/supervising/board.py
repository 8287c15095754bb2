"""What is known of every rig right now: live, unproven, shown and sent with the heartbeat, never logged (P6)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway import limits
from scorelog.format.text import utc_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from device_adapters.contract import RigStatus
    from gateway.recording.documents import Subject
    from scorelog.journal.clock import Clock


@dataclass(slots=True)
class RigView:
    """One rig as it was last seen."""

    subject: Subject
    state: str = "unknown"
    since_us: int = 0
    status: RigStatus | None = None
    reason: str = ""
    exam_no: int = 0
    breaker: str = "closed"
    again_us: int | None = None

    def told(self) -> dict[str, Any]:
        """For the box's own status: what stands beside the heartbeat's element."""
        again = utc_text(self.again_us) if self.again_us is not None else None
        return {**self.to_json(), "reason": self.reason, "breaker": self.breaker, "asked_again_utc": again}

    def to_json(self) -> dict[str, Any]:
        """One element of the heartbeat's `rigs`; docs/formats/heartbeat.md."""
        live = self.status if self.state not in ("offline", "unknown") else None
        return {
            "rig": self.subject.serial,
            "station": self.subject.station,
            "state": self.state,
            "mode": live.mode if live else None,
            "item": live.item if live else "",
            "ordinal": live.ordinal if live else 0,
            "elapsed_s": live.elapsed_s if live else 0,
            "limit_s": live.limit_s if live else 0,
            "running_score": live.running_score if live else 0,
            "deduction_count": live.deduction_count if live else 0,
            "last_seq": live.last_seq if live else 0,
            "exam_no": live.exam_no if live else 0,
            "unreadable": live.unreadable if live else None,
            "since_utc": utc_text(self.since_us) if self.since_us else None,
        }


class Board:
    """All rigs of this gateway."""

    def __init__(self, subjects: Iterable[Subject], clock: Clock) -> None:
        self._clock = clock
        self.rigs = {subject.serial: RigView(subject) for subject in subjects}
        self._refusals: deque[tuple[int, str, str]] = deque(maxlen=limits.REFUSALS_SHOWN)

    def set_up(self, subjects: Iterable[Subject], anew: Collection[str]) -> None:
        """These rigs and no others; of those named in `anew` nothing is known."""
        self.rigs = {
            one.serial: RigView(one) if one.serial in anew else self.rigs.get(one.serial, RigView(one))
            for one in subjects
        }

    def show(self, status: RigStatus) -> None:
        """A live status was read."""
        view = self.rigs[status.rig]
        view.status = status
        view.reason = "" if status.unreadable is None else f"held by unreadable record seq {status.unreadable}"
        self._enter(view, status.state if status.state in _STATES else "unknown")

    def offline(self, serial: str, reason: str) -> None:
        """The rig does not answer."""
        view = self.rigs[serial]
        view.reason = reason
        self._enter(view, "offline")

    def online(self, serial: str) -> None:
        """The rig answers; its state comes with the first status."""
        view = self.rigs[serial]
        view.reason = ""
        if view.state == "offline":
            self._enter(view, "unknown")

    def asked(self, serial: str, breaker: str, again_us: int | None) -> None:
        """How often the rig is asked, and when next if it is left alone (gateway/supervising/breaker.py)."""
        view = self.rigs[serial]
        view.breaker, view.again_us = breaker, again_us

    def refused(self, serial: str, reason: str) -> None:
        """A reading was not believed; the bytes are in the log, here stands only the reason's code."""
        self._refusals.append((self._clock.now_us(), serial, reason))

    def refusals(self) -> list[dict[str, Any]]:
        """The last ones, the oldest first."""
        return [{"utc": utc_text(at_us), "rig": serial, "reason": reason} for at_us, serial, reason in self._refusals]

    def _enter(self, view: RigView, state: str) -> None:
        if view.state != state:
            view.state = state
            view.since_us = self._clock.now_us()


_STATES = frozenset({"idle", "open", "running", "finished", "fault"})
