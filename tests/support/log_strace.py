"""System calls of a writing process: seen in their order, or failing at the n-th, by strace on a forked writer.

    attach_strace(words)    in the writer, before its life
    Trace.read(path)        the calls afterwards
    injected(path, file)    whether one was made to fail, and what was told after it

`when=n` of strace counts in each thread, so the n-th call of the opening, of the writer and of the second file's
thread fail together.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SECONDS_MAX = 20.0
_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)
_CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<words>.*)\) += (?P<result>-?\d+)")
_FD = re.compile(r"^(?:AT_FDCWD|\d+)<(?P<path>[^>]*)>")
_UNFINISHED = re.compile(r"^(?P<pid>\d+) +(?P<call>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)$")


def attach_strace(words: tuple[str, ...]) -> None:
    """Let strace look at this process; returns when it does."""
    out = Path(words[words.index("-o") + 1])
    out.with_suffix(".pid").write_text(str(os.getpid()))
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)  # a child may trace its parent, where Yama asks
    subprocess.Popen(
        ("strace", "-f", "-q", "-p", str(os.getpid()), *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + SECONDS_MAX
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        if time.monotonic() > deadline:
            raise TimeoutError("strace did not attach")
        time.sleep(0.001)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that succeeded: its name, the path of its first descriptor, its words."""

    name: str
    path: str
    words: str


@dataclass(frozen=True, slots=True)
class Trace:
    """All calls, in the order in which they returned."""

    calls: tuple[Call, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Once strace has written the end of the process, which is the thread that it saw first."""
        return cls(tuple(_calls(whole_trace(path))))


def injected(path: Path, file: str, word: str = "ack ") -> tuple[bool, list[str]]:
    """Whether a call was made to fail, and what was told after the first one on a file of that name."""
    lines = _whole(path)
    met = any("(INJECTED)" in line for line in lines)
    first = next((n for n, line in enumerate(lines) if "(INJECTED)" in line and f"/{file}" in line), len(lines))
    return met, [line for line in lines[first:] if "/told>" in line and f'"{word}' in line]


def _whole(path: Path) -> list[str]:
    """The lines, once strace has written the end."""
    deadline = time.monotonic() + SECONDS_MAX
    pid = path.with_suffix(".pid").read_text()
    while not (lines := _lines(path)) or lines[-1].split()[:2] != [pid, "+++"]:
        assert time.monotonic() < deadline, f"no end of the trace: {lines[-1:]}"
        time.sleep(0.002)
    return lines


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines() if path.exists() else []


def whole_trace(path: Path) -> list[str]:
    """The lines, a call that others interrupted where it returned."""
    return _joined(_whole(path))


def _joined(lines: list[str]) -> list[str]:
    waiting: dict[str, str] = {}
    found: list[str] = []
    for line in lines:
        if (begun := _UNFINISHED.match(line)) is not None:
            waiting[begun["pid"]] = begun["call"]
        elif (resumed := _RESUMED.match(line)) is not None:
            found.append(f"{resumed['pid']} {waiting.pop(resumed['pid'], '')}{resumed['rest']}")
        else:
            found.append(line)
    return found


def _calls(lines: list[str]) -> list[Call]:
    found: list[Call] = []
    for line in lines:
        call = _CALL.match(line)
        if call is not None and int(call["result"]) >= 0:
            fd = _FD.match(call["words"])
            found.append(Call(call["name"], fd["path"] if fd else "", call["words"]))
    return found
