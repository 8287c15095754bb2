"""The server's settings: everything is checked, unknown keys are refused, every key is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import KEYS, Address, parse_config, read_config, render
from server.errors import ConfigError

HERE = Path("/somewhere")
GOOD = render({("server", "domain"): "exam.example"})
DOCS = Path(__file__).parents[3] / "docs" / "server.md"


def test_what_init_writes_is_read() -> None:
    """Every key appears in the written file, with its default; paths are relative to the file's folder."""
    config = parse_config(GOOD, HERE)
    assert config.data == HERE / "data"
    assert config.gateways == Address("0.0.0.0", 9443)  # noqa: S104
    assert config.local == Address("127.0.0.1", 9465)
    assert (config.mirror_name, config.witness_name) == ("exam.example/mirror", "exam.example/witness")
    for key in KEYS:
        assert f"{key.name} = " in GOOD


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "server.domain is missing"),
        ("[server]\ndomain = 5", "server.domain"),
        ("[server]\ndomain = 'Exam.Example'", "lower-case"),
        ("[server]\ndomain = 'a'\ncolour = 'red'", "server.colour is not a key"),
        ("[server]\ndomain = 'a'\n[red]", r"\[red\] is not a table"),
        ("[server]\ndomain = 'a'\n[gateways]\nlisten = '1.2.3.4'", "gateways.listen"),
        ("[server]\ndomain = 'a'\n[people]\nlisten = '1.2.3.4:65536'", "people.listen"),
        ("[server]\ndomain = 'a'\n[local]\nlisten = '0.0.0.0:1'", "loopback"),
        ("[server]\ndomain = 'a'\n[audit]\npause_s = 0", "at least 1"),
        ("[server]\ndomain = 'a'\n[audit]\npause_s = true", "audit.pause_s"),
        ("[server", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, said: str) -> None:
    """The message names the key and what was expected."""
    with pytest.raises(ConfigError, match=said):
        parse_config(text, HERE)


def test_ipv6_and_no_local_listener() -> None:
    """Brackets around IPv6; an empty local.listen switches it off."""
    config = parse_config(
        render({("server", "domain"): "a", ("gateways", "listen"): "[::1]:1", ("local", "listen"): ""}), HERE
    )
    assert config.gateways == Address("::1", 1)
    assert config.local is None


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """`run` never creates."""
    with pytest.raises(ConfigError, match="init"):
        read_config(tmp_path / "server.toml")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.table}.{key.name}")
def test_every_key_is_documented(key: object) -> None:
    """docs/server.md has a row for it, with its default."""
    text = DOCS.read_text("utf-8")
    assert f"| `{key.table}.{key.name}` |" in text  # type: ignore[attr-defined]
