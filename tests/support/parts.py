"""The parts of a machine that some tests need beside Python packages: how each is recognised, and what brings it.

One table for the skip rules of the test suite and for script/test, which runs this file: `--missing` prints the apt
packages of what is not there.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
_SNAP_HEAD_BYTES = 4096


def find_program(name: str) -> str | None:
    """Like `which`, also in the folders that Debian keeps off a user's PATH."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)


def find_chromium() -> str | None:
    """A Chromium that tests can start. Ubuntu's package is a stub that asks for a snap: that is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = find_program(name)
        if path is not None and not _is_snap(Path(path)):
            return path
    return None


def _is_snap(path: Path) -> bool:
    if "snap" in path.resolve().parts:
        return True
    with path.open("rb") as file:
        head = file.read(_SNAP_HEAD_BYTES)
    return head.startswith(b"#!") and b"/snap/bin" in head


def _has_font() -> bool:
    return any(Path("/usr/share/fonts").rglob("NotoSansCJK*")) if Path("/usr/share/fonts").is_dir() else False


def _has_x_mod() -> bool:
    return Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/note").is_dir()


def find_postgres() -> Path | None:
    """The folder of initdb and postgres: on the PATH, or where Debian keeps it off the PATH; the newest."""
    found = [Path(name).resolve().parent for name in (find_program("initdb"),) if name]
    found += sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda path: -float(path.parent.name))
    return next((path for path in found if (path / "initdb").exists() and (path / "postgres").exists()), None)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing a test may need."""

    package: str  # what apt calls it
    present: Callable[[], bool]
    root_only: bool = False  # wanted only with KAOFEN_ROOT_TESTS=1


def _program(name: str) -> Callable[[], bool]:
    return lambda: find_program(name) is not None


PARTS = {
    "chromium": Part("chromium", lambda: find_chromium() is not None),
    "chinese-font": Part("fonts-noto-cjk", _has_font),
    "go": Part("golang-go", _program("go")),
    "go-x-mod": Part("golang-golang-x-mod-dev", _has_x_mod),
    "postgresql": Part("postgresql", lambda: find_postgres() is not None),
    "mosquitto": Part("mosquitto", lambda: all(map(find_program, ("mosquitto", "mosquitto_passwd")))),
    "mbpoll": Part("mbpoll", _program("mbpoll")),
    "libmodbus": Part("libmodbus5", lambda: ctypes.util.find_library("modbus") is not None),
    "socat": Part("socat", _program("socat")),
    "strace": Part("strace", _program("strace")),
    "nbdkit": Part("nbdkit", _program("nbdkit"), root_only=True),
    "nbdfuse": Part("libnbd-bin", _program("nbdfuse"), root_only=True),
    "fuse": Part("fuse3", _program("fusermount3"), root_only=True),
    "mkfs": Part("e2fsprogs", _program("mkfs.ext4"), root_only=True),
    "losetup": Part("mount", _program("losetup"), root_only=True),
    "tun": Part("iproute2", lambda: Path("/dev/net/tun").exists() and find_program("ip") is not None, root_only=True),
}


def root_tests_wanted() -> bool:
    """Tests that mount disks are a choice of whoever runs the suite."""
    return os.environ.get("KAOFEN_ROOT_TESTS") == "1"


def missing_reason(name: str) -> str | None:
    """Why a test that needs this part cannot run, or None."""
    part = PARTS[name]
    if part.present():
        return None
    return f"missing part: {name} (apt-get install -y {part.package})"


def missing_packages() -> list[str]:
    """The apt packages of every missing part that this run wants."""
    wanted = [part for part in PARTS.values() if root_tests_wanted() or not part.root_only]
    return [part.package for part in wanted if not part.present()]


if __name__ == "__main__":
    if sys.argv[1:] == ["--missing"]:
        print(" ".join(missing_packages()))  # noqa: T201 -- its only output
    else:
        sys.exit("usage: parts.py --missing")
