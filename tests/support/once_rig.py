"""A raw rig whose results are cleared by being read (tests/vectors/profile/read-once-bench.toml); own encoder."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rig_profiles import hurried
from scripted_rig import ScriptedRig, text
from tree import ROOT

from device_adapters.language.profile import load_profile

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = 64
ONCE_TEXT = (ROOT / "tests/vectors/profile/read-once-bench.toml").read_bytes()
ONCE = load_profile(hurried(ONCE_TEXT))


def record(seq: int, score: int = 875, serial: str = "RO-0001", boot: int = 3) -> bytes:
    head = struct.pack(">I8sHHH4s", seq, text(serial, 4), boot, 1, 0, text("K32", 2))
    return head + struct.pack(">4HIIHH", 9, 2, 400, 600, 1795416125, 1795416525, score, 0)


class OnceRig(ScriptedRig):
    """`queue` holds what was not read yet. `clears` False: it forgot to."""

    def __init__(self) -> None:
        self.queue: list[tuple[int, bytes]] = []
        self.clears = True
        self.on_taken: Callable[[int], None] | None = None
        super().__init__("RO-0001")

    def finish(self, score: int = 875) -> int:
        self.last_seq += 1
        self.queue.append((self.last_seq, record(self.last_seq, score, boot=self.boot)))
        self.refresh()
        return self.last_seq

    def refresh(self) -> None:
        oldest = self.queue[0][0] if self.queue else 0
        self.put(0, struct.pack(">8s3HII", text("RO-0001", 4), self.boot, 0, 0, self.last_seq, oldest))
        data = self.queue[0][1] if self.queue else bytes(42)
        self.input_registers[QUEUE : QUEUE + 21] = struct.unpack(">21H", data)

    def reply(self, request: bytes) -> bytes:
        answer = super().reply(request)
        if (request[7], int.from_bytes(request[8:10], "big")) == (4, QUEUE) and self.queue and self.clears:
            self.queue.pop(0)
            self.refresh()
        return answer
