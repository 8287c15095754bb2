"""The figures of every bus, read where they are counted, when somebody asks: for the status, the page and /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Metric

    from device_adapters.modbus.bus import Bus

_GAUGES: Final = {
    "open": ("kaofen_bus_open", "1 while the line is open"),
    "waiting": ("kaofen_bus_waiting", "Requests in the queue"),
    "held": ("kaofen_bus_held_units", "Units left alone because they did not answer"),
}
_COUNTERS: Final = {
    "asked": ("kaofen_bus_requests", "Requests sent"),
    "silent": ("kaofen_bus_silent", "Requests without an answer in time"),
    "odd": ("kaofen_bus_odd_replies", "Requests answered with bytes that were no answer"),
    "strays": ("kaofen_bus_strays", "How often bytes came that nobody had asked for"),
    "opened": ("kaofen_bus_openings", "How often the line was opened"),
    "turns": ("kaofen_bus_turns", "Turns that are over"),
    "turns_s": ("kaofen_bus_turn_seconds", "Time from the queue to the answer, of all turns together"),
}


class BusFigures(Collector):
    """Of the buses that there are; the mapping may change meanwhile."""

    def __init__(self, buses: Mapping[str, Bus]) -> None:
        self._buses = buses

    def to_json(self) -> list[dict[str, Any]]:
        """One element a bus."""
        return [{"id": name, **_figures(bus)} for name, bus in self._buses.items()]

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        found = self.to_json()
        for key, (name, words) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, words, labels=["bus"])
            for one in found:
                gauge.add_metric([one["id"]], float(one[key]))
            yield gauge
        for key, (name, words) in _COUNTERS.items():
            counter = CounterMetricFamily(name, words, labels=["bus"])
            for one in found:
                counter.add_metric([one["id"]], one[key])
            yield counter


def _figures(bus: Bus) -> dict[str, Any]:
    counts = bus.counts
    return {
        "open": bus.is_open,
        "waiting": bus.waiting,
        "held": bus.held,
        "asked": counts.asked,
        "answered": counts.answered,
        "silent": counts.silent,
        "odd": counts.odd,
        "strays": counts.strays,
        "opened": counts.opened,
        "turns": counts.turns,
        "turns_s": round(counts.turns_s, 6),
        "turn_ms": round(1000 * counts.turns_s / counts.turns, 3) if counts.turns else 0.0,
        "longest_turn_ms": round(1000 * counts.longest_turn_s, 3),
    }
