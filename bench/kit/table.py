"""From the figures of one run (a file of JSON lines) to docs/benchmarks.md and its plots.

script/bench --write      runs everything and calls this; the page says of which machine and day its figures are
"""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

from kit.figures import Aim, Figure, number, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "benchmarks.md"
IMAGES: Final = ROOT / "docs" / "images"
LATENCIES: Final = "bench-{}-latency.svg"
AIMS: Final = "bench-aims.svg"
NAME_MAX: Final = 64

HEAD: Final = """# Benchmarks

```
script/bench              every figure beside the yardstick of the same run
script/bench --write      the same, and this page and its plots are made anew
script/bench --list       what there is; `script/bench NAME --help` says how to ask for one
```

1. Rates depend on the machine and on what runs beside; compare ratios, and trust the CPU per operation most.
2. *of yardstick* is the figure divided by the yardstick named beside it, both of this run.
3. An aim that is missed says by how much; where the time goes stands in [profiles.md](profiles.md).
4. Load generators and what is measured share the cores.

Made on {day}, {machine}.
"""
COLUMNS: Final = ("figure", "value", "CPU per operation", "of yardstick", "aim", "note")
RIGHT: Final = frozenset({"value", "CPU per operation"})
_LATENCY: Final = re.compile(r"(?P<base>.*), p(?P<percent>\d+)\Z")


def read(path: Path) -> list[Figure]:
    """The figures of a run, in order."""
    return [_figure(json.loads(each)) for each in path.read_text("utf-8").splitlines()]


def _figure(document: dict[str, Any]) -> Figure:
    aim, beside = document.pop("aim"), document.pop("yardstick")
    document["curve"] = tuple(document["curve"])
    return Figure(**document, aim=Aim(**aim) if aim else None, yardstick=tuple(beside) if beside else None)


def machine() -> str:
    """What the figures were made on."""
    cores, kernel = os.cpu_count(), platform.release().partition("-")[0]
    return f"{cores} cores, {platform.machine()}, Linux {kernel}, Python {platform.python_version()}"


def page(figures: Iterable[Figure], told: str, day: str) -> str:
    """The whole document: aims first, then a table and a plot for each benchmark."""
    benches: dict[str, list[Figure]] = defaultdict(list)
    for each in figures:
        benches[each.bench].append(each)
    parts = [HEAD.format(day=day, machine=told), aims([one for own in benches.values() for one in own])]
    for bench, own in benches.items():
        parts.append(f"## {bench}\n\n{_about(bench)}{rows(own)}")
        if any(each.curve for each in own):
            parts.append(f"![latencies of {bench}](images/{LATENCIES.format(bench)})\n")
    return "\n".join(parts)


def _about(bench: str) -> str:
    path = ROOT / "bench" / f"{bench}.py"
    if not path.exists():
        return ""
    told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return told.split("\n")[0] + "\n\n"


def aims(figures: Sequence[Figure]) -> str:
    """The section of the aims: how many are met, and a line for each."""
    aimed = [each for each in figures if each.aim]
    if not aimed:
        return ""
    met = sum(each.aim.met(each.value) for each in aimed if each.aim)
    lines = [(f"{each.bench}: {each.name}", _value(each), verdict(each)) for each in aimed]
    head = f"## Aims\n\n{met} of {len(aimed)} are met.\n\n"
    return head + _table(("figure", "value", "aim"), lines) + f"\n![aims](images/{AIMS})\n"


def rows(figures: Sequence[Figure]) -> str:
    """The table of one benchmark: one row a figure, percentiles of one latency in one row, no column that is empty."""
    lines: list[tuple[str, ...]] = []
    for name, own in _grouped(figures):
        cpu = next((f"{each.cpu_us:,.0f} µs" for each in own if each.cpu_us is not None), "")
        lines.append((name, _joined(own, _value), cpu, _beside(own), _joined(own, verdict), own[0].note))
    return _table(COLUMNS, lines)


def _grouped(figures: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    found: list[tuple[str, list[Figure]]] = []
    for each in figures:
        match = _LATENCY.match(each.name)
        name = match["base"] if match else each.name
        if match and found and found[-1][0] == name and _LATENCY.match(found[-1][1][0].name):
            found[-1][1].append(each)
        else:
            found.append((name, [each]))
    return found


def _percent(figure: Figure) -> str:
    match = _LATENCY.match(figure.name)
    return f"p{match['percent']} " if match else ""


def _joined(figures: Sequence[Figure], said: Any) -> str:
    return ", ".join(_percent(each) + said(each) for each in figures if said(each))


def _value(figure: Figure) -> str:
    return f"{number(figure.value)}{'' if figure.unit.startswith('/') else ' '}{figure.unit}".rstrip()


def _beside(figures: Sequence[Figure]) -> str:
    ratios = [
        f"{_percent(each)}{each.value / each.yardstick[1]:.2f} ×"
        for each in figures
        if each.yardstick and each.yardstick[1]
    ]
    named = next((each.yardstick[0] for each in figures if each.yardstick), "")
    match = _LATENCY.match(named)
    return f"{', '.join(ratios)} {match['base'] if match else named}" if ratios else ""


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    kept = [place for place in range(len(columns)) if place == 0 or any(line[place] for line in lines)]
    head = [columns[place] for place in kept]
    rule = ["---:" if name in RIGHT else "---" for name in head]
    body = [[line[place].replace("|", "\\|") for place in kept] for line in lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *body))


def plot_latencies(figures: Iterable[Figure], target: Path) -> None:
    """The distributions of one benchmark in one picture, milliseconds on a log axis."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  # only after the backend is chosen

    drawing, axes = plt.subplots(figsize=(9, 4.5))
    for each in figures:
        if each.curve:
            shares = [100 * step / (len(each.curve) - 1) for step in range(len(each.curve))]
            axes.plot(each.curve, shares, label=_short(each.name.rsplit(", p", 1)[0]))
    axes.set_xscale("log")
    axes.set_xlabel("ms")
    axes.set_ylabel("share of samples, %")
    axes.axhline(99, color="grey", linewidth=0.8, linestyle=":")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    drawing.savefig(target, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)


def plot_aims(figures: Iterable[Figure], target: Path) -> None:
    """How far each aim is met: right of 1 is better than asked."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    aimed = [each for each in figures if each.aim and each.aim.value and each.value]
    drawing, axes = plt.subplots(figsize=(9, max(1.5, 0.32 * len(aimed))))
    scores = [_score(each) for each in aimed]
    bars = axes.barh(range(len(aimed)), scores, color=["tab:green" if one >= 1 else "tab:red" for one in scores])
    axes.bar_label(bars, [f" {one:.2g} ×" for one in scores], fontsize="small")
    axes.set_yticks(range(len(aimed)), [_short(f"{each.bench}: {each.name}") for each in aimed], fontsize="small")
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times better than the aim")
    drawing.savefig(target, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)


def _short(name: str) -> str:
    return name if len(name) <= NAME_MAX else name[: NAME_MAX - 1] + "…"


def _score(figure: Figure) -> float:
    aim = figure.aim
    if aim is None:
        return 1.0
    return aim.value / figure.value if aim.bound == "<=" else figure.value / aim.value


def main(arguments: list[str]) -> int:
    """`table.py FIGURES.jsonl`: write the page and its plots."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "kaofen"  # the same figures make the same file
    figures = read(Path(arguments[0]))
    PAGE.write_text(page(figures, machine(), f"{datetime.now(UTC):%Y-%m-%d}"), "utf-8")
    for bench in dict.fromkeys(each.bench for each in figures if each.curve):
        plot_latencies([each for each in figures if each.bench == bench], IMAGES / LATENCIES.format(bench))
    plot_aims(figures, IMAGES / AIMS)
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
