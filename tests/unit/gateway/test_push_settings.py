"""`[[push]]` and its rigs in the settings, and the files that they name: wrong ones are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text

from gateway.errors import ConfigError
from gateway.push.identity import identities
from gateway.push.settings import PushConfig, push_of
from gateway.recording.texts import load_texts
from gateway.settings.config import Config, parse_config

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD = config_text([], FakeServer())
PUSH = '[[push]]\nid = "pc"\nlisten = "127.0.0.1:0"\n'
RIG = (
    '[[rig]]\nserial = "CP-0001"\nstation = "B-01"\nprofile = "kaofen-interface-v1-http"\n'
    'push = "pc"\nsecret_file = "cp.secret"\n'
)
SECRET = "0123456789abcdef0123456789abcdef"


def parsed(text: str, base: Path = Path("/etc/kaofen")) -> Config:
    return parse_config((HEAD + text).encode(), base)


def listener(**table: object) -> PushConfig:
    whole: Mapping[str, object] = {"id": "pc", "certificate": "", "key": "", "networks": [], **table}
    return push_of(whole, "[[push]] 1", Path("/etc/kaofen"))


def test_a_listener_and_its_rig() -> None:
    """Defaults: by signature, on this machine, without TLS."""
    config = parsed(PUSH + RIG)
    assert [(one.id, one.host, one.port, one.certificate) for one in config.pushes] == [("pc", "127.0.0.1", 0, None)]
    assert [(rig.push, rig.secret_file, rig.signed) for rig in config.rigs] == [("pc", "cp.secret", True)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (PUSH + RIG + 'host = "127.0.0.1"\n', "take host out"),
        (RIG, "no such"),
        (PUSH + RIG.replace('secret_file = "cp.secret"\n', ""), "secret_file is missing"),
        (PUSH + RIG.replace("CP-0001", "CP/0001"), "over HTTP"),
        (PUSH + RIG.replace("CP-0001", "C" * 17), "over HTTP"),
        (PUSH + PUSH, "there twice"),
        (PUSH.replace("127.0.0.1:0", "everywhere"), "an address and a port"),
        (PUSH.replace(":0", ":65536"), "is no port"),
        (PUSH + 'certificate = "a.pem"\n', "belong together"),
        (PUSH + 'networks = ["hall"]\n', "a list of networks"),
        (PUSH + RIG.replace('push = "pc"\n', 'host = "192.0.2.1"\n'), "are for a rig with push"),
    ],
)
def test_a_wrong_key_is_refused_by_name(text: str, word: str) -> None:
    """Bad input: what, where, what to do."""
    with pytest.raises(ConfigError, match=word):
        parsed(text)


@pytest.mark.parametrize("listen", ["0.0.0.0:8441", "192.168.10.1:8441", "[::]:8441"])
def test_without_tls_it_listens_here_or_in_a_network_that_was_written_down(listen: str) -> None:
    """The line is read by everybody on it; so the installer must have said that it is the rigs' own."""
    with pytest.raises(ConfigError, match="without certificate and key"):
        listener(listen=listen)
    assert listener(listen=listen, certificate="a.pem", key="a.key").admits("203.0.113.9")


def test_a_written_network_admits_its_own_only() -> None:
    """And this machine; an IPv4 address in IPv6 clothes is the same address."""
    one = listener(listen="192.168.10.1:8441", networks=["192.168.10.0/24"])
    found = {
        there: one.admits(there) for there in ("192.168.10.9", "::ffff:192.168.10.9", "192.168.11.9", "::1", "x", "")
    }
    assert found == {
        "192.168.10.9": True,
        "::ffff:192.168.10.9": True,
        "192.168.11.9": False,
        "::1": True,
        "x": False,
        "": False,
    }


@pytest.mark.parametrize(
    ("text", "mode", "word"),
    [
        (SECRET, 0o644, "chmod 600"),
        (SECRET[:-1], 0o600, "one line of 32 to 256"),
        ("x" * 257, 0o600, "one line of 32 to 256"),
        (SECRET + "\nmore", 0o600, "one line"),
        ("ß" * 40, 0o600, "one line"),
        (None, 0o600, "No such file"),
    ],
)
def test_a_wrong_secret_file_is_named_and_not_shown(tmp_path: Path, text: str | None, mode: int, word: str) -> None:
    """P7: the path and the reason, never what is in it."""
    if text is not None:
        (tmp_path / "cp.secret").write_text(text)
        (tmp_path / "cp.secret").chmod(mode)
    with pytest.raises(ConfigError, match=word) as caught:
        identities(parsed(PUSH + RIG, tmp_path))
    assert str(tmp_path / "cp.secret") in str(caught.value)
    assert text is None or text[:8] not in str(caught.value)


@pytest.mark.parametrize("text", [SECRET, SECRET + "\n", "x" * 256])
def test_a_good_secret_file_is_read_without_its_line_end(tmp_path: Path, text: str) -> None:
    """At both edges."""
    (tmp_path / "cp.secret").write_text(text)
    (tmp_path / "cp.secret").chmod(0o600)
    found = identities(parsed(PUSH + RIG, tmp_path))
    assert found.secrets == {"CP-0001": text.rstrip().encode()}
    assert text.rstrip() not in repr(found)


def test_two_rigs_with_one_secret_are_refused(tmp_path: Path) -> None:
    """Else one could speak for the other."""
    (tmp_path / "cp.secret").write_text(SECRET)
    (tmp_path / "cp.secret").chmod(0o600)
    with pytest.raises(ConfigError, match="each rig its own"):
        identities(parsed(PUSH + RIG + RIG.replace("CP-0001", "CP-0002").replace("B-01", "B-02"), tmp_path))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (PUSH + RIG.replace("kaofen-interface-v1-http", "cpr-manikin-v1"), "needs broker, not push"),
        (PUSH + RIG.replace("kaofen-interface-v1-http", "kaofen-v1-low-voltage"), "needs host, not push"),
        (
            '[[rig]]\nserial = "CP-0001"\nstation = "B-01"\nprofile = "kaofen-interface-v1-http"\nhost = "192.0.2.1"\n',
            "needs push, not host",
        ),
    ],
)
def test_a_profile_of_another_wire_is_refused(text: str, word: str) -> None:
    """The settings and the profile must mean the same wire."""
    with pytest.raises(ConfigError, match=word):
        load_texts(parsed(text))
