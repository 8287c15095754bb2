"""Real file systems that fail: an ext4 on a device that can be told to refuse writes, and a very small one.

Needs root: nbdkit's error filter gives true EIO to the kernel through nbdfuse and a loop device.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_START_S = 20.0


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come up"
        time.sleep(0.01)


class Unmountable(Exception):  # noqa: N818  # a finding: the file system itself names what it lost
    """A file system that can be mounted or written no more: a box on it does not start at all."""


class Disk:
    """A mounted ext4. `refuse` and `accept` switch the device under it, where it has one that can."""

    def __init__(self, image: Path, mount: Path, trigger: Path | None) -> None:
        self.mount = mount
        self._image = image
        self._trigger = trigger
        self._loop = ""

    @property
    def can_refuse(self) -> bool:
        """Whether the device under it can be told to."""
        return self._trigger is not None

    def refuse(self) -> None:
        """From now on the device answers every write with EIO."""
        assert self._trigger is not None
        self._trigger.touch()

    def accept(self) -> None:
        """The device works again."""
        assert self._trigger is not None
        self._trigger.unlink(missing_ok=True)

    def attach(self) -> None:
        """A fresh loop device, so that nothing of the last mount is left in memory."""
        self._loop = run("losetup", "-f", "--show", str(self._image))
        run("mount", self._loop, str(self.mount))

    def detach(self) -> None:
        """Unmount; what was not written is lost, as at a power cut."""
        if self._loop:
            run("umount", str(self.mount))
            run("losetup", "-d", self._loop)
            self._loop = ""

    def abandon(self) -> None:
        """At the end of a test, which may have left files open."""
        if self._loop:
            run("umount", "--lazy", str(self.mount))
            run("losetup", "-d", self._loop)
            self._loop = ""

    def cut_power(self) -> None:
        """Lose everything that is only in memory: unmount while the device refuses, then mount what it has."""
        self.refuse()
        self.detach()
        self.accept()
        self.attach()

    def remount(self) -> None:
        """Unmount and mount again."""
        self.detach()
        self.attach()

    def format(self, *options: str) -> None:
        loop = run("losetup", "-f", "--show", str(self._image))
        run("mkfs.ext4", "-q", *options, loop)
        run("losetup", "-d", loop)


@contextmanager
def small_disk(directory: Path, size: int = 8 << 20, *options: str) -> Iterator[Disk]:
    """An ext4 of 8 MiB in a file; the options are of mkfs."""
    image, mount = directory / "small.img", directory / "small"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    disk = Disk(image, mount, None)
    disk.format(*options)
    disk.attach()
    try:
        yield disk
    finally:
        disk.abandon()


@contextmanager
def failing_disk(directory: Path, size: int = 64 << 20) -> Iterator[Disk]:
    """An ext4 on a device that can be told to fail."""
    image, socket, trigger = directory / "disk.img", directory / "nbd.sock", directory / "fail"
    window, mount = directory / "window", directory / "mounted"
    window.mkdir()
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    errors = ("error-pwrite=EIO", "error-pwrite-rate=100%", f"error-pwrite-file={trigger}")
    server = start_process("nbdkit", "-f", "-U", str(socket), "--filter=error", "file", str(image), *errors)
    fuse: subprocess.Popen[bytes] | None = None
    disk = Disk(window / "disk", mount, trigger)
    try:
        until(socket.exists, "nbdkit")
        fuse = start_process("nbdfuse", str(window / "disk"), f"nbd+unix:///?socket={socket}")
        until((window / "disk").exists, "nbdfuse")
        disk.format()
        disk.attach()
        yield disk
    finally:
        take_down(disk, window, [process for process in (fuse, server) if process is not None])


def take_down(disk: Disk, window: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    try:
        if disk.can_refuse:
            disk.accept()
        disk.abandon()
        if os.path.ismount(window):
            run("umount", "--lazy", str(window))
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def start_process(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
