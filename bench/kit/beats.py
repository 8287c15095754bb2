"""Gateways that only beat: real heartbeats over mTLS, evenly spaced, each a change of one gateway and of one rig."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from service import WorldError

from certs.contexts import gateway_client_context

if TYPE_CHECKING:
    from pathlib import Path

PATH: Final = "/gateway/v1/heartbeat"
GATEWAYS: Final = 20


@dataclass(frozen=True, slots=True)
class Beating:
    """One gateway with one rig, as `UploadServer.enrol` takes it."""

    gateway_id: str
    public_key: bytes


def beating() -> list[Beating]:
    """All of them."""
    return [
        Beating(f"gw-{number:02d}", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
        for number in range(1, GATEWAYS + 1)
    ]


class Beats:
    """Their connections."""

    def __init__(self, folder: Path, domain: str, port: int) -> None:
        self._lines = []
        for each in (f"gw-{number:02d}" for number in range(1, GATEWAYS + 1)):
            own = folder / each
            context = gateway_client_context(own / "cert.pem", own / "cert.key", own / "ca.pem")
            line = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
            self._lines.append((f"{domain}/gw/{each}/0", line))
        self.answered_s: list[float] = []

    def run(self, rate: float, seconds: float) -> int:
        """So many a second, for so long; how many."""
        count, due = int(rate * seconds), time.monotonic()
        for number in range(count):
            due += 1 / rate
            time.sleep(max(0.0, due - time.monotonic()))
            self._beat(*self._lines[number % len(self._lines)])
        return count

    def _beat(self, origin: str, line: http.client.HTTPSConnection) -> None:
        now_us = time.time_ns() // 1000
        # The rig's score is the moment of sending: the streams tell how old it is when it arrives.
        rig = {"rig": f"LV-{origin[-4:-2]}", "state": "running", "item": "K11", "ordinal": 1, "running_score": now_us}
        body = {
            "v": 1, "origin": origin, "size": 0, "unsent": 0, "oldest_unsent_ms": None, "instance": "bench",
            "clock": {"sync": "synced", "trusted": True, "offset_ms": 0}, "rigs": [rig],
            "disk": {"free_bytes": 60 << 30, "total_bytes": 100 << 30}, "accepts_exams": True,
        }  # fmt: skip
        line.request("POST", PATH, json.dumps(body).encode(), {"content-type": "application/json"})
        answer = line.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise WorldError(f"a heartbeat was answered with {answer.status}")
        self.answered_s.append(time.time() - now_us / 1e6)

    def close(self) -> None:
        """Hang up."""
        for _, line in self._lines:
            line.close()
