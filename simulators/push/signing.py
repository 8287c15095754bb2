"""How a rig proves a request: by its token, or by a signature over method, path, body digest, time and nonce.

Owns: the headers of one request (docs/rig-interface-v1-http.md W4 and W5), written from that page alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Of one rig. `signed`: it signs; else it shows the text as a token."""

    serial: str
    text: str = field(repr=False)
    signed: bool = True

    def headers(self, method: str, path: str, body: bytes, *, created: int, nonce: str) -> dict[str, str]:
        """What makes this very request the rig's."""
        if not self.signed:
            return {"Authorization": f"Bearer {self.text}"}
        digest = f"sha-256=:{_base64(hashlib.sha256(body).digest())}:"
        covered = '("@method" "@path" "content-digest")'
        params = f'{covered};created={created};nonce="{nonce}";keyid="{self.serial}";alg="hmac-sha256"'
        base = "\n".join(
            (
                f'"@method": {method}',
                f'"@path": {path}',
                f'"content-digest": {digest}',
                f'"@signature-params": {params}',
            )
        )
        value = hmac.new(self.text.encode(), base.encode(), "sha256").digest()
        return {
            "Content-Digest": digest,
            "Signature-Input": f"rig={params}",
            "Signature": f"rig=:{_base64(value)}:",
        }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
