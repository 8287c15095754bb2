"""Figures: each with its unit, its CPU per operation, the yardstick measured in the same run, and the aim.

A benchmark makes one `Report` and adds to it; every line is printed as it comes. With KAOFEN_BENCH_OUT set, each is
also appended to that file as one JSON object a line, from which kit/table.py makes docs/benchmarks.md and its plots.

    report = Report("journal")
    disk = report.add("raw file, append + fdatasync", 2600, "/s", cpu_us=134)
    report.add("log, durable + signed, 1 waiting", 900, "/s", cpu_us=600, yardstick=disk)
    report.latency("first read to durable and signed", seconds, aims={50: 1.5, 99: 8})
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUT: Final = "KAOFEN_BENCH_OUT"
CURVE_POINTS: Final = 200


@dataclass(frozen=True, slots=True)
class Aim:
    """What the figure should be: `at most` or `at least` this, in the figure's unit."""

    bound: Literal["<=", ">="]
    value: float

    def met(self, value: float) -> bool:
        """Whether the figure keeps it."""
        return value <= self.value if self.bound == "<=" else value >= self.value


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `yardstick` is (its name, its value in the same unit) of the same run."""

    bench: str
    name: str
    value: float
    unit: str
    cpu_us: float | None = None
    yardstick: tuple[str, float] | None = None
    aim: Aim | None = None
    note: str = ""
    curve: tuple[float, ...] = field(default=())  # of a latency: evenly spaced quantiles, ms, for the plot


class Report:
    """Prints and keeps the figures of one benchmark."""

    def __init__(self, bench: str) -> None:
        self.bench = bench
        self.figures: list[Figure] = []
        print(f"{'':52s} {'value':>12s} {'':8s} {'CPU/op':>10s} {'of yardstick':>14s}  aim")

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        cpu_us: float | None = None,
        yardstick: Figure | None = None,
        aim: Aim | None = None,
        note: str = "",
        curve: tuple[float, ...] = (),
    ) -> Figure:
        """Keep and print one figure; it may be the yardstick of later ones."""
        beside = None if yardstick is None else (yardstick.name, yardstick.value)
        figure = Figure(self.bench, name, value, unit, cpu_us, beside, aim, note, curve)
        self.figures.append(figure)
        print(line(figure), flush=True)
        if out := os.environ.get(OUT):
            with Path(out).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(figure), ensure_ascii=False) + "\n")
        return figure

    def latency(
        self,
        name: str,
        seconds: Sequence[float],
        *,
        cpu_us: float | None = None,
        yardsticks: Mapping[int, Figure] | None = None,
        aims: Mapping[int, float] | None = None,
        note: str = "",
    ) -> dict[int, Figure]:
        """p50 and p99 in ms (and every other percentile that has an aim, in ms), by percentile."""
        ordered = sorted(seconds)
        if not ordered:
            raise ValueError(f"{name}: nothing was measured")
        curve = tuple(round(1000 * at(ordered, step / CURVE_POINTS), 4) for step in range(CURVE_POINTS + 1))
        found = {}
        for percent in sorted({50, 99, *(aims or {})}):
            aim = Aim("<=", aims[percent]) if aims and percent in aims else None
            found[percent] = self.add(
                f"{name}, p{percent}",
                1000 * at(ordered, percent / 100),
                "ms",
                cpu_us=cpu_us,
                yardstick=(yardsticks or {}).get(percent),
                aim=aim,
                note=f"{len(ordered)} samples" + (f"; {note}" if note else ""),
                curve=curve if percent == 50 else (),
            )
        return found


def at(ordered: Sequence[float], share: float) -> float:
    """The quantile of sorted values, nearest rank."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def line(figure: Figure) -> str:
    """One printed row."""
    cpu = f"{figure.cpu_us:,.0f} us" if figure.cpu_us is not None else ""
    beside = f"{figure.value / figure.yardstick[1]:.2f} x" if figure.yardstick and figure.yardstick[1] else ""
    return (
        f"{figure.name:52s} {number(figure.value):>12s} {figure.unit:8s} {cpu:>10s} {beside:>14s}  {verdict(figure)}"
    ).rstrip()


def verdict(figure: Figure) -> str:
    """The aim, and by how much it is missed."""
    if figure.aim is None:
        return ""
    said = f"{'≤' if figure.aim.bound == '<=' else '≥'} {number(figure.aim.value)}"
    if figure.aim.met(figure.value):
        return f"{said} met"
    return (
        f"{said} MISSED ({100 * (figure.value / figure.aim.value - 1):+.0f} %)"
        if figure.aim.value
        else f"{said} MISSED"
    )


def number(value: float) -> str:
    """Three significant digits below a thousand, whole above."""
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
