"""The rig of tests/vectors/profile/coil-bench.golden.toml: input registers, discrete inputs and coils, laid by hand."""

from __future__ import annotations

import tomllib

from scripted_rig import ScriptedRig
from tree import ROOT

FOLDER = ROOT / "tests/vectors/profile"
TEXT = (FOLDER / "coil-bench.toml").read_text(encoding="utf-8")
GOLDEN = tomllib.loads((FOLDER / "coil-bench.golden.toml").read_text(encoding="utf-8"))


def laid(text: str) -> bytes:
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def golden_rig(moved: int = 0) -> ScriptedRig:
    """Holds the golden frames, and nothing else anywhere; every address is so many higher than the manual says."""
    rig = ScriptedRig()
    rig.registers = [0] * 65536
    for at, block in ((moved, laid(GOLDEN["status"])), (256 + moved, laid(GOLDEN["result"]))):
        rig.input_registers[at : at + len(block) // 2] = [
            int.from_bytes(block[n : n + 2], "big") for n in range(0, len(block), 2)
        ]
    bits = int.from_bytes(laid(GOLDEN["flags"]), "little")
    rig.inputs[8 + moved : 28 + moved] = bytes(bits >> at & 1 for at in range(20))
    return rig
