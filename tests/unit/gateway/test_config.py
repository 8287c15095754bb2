"""Settings: what is refused, in which words, and that the documented table is the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text

from gateway.config import KEYS, REQUIRED, effective, parse_config
from gateway.errors import ConfigError

GOOD = config_text(["LV-0001", "LV-0002"], FakeServer())
BASE = Path("/srv/kaofen")


def with_line(after: str, line: str) -> bytes:
    """The good settings with one line more."""
    return GOOD.replace(after, f"{after}\n{line}", 1).encode()


def test_good_settings() -> None:
    """Values, defaults, and paths relative to the file."""
    config = parse_config(GOOD.encode(), BASE)
    assert config.origin_base == "kaofen.example/gw/gw-01"
    assert [rig.station for rig in config.rigs] == ["A-01", "A-02"]
    assert config.data == BASE / "data"
    assert config.state_file == BASE / "data/state.json"
    assert (config.pace.backoff_cap_s, config.pace.anchor_age_s) == (2, 60)
    assert config.server.pin is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (with_line('id = "gw-01"', 'colour = "red"'), r"\[gateway\] colour: unknown key"),
        (with_line("[limits]", "retries = 3"), r"\[limits\] retries: unknown key"),
        (b"x = 1\n" + GOOD.encode(), "unknown key or table 'x'"),
        (GOOD.replace('id = "gw-01"', "id = 7").encode(), r"\[gateway\] id must be str, not int"),
        (GOOD.replace('id = "gw-01"', 'id = "GW/../1"').encode(), r"\[gateway\] id is 'GW/../1'; expected 63"),
        (GOOD.replace('domain = "kaofen.example"\n', "").encode(), r"\[gateway\] domain is missing"),
        (GOOD.replace("https://127.0.0.1:1", "http://127.0.0.1:1").encode(), r"\[server\] url is"),
        (GOOD.replace("https://127.0.0.1:1", "https://u:p@h/").encode(), r"\[server\] url is"),
        (GOOD.replace("127.0.0.1:0", "0.0.0.0:9464").encode(), "only 127.0.0.0/8"),
        (GOOD.replace("127.0.0.1:0", "[::]:9464").encode(), "only 127.0.0.0/8"),
        (GOOD.replace("127.0.0.1:0", "localhost:9464").encode(), "expected for example"),
        (GOOD.replace("127.0.0.1:0", "127.0.0.1:99999").encode(), "99999 is no port"),
        (GOOD.replace("heartbeat_s = 1", "heartbeat_s = 0").encode(), r"heartbeat_s is 0; from 1 to 10 s"),
        (GOOD.replace("heartbeat_s = 1", "heartbeat_s = 11").encode(), r"heartbeat_s is 11; from 1 to 10 s"),
        (GOOD.replace("heartbeat_s = 1", "heartbeat_s = true").encode(), "must be int, not bool"),
        (GOOD.replace("LV-0002", "LV-0001").encode(), "serial 'LV-0001' is there twice"),
        (GOOD.replace("A-02", "A-01").encode(), "station 'A-01' is there twice"),
        (GOOD.replace('source = "simulator"', 'source = "guess"').encode(), "sensor or simulator"),
        (GOOD.replace("port = 1\n", "port = 65536\n").encode(), "port is 65536; from 1 to 65535"),
        (GOOD.replace("[server]", "[[server]]").encode(), r"\[server\] must be a table"),
        (b"rig = 3\n" + GOOD.split("[[rig]]", maxsplit=1)[0].encode(), "one block per rig"),
        (b"\xff", "not TOML"),
        (b"a = [", "not TOML"),
        (b"#" * 300_000, "at most"),
    ],
)
def test_refused_in_words(text: bytes, words: str) -> None:
    """Every refusal names table and key, and what would be right."""
    with pytest.raises(ConfigError, match=words):
        parse_config(text, BASE)


@pytest.mark.parametrize(("value", "good"), [(0, False), (1, True), (10, True), (11, False)])
def test_limits_at_their_edges(value: int, good: bool) -> None:
    """Limit - 1, limit, limit + 1."""
    text = GOOD.replace("heartbeat_s = 1", f"heartbeat_s = {value}").encode()
    if good:
        assert parse_config(text, BASE).pace.heartbeat_s == value
    else:
        with pytest.raises(ConfigError):
            parse_config(text, BASE)


def test_effective_values_name_their_source() -> None:
    """`config` shows every key once, with its value and whether the file or the default gave it."""
    rows = {key: (value, source) for key, value, source in effective(GOOD.encode())}
    assert rows["[limits] heartbeat_s"] == (1, "file")
    assert rows["[limits] anchor_age_s"] == (60, "default")
    assert rows["[[rig]] 2 serial"] == ("LV-0002", "file")
    assert len(rows) == sum(key.table != "rig" for key in KEYS) + 2 * sum(key.table == "rig" for key in KEYS)


def test_documented_table_is_the_real_one() -> None:
    """docs/gateway.md has one row per key, with the default, unit, limit, loss and readers of the code."""
    page = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text()
    found = re.findall(r"^\| `([^`]*)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert {name: tuple(cells) for name, *cells in found} == {
        (f"[{key.table}] {key.name}" if key.table else key.name): (
            "required" if key.default is REQUIRED else f"`{key.default}`" if key.default != "" else "",
            key.unit,
            key.limit,
            key.lost,
            key.readers,
        )
        for key in KEYS
    }
