"""G12: a try at a broker that no TLS connection comes of leaves no descriptor behind."""

from __future__ import annotations

import socket
import ssl

import pytest

from device_adapters.mqtt.handshake import closing


def test_a_failed_handshake_closes_its_socket_at_once() -> None:
    """Paho forgets the socket then; a collector found it later, in whatever ran by that time."""
    near, far = socket.socketpair()
    with far:
        far.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        near.settimeout(5)
        made = closing(ssl.create_default_context()).wrap_socket(
            near, server_hostname="broker", do_handshake_on_connect=False
        )
        with pytest.raises(ssl.SSLError):
            made.do_handshake()
        assert made.fileno() == -1
