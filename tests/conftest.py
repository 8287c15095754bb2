"""Rules of the whole suite: which tests need what, and what happens when it is not there.

A *choice* (root tests, long tests) that was not made is a skip. A *missing part* (Chromium, a disk tool) is a skip
that names the part and its package; with CI=true it is a failure, so that nothing drops out of the gate unseen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog
from long_times import times
from parts import missing_reason, root_tests_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real_postgres import RealPostgres

IN_CI = os.environ.get("CI") == "true"

# Wall-clock deadlines measure a busy machine, not our code. In CI a run is repeatable; elsewhere it explores.
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=times(400), print_blob=True)

# What each marker needs, by the names of tests/support/parts.py.
MARKER_PARTS = {"root": ("nbdkit", "nbdfuse", "fuse", "mkfs", "losetup"), "browser": ("chromium", "chinese-font")}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` also runs the tests marked `long`."""
    parser.addoption("--long", action="store_true", default=False, help="also run the tests marked long")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the hypothesis profile of this run."""
    profile = "long" if config.getoption("--long") else "ci" if IN_CI else "explore"
    hypothesis.settings.load_profile(profile)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what was not chosen; skip, or in CI fail, what lacks a part."""
    if item.get_closest_marker("long") and not item.config.getoption("--long"):
        pytest.skip("long: run script/test --long")
    if item.get_closest_marker("root"):
        if not root_tests_wanted():
            pytest.skip("root: run as root with KAOFEN_ROOT_TESTS=1")
        if os.geteuid() != 0:
            _missing("missing part: root rights (KAOFEN_ROOT_TESTS=1 is set, but this is an ordinary user)")
    for part in _needed_parts(item):
        reason = missing_reason(part)
        if reason is not None:
            _missing(reason)


def _needed_parts(item: pytest.Item) -> list[str]:
    needed = [part for marker in MARKER_PARTS if item.get_closest_marker(marker) for part in MARKER_PARTS[marker]]
    for marker in item.iter_markers("needs"):
        needed += marker.args
    return needed


def _missing(reason: str) -> None:
    if IN_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def log_lines_as_unconfigured() -> None:
    """A command run in this process sets up its log lines; the next test must not write where that one did."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[RealPostgres]:
    """A real PostgreSQL of this run's own; without its programs the test is skipped, or in CI fails."""
    reason = missing_reason("postgresql")
    if reason is not None:
        _missing(reason)
    from real_postgres import running_postgres  # noqa: PLC0415  # only where a test asks for it

    with running_postgres() as made:
        yield made


@pytest.fixture
def postgres_url(postgres: RealPostgres) -> Iterator[str]:
    """An empty database of the test's own."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)
