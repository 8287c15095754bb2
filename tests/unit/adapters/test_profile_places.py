"""Places that must not meet, orders that must be written, and words that no page may split: what the linter names."""

from __future__ import annotations

import pytest
from once_rig import ONCE_TEXT
from rig_profiles import V1_TEXT
from window_rig import WINDOW_TEXT

from device_adapters.language.lint import lint
from device_adapters.language.words import TYPES

V1, WINDOW, ONCE = V1_TEXT.decode(), WINDOW_TEXT.decode(), ONCE_TEXT.decode()
EVENTS = "events = { at = 4096, words = 24576 }"
OVERLAPS = {
    "ack and ready": (V1, "ready = { at = 102", "ready = { at = 101", "handshake.ready: overlaps handshake.ack at 101"),
    "ack in the status block": (
        V1.replace("status = { at = 0, words = 48 }", "status = { at = 0, words = 60, write = true }"),
        "ack = { at = 100",
        "ack = { at = 47",
        "handshake.ack: overlaps status at 47",
    ),
    "ready in the ring": (
        V1.replace(EVENTS, EVENTS.replace(" }", ", write = true }")),
        "ready = { at = 102",
        "ready = { at = 4100",
        "handshake.ready: overlaps records.event at 4100",
    ),
    "two rings": (
        V1,
        'area = "results"\n',
        'area = "events"\noffset = 96\n',
        "records.result: overlaps records.event at 4192",
    ),
    "page and ack": (
        WINDOW,
        "page = { at = 110",
        "page = { at = 101",
        "records.result.window.page: overlaps handshake.ack at 101",
    ),
    "slot and page": (WINDOW, "slot = { at = 111", "slot = { at = 110", "window.slot: overlaps records.result"),
    "window and status": (WINDOW, 'area = "window"', 'area = "status"', "records.result: overlaps status at 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERLAPS)
def test_two_that_meet_are_named(name: str) -> None:
    """Status, ring, window, page, acknowledgement: what one of them means, the other would spoil."""
    text, find, replace, reason = OVERLAPS[name]
    assert text.count(find) == 1
    findings = [str(finding) for finding in lint(text.replace(find, replace))]
    assert any(reason in finding for finding in findings), findings


def test_slots_that_interleave_are_apart() -> None:
    """Event 1, result 1, event 2, result 2: no word belongs to two."""
    text = V1.replace("results = { at = 28672, words = 5120 }\n", "")
    text = text.replace(EVENTS, "events = { at = 4096, words = 13312 }")
    ring, _, results = text.partition("[records.result]")
    ring = ring.replace("slots = 512\nstride = 48", "slots = 64\nstride = 208")
    results = results.replace('area = "results"', 'area = "events"\noffset = 48').replace(
        "stride = 160", "stride = 208"
    )
    assert lint(f"{ring}[records.result]{results}") == []
    near = results.replace("offset = 48", "offset = 47")
    assert any("records.result: overlaps records.event" in str(one) for one in lint(f"{ring}[records.result]{near}"))


@pytest.mark.parametrize("kind", [name for name, kind in TYPES.items() if kind.words != 1 and name != "text"])
def test_a_wide_value_without_an_order_is_named_on_its_line(kind: str) -> None:
    """Of 32 and more bits there is no usual order: CDAB and ABCD give two scores, and both look right."""
    more = {"time-bcd": ", words = 3", "bits32": ", bits = [0, 3]", "bits64": ", bits = [0, 3]"}.get(kind, "")
    more += ', scale = "1"' if kind.startswith("float") else ""
    more += ', zone = "+08:00"' if kind.startswith("time-") else ""
    field = f'extra = {{ at = 21, type = "{kind}"{more} }}'
    text = ONCE.replace('words = 21\norder = "ABCD"\n', "words = 32\n").replace(
        "at = 64, words = 21", "at = 64, words = 32"
    )
    text = text.replace("[records.result.fields]\n", f"[records.result.fields]\n{field}\n")
    line = text[: text.index(field)].count("\n") + 1
    found = [one.reason for one in lint(text) if one.line == line]
    assert found == [
        "records.result.fields.extra: the order of its bytes is not given, neither here nor for the record"
    ]
    written = text.replace("words = 32\n", 'words = 32\norder = "ABCD"\n')
    assert lint(written) == []


@pytest.mark.parametrize(("longest", "edge"), [(20, 20), (24, 24), (30, None), (14, 14), (15, 15)])
def test_a_person_is_never_split_by_two_requests(longest: int, edge: int | None) -> None:
    """P5, P7: the ticket of interface v1 lies on words 14 to 29: whole in one request, or a finding."""
    text = V1.replace("registers_max = 125", f"registers_max = {longest}")
    found = [one.reason for one in lint(text) if "split by the page boundary" in one.reason]
    wanted = [] if edge is None else [f"is split by the page boundary at word {edge if edge > 14 else 28}"]
    assert [one.partition(": ")[2].partition(":")[0] for one in found] == wanted * 2


def test_endless_places_are_refused_before_they_are_compared() -> None:
    """Slots that fill four thousand million registers: a finding, and no bit for each of them."""
    text = V1.replace("slots = 512\nstride = 48", "slots = 65536\nstride = 65536")
    assert any("outside the area" in str(one) for one in lint(text))
