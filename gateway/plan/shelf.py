"""The plan on the box's disk: one file with the public text and the rubrics, one private file with the openings.

    openings-<sha256>.json (0600) ─fsync─> plan.json ─rename─> here it counts ─> other openings removed

Owns `<data>/plan/`. After a crash at any step the old plan or the new one is there, whole. Never looks into a log.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.errors import PlanRefused
from gateway.plan.answer import PlanCopy, checked
from scorelog.format.errors import FormatError
from scorelog.format.plan import parse_plan
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.files import replace_synced

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.format.plan import Plan

_OPENINGS = register("gateway.plan-openings", "the openings of a fetched plan are written to their private file")
_KEEP = register("gateway.plan-keep", "a fetched plan takes the place of the old one on the disk")
_DROP = register("gateway.plan-drop", "the openings of the old plan are removed")

FILE = "plan.json"


class Shelf:
    """One kept plan, or none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> PlanCopy | None:
        """The kept plan, checked whole as when it was fetched; None if there is none. Raises PlanRefused."""
        try:
            document = json.loads((self._folder / FILE).read_bytes())
            document["openings"] = json.loads(self._openings(str(document["sha256"])).read_bytes())
        except FileNotFoundError as error:
            if error.filename is not None and str(error.filename).endswith(FILE):
                return None
            raise PlanRefused("its openings are not on the disk") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlanRefused(f"its file cannot be read: {type(error).__name__}") from None
        return checked(document)

    def public(self) -> Plan | None:
        """The kept plan's public text alone; the openings are not read. Raises PlanRefused."""
        try:
            document = json.loads((self._folder / FILE).read_bytes())
            return parse_plan(document["plan"].encode())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, FormatError) as error:
            raise PlanRefused(f"{self._folder / FILE} cannot be read: {type(error).__name__}") from None

    def keep(self, copy: PlanCopy) -> None:
        """Durable when it returns. Raises OSError; then the old one counts, or the new one already."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        openings = json.dumps([one.to_json() for one in copy.openings], ensure_ascii=False)
        with failpoint(_OPENINGS):
            replace_synced(self._openings(copy.plan.sha256), openings.encode(), private=True)
        public = {
            "sha256": copy.plan.sha256,
            "plan": copy.plan.text.decode(),
            "rubrics": [rubric.text for rubric in copy.rubrics],
        }
        with failpoint(_KEEP):
            replace_synced(self._folder / FILE, json.dumps(public, ensure_ascii=False).encode())
        self.tidy(copy.plan.sha256)

    def tidy(self, sha256: str) -> None:
        """Remove what a plan that does not count has left: its openings are somebody's names."""
        kept = self._openings(sha256)
        with failpoint(_DROP):
            for path in self._folder.glob("*"):
                if path not in (kept, self._folder / FILE):
                    path.unlink(missing_ok=True)

    def _openings(self, sha256: str) -> Path:
        return self._folder / f"openings-{sha256}.json"
