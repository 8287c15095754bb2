"""What the service manager is told: READY, WATCHDOG, STATUS, STOPPING, one datagram each (sd_notify(3)).

Silent when there is no service manager. It never raises: a lost datagram must not end a recording.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


_SEND_S = 0.05  # the manager's queue is short; it empties it at once unless it is stuck itself


class Notifier:
    """Writes to $NOTIFY_SOCKET, or nowhere."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with @ and addressed with a NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s: float | None = int(usec) / 1_000_000 if usec.isdigit() and int(usec) else None

    def tell(self, **values: str | int) -> None:
        """For example `tell(READY=1, STATUS="12 rigs")`."""
        if not self._address:
            return
        text = "\n".join(f"{name}={value}" for name, value in values.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_SEND_S)
            channel.sendto(text.encode(), self._address)
