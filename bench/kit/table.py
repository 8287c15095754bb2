"""From the figures of one run (a file of JSON lines) to docs/benchmarks.md and its plots.

script/bench --write      runs everything and calls this; the page says of which machine and day its figures are
"""

from __future__ import annotations

import json
import platform
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

from kit.figures import Aim, Figure, number, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "benchmarks.md"
IMAGES: Final = ROOT / "docs" / "images"
LATENCIES: Final = "bench-latencies.svg"
AIMS: Final = "bench-aims.svg"

HEAD: Final = """# Benchmarks

```
script/bench              every figure beside the yardstick of the same run
script/bench --write      the same, and this page and its plots are made anew
```

1. Rates depend on the machine and on what runs beside; compare ratios, and trust the CPU per operation most.
2. *of yardstick* is the figure divided by the yardstick named beside it, both of this run.
3. An aim that is missed says by how much; where the time goes stands in [profiles.md](profiles.md).

Made on {day} on {cores} cores, {machine}, Python {python}.
"""


def read(path: Path) -> list[Figure]:
    """The figures of a run, in order."""
    return [_figure(json.loads(each)) for each in path.read_text("utf-8").splitlines()]


def _figure(document: dict[str, Any]) -> Figure:
    aim, beside = document.pop("aim"), document.pop("yardstick")
    document["curve"] = tuple(document["curve"])
    return Figure(**document, aim=Aim(**aim) if aim else None, yardstick=tuple(beside) if beside else None)


def page(figures: Iterable[Figure], cores: int, day: str) -> str:
    """The whole document."""
    parts = [HEAD.format(day=day, cores=cores, machine=platform.machine(), python=platform.python_version())]
    benches: dict[str, list[Figure]] = defaultdict(list)
    for each in figures:
        benches[each.bench].append(each)
    parts.append(f"![aims](images/{AIMS})\n\n![latencies](images/{LATENCIES})\n")
    for bench, own in benches.items():
        parts.append(f"## {bench}\n\n| figure | value | CPU per operation | of yardstick | aim | note |\n")
        parts[-1] += "| --- | ---: | ---: | --- | --- | --- |\n" + "".join(map(_row, own))
    return "\n".join(parts)


def _row(figure: Figure) -> str:
    cpu = f"{figure.cpu_us:,.0f} µs" if figure.cpu_us is not None else ""
    beside = ""
    if figure.yardstick and figure.yardstick[1]:
        beside = f"{figure.value / figure.yardstick[1]:.2f} × {figure.yardstick[0]}"
    value = f"{number(figure.value)}{'' if figure.unit.startswith('/') else ' '}{figure.unit}"
    return f"| {figure.name} | {value} | {cpu} | {beside} | {verdict(figure)} | {figure.note} |\n"


def plot_latencies(figures: Iterable[Figure], target: Path) -> None:
    """Every latency's distribution in one picture, milliseconds on a log axis."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  # only after the backend is chosen

    drawing, axes = plt.subplots(figsize=(9, 5))
    for each in figures:
        if each.curve:
            shares = [100 * step / (len(each.curve) - 1) for step in range(len(each.curve))]
            axes.plot(each.curve, shares, label=f"{each.bench}: {each.name.rsplit(', p', 1)[0]}")
    axes.set_xscale("log")
    axes.set_xlabel("ms")
    axes.set_ylabel("share of samples, %")
    axes.grid(visible=True, alpha=0.3)
    if axes.lines:
        axes.legend(fontsize="x-small", loc="lower right")
    drawing.savefig(target, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)


def plot_aims(figures: Iterable[Figure], target: Path) -> None:
    """How far each aim is met: right of 1 is better than asked."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    aimed = [each for each in figures if each.aim and each.aim.value and each.value]
    drawing, axes = plt.subplots(figsize=(9, max(1.5, 0.3 * len(aimed))))
    scores = [_score(each) for each in aimed]
    axes.barh(range(len(aimed)), scores, color=["tab:green" if one >= 1 else "tab:red" for one in scores])
    axes.set_yticks(range(len(aimed)), [f"{each.bench}: {each.name}" for each in aimed], fontsize="x-small")
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times better than the aim")
    drawing.savefig(target, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)


def _score(figure: Figure) -> float:
    aim = figure.aim
    if aim is None:
        return 1.0
    return aim.value / figure.value if aim.bound == "<=" else figure.value / aim.value


def main(arguments: list[str]) -> int:
    """`table.py FIGURES.jsonl CORES`: write the page and its plots."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "kaofen"  # the same figures make the same file
    figures = read(Path(arguments[0]))
    PAGE.write_text(page(figures, int(arguments[1]), f"{datetime.now(UTC):%Y-%m-%d}"), "utf-8")
    plot_latencies(figures, IMAGES / LATENCIES)
    plot_aims(figures, IMAGES / AIMS)
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
