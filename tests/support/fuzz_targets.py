"""What is fuzzed: one `Target` per parser. A part adds its own by a module `fuzz_targets_<part>.py` beside this one.

The law of every target: for any bytes, `parse` returns a value or raises one of `refusals`; nothing else leaves it. A
value that was accepted encodes back to the very same bytes, where the format has one spelling.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_SPECIFIC = re.compile(r"['\"`$({\[].*|[0-9a-f]{8,}|[0-9]+", re.DOTALL)

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"


@dataclass(frozen=True)
class Target:
    """One parser under test."""

    name: str
    parse: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    encode: Callable[[Any], bytes] | None
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = ()
    reshape: Callable[[random.Random, bytes, Callable[[bytes], bytes]], bytes] | None = None
    """Structure-aware mutation: change a part of the input with the given mutation and make the rest fit again."""
    slow: int = 1
    """How many times fewer runs than the others get: parsers of whole files."""

    def corpus(self) -> list[bytes]:
        """The kept inputs, then the made ones."""
        folder = CORPUS / self.name
        kept = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
        return kept + [seed for seed in self.seeds() if seed not in kept]

    def check(self, data: bytes) -> str:
        """Run one input; the kind of what happened, or AssertionError if the law is broken."""
        try:
            value = self.parse(data)
        except self.refusals as refusal:
            return _kind(refusal)
        except Exception as error:  # the law: nothing else leaves a parser
            raise AssertionError(f"{self.name} let {type(error).__name__} out: {error}; input {data!r}") from error
        if self.encode is not None:
            again = self.encode(value)
            assert again == data, f"{self.name} accepts a second spelling: {data!r} encodes to {again!r}"
        return "accepted"


def _kind(refusal: Exception) -> str:
    """What a refusal says, without what is particular to this input."""
    parts = (getattr(refusal, "where", ""), getattr(refusal, "what", str(refusal)), getattr(refusal, "expected", ""))
    said = "; ".join(_SPECIFIC.sub("#", str(part))[:60] for part in parts)
    return f"{type(refusal).__name__}: {said}"


def all_targets() -> dict[str, Target]:
    """Every target of every part."""
    found: dict[str, Target] = {}
    for path in sorted(Path(__file__).parent.glob("fuzz_targets_*.py")):
        for target in importlib.import_module(path.stem).TARGETS:
            assert target.name not in found, f"two targets named {target.name}"
            found[target.name] = target
    return found
