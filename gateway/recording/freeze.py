"""A generation that the server contradicts is given up: evidence kept, a marker written, the process ends.

The next start finds the marker, quarantines the log whole and opens the next generation with the reason. Owns
`<data>/frozen.json` and `<data>/evidence/`. Evidence holds openings (personal): mode 0600, never logged.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from gateway import limits
from scorelog.format.text import utc_text
from scorelog.journal.files import replace_synced, write_synced

if TYPE_CHECKING:
    from pathlib import Path


_log = structlog.get_logger("gateway.recording.freeze")


@dataclass(frozen=True, slots=True)
class Frozen:
    """What the marker says."""

    origin: str
    size: int
    reason: str
    at: str
    newest: int = 0  # the highest generation of this log that the server is known to hold


class Freezer:
    """The marker and the evidence of one data directory."""

    def __init__(self, data: Path) -> None:
        self._marker = data / "frozen.json"
        self._evidence = data / "evidence"

    def freeze(self, origin: str, size: int, reason: str, now_us: int, newest: int = 0) -> None:
        """Durable when it returns."""
        marker = {"origin": origin, "size": size, "reason": reason, "at": utc_text(now_us), "newest": newest}
        replace_synced(self._marker, json.dumps(marker).encode())

    def keep_evidence(self, kind: str, content: bytes, now_us: int) -> str:
        """The file's name; "" when so many are kept that this one is not. The same content is kept once."""
        self._evidence.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256(content).hexdigest()[:16]
        known = next(self._evidence.glob(f"*-{digest}"), None)
        if known is not None:
            return known.name
        if sum(1 for _ in self._evidence.iterdir()) >= limits.EVIDENCE_FILES_MAX:  # the first proofs are what counts
            _log.warning("evidence not kept", kind=kind, kept=limits.EVIDENCE_FILES_MAX)
            return ""
        name = f"{now_us // 1_000_000}-{kind}-{digest}"
        write_synced(self._evidence / name, content)
        return name

    def frozen(self) -> Frozen | None:
        """The marker, if there is one."""
        try:
            value = json.loads(self._marker.read_bytes())
            return Frozen(value["origin"], value["size"], value["reason"], value["at"], int(value.get("newest", 0)))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return Frozen("", 0, "the freeze marker is unreadable", "")

    def thaw(self) -> None:
        """The generation was quarantined; the marker has done its work."""
        self._marker.unlink(missing_ok=True)
