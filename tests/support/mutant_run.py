"""Runs mutants: a pytest plugin that collects the tests once and forks for each mutant.

    pytest -p mutant_run …     with KAOFEN_MUTANTS naming a folder that holds

    sample.txt      names of mutants, one a line
    coverage        the data of a run with contexts (`--cov-context=test`)
    times.json      seconds of each test; made if absent, which also shows that the tests pass without a mutant
    results.txt     written here: `killed|timeout|survived|untested NAME TEST ERROR`; what stands there is not run again

A child runs the tests that were seen to run the changed statement, the quick ones first, until one fails. Tests that
the coverage does not know are run for every mutant. A child that exceeds its processor time or its deadline is killed;
what somebody else killed is not counted.
KAOFEN_SOURCES names the tree that the mutants were made of, KAOFEN_MUTANTS_AT_ONCE how many run beside each other.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.runner import runtestprotocol
from mutant_lines import Reach
from mutmut.mutation import trampoline
from mutmut.mutation.trampoline import set_mutant_under_test

if TYPE_CHECKING:
    from collections.abc import Iterable

_CPU_SPARE_S: Final = 20.0
_WALL_SPARE_S: Final = 240.0
_TIMES_SLOWER: Final = 8.0  # than without a mutant, on a loaded machine
_TESTS_MOST_S: Final = 25.0  # of a mutant's tests, quick ones first; what only a slower one would kill counts as alive
_FAILED, _PASSED = 1, 0


@dataclass
class Child:
    """One mutant under test."""

    name: str
    started: float
    deadline_s: float
    words: int  # the pipe on which it says what killed it
    room: Path  # its temporary folder, emptied behind it: a log takes 32 MiB


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """In place of the tests: the mutants."""
    folder = Path(os.environ["KAOFEN_MUTANTS"])
    items = session.items
    times = _times(folder / "times.json", items)
    reach = Reach(Path(os.environ["KAOFEN_SOURCES"]), Path.cwd(), folder / "coverage")
    results = folder / "results.txt"
    done = {line.split()[1] for line in results.read_text("utf-8").splitlines()} if results.exists() else set()
    names = [name for name in (folder / "sample.txt").read_text("utf-8").split() if name not in done]
    with results.open("a", encoding="utf-8") as out:
        for word, name, test in _run(names, items, times, reach):
            out.write(f"{word} {name} {test}\n")
            out.flush()
    return True


def _run(
    names: Iterable[str], items: list[pytest.Item], times: dict[str, float], reach: Reach
) -> Iterable[tuple[str, str, str]]:
    waiting, running = deque(names), dict[int, Child]()
    most = int(os.environ.get("KAOFEN_MUTANTS_AT_ONCE", "2"))
    while waiting or running:
        while waiting and len(running) < most:
            name = waiting.popleft()
            chosen = _chosen(reach.tests(name), reach.known, items, times)
            if not chosen:
                yield "untested", name, "-"
                continue
            pid, child = _fork(name, chosen, sum(times.get(item.nodeid, 1.0) for item in chosen))
            running[pid] = child
        yield from _ended(running)
        time.sleep(0.01)


def _chosen(wanted: set[str], known: set[str], items: list[pytest.Item], times: dict[str, float]) -> list[pytest.Item]:
    """Quick ones first, but those of a file together: fixtures of the file are made once."""

    def fits(item: pytest.Item) -> bool:
        name = item.nodeid
        return name in wanted or f"{name.partition('::')[0]}::" in wanted or (bool(wanted) and name not in known)

    ordered = sorted((item for item in items if fits(item)), key=lambda item: times.get(item.nodeid, 0.0))
    spent = accumulate(times.get(item.nodeid, 0.0) for item in ordered)
    return [item for item, so_far in zip(ordered, spent, strict=True) if so_far <= _TESTS_MOST_S]


def _fork(name: str, chosen: list[pytest.Item], seconds: float) -> tuple[int, Child]:
    read, write = os.pipe()
    room = Path(tempfile.mkdtemp(prefix="mutant-"))
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, Child(name, time.monotonic(), _WALL_SPARE_S + _TIMES_SLOWER * seconds, read, room)
    os.close(read)
    os.setpgid(0, 0)
    limit = int(_CPU_SPARE_S + _TIMES_SLOWER * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _quiet()
    tempfile.tempdir = os.environ["TMPDIR"] = str(room)
    chosen[0].config._tmp_path_factory._basetemp = room  # type: ignore[attr-defined]
    set_mutant_under_test(name)
    trampoline.get_mutant_under_test = lambda: name  # asked at every call, and slow to look it up
    code = _FAILED
    try:
        failed = first_failure(chosen)
        code = _PASSED if failed is None else _FAILED
        os.write(write, (failed or "-").encode())
    finally:
        os._exit(code)


def _quiet() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)


def first_failure(chosen: list[pytest.Item], times: dict[str, float] | None = None) -> str | None:
    """Runs tests until one fails; its id."""
    for item, following in zip(chosen, [*chosen[1:], None], strict=True):
        reports = runtestprotocol(item, log=False, nextitem=following)
        failed = next((report for report in reports if report.failed), None)
        if failed is not None:
            crash = getattr(failed.longrepr, "reprcrash", None)
            return f"{item.nodeid} {str(crash.message if crash else '').split(chr(10))[0]:.200}"
        if times is not None:
            times[item.nodeid] = sum(report.duration for report in reports)
    return None


def _ended(running: dict[int, Child]) -> Iterable[tuple[str, str, str]]:
    for pid, child in list(running.items()):
        late = time.monotonic() - child.started > child.deadline_s
        if late:
            os.killpg(pid, signal.SIGKILL)
        ended, status = os.waitpid(pid, 0 if late else os.WNOHANG)
        if not ended:
            continue
        del running[pid]
        said = os.read(child.words, 4096).decode() or "-"
        os.close(child.words)
        shutil.rmtree(child.room, ignore_errors=True)
        word = _word(status, late=late)
        if word is not None:
            yield word, child.name, said


def _word(status: int, *, late: bool) -> str | None:
    """None if somebody else killed it (the machine ran out of memory): nothing was learnt, so it is run again."""
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return "timeout"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    return "survived" if status == 0 else "killed"


def _times(path: Path, items: list[pytest.Item]) -> dict[str, float]:
    """Of every test without a mutant; they must pass."""
    if not path.exists():
        pid = os.fork()
        if not pid:
            code = _FAILED
            try:
                found: dict[str, float] = {}
                failed = first_failure(items, found)
                if failed is None:
                    path.write_text(json.dumps(found), "utf-8")
                    code = _PASSED
                else:
                    sys.__stderr__.write(f"fails without a mutant: {failed}\n")  # type: ignore[union-attr]
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        if status:
            pytest.exit("the tests do not pass without a mutant", 1)
    loaded: Any = json.loads(path.read_text("utf-8"))
    return dict(loaded)
