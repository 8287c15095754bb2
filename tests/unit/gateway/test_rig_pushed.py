"""`rig probe --listen`: what a rig pushes is shown and judged; the tool never says that anything is stored (P1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from heard_samples import NAME, objects
from push_point import proven, secret_of

from gateway.errors import ConfigError
from gateway.recording.texts import profile_named
from gateway.rig.heard.hearing import Hearing
from gateway.rig.heard.probing import as_lines, look_at
from gateway.rig.heard.pushed import Door
from gateway.rig.heard.reader import reader_of
from scorelog.journal.clock import SystemClock
from simulators.push.line import Line

SERIAL = "CP-0001"
PROFILE = profile_named("kaofen-interface-v1-http", Path())
STATUS, RECORD = objects()[0].payload, objects()[3].payload


def secret_file(folder: Path) -> Path:
    path = folder / "secret"
    path.write_text(secret_of(SERIAL))
    path.chmod(0o600)
    return path


async def pushed(door: Door, *requests: tuple[str, bytes, dict[str, str]]) -> tuple[Hearing, list[tuple[int, dict]]]:
    """What the tool heard, and what it answered."""
    hearing, replies = Hearing(reader_of(PROFILE, SERIAL)), []
    async with door.opener()(hearing, SystemClock()) as source:
        assert source.reason == ""
        line = await Line.open("127.0.0.1", int(source.place.rpartition(":")[2]), None)
        try:
            for path, body, headers in requests:
                reply = await line.exchange("POST", path, {"Content-Type": "application/json", **headers}, body)
                replies.append((reply.status, json.loads(reply.body)))
        finally:
            line.close()
    return hearing, replies


def place(what: str) -> str:
    return f"/push/v1/{SERIAL}/{what}"


async def test_what_arrives_is_shown_with_its_proof_and_nothing_is_called_stored(tmp_path: Path) -> None:
    """A signed status and record: decoded beside raw, nobody named (P7); 503 keeps the record at the rig (P1)."""
    door = Door("127.0.0.1:0", SERIAL, PROFILE, secret_file(tmp_path))
    said = (("status", STATUS), ("records", RECORD))
    requests = [(place(what), body, proven(SERIAL, place(what), body)) for what, body in said]
    hearing, replies = await pushed(door, *requests)
    assert [(status, said["ack"], said["ready"]) for status, said in replies] == [(200, None, 0), (503, None, 0)]
    look = look_at(hearing, 1, "")
    told = "\n".join(as_lines(look, None))
    assert look.good, told
    assert "92.00" in told
    assert NAME not in told
    assert [row.value for sheet in look.sheets if sheet.name == "requests" for row in sheet.rows] == ["proven"] * 2


async def test_a_request_that_is_not_proven_is_shown_as_such_and_answered_as_a_gateway_would(tmp_path: Path) -> None:
    """The body beside the verdict: whoever writes the rig's program sees what it said and why it is not believed."""
    door = Door("127.0.0.1:0", SERIAL, PROFILE, secret_file(tmp_path))
    spoilt = proven(SERIAL, place("records"), RECORD)
    old = proven(SERIAL, place("records"), RECORD, created=1_000_000)
    hearing, replies = await pushed(
        door,
        (place("records"), RECORD + b" ", spoilt),
        (place("records"), RECORD, {}),
        (place("records"), RECORD, old),
        ("/push/v1/OTHER/records", RECORD, {}),
    )
    assert [(status, said["reason"]) for status, said in replies] == [
        (401, "digest"),
        (401, "unsigned"),
        (401, "clock"),
        (404, "place"),
    ]
    look = look_at(hearing, 1, "")
    assert not look.good
    (requests,) = [sheet for sheet in look.sheets if sheet.name == "requests"]
    assert requests.rows[0].wrong.startswith("clock: ")


async def test_without_a_secret_nothing_is_called_proven() -> None:
    """A first look at a rig whose secret nobody has yet."""
    hearing, replies = await pushed(Door("127.0.0.1:0", SERIAL, PROFILE), (place("records"), RECORD, {}))
    assert [status for status, _ in replies] == [503]
    (requests,) = [sheet for sheet in look_at(hearing, 1, "").sheets if sheet.name == "requests"]
    assert requests.rows[0].value == "unchecked"


def test_a_door_is_guarded_like_a_gateways() -> None:
    """No open line in a network that nobody wrote down; only a profile that is pushed."""
    with pytest.raises(ConfigError, match="without certificate and key"):
        Door("0.0.0.0:8441", SERIAL, PROFILE).opener()
    with pytest.raises(ConfigError, match="transport http"):
        Door("127.0.0.1:0", SERIAL, profile_named("meter-bench-iot-typical", Path())).opener()
