"""The figures of every push listener, read where they are counted, when somebody asks: for the status and /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Metric

    from gateway.push.listener import PushListener


class PushFigures(Collector):
    """Of the listeners that there are."""

    def __init__(self, listeners: Mapping[str, PushListener]) -> None:
        self._listeners = listeners

    def to_json(self) -> list[dict[str, Any]]:
        """One element a listener."""
        return [one.to_json() for one in self._listeners.values()]

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        up = GaugeMetricFamily("kaofen_push_listening", "1 while rigs can push", labels=["push"])
        lines = GaugeMetricFamily("kaofen_push_connections", "Connections of rigs that push", labels=["push"])
        answers = CounterMetricFamily("kaofen_push_answers", "Answers to pushed requests", labels=["push", "status"])
        for name, one in self._listeners.items():
            said = one.to_json()
            up.add_metric([name], float(said["listening"]))
            lines.add_metric([name], float(said["connections"]))
            for status, count in said["answers"].items():
                answers.add_metric([name, status], count)
        return (up, lines, answers)
