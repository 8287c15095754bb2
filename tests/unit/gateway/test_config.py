"""Settings: what is refused, in which words, and that the documented table is the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text

from device_adapters.modbus.bus import BusTimes
from device_adapters.modbus.serial_line import SerialPort
from gateway.errors import ConfigError
from gateway.settings.config import effective, parse_config
from gateway.settings.keys import KEYS, REPEATED, REQUIRED

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
        (GOOD.replace("https://127.0.0.1:1", "https://[::1").encode(), r"\[server\] url is"),
        (GOOD.replace("https://127.0.0.1:1", "https://h:99999").encode(), r"\[server\] url is"),
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


BUS = '[[bus]]\nid = "room-1"\nkind = "rtu"\ndevice = "/dev/serial/by-id/usb-1"\n'
CALL = '[[bus]]\nid = "room-2"\nkind = "rtu-dial-in"\nhost = "192.0.2.1"\nport = 4003\nfrom = "192.0.2.30"\n'
BUS_RIG = '[[rig]]\nserial = "LV-0003"\nstation = "A-03"\nprofile = "kaofen-v1-low-voltage"\nbus = "room-1"\nunit = 3\n'


def test_buses_and_their_rigs() -> None:
    """Defaults as makers mostly have them, and each kind with its own keys."""
    config = parse_config((GOOD + BUS + CALL + BUS_RIG).encode(), BASE)
    serial, called = (bus.place for bus in config.buses)
    assert serial.port == SerialPort("/dev/serial/by-id/usb-1", 9600, "none", 1)
    assert (called.host, called.number, called.peer) == ("192.0.2.1", 4003, "192.0.2.30")
    assert called.times == BusTimes()
    assert [(rig.serial, rig.bus, rig.unit) for rig in config.rigs][-1] == ("LV-0003", "room-1", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BUS.replace('"rtu"', '"can"'), r"\[\[bus\]\] 1 kind is 'can'; one of rtu, rtu-over-tcp, rtu-dial-in, tcp"),
        (BUS.replace('device = "/dev/serial/by-id/usb-1"\n', ""), "device is missing; a bus of kind rtu needs it"),
        (BUS.replace("/dev/serial/by-id/usb-1", "/dev/ttyUSB0"), "such numbers change .*by-id"),
        (BUS.replace("/dev/serial/by-id/usb-1", "COM3"), "device is 'COM3'; a path"),
        (BUS + "baud = 9601\n", "baud is 9601; one of 1200, "),
        (BUS + 'parity = "mark"\n', "parity is 'mark'; one of none, even, odd"),
        (BUS + "stop_bits = 3\n", "stop_bits is 3; one of 1, 2"),
        (BUS + "gap_ms = 1001\n", "gap_ms is 1001; from 0 to 1000 ms"),
        (BUS + 'host = "h"\n', "host: a bus of kind rtu has no such key"),
        (BUS + "echo = 1\n", "echo must be bool, not int"),
        (CALL.replace('from = "192.0.2.30"\n', ""), "from is missing"),
        (CALL.replace("192.0.2.30", "serial-server"), "from is 'serial-server'; the IP address"),
        (CALL + 'device = "/dev/x"\n', "device: a bus of kind rtu-dial-in has no such key"),
        ('[[bus]]\nid = "b"\nkind = "tcp"\nhost = "h"\nport = 502\necho = true\n', "echo: a bus of kind tcp"),
        ('[[bus]]\nid = "b"\nkind = "rtu-over-tcp"\nhost = "h"\n', "port is missing"),
        (BUS + BUS.replace("room-1", "room-9"), "line '/dev/serial/by-id/usb-1' is there twice"),
        (BUS + BUS.replace("usb-1", "usb-2"), "id 'room-1' is there twice"),
        (BUS + BUS_RIG + 'host = "h"\n', "host: a rig with bus is reached through the bus; take host out"),
        (BROKER + BUS + MQTT_RIG + 'bus = "room-1"\n', "bus: a rig with broker"),
        (BUS_RIG, "bus 'room-1': there is no such .*known: none"),
        (BUS + BUS_RIG.replace("unit = 3\n", ""), "on a bus every rig says its own, from 1 to 247"),
        (BUS + BUS_RIG.replace("unit = 3", "unit = 248"), "from 1 to 247"),
        (BUS + BUS_RIG.replace("unit = 3", "unit = 0"), "from 1 to 247"),
        (
            BUS + BUS_RIG + BUS_RIG.replace("LV-0003", "LV-0004").replace("A-03", "A-04"),
            "LV-0004 unit 3: on bus 'room-1' this is the unit of LV-0003",
        ),
    ],
)
def test_a_bus_refused_in_words(text: str, words: str) -> None:
    """Every refusal names block, key and what would be right."""
    with pytest.raises(ConfigError, match=words):
        parse_config((GOOD + text).encode(), BASE)
