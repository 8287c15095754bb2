"""What a changed configuration changes: which rigs begin, end or begin anew, which lines are made anew. Pure.

A rig is what its entry says, what its profile's bytes are, and what it hangs on. One for which all of that is the
same stays exactly as it is: its connection, its next poll, its place in the queue.
A broker is made anew when its rigs change, too: what it is asked for is said when it is connected.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings.config import Config, RigConfig

_CHANGEABLE: Final = frozenset({"brokers", "buses", "pushes", "rigs", "rubrics", "sha256", "base"})
_PLACES: Final = {
    "gateway_id": "[gateway] id",
    "domain": "[gateway] domain",
    "data": "[gateway] data",
    "state_file": "[gateway] state_file",
    "log_key": "[gateway] log_key",
    "content_key": "[gateway] content_key",
    "server": "[server]",
    "listen": "[local] listen",
    "pace": "[limits]",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Serials of rigs, names of buses and brokers. A changed rig is none of the others."""

    removed: frozenset[str]
    added: frozenset[str]
    changed: frozenset[str]
    buses: frozenset[str]  # that end, or begin anew
    brokers: frozenset[str]  # likewise

    @property
    def ended(self) -> frozenset[str]:
        """Rigs that are let go of, for ever or to be taken up as the new configuration says."""
        return self.removed | self.changed

    @property
    def begun(self) -> frozenset[str]:
        """Rigs that are taken up."""
        return self.added | self.changed


def difference(old: Config, old_hashes: Mapping[str, str], new: Config, new_hashes: Mapping[str, str]) -> Difference:
    """`hashes`: of each profile, by the name or path that the settings have for it."""
    old_rigs, new_rigs = _rigs(old, old_hashes), _rigs(new, new_hashes)
    buses = _gone({bus.id: bus for bus in old.buses}, {bus.id: bus for bus in new.buses})
    brokers = _gone(_brokers(old, old_rigs), _brokers(new, new_rigs))
    both = old_rigs.keys() & new_rigs.keys()
    changed = frozenset(
        serial
        for serial in both
        if old_rigs[serial] != new_rigs[serial] or old_rigs[serial].bus in buses or (old_rigs[serial].broker in brokers)
    )
    return Difference(
        removed=frozenset(old_rigs.keys() - both),
        added=frozenset(new_rigs.keys() - both),
        changed=changed,
        buses=buses,
        brokers=brokers,
    )


def refuse_fixed(old: Config, new: Config) -> None:
    """What a running process cannot change: its name, its log, its server. Raises ConfigError that names it."""
    found = [
        _PLACES.get(field.name, field.name)
        for field in fields(old)
        if field.name not in _CHANGEABLE and getattr(old, field.name) != getattr(new, field.name)
    ]
    if found:
        raise ConfigError(
            f"{', '.join(found)}: a reload changes rigs, buses, brokers, listeners, profiles and rubrics only; "
            "for this one the gateway must be started again"
        )


def _rigs(config: Config, hashes: Mapping[str, str]) -> dict[str, RigConfig]:
    """By serial; the profile by its hash, whatever it is called."""
    return {rig.serial: replace(rig, profile=hashes[rig.profile]) for rig in config.rigs}


def _brokers(config: Config, rigs: Mapping[str, RigConfig]) -> dict[str, Any]:
    return {
        broker.id: (broker, {(rig.serial, rig.profile) for rig in rigs.values() if rig.broker == broker.id})
        for broker in config.brokers
    }


def _gone(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    """Names whose thing is not the same any more."""
    return frozenset(name for name, thing in old.items() if new.get(name) != thing)
