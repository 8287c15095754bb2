"""What can go wrong with keys and certificates; every message says what, where and what to do.

CertsError
 +-- KeyFileError      refuse: a private-key file is missing, shared, foreign or would be overwritten
 +-- AuthorityError    refuse: the CA's folder, or what was asked of the CA, is not usable
 +-- IdentityError     refuse the peer: its certificate names no gateway of ours
      +-- PinMismatch  refuse the peer: right CA, wrong key (also an ssl.SSLCertVerificationError)

None of them heals by a retry, so none carries a wait.
"""

from __future__ import annotations

import ssl


class CertsError(Exception):
    """Root of everything this package raises on purpose."""


class KeyFileError(CertsError):
    """A private-key file is missing, readable by others, of another kind, or already there."""


class AuthorityError(CertsError):
    """The CA cannot do what was asked."""


class IdentityError(CertsError):
    """A certificate does not name exactly one gateway."""


class PinMismatch(IdentityError, ssl.SSLCertVerificationError):  # noqa: N818 -- names the finding
    """The server's key is not the pinned one. TLS stacks treat it as the failed verification that it is."""
