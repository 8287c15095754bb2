"""Power cuts without a device: a recorded life of a process, and what its files may hold after a cut at any moment.

    record(life) ──strace──> Recording: every write, truncation, rename and sync, in order, with its bytes
        └─ laid_out(cut, source)       what was synced, and any part of what was not, in pieces of a sector
        └─ laid_out(cut, source, lies) a disk that forgets syncs from that moment on

What a file system may lose is what no fsync covered (ALICE, OSDI 2014); this allows every subset of it, in order.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from log_strace import whole_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from log_crash import Round, Zygote

SECTOR = 512
TRACED = "trace=pwrite64,write,fsync,fdatasync,rename,ftruncate"
TOLD = "told"
# Files that a start makes anew or only locks.
_SCRATCH = ("-shm", "/lock", ".lock", ".readers", "reserve", ".trace", ".pid")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)$")
_WORD = re.compile(r"(?:\d+<((?:\\x[0-9a-f]{2})*)>|\"((?:\\x[0-9a-f]{2})*)\"|(\d+))")

Kind = Literal["write", "cut", "sync", "name"]


@dataclass(frozen=True, slots=True)
class Event:
    """One call: on which file, relative to the home ("." is the home itself)."""

    kind: Kind
    file: str
    offset: int = 0
    data: bytes = b""
    to: str = ""


@dataclass(slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)

    def settle(self) -> None:
        for event in self.pending:
            _apply(self.synced, event)
        self.pending = []

    def after_cut(self, source: Random) -> bytes:
        """The synced bytes and some of the others: none, all, or any."""
        found, share = bytearray(self.synced), source.choice((0.0, 0.5, 0.9, 1.0))
        for event in self.pending:
            if source.random() < share:
                torn = event.kind == "write" and source.random() < (1 - share) / 2
                length = source.randrange(0, len(event.data) + 1, SECTOR) if torn else len(event.data)
                _apply(found, replace(event, data=event.data[:length]))
        return bytes(found)


def _apply(content: bytearray, event: Event) -> None:
    if event.kind == "cut":
        content[event.offset :] = bytes(max(0, event.offset - len(content)))
        return
    if len(content) < event.offset:
        content.extend(bytes(event.offset - len(content)))
    content[event.offset : event.offset + len(event.data)] = event.data


@dataclass(frozen=True, slots=True)
class Recording:
    """The home before the life, and what the life did."""

    before: dict[str, bytes]
    events: tuple[Event, ...]

    @classmethod
    def of(cls, zygote: Zygote, life: Round) -> Self:
        """Run the life; its home must be made already."""
        home = Path(life.directory)
        before = _contents(home)
        out = home / "life.trace"
        words = ("-y", "-xx", "-s", "70000", "-e", TRACED, "-o", str(out))
        assert zygote.run(replace(life, strace=words)) == 0
        return cls(before, tuple(_events(whole_trace(out), home)))

    def told(self, cut: int) -> bytes:
        """What the process had said by then: it was heard, whatever became of the disk."""
        return b"".join(event.data for event in self.events[:cut] if event.file == TOLD)

    def files(self, cut: int, source: Random, lies: int | None = None) -> dict[str, bytes]:
        """The home after a power cut before event `cut`; no sync counts from event `lies` on."""
        files = {name: _File(bytearray(data)) for name, data in self.before.items()}
        renamed: dict[str, _File | None] = {}  # names that no folder's sync covers yet, with what they meant before
        for number, event in enumerate(self.events[:cut]):
            if event.file == TOLD:
                continue
            if event.kind == "name":
                renamed[event.to] = files.get(event.to)
                files[event.to] = files.pop(event.file)
            elif event.kind != "sync":
                files.setdefault(event.file, _File()).pending.append(event)
            elif lies is None or number < lies:
                if event.file == ".":
                    renamed = {}
                elif event.file in files:
                    files[event.file].settle()
        for name, old in renamed.items():
            if source.random() < 0.5:
                files[name] = old if old is not None else _File()
        return {name: file.after_cut(source) for name, file in sorted(files.items()) if not name.endswith(".new")}

    @contextmanager
    def laid_out(self, folder: Path, cut: int, source: Random, lies: int | None = None) -> Iterator[Path]:
        """That home, written; it is gone afterwards."""
        home = folder / "home"
        for name, data in {**self.files(cut, source, lies), TOLD: self.told(cut)}.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o600)
        yield home
        shutil.rmtree(home)


def _contents(home: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.endswith(_SCRATCH)}


def _events(lines: list[str], home: Path) -> list[Event]:
    found: list[Event] = []
    for line in lines:
        call = _CALL.match(line)
        if call is None:
            continue
        words = [_decoded(word) for word in _WORD.finditer(call[2])]
        path = words[0] if isinstance(words[0], bytes) else b""
        name = str(Path(path.decode()).relative_to(home)) if path.startswith(bytes(home)) else ""
        if name and not name.endswith(_SCRATCH):
            found += _event(call[1], name, words, home)
    return found


def _event(call: str, name: str, words: list[bytes | int], home: Path) -> list[Event]:
    second = words[1] if len(words) > 1 else b""
    if call == "pwrite64" and isinstance(second, bytes) and isinstance(words[3], int):
        return [Event("write", name, words[3], second)]
    if call == "write" and isinstance(second, bytes):  # whole small files, and what is told
        return (
            [Event("write", name, 0, second)] if name == TOLD else [Event("cut", name), Event("write", name, 0, second)]
        )
    if call == "ftruncate" and isinstance(second, int):
        return [Event("cut", name, second)]
    if call == "rename" and isinstance(second, bytes):
        return [Event("name", name, to=str(Path(second.decode()).relative_to(home)))]
    return [Event("sync", name)] if call.endswith("sync") else []


def _decoded(word: re.Match[str]) -> bytes | int:
    if word[3] is not None:
        return int(word[3])
    return bytes.fromhex((word[1] if word[1] is not None else word[2]).replace("\\x", ""))
