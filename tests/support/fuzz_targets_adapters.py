"""Fuzz targets of device_adapters: profiles, blocks of registers, live status; the JSON scanner beneath messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from fuzz_files import TOML_TOKENS
from fuzz_targets import Target
from people_world import Log, Rig, crc16
from rig_messages import GOLDEN
from tree import ROOT

from device_adapters.decoding.decode import decode_entry_raw, decode_record, decode_status
from device_adapters.decoding.message import read_message, read_status
from device_adapters.errors import BadReading, DecodeError, ProfileError
from device_adapters.language.jsonspans import read_object
from device_adapters.language.profile import load_profile
from device_adapters.language.toml_lines import lines_of
from device_adapters.observation import RawArea
from simulators.device.codes import Mode, State
from simulators.device.status import Shown, Status

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

FOLDER = ROOT / "device_adapters" / "profiles"
BENCHES = ROOT / "tests" / "vectors" / "profile"
PROFILE = load_profile((FOLDER / "kaofen-v1-low-voltage.toml").read_bytes())
SERIAL = "LV-0001"
_HEAD = struct.Struct(">I")


def _blocks() -> list[bytes]:
    """Each record of an exam as the rig gives it: address and length before each area."""
    import base64  # noqa: PLC0415
    import json  # noqa: PLC0415
    from random import Random  # noqa: PLC0415

    log = Log("gw-01", Random(1))
    Rig(SERIAL, "A-01", log).whole_exam("T-1", "ab" * 16)
    openings = {(one.index, one.field): one.value for one in log.openings}
    found = []
    for index, entry in enumerate(log.entries):
        whole = b""
        for area in json.loads(entry).get("raw", []):
            data = bytearray(base64.b64decode(area["bytes"]))
            cut, at = openings[index, f"raw.{area['area']}"], 0
            for start, length in area["cut"]:
                data[start : start + length] = cut[at : at + length]
                at += length
            whole += _HEAD.pack(area["at"]) + _HEAD.pack(len(data)) + bytes(data)
        found.append(whole)
    return found


def _areas(data: bytes) -> list[RawArea]:
    found, at = [], 0
    while at + 8 <= len(data) and len(found) < 4:
        (place,), (length,) = _HEAD.unpack_from(data, at), _HEAD.unpack_from(data, at + 4)
        length = min(length, len(data) - at - 8)
        found.append(RawArea("event" if not found else "result", place, data[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


def _sealed(rng: random.Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the words of each area and make their checksum fit, so that what lies behind it is reached."""
    made = b""
    for area in _areas(data):
        body = change(area.data)
        if len(body) > 2 and rng.random() < 0.9:
            body = body[: len(body) & ~1]
            body = body[:-2] + struct.pack(">H", crc16(body[:-2]))
        made += _HEAD.pack(area.at) + _HEAD.pack(len(body)) + body
    return made or change(data)


def _decode(data: bytes) -> Any:
    areas = _areas(data)
    found = decode_record(PROFILE, areas)
    assert decode_entry_raw(PROFILE, areas) == found
    for value in found.fields.values():
        assert not isinstance(value, float), "P4: no floats"
    return found


def _statuses() -> list[bytes]:
    idle = Status(SERIAL, 3, State.IDLE, Mode.EXAM, 9, 1, 8, 1_795_416_125_000_000, 4, Shown("K11", 1), 5, True, 0, 0)
    return [idle.words()]


def _status_sealed(_: random.Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    body = change(data).ljust(len(data), b"\0")[: len(data)]
    return body[:-2] + struct.pack(">H", crc16(body[:-2]))


def _payloads() -> list[bytes]:
    return [golden.payload for golden in GOLDEN.values()]


def _lines(data: bytes) -> Any:
    """Only what TOML's own reader takes is ever walked."""
    import tomllib  # noqa: PLC0415

    text = data.decode("utf-8")
    tomllib.loads(text)
    try:
        return lines_of(text)
    except Exception as error:
        raise AssertionError(f"good TOML, but {type(error).__name__}: {error}") from error


TARGETS = [
    Target("modbus-record", _decode, (DecodeError,), None, _blocks, (b"\xff\xff", b"\0\0", b"K99\0"), _sealed),
    Target(
        "modbus-status",
        lambda data: decode_status(PROFILE, data, rig=SERIAL),
        (DecodeError,),
        None,
        _statuses,
        (b"\xff\xff", SERIAL.encode().ljust(16, b"\0")),
        _status_sealed,
    ),
    Target(
        "profile",
        load_profile,
        (ProfileError,),
        None,
        lambda: [
            path.read_bytes() for path in (*sorted(FOLDER.glob("*.toml"))[:3], *sorted(BENCHES.glob("*-bench.toml")))
        ],
        TOML_TOKENS,
        slow=20,
    ),
    Target(
        "json-spans",
        read_object,
        (DecodeError,),
        None,
        lambda: [b"{}", '{"a":[1,-2,true,null,"\\u8003"],"b":{"c":"考"}}'.encode(), *_payloads()[:2]],
        (b"[" * 200, b"1e999", b"NaN", b'"\\ud800"', b"\xff", b'"a":1,"a":2', b"-0", b"9" * 400),
    ),
    Target(
        "live-status-message",
        lambda data: read_status(data, serial=SERIAL),
        (BadReading,),
        None,
        lambda: [
            b'{"v":1,"serial":"LV-0001","boot":3,"online":false}',
            (
                b'{"v":1,"serial":"LV-0001","boot":3,"online":true,"state":"idle","mode":"exam","item":"",'
                b'"last_seq":5,"oldest_seq":1,"acked_seq":5}'
            ),
        ],
        (b'"online":true', b"null", b"1.0", b'"last_seq":0,'),
    ),
    Target(
        "record-message",
        lambda data: read_message(data, serial="CP-0001", source="sensor"),
        (BadReading,),
        None,
        _payloads,
        (b'"seq":1', b"null", b"1.0", b"\\u0000", b'"v":2'),
    ),
    Target(
        "toml-lines",
        _lines,
        (ValueError, RecursionError),
        None,
        lambda: [b"a = 1\n[b]\nc = [1, 2]\n[[d]]\ne = { f = '''x''' }\n"],
        TOML_TOKENS,
    ),
]
