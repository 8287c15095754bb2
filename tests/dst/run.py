"""Run seeds of the simulation by hand.

python tests/dst/run.py --seed 17 --trace     one seed, with everything that happens in it
python tests/dst/run.py --seeds 200 --from 1  many seeds, with seeds and virtual hours per second
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from dst_bugs_projection import BUGS  # noqa: E402
from dst_world import LONG, MINUTES, SHORT, Outcome, World  # noqa: E402


def main() -> int:
    """The exit code: 1 when an invariant was broken."""
    said = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    said.add_argument("--seed", type=int, help="one seed")
    said.add_argument("--trace", action="store_true", help="print everything that happens")
    said.add_argument("--seeds", type=int, default=20, help="how many")
    said.add_argument("--from", type=int, default=1, dest="first", help="the first of them")
    said.add_argument("--bug", choices=sorted(BUGS), help="plant this one; ends at the first seed that finds it")
    said.add_argument("--minutes", type=float, help="of exams and faults, two gateways (else a third of one)")
    said.add_argument("--hours", type=float, help="of exams and faults, three gateways")
    asked = said.parse_args()
    scale = SHORT
    if asked.hours is not None:
        scale = LONG.lasting(asked.hours * 3600)
    elif asked.minutes is not None:
        scale = MINUTES.lasting(asked.minutes * 60)
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    began, outcomes = time.process_time(), []
    for seed in seeds:
        outcome = World(seed, BUGS.get(asked.bug), scale, tracing=asked.trace).run()
        outcomes.append(outcome)
        for wrong in outcome.wrong:
            _tell(f"seed {seed}: {wrong}  [{' '.join(outcome.faults)}]")
        if asked.bug and outcome.wrong:
            break
    _say(outcomes, time.process_time() - began)
    return int(any(outcome.wrong for outcome in outcomes))


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _say(outcomes: list[Outcome], cpu_s: float) -> None:
    hours = sum(outcome.virtual_s for outcome in outcomes) / 3600
    _tell(
        f"{len(outcomes)} seeds in {cpu_s:.2f} s of CPU: {len(outcomes) / cpu_s:.1f} seeds/s, "
        f"{hours:.2f} virtual hours, {hours / cpu_s:.3f} virtual hours/s; "
        f"{sum(outcome.records for outcome in outcomes)} records, {sum(outcome.entries for outcome in outcomes)} "
        f"entries receipted, {sum(outcome.starts for outcome in outcomes)} starts of gateways, "
        f"{sum(bool(outcome.wrong) for outcome in outcomes)} seeds wrong"
    )
    if len(outcomes) == 1:
        _tell(f"digest {outcomes[0].digest}")


if __name__ == "__main__":
    sys.exit(main())
