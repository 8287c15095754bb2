"""The server's failpoints (scorelog.journal.failpoints): each arrow of one upload's way."""

from __future__ import annotations

from typing import Final

from scorelog.journal.failpoints import register

PARSE: Final = register("server.parse", "an upload's body is parsed")
VERIFY: Final = register("server.verify", "an upload's signature and tree are verified")
BEGIN: Final = register("server.begin", "the transaction of a batch of uploads begins")
INSERT: Final = register("server.insert", "the rows of one upload are inserted")
COMMIT: Final = register("server.commit", "the transaction of a batch of uploads commits")
COSIGN: Final = register("server.cosign", "the mirror's cosignature is made, after the commit")
REPLY: Final = register("server.reply", "the answer of an upload is handed to the connection")
