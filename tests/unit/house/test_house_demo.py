"""script/demo, as somebody who mistypes sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from world import Service, World, WorldError

DEMO = Path(__file__).parents[3] / "script" / "demo.py"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rigs", "0"), "--rigs 0: from 1"),
        (("--exams", "0"), "--exams 0: from 1"),
        (("--exams", "-4"), "--exams -4: from 1"),
        (("--port", "70000"), "--port 70000: from 1"),
        (("--speed", "0"), "--speed 0: above 0"),
        (("--keep", "full"), "already there; name a new folder"),
        (("--keep", "full/file"), "already there; name a new folder"),
        (("--keep", "full/file/below"), "Not a directory"),
    ],
)
def test_the_demo_refuses_wrong_words_before_it_starts_anything(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    """At once, exit 2, with the option's name; nothing is made."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    line = [sys.executable, str(DEMO), "--once", *words]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_waiting_ends_with_the_service_that_is_waited_for(tmp_path: Path) -> None:
    """A service that ended is told at once with its last words, long before the deadline."""
    world = World(tmp_path)
    service = Service("server", ("python", "-c", "print('port in use')"), tmp_path / "server.log")
    service.start()
    try:
        with pytest.raises(WorldError, match=r"(?s)the server ended before: it answers.*port in use"):
            world.wait("it answers", lambda: False, 600, needs=service)
    finally:
        service.stop()
