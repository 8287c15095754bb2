"""Fuzz targets of the gateway's own files, of the journal's, of certificates and keys, and of the simulators."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import format_samples as samples
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fuzz_files import TOML_TOKENS, in_a_file, text_of
from fuzz_targets import Target
from log_harness import signer_for
from tls_material import make_tls_material
from tree import ROOT

from certs.errors import IdentityError, KeyFileError
from certs.identity import gateway_identity, parse_gateway_uri
from certs.keys import create_ed25519, load_ed25519, load_private
from gateway.recording.contentkey import load_content_key
from gateway.recording.spool import Spool
from gateway.settings.config import ConfigError, parse_config
from scorelog.journal import failpoints
from scorelog.journal.errors import JournalError
from scorelog.journal.identity import read_identity
from scorelog.journal.statefile import State, StateDamaged, parse_state, read_state
from scorelog.journal.walcheck import wal_damage
from simulators.commands import parse_command
from simulators.device.rubric import load_rubric
from simulators.errors import InputError
from simulators.exam.exam_plan import load_plan
from simulators.faults.spec import parse_fault
from simulators.layouts.layout import parse_layout
from simulators.layouts.values import parse_place
from simulators.modbus.requests import read_request
from simulators.mqtt.broker import parse_broker
from simulators.mqtt.payloads import read_ack, read_ready, read_resend
from simulators.scenes.scene import parse_scene
from simulators.talk.model import parse_model
from simulators.talk.saying import parse_saying

_FOLDER = tempfile.TemporaryDirectory(prefix="kaofen-fuzz-")
JSON_TOKENS = (b"null", b"[[[[", b"1e999", b"NaN", b"true", b"-1", b"\\ud800", b"9" * 400, b"1.5", b"0", b"{", b"}")


def _tls() -> Path:
    folder = Path(_FOLDER.name) / "tls"
    if not folder.exists():
        make_tls_material(folder)
    return folder


def _ders() -> list[bytes]:
    files = [_tls() / side / "cert.pem" for side in ("gateway", "server")]
    return [x509.load_pem_x509_certificate(one.read_bytes()).public_bytes(Encoding.DER) for one in files]


def _keys() -> list[bytes]:
    path = Path(_FOLDER.name) / "ed25519.key"
    if not path.exists():
        create_ed25519(path)
    return [path.read_bytes(), (_tls() / "gateway" / "cert.key").read_bytes()]


def _wal() -> list[bytes]:
    path = Path(_FOLDER.name) / "wal.db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
        content = path.with_name("wal.db-wal").read_bytes()
    connection.close()
    return [content]


def _identity(data: bytes) -> Any:
    folder = Path(_FOLDER.name) / "log"
    folder.mkdir(exist_ok=True)
    (folder / "identity.json").write_bytes(data)
    return read_identity(folder)


def _spool(data: bytes) -> Any:
    spool = Spool(Path(_FOLDER.name) / "spool")
    spool._path("LV-0001").write_bytes(data)
    return spool.load("LV-0001")


GATEWAY = b"""[gateway]
id = "gw-01"
domain = "exam.example"
data = "data"
[server]
url = "https://server.example"
ca = "ca.pem"
cert = "cert.pem"
key = "cert.key"
mirror_vkey = "%s"
[local]
listen = "127.0.0.1:0"
[[rig]]
serial = "LV-0001"
station = "A-01"
host = "127.0.0.1"
port = 502
profile = "kaofen-v1-low-voltage"
source = "simulator"
""" % samples.mirror_signer().vkey.encode()
EXAM_PLAN = b"""[point]
id = "a"
[[room]]
[[room.station]]
id = "A"
[[room.station.rig]]
serial = "L"
gateway = "gw-01"
items = ["K11"]
"""
STATE = State("exam.example/gw/gw-01/0", 0, 1, bytes(32), 7, b"x").encode()
IDENTITY = b'{"format":"kaofen.log/v1","origin":"a/0","vkey":"%s"}\n' % signer_for("a/0").vkey.encode()
RUN = (
    b'{"rig":"LV-0001","epoch":1,"source":"sensor","guarantee":"latched","mode":"practice","exam_no":1,"first_seq":1,'
    b'"last_seq":2,"records":["ab"],"ended":null,"station":"A-01"}'
)
TARGETS = [
    Target(
        "gateway-config",
        lambda data: parse_config(data, Path("/x")),
        (ConfigError,),
        None,
        lambda: [GATEWAY],
        TOML_TOKENS,
        slow=4,  # a whole file, and the operator's own
    ),
    Target(
        "content-key",
        in_a_file(load_content_key, "content.key"),
        (KeyFileError,),
        None,
        lambda: [b"ab" * 32 + b"\n", b""],
        (b"\n", b"AB", b"zz"),
        slow=4,
    ),
    Target("practice-spool", _spool, (), None, lambda: [RUN, b"{}"], JSON_TOKENS, slow=4),
    Target("state-file", parse_state, (StateDamaged,), lambda state: state.encode(), lambda: [STATE], JSON_TOKENS),
    Target("state-file-read", in_a_file(read_state, "state"), (StateDamaged,), None, lambda: [STATE], slow=4),
    Target("log-identity", _identity, (JournalError,), None, lambda: [IDENTITY], JSON_TOKENS, slow=4),
    Target("write-ahead-log", in_a_file(wal_damage, "wal"), (), None, _wal, (b"\x37\x7f\x06\x82",), slow=8),
    Target(
        "failpoints",
        lambda data: failpoints.parse(text_of(data)),
        (ValueError,),
        None,
        lambda: [b"journal.commit=kill@3;state.rename=error"],
        (b"@", b"=", b";", b"kill-after", "٣".encode(), b"9" * 5000),
    ),
    Target("peer-certificate", gateway_identity, (IdentityError,), None, _ders, (b"\x06\x03\x55\x1d\x11", b"\x86")),
    Target(
        "gateway-uri",
        lambda data: parse_gateway_uri(text_of(data)),
        (IdentityError,),
        None,
        lambda: [b"kaofen://exam.example/gw/gw-01"],
        (b"/", b"%2f", b"..", b"\n", b"@", b":1", "ａ".encode()),
    ),
    Target("private-key", in_a_file(load_private, "a.key"), (KeyFileError,), None, _keys, (b"-----", b"\n"), slow=8),
    Target("log-key", in_a_file(load_ed25519, "b.key"), (KeyFileError,), None, _keys, (b"-----", b"\n"), slow=8),
    Target(
        "simulator-request",
        read_request,
        (),
        None,
        lambda: [b"\x03\x00\x01\x00\x02"],
    ),
    Target(
        "simulator-answers",
        lambda data: (read_ack(data), read_ready(data), read_resend(data)),
        (),
        None,
        lambda: [b'{"v":1,"seq":7,"record":"ab"}', b'{"v":1,"counter":7}', b'{"v":1,"from":7}'],
        JSON_TOKENS,
    ),
    Target(
        "simulator-fault",
        lambda data: parse_fault(text_of(data)),
        (InputError,),
        None,
        lambda: [b"drip:0.1@5-20", b"LV-0001=silent"],
        (b"=", b":", b"@", b"-", b"1e999", b".", "٣".encode()),
    ),
    Target(
        "simulator-model",
        parse_layout,
        (InputError,),
        None,
        lambda: [path.read_bytes() for path in sorted((ROOT / "simulators" / "rigs").glob("*.toml"))],
        (*TOML_TOKENS, b"/64", b":0-15", b"unit=0.5", b"zone=+08:00", b"const=0x5AA5", b"DCBA"),
        slow=20,
    ),
    Target(
        "simulator-place",
        lambda data: parse_place(text_of(data)),
        (InputError,),
        None,
        lambda: [b"38 uint16 AB unit=0.5", b"31 bits32:0-11 BADC", b"23 time-bcd/4 HGFEDCBA zone=-05:30"],
        (b"/", b":", b"-", b"=", b"unit=1/0", b"zone=+99:99", b"const=0x", "٣".encode(), b"9" * 5000),
    ),
    Target(
        "simulator-talk",
        parse_model,
        (InputError,),
        None,
        lambda: [path.read_bytes() for path in sorted((ROOT / "simulators" / "rigs" / "messages").glob("*.toml"))],
        (*TOML_TOKENS, b"{serial}", b"{seq}", b"unit=0.5", b"clock=unix-s", b"type=UInt8", b"decimal", b"retain"),
        slow=20,
    ),
    Target(
        "simulator-saying",
        lambda data: parse_saying(text_of(data), ("score", "started")),
        (InputError,),
        None,
        lambda: [b"score unit=0.1", b"score decimal type=Double", b"started clock=rfc3339-ms retain"],
        (b"=", b"unit=1/0", b"unit=-1", b"unit=1e999999", b"clock=", b"type=", "٣".encode(), b"9" * 5000),
    ),
    Target(
        "simulator-scenario",
        parse_scene,
        (InputError,),
        None,
        lambda: [
            (ROOT / "simulators" / "scenarios" / f"{name}.toml").read_bytes() for name in ("sham-point", "hurried")
        ],
        (*TOML_TOKENS, b"[[behaviour]]", b"strength", b"faults", b"drip:0.1@5-20"),
        slow=20,
    ),
    Target(
        "simulator-command",
        parse_command,
        (InputError,),
        None,
        lambda: [
            b'{"cmd":"open","rig":"LV-0001","ticket":"S1","try":1,"verdict":"match"}',
            b'{"cmd":"fault","name":"drip","probability":1,"start_s":0,"stop_s":5.5,"times":1,"skip":0,"area":"event","at":4}',
            b'{"cmd":"wait","rig":null,"acked":3,"gateway":true,"done":false,"timeout_s":1}',
        ],
        JSON_TOKENS,
    ),
    Target(
        "simulator-broker",
        lambda data: parse_broker(text_of(data)),
        (InputError,),
        None,
        lambda: [b"127.0.0.1:1883", b"[::1]:1"],
        (b":", "٣".encode(), b"9" * 5000),
    ),
    Target(
        "simulator-rubric",
        in_a_file(load_rubric, "rubric.toml"),
        (InputError,),
        None,
        lambda: [(ROOT / "server" / "rubrics" / "height-work.toml").read_bytes()],
        TOML_TOKENS,
        slow=20,
    ),
    Target(
        "simulator-plan",
        in_a_file(load_plan, "plan.toml"),
        (InputError,),
        None,
        lambda: [EXAM_PLAN],
        TOML_TOKENS,
        slow=4,
    ),
]
