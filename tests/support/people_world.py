"""A small exam point for the tests of the people's side: rigs that latch records, and a gateway's entries about them.

Encodes the words of docs/rig-interface-v1.md by itself, so that a decoder's mistake does not cancel out.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorelog.format.canonical import encode
from scorelog.format.commitment import Opening

if TYPE_CHECKING:
    from random import Random

ROOT = Path(__file__).resolve().parents[2]
PROFILE = (ROOT / "device_adapters" / "profiles" / "kaofen-v1-low-voltage.toml").read_bytes()
RUBRIC = (ROOT / "server" / "rubrics" / "low-voltage-electrician.toml").read_bytes()
START_S = 1_795_416_125  # 2026-11-23T06:42:05Z
OUTCOMES = {"finished": 1, "timeout": 2, "aborted": 3, "veto": 4}


def origin_of(gateway: str, generation: int = 0) -> str:
    return f"exam.example/gw/{gateway}/{generation}"


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def utc(seconds: float) -> str:
    whole, micros = int(seconds), round((seconds - int(seconds)) * 1e6)
    days, rest = divmod(whole - START_S, 86_400)
    base = 6 * 3600 + 42 * 60 + 5 + rest
    days, base = days + base // 86_400, base % 86_400
    return f"2026-11-{23 + days:02d}T{base // 3600:02d}:{base // 60 % 60:02d}:{base % 60:02d}.{micros:06d}Z"


def rfc(seconds: int, millis: int | None = None) -> str:
    text = utc(seconds)[:19]
    return f"{text}Z" if millis is None else f"{text}.{millis:03d}Z"


@dataclass
class Log:
    """One gateway's log in the making: entries and openings in order."""

    gateway: str
    rng: Random
    generation: int = 0
    entries: list[bytes] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    now_s: float = START_S

    @property
    def origin(self) -> str:
        return origin_of(self.gateway, self.generation)

    def add(self, kind: str, openings: dict[str, bytes] | None = None, **fields: Any) -> int:
        """Append one entry; the index."""
        index = len(self.entries)
        blinds = {name: self.rng.randbytes(32) for name in openings or {}}
        document = {
            "v": 1,
            "type": kind,
            "salt": self.rng.randbytes(16).hex(),
            "read": {"boot": "6d" * 16, "mono_us": index * 1000, "sync": "synced", "utc": utc(self.now_s)},
            **fields,
        }
        if openings:
            document["candidate"] = [
                {"field": name, "sha256": hashlib.sha256(blinds[name] + name.encode() + b"\0" + value).hexdigest()}
                for name, value in openings.items()
            ]
            self.openings += [Opening(index, name, blinds[name], value) for name, value in sorted(openings.items())]
        self.entries.append(encode(document))
        self.now_s += 0.25
        return index

    def adopt(self) -> Log:
        """The profile and the rubric, before first use."""
        for kind, data in (("profile.adopted", PROFILE), ("rubric.adopted", RUBRIC)):
            self.add(kind, sha256=hashlib.sha256(data).hexdigest(), text=data.decode())
        return self

    def openings_in(self, start: int, stop: int) -> list[Opening]:
        return [opening for opening in self.openings if start <= opening.index < stop]


@dataclass
class Rig:
    """A bench that follows interface v1 and writes into a gateway's log."""

    serial: str
    station: str
    log: Log
    boot: int = 3
    seq: int = 0
    exam_no: int = 0
    ticket: str = ""
    attempt: str = ""
    ordinal: int = 0
    slot: int = 0
    item: str = ""
    item_started_s: int = 0
    taken: list[tuple[int, int, int, bool]] = field(default_factory=list)
    limit_s: int = 600
    done: list[tuple[str, int, bool, bool]] = field(default_factory=list)

    def open_exam(self, ticket: str, attempt: str, try_no: int = 1) -> int:
        self.exam_no, self.ticket, self.attempt, self.ordinal = self.exam_no + 1, ticket, attempt, 0
        self.done = []
        fields = {"verdict": "match", "try": try_no, "exam_no": self.exam_no}
        return self._record("identity.checked", 1, (1, try_no, 0, 0), fields)

    def start(self, item: str, limit_s: int = 600) -> int:
        self.item, self.ordinal, self.taken, self.limit_s = item, self.ordinal + 1, [], limit_s
        self.item_started_s = int(self.log.now_s)
        fields = {"item": item, "ordinal": self.ordinal, "limit_s": limit_s, "exam_no": self.exam_no}
        return self._record("item.started", 2, (limit_s, 0, 0, 0), fields)

    def deduct(self, line: int, points: int, at_s: int = 10, *, veto: bool = False) -> int:
        self.taken.append((line, points, at_s, veto))
        fields = {"item": self.item, "ordinal": self.ordinal, "line": line, "points": points, "at_s": at_s}
        fields |= {"veto": veto, "exam_no": self.exam_no}
        return self._record("deduction", 3, (line, points, at_s, int(veto)), fields)

    def finish(self, outcome: str = "finished", *, score: int | None = None, lie: dict[str, Any] | None = None) -> int:
        """End the item. `score`: what the rig claims; `lie`: what the gateway writes instead of what it read."""
        veto = any(one[3] for one in self.taken)
        if score is None:
            score = 0 if veto or outcome == "aborted" else 10_000 - sum(points for _, points, _, _ in self.taken)
        elapsed = int(self.log.now_s) - self.item_started_s
        fields: dict[str, Any] = {
            "item": self.item,
            "ordinal": self.ordinal,
            "outcome": outcome,
            "score": score,
            "elapsed_s": elapsed,
            "limit_s": self.limit_s,
            "veto_lines": sum(one[3] for one in self.taken),
            "started": rfc(self.item_started_s),
            "finished": rfc(int(self.log.now_s)),
            "exam_no": self.exam_no,
            "mode": "exam",
            "deductions": [{"line": li, "points": p, "at_s": at, "veto": v} for li, p, at, v in self.taken],
        }
        self.done.append((self.item, score, veto, outcome == "aborted"))
        args = (self.slot, OUTCOMES[outcome], score, len(self.taken))
        index = self._record("item.finished", 4, args, fields | (lie or {}), result=fields)
        self.slot = (self.slot + 1) % 32
        self.item, self.taken = "", []
        return index

    def close(self, total: int, *, failed: bool = False) -> int:
        fields = {"claimed_total": total, "items": len(self.done), "exam_failed": failed, "exam_no": self.exam_no}
        return self._record(
            "attempt.finished", 5, (total, len(self.done), int(failed), 0), fields, leaves=self._leaves()
        )

    def abort(self, reason: str = "candidate") -> int:
        code = ["candidate", "examiner", "fault", "power"].index(reason) + 1
        fields = {"reason": reason, "exam_no": self.exam_no}
        return self._record("attempt.aborted", 6, (code, 0, 0, 0), fields, leaves=self._leaves())

    def acknowledge(self) -> int:
        return self._record("candidate.acknowledged", 8, (1, 0, 0, 0), {"ack": "signed", "exam_no": self.exam_no})

    def whole_exam(self, ticket: str, attempt: str) -> None:
        """Four items, some deductions, closed with the right total."""
        self.open_exam(ticket, attempt)
        total = 0
        for item, weight, cuts in (
            ("K11", 2000, [(2, 500)]),
            ("K21", 4000, [(2, 1250), (3, 250)]),
            ("K31", 2000, []),
            ("K42", 2000, [(3, 1000)]),
        ):
            self.start(item)
            for line, points in cuts:
                self.deduct(line, points)
            self.finish()
            total += weight * (10_000 - sum(points for _, points in cuts))
        self.close((total + 5000) // 10_000)
        self.acknowledge()

    def _leaves(self) -> list[str]:
        """Leaf hashes of this attempt's entries in this log so far."""
        mine = f'"attempt":"{self.attempt}"'.encode()
        return [hashlib.sha256(b"\0" + entry).hexdigest() for entry in self.log.entries if mine in entry]

    def _record(
        self, kind: str, code: int, args: tuple[int, int, int, int], fields: dict[str, Any], **more: Any
    ) -> int:
        self.seq += 1
        result = more.pop("result", None)
        at_s = int(self.log.now_s)
        event = self._event(code, args, at_s)
        areas = [("event", 4096 + 48 * (self.seq % 512), event)]
        if result is not None:
            areas.append(("result", 28672 + 160 * self.slot, self._result(result)))
        raw, openings = [], {"ticket": self.ticket.encode()}
        for name, at, data in areas:
            end = len(data) - 2
            shown = data[:28] + bytes(32) + data[60:end] + bytes(2)
            ranges = [[28, 32], [end, 2]]
            raw.append({"area": name, "at": at, "bytes": base64.b64encode(shown).decode(), "cut": ranges})
            openings[f"raw.{name}"] = data[28:60] + data[end:]
        return self.log.add(
            kind,
            openings,
            rig=self.serial,
            station=self.station,
            rig_time=rfc(at_s, 31),
            attempt=self.attempt,
            binding="rig",
            epoch=self.boot,
            seq=self.seq,
            ordinal=0,
            content=hashlib.sha256(f"{self.serial} {self.boot} {self.seq}".encode()).hexdigest(),
            profile=hashlib.sha256(PROFILE).hexdigest(),
            guarantee="latched",
            source="sensor",
            raw=raw,
            fields=fields,
            **more,
        )

    def _head(self, code: int, words: int) -> bytes:
        serial = self.serial.encode().ljust(16, b"\0")
        ticket = self.ticket.encode().ljust(32, b"\0")
        return struct.pack(">IHH", self.seq, code, words) + serial + struct.pack(">I", self.boot) + ticket

    def _event(self, code: int, args: tuple[int, int, int, int], at_s: int) -> bytes:
        item = self.item.encode().ljust(4, b"\0") if code in {2, 3, 4} else bytes(4)
        ordinal = self.ordinal if code in {2, 3, 4} else 0
        tail = struct.pack(">I4sHIHH4H2H", self.exam_no, item, ordinal, at_s, 31, 1, *args, 0, 0)
        return self._sealed(self._head(code, 48) + tail)

    def _result(self, fields: dict[str, Any]) -> bytes:
        listed = fields["deductions"]
        numbers = struct.pack(
            ">I4sHIIHHHHHHH",
            self.exam_no,
            fields["item"].encode().ljust(4, b"\0"),
            fields["ordinal"],
            self.item_started_s,
            int(self.log.now_s),
            fields["elapsed_s"],
            fields["limit_s"],
            OUTCOMES[fields["outcome"]],
            fields["score"],
            fields["veto_lines"],
            1,
            len(listed),
        )
        rows = b"".join(struct.pack(">4H", d["line"], d["points"], d["at_s"], int(d["veto"])) for d in listed)
        return self._sealed(self._head(4, 49 + 4 * len(listed)) + numbers + rows)

    def _sealed(self, body: bytes) -> bytes:
        body += struct.pack(">I", self.seq)
        return body + struct.pack(">H", crc16(body))


def attempt_id(number: int) -> str:
    return hashlib.sha256(f"attempt {number}".encode()).hexdigest()[:32]
