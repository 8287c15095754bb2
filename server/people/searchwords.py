"""What somebody looks for, sealed for an address: a ticket must not stand in a URL, nor in whoever logs one (P7).

The form posts the words, the answer leads to a page whose address holds them encrypted, so that paging, filters and
the back button work as ever. Owns that spelling; never decides what is found.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from server.people import limits


class SearchWords:
    """Seals and opens with a key that follows from the server's cookie secret."""

    def __init__(self, secret: bytes) -> None:
        self._box = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"kaofen-search\n" + secret).digest()))

    def seal(self, words: str) -> str:
        """For an address; empty for empty."""
        words = words.strip()[: limits.SEARCH_MAX]
        return self._box.encrypt(words.encode()).decode() if words else ""

    def open(self, sealed: str) -> str:
        """The words; empty when nobody here sealed that."""
        try:
            return self._box.decrypt(sealed.encode()).decode() if sealed else ""
        except InvalidToken:
            return ""
