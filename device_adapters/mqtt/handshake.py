"""A TLS socket that does not outlive its handshake when that fails.

paho makes the socket, shakes hands, and forgets it when that raises: its descriptor would stay until a collector comes
by, one for every try at a broker whose certificate is wrong.
"""

from __future__ import annotations

import ssl


class _Closing(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def closing(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context; the sockets that it makes close themselves when no handshake comes about."""
    context.sslsocket_class = _Closing
    return context
