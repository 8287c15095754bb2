"""Power cuts of a real ext4: one recorded life on a device that writes down what it is told, many cuts replayed.

    record(life) ──recorded_disk──> BlockRecording: the image before, every write and flush, what was told in between
        └─ laid_out(cut, source)       what was flushed, any part of what was not, in sectors; mounted again
        └─ laid_out(cut, source, lies) a device that forgets flushes from that moment on

The same form as block_log.Recording, below the file system instead of above it: names, sizes and the journal of ext4
are cut as well, and its recovery runs at each mount. Needs root.
"""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from block_device import RECORD, WRITE, recorded_disk
from block_log import SECTOR, TOLD
from failing_disk import Unmountable, run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from random import Random

SIZE: Final = 16 << 20
_PIECE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Write:
    """What the device was told: bytes at a place, or (None) a flush."""

    offset: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class BlockRecording:
    """The image before the life, what its device was told, and what was told to the outside after how many of it."""

    before: bytes
    events: tuple[Write, ...]
    lines: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(
        cls,
        folder: Path,
        prepare: Callable[[Path], object],
        live: Callable[[Path, Callable[[str], object]], Coroutine[object, object, object]],
    ) -> Self:
        """Prepare a home on a fresh ext4, then live in it on the recording device."""
        image, journal = folder / "image", folder / "journal"
        with image.open("wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", str(image))
        with mounted(image, folder / "fresh") as home:
            prepare(home)
        places: list[tuple[int, bytes]] = []
        with recorded_disk(folder, image, journal) as disk:
            asyncio.run(live(disk.mount, lambda line: places.append((journal.stat().st_size, line.encode()))))
            disk.detach()
        events, ends = _read(journal.read_bytes())
        lines = tuple((sum(end <= place for end in ends), line + b"\n") for place, line in places)
        return cls(image.read_bytes(), events, lines)

    @contextmanager
    def laid_out(self, folder: Path, cut: int, source: Random, lies: int | None = None) -> Iterator[Path]:
        """The file system after a power cut before event `cut`, mounted; no flush counts from event `lies` on."""
        image = folder / "cut.img"
        _write_sparse(image, self.after_cut(cut, source, lies))
        with mounted(image, folder / "home") as home:
            try:
                (home / TOLD).write_bytes(b"".join(line for place, line in self.lines if place <= cut))
            except OSError as error:
                raise Unmountable(str(error)) from error
            yield home
        image.unlink()

    def after_cut(self, cut: int, source: Random, lies: int | None = None) -> bytearray:
        """The device's bytes: all that was flushed, and none, all or any of the rest."""
        found, pending = bytearray(self.before), list[Write]()
        for number, event in enumerate(self.events[:cut]):
            if event.data is not None:
                pending.append(event)
            elif lies is None or number < lies:
                for one in pending:
                    _apply(found, one, one.data)
                pending = []
        share = source.choice((0.0, 0.5, 0.9, 1.0))
        for one in pending:
            if one.data is not None and source.random() < share:
                torn = source.random() < (1 - share) / 2
                _apply(found, one, one.data[: source.randrange(0, len(one.data) + 1, SECTOR)] if torn else one.data)
        return found


def _apply(image: bytearray, event: Write, data: bytes | None) -> None:
    if data is not None:
        image[event.offset : event.offset + len(data)] = data


def _read(journal: bytes) -> tuple[tuple[Write, ...], list[int]]:
    """The events, and where in the journal each ends."""
    events, ends, at = list[Write](), list[int](), 0
    while at < len(journal):
        kind, offset, length = RECORD.unpack_from(journal, at)
        at += RECORD.size + length
        events.append(Write(offset, journal[at - length : at] if kind == WRITE else None))
        ends.append(at)
    return tuple(events), ends


def _write_sparse(path: Path, content: bytearray) -> None:
    with path.open("wb") as file:
        file.truncate(len(content))
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]
            if piece.count(0) != len(piece):
                file.seek(start)
                file.write(piece)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """The file system in a file, on a loop device of its own."""
    at.mkdir(exist_ok=True)
    done = subprocess.run(("mount", "-o", "loop", str(image), str(at)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unmountable(done.stderr.strip())
    try:
        yield at
    finally:
        run("umount", str(at))
