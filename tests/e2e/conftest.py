"""Our commands of these tests are forks of one that is imported (tests/support/forked_commands.py)."""

from __future__ import annotations

import forked_commands
import pytest


@pytest.fixture(scope="session", autouse=True)
def commands() -> None:
    """For every world of processes."""
    forked_commands.install()
