"""Quantiles out of a process's own histograms: two readings of its metrics page, and what lies between them."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

CURVE_POINTS: Final = 200


@dataclass(frozen=True, slots=True)
class Scrape:
    """Cumulative counts by upper bound in seconds, by histogram; and plain values by name."""

    buckets: dict[str, dict[float, float]]
    values: dict[str, float]

    @classmethod
    def of(cls, url: str) -> Scrape:
        """Ask a metrics page."""
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # a page of loopback
            text = answer.read().decode()
        buckets: dict[str, dict[float, float]] = {}
        values: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if "le" in sample.labels:
                    buckets.setdefault(family.name, {})[float(sample.labels["le"])] = sample.value
                else:
                    values[sample.name] = values.get(sample.name, 0.0) + sample.value
        return cls(buckets, values)

    def since(self, before: Scrape, name: str) -> Spread:
        """What a histogram took in between two readings."""
        old = before.buckets.get(name, {})
        return Spread(
            tuple((bound, count - old.get(bound, 0.0)) for bound, count in sorted(self.buckets[name].items()))
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """(upper bound, how many at or below it)."""

    steps: tuple[tuple[float, float], ...]

    @property
    def count(self) -> int:
        """Samples."""
        return int(self.steps[-1][1])

    def at(self, share: float) -> float:
        """A quantile in seconds, linear inside its bucket; the last finite bound for what lies beyond."""
        wanted, below, low = share * self.count, 0.0, 0.0
        for bound, count in self.steps:
            if count >= wanted and count > below:
                return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
            below, low = count, bound
        return low

    def curve(self) -> tuple[float, ...]:
        """Evenly spaced quantiles in ms, for the plot."""
        return tuple(round(1000 * self.at(step / CURVE_POINTS), 4) for step in range(CURVE_POINTS + 1))
