"""Interface v1 told by a coil, with state and mode on discrete inputs, for `ScriptedRig(release=…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rig_profiles import fast_v1
from scripted_rig import COIL, TAKEN, ScriptedRig

from device_adapters.language.profile import load_profile

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile

RELEASES = ("rig", "gateway", "toggle")
PANEL = 32  # state on inputs 32 to 35, mode on 36 and 37


def coil_profile(release: str, *, function: int = 15, timeout_ms: int = 100, busy_wait_ms: int = 60) -> Profile:
    """The mistakes of the interface that a controller without spare registers makes."""
    taken = "" if release == "rig" else f", taken = {{ input = {TAKEN} }}"
    text = fast_v1(timeout_ms, busy_wait_ms=busy_wait_ms).text.decode()
    for old, new in (
        ('kind = "sequence"\n', 'kind = "coil"\n'),
        (
            'ack = { at = 100, type = "uint32", order = "ABCD" }',
            f'ack = {{ coil = {COIL}, function = {function}, release = "{release}"{taken} }}',
        ),
        (
            "[areas]\n",
            (
                f'[areas]\nbell = {{ space = "coils", at = {COIL}, bits = 1, write = true }}\n'
                f'answer = {{ space = "discrete", at = {TAKEN}, bits = 1 }}\n'
                f'panel = {{ space = "discrete", at = {PANEL}, bits = 6 }}\n'
            ),
        ),
        ('length = "words"\n', ""),
        ('state = { at = 14, type = "uint16", codes = "state" }\n', ""),
        ('mode = { at = 15, type = "uint16", codes = "mode" }\n', ""),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    flags = '[status.flags]\narea = "panel"\n[status.flags.fields]\nstate = { bits = [0, 3], codes = "state" }\n'
    flags += 'mode = { bits = [4, 5], codes = "mode" }\n\n[records.event]\n'
    return load_profile(text.replace("[records.event]\n", flags, 1).encode())


def coil_rig(release: str) -> ScriptedRig:
    """Idle, in exam mode."""
    rig = ScriptedRig()
    rig.release = release
    show(rig, 0, 1)
    return rig


def show(rig: ScriptedRig, state: int, mode: int) -> None:
    rig.inputs[PANEL : PANEL + 6] = bytes((state | mode << 4) >> at & 1 for at in range(6))
