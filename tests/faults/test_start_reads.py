"""B4, G4: the disk does not answer the n-th read of a start, for every n: a refusal in clear words, never damage.

A read that fails says nothing about what is written. A log that is put aside for it would be a generation given up,
with an alarm and its entries logged again, because of a loose cable.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

import pytest
import start_lives
from log_crash import FAILED, Round, Zygote
from log_strace import injected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.needs("strace")]

ORDINALS_MAX = 400


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(start_lives.__file__) as process:
        yield process


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home with a box in it."""
    home = tmp_path_factory.mktemp("made")
    asyncio.run(start_lives.make_box(home))
    return home


def words_of(home: Path, call: str, when: str) -> tuple[str, ...]:
    config = start_lives.box_config(home)
    files = [config.log_directory / name for name in ("", "identity.json", "log.db", "log.db-wal", "log.db-shm")]
    places = [word for path in (*files, config.state_file) for word in ("-P", str(path))]
    return ("-y", *places, "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}", "-o", f"{home}/trace")


def start(zygote: Zygote, home: Path, strace: tuple[str, ...] = (), scenario: str = "start") -> tuple[int, str]:
    """Its exit code and its last line."""
    told = home / "told"
    told.unlink(missing_ok=True)
    code = zygote.run(Round(str(home), str(told), scenario=scenario, strace=strace))
    return code, told.read_text() if told.exists() else ""


def start_badly(zygote: Zygote, made: Path, home: Path, call: str, when: str) -> bool:
    """One start; whether a read failed. Whatever came of it, the next start is as if nothing had been."""
    shutil.copytree(made, home)
    whole = f"opened kaofen.example/gw/gw-01/0 {start_lives.RECORDS}\n"
    code, said = start(zygote, home, words_of(home, call, when))
    met, _ = injected(home / "trace", "log.db")
    where = f"{call} at {when}: {code} {said}"
    assert (code, said) == (0, whole) or (code == FAILED and said.startswith("refused ")), where
    data = start_lives.box_config(home).data
    assert [path.name for path in data.iterdir() if "quarantined" in path.name] == [], where
    assert start(zygote, home) == (0, whole), where
    shutil.rmtree(home)
    return met


def sweep(zygote: Zygote, made: Path, folder: Path, call: str, step: int = 1) -> None:
    """Every ordinal, or each so-and-so-many-th, until the call is not made so often."""
    for ordinal in range(1, ORDINALS_MAX, step):
        if not start_badly(zygote, made, folder / f"{ordinal}", call, f"{ordinal}"):
            assert ordinal > step
            return
    raise AssertionError(f"{call} is made more than {ORDINALS_MAX} times")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's folder with evidence in it."""
    home = tmp_path_factory.mktemp("evidence")
    asyncio.run(start_lives.make_evidence(home))
    return home / "left"


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("call", "step"), [("read", 1), ("openat", 2), ("pread64", 15)])
def test_a_read_of_a_start_fails_once(tmp_path: Path, zygote: Zygote, made: Path, call: str, step: int) -> None:
    """G4, P3: refused, or read again with success; never a new generation."""
    sweep(zygote, made, tmp_path, call, step)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("when", ["1+", "9+"])
def test_a_disk_that_gives_nothing_more_is_named(tmp_path: Path, zygote: Zygote, made: Path, when: str) -> None:
    """G4, P3: refused with the file and what to do, at each start, for as long as it lasts; then it goes on."""
    assert start_badly(zygote, made, tmp_path / "always", "pread64", when)
    shutil.copytree(made, tmp_path / "again")
    _, said = start(zygote, tmp_path / "again", words_of(tmp_path / "again", "pread64", when))
    assert re.search(r"(disk I/O|Input/output) error; this is the disk and not the log: nothing was changed", said)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("call", ["pread64", "openat"])
def test_every_read_of_a_start_fails_once(tmp_path: Path, zygote: Zygote, made: Path, call: str) -> None:
    """B4: the same at each ordinal, a quarter of a minute."""
    sweep(zygote, made, tmp_path, call)


def serve_badly(zygote: Zygote, evidence: Path, home: Path, when: str) -> bool:
    """One start of a server and one request; whether a read failed. The next start is as if nothing had been."""
    home.mkdir()
    shutil.copytree(evidence, home / "server")
    files = [f"{home}/server/{name}" for name in ("evidence.db", "evidence.db-wal", "registry.db")]
    places = [word for path in files for word in ("-P", path)]
    inject = f"inject=pread64:error=EIO:when={when}"
    strace = ("-y", *places, "-e", "trace=pread64", "-e", inject, "-o", f"{home}/trace")
    whole = (0, f"held {start_lives.RECORDS}\n")
    found = start(zygote, home, strace, "serve")
    met, _ = injected(home / "trace", "evidence.db")
    refused = found[0] == FAILED and ("nothing was changed" in found[1] or found[1] == "unread\n")
    assert found == whole or refused, f"pread64 at {when}: {found}"
    assert start(zygote, home, scenario="serve") == whole
    shutil.rmtree(home)
    return met


@pytest.mark.timeout(240)
def test_a_read_of_a_server_s_start_fails(tmp_path: Path, zygote: Zygote, evidence: Path) -> None:
    """S3, P3: at some ordinals, and for good from the first on: refused in words, nothing is changed or judged."""
    assert serve_badly(zygote, evidence, tmp_path / "always", "1+")
    for ordinal in range(1, 30, 5):
        serve_badly(zygote, evidence, tmp_path / f"{ordinal}", f"{ordinal}")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_read_of_a_server_s_start_fails(tmp_path: Path, zygote: Zygote, evidence: Path) -> None:
    """B4, S3: the same at each ordinal."""
    for ordinal in range(1, ORDINALS_MAX):
        if not serve_badly(zygote, evidence, tmp_path / f"{ordinal}", f"{ordinal}"):
            assert ordinal > 1
            return
    raise AssertionError(f"a start reads more than {ORDINALS_MAX} times")
