"""Which log a directory holds: a small plain file beside the database, readable when the database is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scorelog.format import canonical
from scorelog.format.errors import FormatError
from scorelog.journal.errors import LogMissing, LogRefused
from scorelog.journal.files import write_synced
from scorelog.journal.schema import IDENTITY

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = "kaofen.log/v1"
_ORIGIN: Final = re.compile(r"(?P<base>\S+)/(?P<generation>0|[1-9][0-9]{0,9})\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """The origin `<base>/<generation>` and the public key of a log."""

    origin: str
    vkey: str

    def __post_init__(self) -> None:
        if _ORIGIN.match(self.origin) is None:
            raise LogRefused(f"origin {self.origin!r} is not <base>/<generation>")

    @property
    def generation(self) -> int:
        return int(self.origin.rpartition("/")[2])

    @property
    def base(self) -> str:
        return self.origin.rpartition("/")[0]


def write_identity(directory: Path, identity: Identity) -> None:
    """Fsynced; the directory is not."""
    document = {"format": _MAGIC, "origin": identity.origin, "vkey": identity.vkey}
    write_synced(directory / IDENTITY, canonical.encode(document) + b"\n")


def read_identity(directory: Path) -> Identity:
    """LogMissing without a log; LogRefused when the file is not one of ours."""
    try:
        content = (directory / IDENTITY).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise LogMissing(f"there is no log in {directory}; `init` makes one, once, and nothing else does") from None
    try:
        document = canonical.decode(content.removesuffix(b"\n"))
        if document.get("format") != _MAGIC:
            raise LogRefused(f"{directory / IDENTITY} has format {document.get('format')!r}")
        return Identity(str(document["origin"]), str(document["vkey"]))
    except (FormatError, KeyError) as error:
        raise LogRefused(f"{directory / IDENTITY} cannot be read: {error}") from error
