"""Bugs planted between the evidence and the projector of the simulated server (see dst_bugs.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dst_bugs_messages  # noqa: F401  # they are planted as well
from dst_bugs import BUGS, Bug, Wrapped, planted

if TYPE_CHECKING:
    from server.evidence.store import BundleRef, StoredEntry

__all__ = ["BUGS"]


@planted
class PassedOver(Bug):
    """A projector that goes on after a start begins one bundle too late."""

    name, needs, broken = "a bundle is passed over after a start", "server_step", "P4"

    class Store(Wrapped):
        resumed = False
        passed: int | None = None

        async def bundles_after(self, seq: int, limit: int) -> list[BundleRef]:
            refs: list[BundleRef] = await self.real.bundles_after(seq, limit)
            if limit == 1:  # the look whether the evidence is still the one of its tables
                self.resumed = True
                return refs
            if self.resumed and refs and self.passed is None:
                self.passed = refs[0].seq
            return [ref for ref in refs if ref.seq != self.passed]

    def evidence(self, store: Any) -> Any:
        return self.Store(store)


@planted
class ReadWrongly(Bug):
    """Two digits of a score change places, in every reading alike: a rebuild makes the same mistake."""

    name, needs, broken = "a score is read wrongly each time", "", "P4"

    class Store(Wrapped):
        async def arrived(self, first: int, last: int) -> list[StoredEntry]:
            found: list[StoredEntry] = await self.real.arrived(first, last)
            return [replace(one, data=one.data.replace(b'"score":9500', b'"score":5900')) for one in found]

    def evidence(self, store: Any) -> Any:
        return self.Store(store)
