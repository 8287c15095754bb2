"""`rig probe`, `capture`, `replay`, `check` for rigs that are heard: raw beside decoded, no name in a file (P7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import heard_samples
import jsonschema_rs
import pytest
from fake_clock import FakeClock
from heard_samples import NAME, TICKET, bare, head_for, observed, profiles
from tree import ROOT

from device_adapters.limits import MESSAGE_BYTES_MAX
from gateway.doctor.report import failed
from gateway.errors import ConfigError
from gateway.recording.texts import profile_named
from gateway.rig.heard import recording as files
from gateway.rig.heard.capturing import Writer
from gateway.rig.heard.checking import check
from gateway.rig.heard.hearing import Hearing
from gateway.rig.heard.line import Line
from gateway.rig.heard.message import Message
from gateway.rig.heard.probing import as_document, as_lines, look_at
from gateway.rig.heard.reader import RawReader, reader_of
from gateway.rig.heard.recording import parse_message_recording

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from gateway.rig.heard.probing import Look
    from gateway.rig.heard.recording import MessageRecording

FORMS = ("objects", "plain", "spark")
PHONE = "13800000000"


def looked(profile: Profile, serial: str, messages: list[Message], *, show: bool = False) -> Look:
    hearing = Hearing(reader_of(profile, serial, show=show))
    for message in messages:
        hearing.take(message)
    return look_at(hearing, 1, "")


def captured(profile: Profile, serial: str, messages: list[Message], *, kept: bool = False) -> MessageRecording:
    lines: list[str] = []
    writer = Writer(reader_of(profile, serial), FakeClock(), lines.append, kept)
    writer.begin(head_for(profile, serial, kept=kept))
    writer.began_us = 0
    for message in messages:
        writer.take(message)
    return parse_message_recording("".join(lines).encode())


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_heard_is_shown_raw_beside_decoded_and_nobody_is_named(form: str) -> None:
    """Every value with its bytes; names, tickets and what the profile does not name stay hidden (P7)."""
    profile, serial, messages = profiles()[form]
    found = looked(profile, serial, messages)
    told = "\n".join(as_lines(found, None)) + json.dumps(as_document(found), ensure_ascii=False)
    assert found.good, told
    assert "87.50" in told or "92.00" in told
    assert not any(secret in told for secret in (NAME, TICKET, PHONE, "B-2"))
    assert any(row.value == "●●●" for sheet in found.sheets for row in sheet.rows)
    assert sum("item.finished" in one.text for one in found.told) in (1, 2)
    shown = looked(profile, serial, messages, show=True)
    assert any(row.name.startswith("ticket") and "●" not in row.value for sheet in shown.sheets for row in sheet.rows)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", [False, True])
async def test_a_replayed_capture_gives_the_same_records_through_the_real_adapter(form: str, kept: bool) -> None:
    """Byte for byte where everything was kept; where personal values were hidden, all that is nobody's (P4, P7)."""
    profile, serial, messages = profiles()[form]
    recording = captured(profile, serial, messages, kept=kept)
    heard, again = await observed(profile, serial, messages), await observed(profile, serial, recording.messages())
    assert len(heard) >= 2
    assert (again, heard)[0] == heard if kept else bare(again) == bare(heard)
    text = json.dumps([files.message_line(line) for line in recording.lines], ensure_ascii=False)
    for secret in (NAME, TICKET, PHONE, "S1"):
        assert kept or (secret not in text and secret.encode().hex() not in text), secret


async def test_what_the_profile_cannot_read_is_hidden_whole() -> None:
    """In another layout nobody knows where the name stands (P7); the capture says so, and the check counts it."""
    profile, serial, _ = profiles()["objects"]
    topic = f"kaofen/v1/{serial}/record"
    bad = [Message(0, topic, json.dumps({"who": NAME}, ensure_ascii=False).encode()), Message(5, topic, b"\xff\x00")]
    recording = captured(profile, serial, bad)
    assert [(one.payload, one.refused) for one in recording.lines] == [(None, "missing_field"), (None, "not_utf8")]
    assert failed(check(profile, recording))


async def test_a_capture_keeps_breaks_and_retained_marks() -> None:
    """A retained record is refused by the gateway, so a replay must say it retained again."""
    profile, serial, messages = profiles()["plain"]
    lines: list[str] = []
    writer = Writer(reader_of(profile, serial), FakeClock(), lines.append, with_personal=True)
    writer.begin(head_for(profile, serial))
    writer.take(Message(0, f"bench/{serial}/key", b"1", retained=True))
    writer.lost()
    writer.take(messages[0])
    recording = parse_message_recording("".join(lines).encode())
    assert [one.retained for one in recording.messages()] == [True, False]
    assert recording.lines[1].lost


@pytest.mark.parametrize("kept", [False, True])
async def test_a_message_that_is_too_large_never_spoils_the_file(kept: bool) -> None:
    """A broker may hand on megabytes: the line says how many, and the rest of the capture can be read."""
    profile, serial, messages = profiles()["objects"]
    large = Message(0, messages[1].topic, b"\x01" * (MESSAGE_BYTES_MAX + 1))
    edge = Message(1, messages[1].topic, b"\x01" * MESSAGE_BYTES_MAX)
    first, second, *_ = captured(profile, serial, [large, edge, *messages], kept=kept).lines
    assert (first.payload, first.refused, first.size) == (None, "oversize", MESSAGE_BYTES_MAX + 1)
    assert second.payload == (edge.payload if kept else None)


@pytest.mark.parametrize("form", FORMS)
async def test_a_profile_that_fits_has_no_failure(form: str) -> None:
    """Exit code 0 for the rig that the profile was written for."""
    profile, serial, messages = profiles()[form]
    findings = check(profile, captured(profile, serial, messages, kept=True))
    assert not failed(findings), [one for one in findings if one.level == "FAIL"]
    assert any(one.step == "record" and "item.finished" in one.en for one in findings)


async def test_a_value_under_another_path_is_found_there() -> None:
    """The hint that saves an afternoon: it is not at `score`, it may be at `result.score`."""
    profile, serial, messages = profiles()["objects"]
    moved = []
    for message in messages:
        said = json.loads(message.payload)
        if "score" in said:
            said["result"] = {"score": said.pop("score")}
        moved.append(Message(message.at_us, message.topic, json.dumps(said).encode()))
    findings = check(profile, captured(profile, serial, moved, kept=True))
    (refused,) = [one for one in findings if one.step == "refused"]
    assert "missing_field" in refused.en
    assert refused.en.endswith("score may be at result.score.")
    assert refused.zh.endswith("score 可能位于 result.score。")


async def test_used_numbers_missing_numbers_and_silent_topics_are_told() -> None:
    """Other bytes under a used number fail; the same again is what M6 asks for; a topic that is silent is a doubt."""
    profile, serial, messages = profiles()["objects"]
    other = messages[3].payload.replace(b"9200", b"9300")
    again = Message(80_000, messages[3].topic, messages[3].payload)
    more = [*messages, again, Message(90_000, messages[3].topic, other)]
    told = [(one.level, one.en) for one in check(profile, captured(profile, serial, more, kept=True))]
    assert ("FAIL", "1 records came with a number that another record had (breaks M6).") in told
    assert ("ok", "1 sent again, unchanged") in told
    profile, serial, messages = profiles()["plain"]
    some = [one for one in messages if not one.topic.endswith("/card")]
    told = [(one.level, one.step) for one in check(profile, captured(profile, serial, some, kept=True))]
    assert ("warn", "ticket") in told
    assert ("FAIL", "refused") in told


async def test_data_without_a_birth_certificate_is_not_believed() -> None:
    """The tool says what is missing and how to ask for it, and asks for nothing by itself."""
    profile, serial, messages = profiles()["spark"]
    found = looked(profile, serial, [one for one in messages if "BIRTH" not in one.topic])
    assert not found.good
    assert "--rebirth" in found.wants
    shown = looked(profile, serial, messages[:3])
    birth = next(sheet for sheet in shown.sheets if sheet.name == "birth")
    photo = next(row for row in birth.rows if row.name == "Candidate/Photo")
    assert (photo.raw, photo.value) == ("", "未列入 not in the profile")


def test_topics_without_a_profile_are_shown_as_they_come() -> None:
    """For a profile that is not written yet; bounded, and without anything that moves a cursor."""
    reader = RawReader(("meters/#",))
    reader.read(Message(0, "meters/1/score", b"87.5"))
    (sheet,) = [reader.read(Message(0, "meters/1/\x1b[2J", b"\xff\x00")).sheet]
    assert [(row.name, row.value) for row in sheet.rows] == [("meters/1/·[2J", "ff 00"), ("meters/1/score", "87.5")]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"username": "kaofen-gw-gw-01"}, "password_file belong together"),
        ({"client_id": "kaofen-gw-gw-01"}, "a gateway's own name"),
        ({"place": "host:0"}, "HOST or HOST:PORT"),
        ({"certificate": "x.pem", "key": "x.key"}, "ca is missing"),
        ({"protocol": "4"}, "5 or 3.1.1"),
    ],
)
def test_a_tool_never_takes_a_gateways_place(given: dict[str, str], told: str) -> None:
    """A broker lets one connection of a name live, and a clean session throws away what waits for the other (P2)."""
    with pytest.raises(ConfigError, match=told):
        Line(**{"place": "127.0.0.1:1883", **given}).account()


def test_a_tool_leaves_no_session_behind() -> None:
    """A clean session under a name of its own."""
    account = Line("[::1]:1884").account()
    assert (account.host, account.port, account.clean) == ("::1", 1884, True)
    assert account.client_id.startswith("kaofen-tool-")


GOOD = (
    b'{"capture": 2, "wire": "mqtt", "serial": "B-7", "began": "", "personal": "hidden", "profile": "", "sha256": ""}\n'
    b'{"at_ms": 1, "topic": "a/b", "text": "42"}\n'
)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"capture": 2', '"capture": 1', "1: no"),
        ('"mqtt"', '"tcp"', "1: wire"),
        ('"hidden"', '"perhaps"', "1: personal"),
        ('"B-7"', "7", "1: serial"),
        ('"at_ms": 1', '"at_ms": NaN', "2: at_ms"),
        ('"at_ms": 1', '"at_ms": true', "2: at_ms"),
        ('"text": "42"', '"hex": "4"', "2: hex"),
        ('"text": "42"', '"text": "\\ud800"', "2: text"),
        ('"a/b"', '"a/\\ud800b"', "2: topic: half"),
        ('"text": "42"', '"text": "42", "hex": "42"', "2: a topic"),
        ('"a/b"', '""', "2: a topic"),
        ('"text": "42"', '"bytes": -1', "2: bytes"),
        ("{", "[", "1: not a JSON object"),
    ],
)
def test_a_capture_of_messages_is_read_strictly(old: str, new: str, told: str) -> None:
    """The line and the reason, whatever is wrong with it."""
    assert parse_message_recording(GOOD).messages()[0].payload == b"42"
    with pytest.raises(ConfigError, match=told):
        parse_message_recording(GOOD.decode().replace(old, new).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("form", FORMS)
async def test_every_line_of_a_capture_fits_the_published_schema(form: str) -> None:
    """What is written, and what the strict reader takes, is what the page promises."""
    valid = jsonschema_rs.validator_for(json.loads((ROOT / "docs/formats/message-capture.schema.json").read_text()))
    profile, serial, messages = profiles()[form]
    recording = captured(profile, serial, [*messages, Message(90_000, messages[0].topic, b"\xff")])
    lines = [files.head_line(recording.head), *map(files.message_line, recording.lines)]
    lines.append(files.message_line(files.Line(91.0, lost="the connection to the broker broke")))
    assert all(valid.is_valid(json.loads(line)) for line in lines)
    for bad in (b'{"capture": 2}', b'{"at_ms": 1, "topic": "a"}', b'{"at_ms": 1, "topic": "a", "text": "", "hex": ""}'):
        assert not valid.is_valid(json.loads(bad))


def test_a_modbus_profile_is_not_heard() -> None:
    """What would be right is said."""
    with pytest.raises(ConfigError, match="read over Modbus"):
        reader_of(profile_named("kaofen-v1-low-voltage", Path()), "LV-0001")
    assert heard_samples.spark()
