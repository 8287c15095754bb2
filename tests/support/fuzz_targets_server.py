"""Fuzz targets of the server: heartbeats, lists of candidates, plans, settings, and what it reads back from entries."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from format_samples import attempt_entries
from fuzz_files import TOML_TOKENS, in_a_file, text_of
from fuzz_targets import Target
from openpyxl import Workbook
from people_world import RUBRIC
from plan_files import HEAD, IDS, RIG, RIGS, SHIFT, TOP, person
from sample_uploads import SampleLog

from scorelog.format.rubric import parse_rubric
from scorelog.format.upload import Upload
from server.config import parse_config, read_config
from server.database.location import parse_url
from server.errors import ConfigError, ListError, Refused
from server.evidence.store import StoredEntry
from server.ingest import heartbeat, mirror
from server.ingest.origins import parse_origin
from server.live.beat import read_beat
from server.plan.candidates import read_candidates
from server.plan.lists import read_list
from server.plan.source import read_source
from server.projection.errors import Unreadable
from server.projection.facts import read_fact

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LOG = SampleLog().grow(3)
BEAT = {
    "v": 1, "origin": LOG.origin, "size": 3, "unsent": 0, "oldest_unsent_ms": None, "instance": "ab" * 16,
    "clock": {"utc": "2026-11-23T06:42:05.000000Z", "sync": "synced", "trusted": True, "offset_ms": 3},
    "disk": {"free_bytes": 60 << 30, "total_bytes": 100 << 30}, "certificate": {"not_after": "2026-12-20T00:00:00Z"},
    "software": "kaofen 0.1.0", "accepts_exams": True, "plan": {"version": 1}, "brokers": [{"name": "b", "why": None}],
    "rigs": [{"rig": "LV-0001", "station": "A-01", "state": "idle", "mode": "exam", "last_seq": 5}],
}  # fmt: skip
CSV = "\n".join((HEAD, *(person(number, "K11 K21 K31 K42") for number in range(3)), ""))
CONFIG = '[server]\ndomain = "exam.example"\ntitle = "x"\n[gateways]\nlisten = "127.0.0.1:1"\n'


def _beat(data: bytes) -> Any:
    """What is taken can be put on the board."""
    document, _ = heartbeat.read(data)
    return read_beat(document)


def _listed(data: bytes, name: str) -> Any:
    return read_candidates(read_list(data, name), parse_rubric(RUBRIC))


def workbook(rows: list[list[Any]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _workbooks() -> list[bytes]:
    good = [["准考证号", "姓名", "证件号"], ["T-1", "张三", IDS[0]], ["T-2", "李四", IDS[1]]]
    return [workbook(good), workbook([*good, ["T-3", "=1+1", 7]]), workbook([[]])]


def _part_changed(rng: random.Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change one part of the package, then zip it again, so that the parsers of XML are reached."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001  # mutated bytes: the reader of the library raises anything
        return change(data)
    name = rng.choice(sorted(parts))
    parts[name] = change(parts[name])
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for one, content in parts.items():
            archive.writestr(one, content)
    return target.getvalue()


def _plan_files() -> list[bytes]:
    names = ("station", "serial", "gateway", "purpose", "items")
    rigs = "".join(RIG.format(**dict(zip(names, rig, strict=True))) for rig in RIGS)
    shift = {"id": "S1", "rubric": "r.toml", "opens": "2026-11-23T14:00", "closes": "2026-11-23T17:00", "list": "a.csv"}
    return [(TOP.format(point="hn-cs-01") + rigs + SHIFT.format(**shift)).encode()]


def _checkpoint(data: bytes) -> Any:
    found = mirror.read_checkpoint(Upload(0, tuple(LOG.entries), (), data))
    assert not isinstance(found, mirror.Refuse) or found.status == 400
    return found


JSON_TOKENS = (b"null", b"[[[[", b"1e999", b"NaN", b"true", b"-1", b'"a":1,"a":2', b"\\ud800", b"9" * 400, b"1.5", b"0")
TARGETS = [
    Target("heartbeat", _beat, (Refused,), None, lambda: [json.dumps(BEAT).encode(), b"{}"], JSON_TOKENS),
    Target(
        "candidates-csv",
        lambda data: _listed(data, "list.csv"),
        (ListError,),
        None,
        lambda: [CSV.encode(), CSV.encode("gb18030"), CSV.replace(",", "\t").encode("utf-8-sig")],
        (b'="x"', b'"', b";", b"\r", b"=1+1", b"\xa3\xff", b"\0", "，".encode(), "\u202e".encode()),
        slow=20,
    ),
    Target(
        "candidates-xlsx",
        lambda data: _listed(data, "list.xlsx"),
        (ListError,),
        None,
        _workbooks,
        (b"<!DOCTYPE x>", b"<c r='A1' t='e'><v>1</v></c>", b"<f>1+1</f>", b"&#0;", b'<mergeCell ref="A1:A9"'),
        _part_changed,
        slow=40,
    ),
    Target("plan-source", read_source, (ListError,), None, _plan_files, TOML_TOKENS, slow=4),
    Target(
        "server-config",
        lambda data: parse_config(text_of(data), Path("/x")),
        (ConfigError,),
        None,
        lambda: [CONFIG.encode()],
        TOML_TOKENS,
        slow=4,  # a whole file, and the operator's own
    ),
    Target(
        "server-config-file",
        in_a_file(read_config, "server.toml"),
        (ConfigError,),
        None,
        lambda: [CONFIG.encode()],
        TOML_TOKENS,
        slow=4,
    ),
    Target(
        "database-url",
        lambda data: parse_url(text_of(data), "x", secret=True),
        (ConfigError,),
        None,
        lambda: [b"postgresql://u@h:5432/d", b"postgres://u:p@[::1]/d?sslmode=require", b""],
        (b"@", b":", b"%zz", b"[", b"99999999", b"?a=b&a=c"),
    ),
    Target("origin", lambda data: parse_origin(text_of(data)), (), None, lambda: [LOG.origin.encode()], (b"/", b"00")),
    Target("upload-checkpoint", _checkpoint, (), None, lambda: [LOG.checkpoint(), LOG.checkpoint(2)], (b"\n\n", b"\n")),
    Target(
        "fact",
        lambda data: read_fact(StoredEntry(LOG.origin, 0, data, 0), 1),
        (Unreadable,),
        None,
        attempt_entries,
        (b'"fields":{}', b'"type":"x.y"', b'"attempt":null', b'"raw":[]', b"null"),
        slow=2,
    ),
]
