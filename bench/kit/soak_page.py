"""docs/soak.md and its plot, from the samples of one soak."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import matplotlib as mpl

from kit.table import IMAGES, ROOT, machine, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kit.figures import Figure
    from kit.samples import Sample

PAGE: Final = ROOT / "docs" / "soak.md"
PLOT: Final = "soak.svg"
SHOWN: Final = (("rss_mb", "RSS, MiB"), ("descriptors", "descriptors"), ("threads", "threads"), ("wal_mb", "WAL, MiB"))

HEAD: Final = """# Soak

```
script/bench soak --minutes 10 --write     what this page shows
script/bench soak --hours 24 --csv F       the same for a day; F keeps every sample
```

1. A whole exam point runs as processes: server, broker, two gateways, rigs on both wires whose candidates never end,
   a live page that comes back every second, an operator who asks the API.
2. The second gateway is stopped, killed with SIGKILL and stalled in turn. The first and the server live from begin to
   end: their slopes are below.
3. Slopes are least squares over means of blocks, without the first half of the time, with a 95 % bound. A lower
   bound of at most 0 says: no growth is proven.
4. In the end nobody comes any more; then every record of every rig is compared with logs and server (bar B16 in
   [faults](faults.md)). What is lost, twice, altered or without a receipt ends the soak with exit status 1.
5. A plan's session is open for six hours; later exams are logged, receipted and staged for a person.

Made on {day}, {machine}.
"""

FILLS: Final = """## What fills, and then stands still

Looked at from inside (objects by type, heaps of the allocator, memory of SQLite, every 20 s of such a soak), what grew
was this; each is bounded, with its test in [limits](limits.md), and the first half of the time is for filling it:

1. **server: rows of attempts that were over**, some 30 KiB each, 1,024 of them: nearly all of the objects that came
   with each record. Since then 64 are kept; memory follows the exams that run.
2. **server: heaps of its threads.** What one thread frees no other one uses. They share two heaps now.
   A quarter of these was free pages below something that stayed; since then free pages go back every minute.
3. **server and gateway: the page caches of SQLite**, 2 MiB a connection, full after the first minutes.
4. **gateway: messages of MQTT rigs known by their bytes**, 4,096 of a rig, now 1,024; **attempts and their leaves**,
   20,000 and 4,096, now by the number of rigs.
"""


def write(
    figures: Sequence[Figure], taken: Mapping[str, Sequence[Sample]], counts: Mapping[str, int], faults: Sequence[str]
) -> None:
    """Both files."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "kaofen"
    PAGE.write_text(page(figures, counts, faults, f"{datetime.now(UTC):%Y-%m-%d}"), "utf-8")
    plot(taken)
    print(f"wrote {PAGE.relative_to(ROOT)}")


def page(figures: Sequence[Figure], counts: Mapping[str, int], faults: Sequence[str], day: str) -> str:
    """The whole document."""
    told = "".join(f"| {name} | {count:,} |\n" for name, count in counts.items())
    verdict = "Nothing was lost, doubled, altered or left without a receipt." if not faults else "\n".join(faults[:40])
    return "\n".join(
        (
            HEAD.format(day=day, machine=machine()),
            f"![soak](images/{PLOT})\n",
            f"## What happened\n\n| | |\n| --- | ---: |\n{told}\n{verdict}\n",
            f"## Slopes\n\n{rows(figures)}",
            FILLS,
        )
    )


def plot(taken: Mapping[str, Sequence[Sample]]) -> None:
    """One panel a quantity, one line a process; a new life breaks the line."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  # after the backend is chosen

    drawing, panels = plt.subplots(len(SHOWN), 1, figsize=(9, 2.1 * len(SHOWN)), sharex=True)
    for (name, label), axes in zip(SHOWN, panels, strict=True):
        for color, (process, samples) in enumerate(taken.items()):
            for life in sorted({one.life for one in samples}):
                own = [one for one in samples if one.life == life]
                ys = [getattr(one, name) for one in own]
                axes.plot([one.at_s / 60 for one in own], ys, color=f"C{color}", label=process if life == 1 else None)
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
    panels[0].legend(fontsize="small", ncols=len(taken))
    panels[-1].set_xlabel("minutes")
    drawing.savefig(IMAGES / PLOT, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)
