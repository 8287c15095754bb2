"""A raw rig that shows its results page by page (tests/vectors/profile/window-bench.toml); own encoder."""

from __future__ import annotations

import struct

from rig_profiles import hurried
from scripted_rig import ScriptedRig, crc16, text
from tree import ROOT

from device_adapters.language.profile import load_profile

PAGE, SLOT, WINDOW = 110, 111, 512
WORDS = 10
WINDOW_TEXT = (ROOT / "tests/vectors/profile/window-bench.toml").read_bytes()
WINDOWED = load_profile(hurried(WINDOW_TEXT))


def result(seq: int, score: int = 8750, rows: int = 7, boot: int = 3, ticket: str = "20261123-0007") -> bytes:
    body = struct.pack(
        ">IH8sHHH16s4sHHHHIIHHH",
        seq,
        34 + 4 * rows,
        text("WB-0001", 4),
        boot,
        1,
        0,
        text(ticket, 8),
        text("K21", 2),
        9,
        2,
        400,
        600,
        1795416125,
        1795416525,
        score,
        0,
        rows,
    )
    body += b"".join(struct.pack(">4H", line, 25, line * 7, 0) for line in range(1, rows + 1)) + struct.pack(">I", seq)
    return body + struct.pack(">H", crc16(body))


class WindowRig(ScriptedRig):
    """`held` by slot. `turns` False: what is written to the page register changes nothing."""

    def __init__(self) -> None:
        self.held: dict[int, tuple[int, bytes]] = {}
        self.turns = True
        super().__init__("WB-0001")

    def finish(self, score: int = 8750, rows: int = 7) -> int:
        self.last_seq += 1
        self.oldest_seq = self.oldest_seq or self.last_seq
        self.hold(self.last_seq, result(self.last_seq, score, rows, self.boot))
        self.refresh()
        return self.last_seq

    def hold(self, seq: int, data: bytes) -> None:
        self.held[seq % 4] = (seq, data)
        self.show()

    def refresh(self) -> None:
        named = text("WB-0001", 4), self.boot, self.oldest_seq, self.acked_seq, 0, 0, self.last_seq
        body = struct.pack(">I8s5HI", self.last_seq, *named)
        self.put(0, body + struct.pack(">H", crc16(body)))

    def show(self) -> None:
        page, (seq, data) = self.registers[PAGE], self.held.get(self.registers[SLOT], (0, b""))
        words = data[(page - 1) * WORDS * 2 :][: WORDS * 2].ljust(WORDS * 2, b"\0")
        self.put(WINDOW, struct.pack(">HI", page, seq) + words)

    def restart(self) -> None:
        """As after a power cut: the window is back at page 0 of slot 0."""
        self.registers[PAGE] = self.registers[SLOT] = 0
        self.show()
        self.reboot()

    def _written(self, at: int, values: tuple[int, ...]) -> None:
        super()._written(at, values)
        if at in {PAGE, SLOT} and self.turns:
            self.show()
