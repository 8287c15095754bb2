"""What a refusal says is what an operator acts on: what was found, where, and what was expected.

The words for every kept input of tests/fuzz/corpus are frozen in tests/vectors/refusals. Whoever changes words does it
there too: KAOFEN_WRITE_VECTORS=1 with this test writes them again, and a person reads the difference.
"""

from __future__ import annotations

import json
import os

import pytest
from fuzz_targets import CORPUS
from fuzz_targets_format import TARGETS
from tree import ROOT

from scorelog.format.errors import FormatError, UploadError

FROZEN = ROOT / "tests" / "vectors" / "refusals"
BY_NAME = {target.name: target for target in TARGETS}


def said(name: str) -> dict[str, str]:
    """Kept input → error, and what it says."""
    found = {}
    for path in sorted((CORPUS / name).iterdir()):
        try:
            BY_NAME[name].parse(path.read_bytes())
        except FormatError as error:
            status = f" {error.status}" if isinstance(error, UploadError) else ""
            found[path.name] = f"{type(error).__name__}{status}: {error}"
    return found


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_refusal_says_what_it_always_said(name: str) -> None:
    """Bad input gets a clear error; its words do not change unseen."""
    path = FROZEN / f"{name}.json"
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        path.write_text(json.dumps(said(name), ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    assert said(name) == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_no_refusal_is_long_or_breaks_a_line(name: str) -> None:
    """I16: hostile bytes cannot write a log line of their own, nor fill one."""
    for text in said(name).values():
        assert len(text) < 600
        assert text.isprintable(), text
