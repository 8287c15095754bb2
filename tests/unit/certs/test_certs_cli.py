"""kaofen-certs, as its user sees it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from certs.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the console command with arguments; gives exit code, output, error output."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kaofen-certs", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return call


def test_from_nothing_to_two_certificates(tmp_path: Path, run: Run) -> None:
    """Three commands give a CA, a server and a gateway, and say what they wrote and what to do next."""
    code, out, _ = run("init", tmp_path / "ca")
    assert code == 0
    assert "root.key to a place without a network" in out
    code, out, _ = run("server", tmp_path / "ca", "--host", "localhost", "--host", "::1", "--out", tmp_path / "s")
    assert code == 0
    assert "localhost, ::1" in out
    code, out, _ = run(
        "gateway", tmp_path / "ca", "--domain", "kaofen.example", "--id", "gw-01", "--out", tmp_path / "g"
    )
    assert code == 0
    assert "kaofen://kaofen.example/gw/gw-01" in out
    for side in ("s", "g"):
        assert {path.name for path in (tmp_path / side).iterdir()} == {"cert.pem", "cert.key", "ca.pem"}


def test_show_names_the_pin_and_every_certificate(tmp_path: Path, run: Run) -> None:
    """Leaf first, then its issuer, each with fingerprint and pin."""
    run("init", tmp_path / "ca")
    run("server", tmp_path / "ca", "--host", "localhost", "--out", tmp_path / "s")
    code, out, _ = run("show", tmp_path / "s" / "cert.pem")
    assert code == 0
    assert out.count("fingerprint") == out.count("pin          ") == 2
    assert out.index("subject      localhost") < out.index("subject      Kaofen issuing CA")


def test_no_command_prints_a_private_key(tmp_path: Path, run: Run) -> None:
    """Terminals are recorded and photographed."""
    said = [*run("init", tmp_path / "ca"), *run("server", tmp_path / "ca", "--host", "a.example", "--out", tmp_path)]
    assert not any("PRIVATE KEY" in str(text) for text in said)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("server", "ca", "--host", "h:1", "--out", "o"), "expected a host name or an IP address"),
        (("gateway", "ca", "--domain", "X", "--id", "gw", "--out", "o"), "use lower-case letters"),
        (("server", "none", "--host", "h", "--out", "o"), "make the CA with: kaofen-certs init"),
        (("init", "ca"), "a CA is made once"),
        (("show", "text"), "no PEM certificate"),
        (("init", "text"), "text: File exists"),
        (("server", "ca", "--host", "h", "--out", "text/o"), "text/o: Not a directory"),
    ],
)
def test_a_refusal_is_one_line_and_exit_1(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    """What is wrong, where, what to do: one line, never a traceback."""
    monkeypatch.chdir(tmp_path)
    run("init", "ca")
    (tmp_path / "text").write_text("hello\n")
    code, _, err = run(*arguments)
    assert code == 1
    assert err.startswith("kaofen-certs: ")
    assert err.count("\n") == 1
    assert message in err


def test_wrong_usage_is_exit_2(run: Run) -> None:
    """Usage errors are told apart from refusals."""
    assert run("gateway", "ca")[0] == 2
    assert run("show", "/nonexistent")[0] == 2
