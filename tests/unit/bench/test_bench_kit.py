"""The kit of the benchmarks: quantiles, aims, slopes, and the page that is made of figures."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.append(str(Path(__file__).parents[3] / "bench"))

from kit.figures import OUT, Aim, Figure, Report, at, number, verdict
from kit.slopes import slope
from kit.table import page, read, rows


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_quantile_is_one_of_the_samples(share: float, value: int) -> None:
    """Nearest rank, never between two samples, never beyond the last."""
    assert at(range(1, 101), share) == value


@pytest.mark.parametrize(
    ("aim", "value", "said"),
    [
        (Aim("<=", 15), 15, "≤ 15 met"),
        (Aim("<=", 15), 18, "≤ 15 MISSED (+20 %)"),
        (Aim(">=", 2000), 1500, "≥ 2,000 MISSED (-25 %)"),
        (Aim("<=", 0), 0.5, "≤ 0 MISSED"),
        (None, 1, ""),
    ],
)
def test_an_aim_says_by_how_much_it_is_missed(aim: Aim | None, value: float, said: str) -> None:
    """Issue 4: where an aim is missed, by how much."""
    assert verdict(Figure("b", "n", value, "ms", aim=aim)) == said


def test_a_report_goes_to_the_page_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure beside its yardstick and aim; percentiles of one latency are one row; empty columns are left out."""
    out = tmp_path / "figures.jsonl"
    monkeypatch.setenv(OUT, str(out))
    report = Report("live")
    bare = report.latency("bare hub", [0.01] * 100)
    report.latency("event → client", [0.02] * 99 + [0.15], yardsticks=bare, aims={99: 100}, cpu_us=20)
    assert "MISSED (+50 %)" in capsys.readouterr().out
    figures = read(out)
    assert figures == report.figures
    text = page(figures, "2 cores", "2026-11-23")
    assert "0 of 1 are met." in text
    assert (
        "| event → client | p50 20 ms, p99 150 ms | 20 µs | p50 2.00 ×, p99 15.00 × bare hub | p99 ≤ 100 MISSED" in text
    )
    assert "images/bench-live-latency.svg" in text
    assert "CPU" not in rows([Figure("b", "n", 1, "MiB")])


@pytest.mark.parametrize(("value", "said"), [(0.0123, "0.0123"), (99.96, "100"), (1234.5, "1,234"), (7.0, "7")])
def test_numbers_have_three_digits(value: float, said: str) -> None:
    """Nobody reads more."""
    assert number(value) == said


def test_a_slope_is_found_with_its_bound() -> None:
    """B16: growth under noise is seen, no growth is not proven, and too few samples prove nothing."""
    chance = Random(7)
    xs = [step / 10 for step in range(240)]
    grown = slope(xs, [50 + 3 * x + chance.gauss(0, 1) for x in xs])
    assert abs(grown.value - 3) <= grown.bound < 0.1
    assert not grown.flat
    assert slope(xs, [50 + chance.gauss(0, 1) for _ in xs]).flat
    assert slope([1, 2], [1, 2]).bound == math.inf
    assert slope([1] * 10, list(range(10))).bound == math.inf
