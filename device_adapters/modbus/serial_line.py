"""A serial port as a line: RS-485 or RS-232, 8 data bits, by the operating system's own terminal interface.

Owns: opening, settings and exclusive use of one port. Needs no library: a port is a file whose bytes have a speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import termios
from dataclasses import dataclass

from device_adapters.errors import NotConnected
from device_adapters.modbus.lines import Received

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
PARITIES = ("none", "even", "odd")
STOP_BITS = (1, 2)
_READ_BYTES = 4096
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _ISPEED, _OSPEED, _CC = range(7)


@dataclass(frozen=True, slots=True)
class SerialPort:
    """Which port, and how it is set. The RTU standard says 19200, even, 1; makers mostly say 9600, none, 1."""

    device: str
    baud: int = 9600
    parity: str = "none"
    stop_bits: int = 1

    @property
    def byte_s(self) -> float:
        """How long one byte travels: start bit, 8 bits, parity, stop bits."""
        return (9 + (self.parity != "none") + self.stop_bits) / self.baud


class SerialLine(Received):
    """One port."""

    renewable = False  # bytes on the copper do not end with the file

    def __init__(self, port: SerialPort) -> None:
        super().__init__()
        self.byte_s = port.byte_s
        self.identity = 0
        self._port = port
        self._file: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether bytes can be sent."""
        return self._file is not None

    async def open(self, timeout_s: float) -> None:  # noqa: ARG002  (a file opens at once or not at all)
        """Open, lock and set the port. Raises NotConnected."""
        device = self._port.device
        try:
            file = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            self.identity += 1
            raise NotConnected(f"no serial port {device}: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _set(file, self._port)
            termios.tcflush(file, termios.TCIOFLUSH)
        except (OSError, termios.error) as error:
            os.close(file)
            taken = isinstance(error, BlockingIOError)
            why = "another program has it" if taken else "it cannot be set; is it a serial port?"
            raise NotConnected(f"serial port {device}: {why}") from None
        self.clear()
        self._file = file
        asyncio.get_running_loop().add_reader(file, self._readable)

    def close(self) -> None:
        """Give the port back."""
        file, self._file = self._file, None
        if file is not None:
            asyncio.get_running_loop().remove_reader(file)
            os.close(file)
            self.wake()

    def write(self, data: bytes) -> None:
        """Send; a port that does not take one frame is broken."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            if os.write(self._file, data) == len(data):
                return
        self._lost()

    def _readable(self) -> None:
        if self._file is None:
            return
        try:
            data = os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.take(data)
        else:
            self._lost()  # the converter was unplugged

    def _lost(self) -> None:
        self.identity += 1
        self.close()


def _set(file: int, port: SerialPort) -> None:
    """Raw bytes, 8 bits, no flow control."""
    settings = termios.tcgetattr(file)
    speed = getattr(termios, f"B{port.baud}")
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    control |= {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}[port.parity]
    control |= termios.CSTOPB if port.stop_bits == STOP_BITS[-1] else 0
    settings[_IFLAG] = termios.INPCK if port.parity != "none" else 0
    settings[_OFLAG] = settings[_LFLAG] = 0
    settings[_CFLAG] = control
    settings[_ISPEED] = settings[_OSPEED] = speed
    settings[_CC][termios.VMIN], settings[_CC][termios.VTIME] = 1, 0
    termios.tcsetattr(file, termios.TCSANOW, settings)
