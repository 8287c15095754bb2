"""Profiles of rigs that publish single values: what the linter refuses, and where (V1 to V14, S1 to S4)."""

from __future__ import annotations

import pytest
from plain_bench import TEXT, by_number
from spark_bench import TEXT as SPARK

from device_adapters.language.lint import lint
from device_adapters.language.profile import load_profile

BAD = {
    "guarantee": ('"unacknowledged"', '"latched"', 'guarantee: "latched" is not one of'),
    "no serial": ("bench/{serial}/score", "bench/score", "values.score.topic: must have {serial}"),
    "many rigs": ("bench/{serial}/score", "bench/{serial}/#", "values.score.topic: is no topic of one rig"),
    "number in a topic": ("bench/{serial}/score", "bench/{serial}/{seq}", "has {seq} as a level exactly where"),
    "other brace": ("bench/{serial}/score", "bench/{serial}/{x}", "has another brace"),
    "no trigger": ('trigger = "seq"', 'trigger = "end"', 'complete.trigger: there is no value "end"'),
    "no number": ('seq = { topic = "bench/{serial}/count" }\n', "", "values.seq: is missing"),
    "nothing says what": ('type = "item_finished"\n', "", "values.type: is missing"),
    "needed": (
        'elapsed_s = { topic = "bench/{serial}/seconds" }\n',
        "",
        "values.elapsed_s: is missing: item_finished has",
    ),
    "unknown value": ("[values]\n", '[values]\nnote = { topic = "bench/{serial}/n" }\n', "values.note: is no value"),
    "fixed score": ("boot = 0", "boot = 0\npoints = 5", "fixed.points: must come from the rig"),
    "fixed and said": ("boot = 0", 'boot = 0\nitem = "K21"', "fixed.item: is said by the rig already"),
    "fixed nonsense": ("ordinal = 1", "ordinal = 70000", "fixed.ordinal: ordinal is outside"),
    "fixed moment": ('time = ""', 'time = "2026"', "fixed.time: is a moment"),
    "old score": ('score", scale = "1" }', 'score", scale = "1", stays = true }', "score.stays: must be said anew"),
    "old card": ('/card" }', '/card", stays = true }', "ticket.stays: must be said anew"),
    "kept score": (
        'score", scale = "1" }',
        'score", scale = "1", retained = true }',
        "retained: only a value that stays",
    ),
    "no scale": ('score", scale = "1" }', 'score" }', "values.score.scale: is missing"),
    "no words": (
        'words = { ok = "finished", late = "timeout", stop = "aborted" }',
        "words = {}",
        "outcome.words: names no word",
    ),
    "strange word": ('ok = "finished"', 'ok = "done"', 'words.ok: "done" is not one of'),
    "no lines": (
        'faults", lines = [{ bit = 0, line = 3, points = 500 }, { bit = 4, line = 7, points = 750, veto = true }]',
        'faults"',
        "lines: is missing",
    ),
    "unknown key": (
        "status_every_ms = 2000",
        "status_every_ms = 2000\nresend_every_ms = 5",
        "transport.resend_every_ms: unknown key",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_the_linter_says_what_is_wrong_and_where(name: str) -> None:
    """Rules 2 and V1-V14: each finding names its place."""
    old, new, reason = BAD[name]
    assert old in TEXT
    findings = [str(finding) for finding in lint(TEXT.replace(old, new, 1))]
    assert any(reason in finding for finding in findings), findings


def test_the_good_ones_have_no_finding() -> None:
    """So each finding above comes from its one change."""
    assert lint(TEXT) == []
    assert lint(by_number()) == []
    assert load_profile(by_number().encode()).guarantee == "unacknowledged"


BAD_SPARK = {
    "no serial": ('device = "{serial}"', 'device = "bench"', "sparkplug.device: must be, or the node"),
    "both": ('node = "edge-1"', 'node = "{serial}"', "sparkplug.device: must be, or the node"),
    "a wildcard": ('node = "edge-1"', 'node = "+"', "sparkplug.node: is one level of a topic"),
    "other type": ('"UInt64", stays', '"UInt65", stays', 'exam_no.datatype: "UInt65" is not one of'),
    "a float of no points": ('"Int16", stays', '"Float", stays', "ordinal.datatype: only points may be a float"),
    "a number as text": ('"UInt64", stays', '"String", stays', "exam_no.datatype: exam_no is no text"),
    "a text as number": ('"String" }', '"Int8" }', "item.datatype: item is a text"),
    "a clock": (', clock = "unix-ms"', "", "finished.datatype: finished is a text"),
    "time twice": ('started = ""', 'started = ""\ntime = ""', "sparkplug.stamps: the time is said by a value already"),
    "no time": ("stamps = true", "stamps = false", "values.time: is missing"),
    "by number": ('by = "trigger"', 'by = "number"', 'complete.by: "number" is not one of'),
    "no datatype": (', datatype = "UInt64"', "", "exam_no.datatype: is missing"),
}


@pytest.mark.parametrize("name", BAD_SPARK)
def test_the_linter_says_of_sparkplug_what_is_wrong_and_where(name: str) -> None:
    """Rules 2 and S1-S4: each finding names its place."""
    old, new, reason = BAD_SPARK[name]
    assert old in SPARK
    findings = [str(finding) for finding in lint(SPARK.replace(old, new, 1))]
    assert any(reason in finding for finding in findings), findings
