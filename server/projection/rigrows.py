"""The rows of `rigs` and the alarms about who owns a rig, written once a batch.

Owns two rules: the plan gives the rig to another gateway (B7), and the same serial is heard from two gateways. All
rigs are held in memory by the projector, so nothing is read back for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.projection import schema
from server.projection.alerts import Alert
from server.projection.writing import upsert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.projection.folding import RigKey
    from server.projection.rigfold import RigState


class Rigs:
    """All rigs as the tables have them, by gateway and serial, and who speaks of which serial."""

    def __init__(self, states: Mapping[RigKey, RigState]) -> None:
        self.states = dict(states)
        self._gateways: dict[str, set[str]] = {}
        self._learn(states)

    def _learn(self, states: Mapping[RigKey, RigState]) -> None:
        for gateway, rig in states:
            self._gateways.setdefault(rig, set()).add(gateway)

    def settle(self, states: Mapping[RigKey, RigState]) -> None:
        """These are in the tables now."""
        self.states.update(states)
        self._learn(states)

    async def write(self, db: AsyncConnection, states: Mapping[RigKey, RigState]) -> None:
        """Replace the rows of these rigs, and say what is wrong with them."""
        await upsert_rows(db, schema.rigs, [_row(state) for state in states.values()])
        alerts = [alert.to_row(f"owner/{gateway}/{rig}") for (gateway, rig), alert in self._owned(states).items()]
        for rig in {rig for _, rig in states}:
            alert = self._shared(rig, states)
            alerts += [alert.to_row(f"rig/{rig}")] if alert else []
        await upsert_rows(db, schema.alerts, alerts)

    def _owned(self, states: Mapping[RigKey, RigState]) -> dict[RigKey, Alert]:
        """Once another owner was seen, that stays as it is."""
        found = {}
        for key, state in states.items():
            before = self.states.get(key)
            if state.owner is not None and (before is None or before.owner is None):
                found[key] = _owner_alert(state, state.owner)
        return found

    def _shared(self, rig: str, states: Mapping[RigKey, RigState]) -> Alert | None:
        """One gateway owns a rig: the same serial from two is a contradiction."""
        gateways = self._gateways.get(rig, set()) | {gateway for gateway, one in states if one == rig}
        if len(gateways) == 1:
            return None
        heard = [states.get((gateway, rig)) or self.states[gateway, rig] for gateway in gateways]
        at_us = max(state.received_us for state in heard)
        return Alert("rig_two_gateways", "alarm", None, None, rig, None, at_us, {"gateways": sorted(gateways)}, "rig")


def _owner_alert(state: RigState, seen: tuple[str, str, int, int]) -> Alert:
    """B7: the plan gives the rig to another gateway; with the first entry that shows it."""
    owner, origin, index, received_us = seen
    detail = {"gateway": state.gateway, "owner": owner}
    return Alert("rig_not_owned", "alarm", origin, index, state.rig, None, received_us, detail, level="owner")


def _row(state: RigState) -> dict[str, Any]:
    return {
        "gateway": state.gateway,
        "rig": state.rig,
        "origin": state.origin,
        "index": state.index,
        "received_us": state.received_us,
        "attempt": state.attempt,
        "body": state.to_json(),
    }
