"""What the format says when a call is refused, and what it takes at a limit.

The words of each refused call are frozen in tests/vectors/refusals/built.json, beside those of the kept inputs:
KAOFEN_WRITE_VECTORS=1 with this test writes them again, and a person reads the difference.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import refused_calls
import refused_documents
import refused_plans
from tree import ROOT

from scorelog.format.errors import FormatError, UploadError

if TYPE_CHECKING:
    from collections.abc import Callable

FROZEN = ROOT / "tests" / "vectors" / "refusals" / "built.json"
REFUSED = {**refused_calls.REFUSED, **refused_documents.REFUSED, **refused_plans.REFUSED}
TAKEN = {**refused_calls.TAKEN, **refused_documents.TAKEN, **refused_plans.TAKEN}


def said(call: Callable[[], object]) -> str:
    """The error, and what it says."""
    with pytest.raises((FormatError, ValueError)) as refused:
        call()
    error = refused.value
    status = f" {error.status}" if isinstance(error, UploadError) else ""
    return f"{type(error).__name__}{status}: {error}"


def test_each_refused_call_says_what_it_always_said() -> None:
    """Bad input gets a clear error: what, where and what to do; its words do not change unseen."""
    found = {name: said(call) for name, call in REFUSED.items()}
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        FROZEN.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    assert found == json.loads(FROZEN.read_text("utf-8"))


def test_no_refused_call_is_answered_at_length() -> None:
    """I16: hostile bytes cannot write a log line of their own, nor fill one."""
    for name, call in REFUSED.items():
        text = said(call)
        assert len(text) < 600, name
        assert text.isprintable(), name


def test_what_stands_at_a_limit_is_taken() -> None:
    """A limit is the last value that is taken: limit and limit + 1 are two different answers."""
    for name, call in TAKEN.items():
        try:
            call()
        except (FormatError, ValueError) as error:
            pytest.fail(f"{name}: {error}")
