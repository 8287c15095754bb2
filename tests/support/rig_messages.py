"""Payloads of interface v1 over MQTT, written by hand (vectors: rig-interface-v1/mqtt), and what they give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tree import ROOT

FOLDER = ROOT / "tests" / "vectors" / "rig-interface-v1" / "mqtt"
SERIAL = "CP-0001"


@dataclass(frozen=True)
class Golden:
    """A payload and what it says."""

    payload: bytes
    expect: dict[str, Any]

    def changed(self, **values: Any) -> bytes:
        """The payload with other values; one that is `...` is left out."""
        document = json.loads(self.payload) | values
        kept = {name: value for name, value in document.items() if value is not ...}
        return json.dumps(kept, ensure_ascii=False).encode()


def _read(text: str) -> Golden:
    _, payload, expect = text.split("---\n")
    return Golden(payload.removesuffix("\n").encode(), json.loads(expect))


GOLDEN = {path.stem: _read(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.txt"))}
STATUS: dict[str, Any] = {
    "v": 1,
    "serial": SERIAL,
    "boot": 3,
    "online": True,
    "state": "running",
    "mode": "exam",
    "last_seq": 42,
    "oldest_seq": 40,
    "acked_seq": 39,
    "time": None,
    "exam_no": 17,
    "item": "K42",
    "ordinal": 1,
    "elapsed_s": 77,
    "limit_s": 300,
    "running_score": 9200,
    "deduction_count": 1,
    "gateway_seen": True,
    "unacked_results": 1,
    "fault": 0,
}


def status(**values: Any) -> bytes:
    """A status payload with some other values; one that is `...` is left out."""
    return json.dumps({name: value for name, value in (STATUS | values).items() if value is not ...}).encode()
