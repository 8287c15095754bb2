"""Each rule of M1-M4, H3 and H4, broken once: its reason, the payload as evidence, nothing personal said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rig_messages import GOLDEN, SERIAL, status

from device_adapters import limits
from device_adapters.decoding.message import read_message, read_status
from device_adapters.errors import REASONS, BadReading

if TYPE_CHECKING:
    from device_adapters.observation import Evidence

FINISHED, OPENED = GOLDEN["item-finished"], GOLDEN["exam-opened"]
ROW = {"line": 3, "points": 800, "at_s": 77, "veto": False}
MEASURE = {"name": "depth_mean", "value": 53, "unit": "mm"}
PERSON = "张三"


def refusal(payload: bytes, **options: Any) -> Evidence:
    with pytest.raises(BadReading) as refused:
        read_message(payload, serial=SERIAL, source="sensor", **options)
    return refused.value.evidence


BYTES: list[tuple[str, bytes, str]] = [
    ("empty", b"", "not_json"),
    ("not UTF-8", FINISHED.payload.replace(b"K42", b"K\xff2"), "not_utf8"),
    ("GBK", FINISHED.payload.replace(b"S20261123", "考".encode("gbk")), "not_utf8"),
    ("half a pair", FINISHED.payload.replace(b"S20261123", b"\\ud83d"), "not_utf8"),
    ("BOM", b"\xef\xbb\xbf" + FINISHED.payload, "not_json"),
    ("a list", b"[" + FINISHED.payload + b"]", "not_json"),
    ("two objects", FINISHED.payload + FINISHED.payload, "not_json"),
    ("cut short", FINISHED.payload[:-1], "not_json"),
    ("NaN", FINISHED.payload.replace(b"9200", b"NaN"), "not_json"),
    ("leading zero", FINISHED.payload.replace(b"9200", b"09200"), "not_json"),
    ("plus", FINISHED.payload.replace(b"9200", b"+9200"), "not_json"),
    ("comma at the end", FINISHED.payload[:-1] + b",}", "not_json"),
    ("raw control character", FINISHED.payload.replace(b"S20261123", b"S\n"), "not_json"),
    ("odd escape", FINISHED.payload.replace(b"S20261123", b"\\x41"), "not_json"),
    ("same key", FINISHED.payload[:-1] + b',"score":0}', "duplicate_key"),
    ("same key in escapes", FINISHED.payload[:-1] + b',"\\u0073core":0}', "duplicate_key"),
    ("same key in a row", FINISHED.payload.replace(b'"line":3', b'"line":3,"line":3'), "duplicate_key"),
    ("same unknown key", FINISHED.payload[:-1] + b',"x":{"y":1,"y":1}}', "duplicate_key"),
    ("fraction", FINISHED.payload.replace(b"9200", b"9200.0"), "not_integer"),
    ("exponent", FINISHED.payload.replace(b"9200", b"92e2"), "not_integer"),
    ("fraction of an unknown key", FINISHED.payload[:-1] + b',"x":0.5}', "not_integer"),
    ("endless number", FINISHED.payload.replace(b"9200", b"9" * 5000), "range"),
    ("deep", FINISHED.payload[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}", "oversize"),
    ("too many unknown", FINISHED.changed(**{f"x{n}": n for n in range(257)}), "oversize"),
]
VALUES: list[tuple[dict[str, Any], str]] = [
    *(({name: ...}, "missing_field") for name in FINISHED.expect["fields"] if name != "measures"),
    *(({name: ...}, "missing_field") for name in ("v", "serial", "boot", "seq", "type", "time", "ticket")),
    *(({name: None}, "wrong_kind") for name in ("serial", "boot", "seq", "mode", "ticket", "item", "score")),
    *(({name: None}, "wrong_kind") for name in ("name", "masked_id", "measures", "deductions", "outcome")),
    *(({name: True}, "wrong_kind") for name in ("v", "seq", "score", "started", "time")),
    ({"v": 2}, "constant"),
    ({"serial": "CP-0002"}, "serial"),
    ({"serial": ""}, "range"),
    ({"type": "item_paused"}, "type"),
    ({"seq": 0}, "range"),
    ({"seq": 2**32}, "range"),
    ({"boot": -1}, "range"),
    ({"mode": "Exam"}, "code"),
    ({"outcome": "won"}, "code"),
    ({"exam_no": 0}, "range"),
    ({"item": ""}, "range"),
    ({"item": "K4200"}, "range"),
    ({"item": "考"}, "text"),
    ({"ordinal": 0}, "range"),
    ({"score": 10001}, "range"),
    ({"elapsed_s": 65536}, "range"),
    ({"veto_lines": 65}, "range"),
    ({"score": 9201}, "sum"),
    ({"ticket": "S" * 33}, "range"),
    ({"ticket": "S\u0000"}, "text"),
    ({"name": "张" * 43}, "range"),
    ({"time": "2026-11-23T06:42:05+08:00"}, "text"),
    ({"time": "2026-02-30T06:42:05Z"}, "text"),
    ({"started": "2026-11-23 06:39:01Z"}, "text"),
    ({"deductions": [ROW] * 65, "score": 0}, "range"),
    ({"deductions": [3]}, "wrong_kind"),
    *(({"deductions": [{key: value for key, value in ROW.items() if key != gone}]}, "missing_field") for gone in ROW),
    ({"deductions": [ROW | {"line": 0}]}, "range"),
    ({"deductions": [ROW | {"points": 10001}]}, "range"),
    ({"deductions": [ROW | {"at_s": -1}]}, "range"),
    ({"deductions": [ROW | {"veto": 1}]}, "wrong_kind"),
    ({"measures": [MEASURE] * 65}, "range"),
    ({"measures": [MEASURE | {"name": "Depth"}]}, "text"),
    ({"measures": [MEASURE | {"value": 2**53}]}, "range"),
    ({"measures": [MEASURE | {"unit": ""}]}, "range"),
    ({"measures": [MEASURE | {"unit": "m m"}]}, "text"),
]
OTHERS: list[tuple[str, dict[str, Any], str]] = [
    ("exam-opened", {"verdict": "yes"}, "code"),
    ("exam-opened", {"try": 3}, "range"),
    ("item-started", {"limit_s": -1}, "range"),
    ("deduction", {"line": 0}, "range"),
    ("deduction", {"veto": 0}, "wrong_kind"),
    ("exam-closed", {"claimed_total": 10001}, "range"),
    ("exam-closed", {"exam_failed": "no"}, "wrong_kind"),
    ("exam-aborted", {"reason": "weather"}, "code"),
    ("mode-changed", {"old": "sleep"}, "code"),
    ("candidate-acknowledged", {"ack": ""}, "code"),
]


@pytest.mark.parametrize(("payload", "reason"), [pytest.param(*rest, id=name) for name, *rest in BYTES])
def test_bytes_that_are_not_strict_json_are_refused(payload: bytes, reason: str) -> None:
    """M1, H4: each with its reason."""
    assert refusal(payload).reason == reason


@pytest.mark.parametrize(("values", "reason"), VALUES)
def test_a_value_outside_the_interface_is_refused(values: dict[str, Any], reason: str) -> None:
    """M2, M3, H4: each missing, wrong or impossible value with its reason."""
    assert refusal(FINISHED.changed(**values)).reason == reason


@pytest.mark.parametrize(("name", "values", "reason"), OTHERS)
def test_a_value_of_another_type_is_refused(name: str, values: dict[str, Any], reason: str) -> None:
    """M3, H4: by record type."""
    assert refusal(GOLDEN[name].changed(**values)).reason == reason


@pytest.mark.parametrize("name", GOLDEN)
def test_every_own_value_of_a_type_must_be_there(name: str) -> None:
    """M3: none of a type's values may be missing."""
    for field in GOLDEN[name].expect["fields"]:
        if field != "measures":
            assert refusal(GOLDEN[name].changed(**{field: ...})).reason == "missing_field"


def test_limits_are_kept_at_their_edge() -> None:
    """M1, M3: what just fits is read: 16,384 bytes, 64 deductions, 64 measures, 256 unknown values but the ticket."""
    room = limits.MESSAGE_BYTES_MAX - len(FINISHED.payload)
    whole = FINISHED.payload + b" " * room
    values: dict[str, Any] = {"deductions": [ROW] * 64, "score": 0, "measures": [MEASURE] * 64}
    values |= {f"x{n}": n for n in range(255)} | {"veto_lines": 64, "ticket": "S" * 32, "name": "张" * 42}
    read_message(whole, serial=SERIAL, source="sensor")
    read_message(FINISHED.changed(**(values | {"x0": ...})), serial=SERIAL, source="sensor")
    assert refusal(whole + b" ").reason == "oversize"
    assert refusal(FINISHED.changed(**values)).reason == "oversize"


def test_evidence_is_cut_whole_and_names_the_record() -> None:
    """H4, P7: the payload is kept, all of it hidden; number and boot are told, so that it can be passed over (H3)."""
    payload = OPENED.changed(verdict=PERSON)
    evidence = refusal(payload)
    (area,) = evidence.raw
    assert (area.area, area.at, area.data, area.cut) == ("message", 0, payload, ((0, len(payload)),))
    assert (evidence.rig, evidence.asked, evidence.epoch) == (SERIAL, 38, 3)
    foreign = refusal(OPENED.changed(serial=PERSON))
    assert (foreign.rig, foreign.asked, foreign.epoch) == (SERIAL, None, None)


def test_oversize_evidence_is_bounded() -> None:
    """H4: of a payload without end only as much is kept as a right one could have."""
    (area,) = refusal(b"x" * 70_000).raw
    assert (len(area.data), area.cut) == (limits.MESSAGE_BYTES_MAX, ((0, limits.MESSAGE_BYTES_MAX),))


def test_a_retained_record_is_refused() -> None:
    """H3: however good it is; and it is not taken for the record of that number."""
    evidence = refusal(FINISHED.payload, retained=True)
    assert (evidence.reason, evidence.asked) == ("retained", None)


@pytest.mark.parametrize("name", json.loads(OPENED.payload))
def test_a_refusal_never_quotes_what_came(name: str) -> None:
    """P7: a rig that puts a person's words or number in place of any value finds neither in the detail."""
    for value in ([PERSON], {PERSON: PERSON}, [110101199003070011]):
        evidence = refusal(OPENED.changed(**{name: value}))
        assert evidence.reason in REASONS
        assert PERSON not in evidence.detail
    for value in (110101199003070011, PERSON * 50):
        assert str(value) not in refusal(OPENED.changed(**{name: value})).detail


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"v": 2}, "constant"),
        ({"serial": "CP-0002"}, "serial"),
        ({"online": 1}, "wrong_kind"),
        ({"state": "dancing"}, "code"),
        ({"mode": 1}, "wrong_kind"),
        ({"last_seq": 39}, "sum"),
        ({"last_seq": 2**32}, "range"),
        ({"fault": ...}, "missing_field"),
        ({"gateway_seen": None}, "wrong_kind"),
        ({"time": "now"}, "text"),
        ({"online": False, "state": ...}, "missing_field"),
    ],
)
def test_a_wrong_status_is_refused(values: dict[str, Any], reason: str) -> None:
    """M4, H4: status payloads are checked like records."""
    with pytest.raises(BadReading) as refused:
        read_status(status(**values), serial=SERIAL)
    assert (refused.value.evidence.reason, refused.value.evidence.asked) == (reason, None)
