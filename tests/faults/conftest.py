"""The real server as a process, for the tests that need one; a test of another database takes `served` itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import forked_commands
import pytest
from server_process import ServerProcess, Zygotes, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def commands() -> None:
    """Those of the tests in this folder are forks of one that is imported."""
    forked_commands.install()


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Zygotes]:
    """Shared by a module's tests."""
    made = Zygotes()
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path, zygotes: Zygotes) -> Iterator[ServerProcess]:
    """Over SQLite, in the test's own folder."""
    with served(tmp_path, zygotes) as made:
        yield made
