"""A disk that writes down what it is told, in order: an NBD server of one connection, run as a program.

    block_device.py SOCKET IMAGE JOURNAL     serves IMAGE out of memory; every write and flush is in JOURNAL before
                                             it is answered: kind, offset, length, bytes
    recorded_disk(folder, image)             the same under a mounted ext4 (nbdfuse, a loop device); needs root

Spec: the fixed newstyle handshake and the simple replies of the NBD protocol; no other client than nbdfuse is served.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from failing_disk import Disk, start_process, take_down, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

RECORD: Final = struct.Struct(">BQI")
WRITE, FLUSH = 1, 3
_READ, _DISCONNECT = 0, 2
_OPT_ABORT, _OPT_INFO, _OPT_GO = 2, 6, 7
_ACK, _INFO, _UNSUPPORTED = 1, 3, (1 << 31) + 1
_OPTION_MAGIC: Final = b"IHAVEOPT"
_REPLY_MAGIC: Final = 0x3E889045565A9
_HAS_FLAGS_AND_FLUSH: Final = 1 | 4
_FIXED_NO_ZEROES: Final = 1 | 2
_EINVAL: Final = 22
_REQUEST: Final = struct.Struct(">IHHQQI")


def _take(line: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        part = line.recv(length - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _shake_hands(line: socket.socket, size: int) -> None:
    line.sendall(b"NBDMAGIC" + _OPTION_MAGIC + struct.pack(">H", _FIXED_NO_ZEROES))
    _take(line, 4)
    while True:
        option, length = struct.unpack(">II", _take(line, 16)[8:])
        _take(line, length)

        def say(kind: int, data: bytes = b"", option: int = option) -> None:
            line.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, kind, len(data)) + data)

        if option in (_OPT_GO, _OPT_INFO):
            say(_INFO, struct.pack(">HQH", 0, size, _HAS_FLAGS_AND_FLUSH))
            say(_ACK)
        else:
            say(_ACK if option == _OPT_ABORT else _UNSUPPORTED)
        if option == _OPT_GO:
            return
        if option == _OPT_ABORT:
            raise EOFError


def _serve(line: socket.socket, image: bytearray, journal: int) -> None:
    _shake_hands(line, len(image))
    while True:
        _, _, kind, handle, offset, length = _REQUEST.unpack(_take(line, _REQUEST.size))
        answer, error = b"", 0
        if kind == _READ:
            answer = bytes(image[offset : offset + length])
        elif kind == WRITE:
            data = _take(line, length)
            os.write(journal, RECORD.pack(kind, offset, length) + data)
            image[offset : offset + length] = data
        elif kind == FLUSH:
            os.write(journal, RECORD.pack(kind, 0, 0))
        elif kind == _DISCONNECT:
            return
        else:
            error = _EINVAL
        line.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + answer)


def main() -> None:
    """Serve one connection after another until killed."""
    path, image, out = sys.argv[1:]
    content = bytearray(Path(image).read_bytes())
    journal = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            line, _ = listener.accept()
            with line:
                try:
                    _serve(line, content, journal)
                except EOFError:
                    continue


@contextmanager
def recorded_disk(folder: Path, image: Path, journal: Path) -> Iterator[Disk]:
    """The file system in `image`, mounted, its device writing into `journal`. The image itself stays as it is."""
    window, mount, path = folder / "window", folder / "mounted", folder / "nbd.sock"
    window.mkdir()
    mount.mkdir()
    processes: list[subprocess.Popen[bytes]] = []
    disk = Disk(window / "disk", mount, None)
    try:
        processes.append(start_process(sys.executable, __file__, str(path), str(image), str(journal)))
        until(path.exists, "the recording device")
        processes.insert(0, start_process("nbdfuse", str(window / "disk"), f"nbd+unix:///?socket={path}"))
        until((window / "disk").exists, "nbdfuse")
        disk.attach()
        yield disk
    finally:
        take_down(disk, window, processes)


if __name__ == "__main__":
    main()
