"""The fuzzing loop: mutate, run, count; keep the smallest input of every new kind of refusal.

With `guide` it also keeps each input that runs a line which none before it ran (fuzz_lines.py).
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from fuzz_mutation import mutate
from fuzz_targets import CORPUS

if TYPE_CHECKING:
    from fuzz_lines import Lines
    from fuzz_targets import Target

KEPT_BYTES_MAX = 2_048
KEPT_FILES_MAX = 60
POOL_MAX = 400


@dataclass
class Outcome:
    """What a run saw."""

    name: str
    runs: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    smallest: dict[str, bytes] = field(default_factory=dict)
    reached: list[bytes] = field(default_factory=list)  # what ran a new line, in order; of the walk, not of its start

    @property
    def line(self) -> str:
        """The run as one line."""
        accepted = self.kinds["accepted"]
        rate = self.runs / self.seconds if self.seconds else 0
        return f"{self.name}: {self.runs} runs, {rate:.0f} runs/s, {accepted} accepted, {len(self.kinds)} outcomes"


def fuzz(target: Target, runs: int, seed: int = 0, guide: Lines | None = None) -> Outcome:
    """Run a target; AssertionError with the input when its law is broken."""
    rng = random.Random(f"{target.name} {seed}")
    pool = target.corpus()
    outcome = Outcome(target.name)
    started = time.perf_counter()
    for number in range(runs):
        data = pool[number] if number < len(pool) else _next(rng, target, pool, eager=guide is not None)
        known = number < len(pool)
        if guide is None:
            kind, further = target.check(data), False
        else:
            kind, further = guide.run(target.check, data)
        if further and not known:
            outcome.reached.append(data)
        if (further or kind not in outcome.kinds) and not known and len(pool) < POOL_MAX:
            pool.append(data)
        outcome.kinds[kind] += 1
        if kind not in outcome.smallest or len(data) < len(outcome.smallest[kind]):
            outcome.smallest[kind] = data
    outcome.runs, outcome.seconds = runs, time.perf_counter() - started
    return outcome


def _next(rng: random.Random, target: Target, pool: list[bytes], *, eager: bool) -> bytes:
    """A mutation of a kept input; one in four of the newest, where lines lead."""
    data = pool[-1] if eager and rng.random() < 0.25 else rng.choice(pool)

    def change(part: bytes) -> bytes:
        return mutate(rng, part, pool, target.tokens)

    if target.reshape is not None and rng.random() < 0.5:
        return target.reshape(rng, data, change)
    return change(data)


def grow(target: Target, outcome: Outcome) -> int:
    """Write the smallest input of every kind into the corpus; how many are new."""
    folder = CORPUS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    kept = {path.read_bytes() for path in folder.iterdir()}
    known = {target.check(data) for data in kept}
    added = 0
    for place, seed in enumerate(target.seeds()):
        if seed not in kept:
            (folder / f"seed-{place:03}").write_bytes(seed)
            added += 1
    for data in outcome.reached:
        if data not in kept and len(data) <= KEPT_BYTES_MAX and len(kept) + added < KEPT_FILES_MAX:
            (folder / f"reached-{sha256(data).hexdigest()[:12]}").write_bytes(data)
            added += 1
    for kind, data in sorted(outcome.smallest.items()):
        if (
            kind not in known
            and kind != "accepted"
            and len(data) <= KEPT_BYTES_MAX
            and len(kept) + added < KEPT_FILES_MAX
        ):
            slug = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")[:60]
            path = folder / f"found-{slug}"
            added += not path.exists()
            path.write_bytes(data)
    return added
