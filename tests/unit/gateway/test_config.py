"""Settings: what is refused, in which words, and that the documented table is the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text

from gateway.config import KEYS, REPEATED, REQUIRED, effective, parse_config
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
    once = sum(key.table not in REPEATED for key in KEYS)
    assert len(rows) == once + 2 * sum(key.table == "rig" for key in KEYS)


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


BROKER = '[[broker]]\nid = "main"\nhost = "broker"\n'
MQTT_RIG = '[[rig]]\nserial = "CP-0001"\nstation = "B-01"\nprofile = "cpr-manikin-v1"\nbroker = "main"\n'


def test_a_broker_and_its_rig() -> None:
    """Defaults, paths, and both kinds of rigs beside each other."""
    secret = 'ca = "broker/ca.pem"\nusername = "kaofen-gw-gw-01"\npassword_file = "broker/password"\n'
    config = parse_config((GOOD + BROKER + secret + MQTT_RIG).encode(), BASE)
    (broker,) = config.brokers
    assert (broker.id, broker.host, broker.port, broker.protocol) == ("main", "broker", 8883, "5")
    assert (broker.ca, broker.certificate) == (BASE / "broker/ca.pem", None)
    assert [(rig.serial, rig.broker, bool(rig.host)) for rig in config.rigs][1:] == [
        ("LV-0002", "", True),
        ("CP-0001", "main", False),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MQTT_RIG, r"broker 'main': there is no such \[\[broker\]\]; known: none"),
        (BROKER + MQTT_RIG.replace('"main"', '"other"'), "known: main"),
        (BROKER + MQTT_RIG + 'host = "10.0.0.1"\n', "host: a rig with broker is reached through the broker"),
        (BROKER + MQTT_RIG + "port = 502\n", "take port out"),
        (BROKER + MQTT_RIG + "unit = 1\n", "take unit out"),
        (BROKER + MQTT_RIG.replace('broker = "main"\n', ""), "host is missing .* a rig over MQTT has broker instead"),
        (BROKER + MQTT_RIG.replace("CP-0001", "CP/0001"), "over MQTT 1-16 printable ASCII"),
        (BROKER + MQTT_RIG.replace("CP-0001", "CP-00000000000001"), "over MQTT 1-16 printable ASCII"),
        (BROKER + BROKER, "id 'main' is there twice"),
        (BROKER + 'protocol = "4"\n', "protocol is '4'; 5 or 3.1.1"),
        (BROKER + 'username = "a"\n', "username and password_file belong together"),
        (BROKER + 'certificate = "a"\nca = "b"\n', "certificate and key belong together"),
        (BROKER + 'certificate = "a"\nkey = "b"\n', "ca is missing"),
        (BROKER + "tls = true\n", "tls: unknown key"),
        ("[broker]\n", "one block per broker"),
    ],
)
def test_a_broker_refused_in_words(text: str, words: str) -> None:
    """What does not fit together is said with what to do."""
    with pytest.raises(ConfigError, match=words):
        parse_config((GOOD + text).encode(), BASE)
