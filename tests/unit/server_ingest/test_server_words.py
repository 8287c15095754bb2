"""kaofen-server, as an operator who mistypes sees it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from tls_material import make_tls_material

from server.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str]]

MADE = ("init", "made", "--domain", "exam.example")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call the console command in an empty folder; gives exit code and error output."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["kaofen-server", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vkey", "."), ".: Is a directory"),
        (("vkey", "binary"), "binary: not text in UTF-8"),
        (("import", "made/server.toml", "nope"), "nope: No such file or directory"),
        (("backup", "made/server.toml", "binary/copy"), "binary/copy.unfinished: Not a directory"),
        (("init", "s", "--domain", "d.example", "--operator", "o", "--password-file", "nope"), "nope: No such file"),
        (("init", "s", "--domain", "d.example", "--operator", "o", "--password-file", "binary"), "binary: not text"),
        (("init", "s", "--domain", "d.example", "--people-port", "65536"), "a port up to 65535"),
        (("init", "s", "--domain", "d.example", "--tls", "nope"), "--tls: nope/cert.pem: not there; make it with"),
    ],
)
def test_a_server_command_refuses_in_one_line(
    tmp_path: Path, run: Run, arguments: tuple[str, ...], message: str
) -> None:
    """What is wrong, where, each said once; no error number, no traceback, exit 1."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert run(*MADE) == (0, "")
    code, err = run(*arguments)
    assert code == 1
    assert err.startswith("kaofen-server: ")
    assert err.count("\n") == 1
    assert message in err
    assert "Errno" not in err


def test_init_takes_the_certificates_that_are_there_and_leaves_nothing_behind_without_them(
    tmp_path: Path, run: Run
) -> None:
    """A wrong `--tls` is told before a file is made: the same command with the right folder works afterwards."""
    make_tls_material(tmp_path / "pki")
    assert run(*MADE, "--tls", "nope")[0] == 1
    assert not (tmp_path / "made").exists()
    assert run(*MADE, "--tls", "pki/server") == (0, "")


def test_operator_is_made_and_given_a_new_password(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who forgot `--operator` at init, or the password, is helped by one command, and the old password is over."""
    make_tls_material(tmp_path / "tls")
    (tmp_path / "password").write_text("correct horse battery staple\n")
    for words, said in (
        (("init", "made", "--domain", "exam.example", "--tls", str(tmp_path / "tls" / "server")), "server made"),
        (("operator", "made/server.toml", "chief", "--password-file", "password"), "account chief made"),
        (("operator", "made/server.toml", "chief", "--password-file", "password"), "account chief changed"),
    ):
        monkeypatch.setattr(sys, "argv", ["kaofen-server", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        assert said in capsys.readouterr().out
    assert run("operator", "made/server.toml", "No Name", "--password-file", "password") == (
        1,
        "kaofen-server: account name 'No Name': expected 1-64 of a-z 0-9 . _ - beginning with a letter or digit\n",
    )


def test_a_server_without_gateways_says_so(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list is told in words, with the command that fills it."""
    assert run(*MADE) == (0, "")
    monkeypatch.setattr(sys, "argv", ["kaofen-server", "gateway", "list", "made/server.toml"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    said = capsys.readouterr().out
    assert said.startswith("no gateway is enrolled; `kaofen-server gateway add made/server.toml --id")
    assert said.count("\n") == 1
