"""Which log a directory holds: a small plain file beside the database, readable when the database is not."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scorelog.format import canonical
from scorelog.format.errors import FormatError
from scorelog.format.note import parse_vkey
from scorelog.journal import rows
from scorelog.journal.errors import Damaged, LogMissing, LogNewer, LogRefused
from scorelog.journal.files import write_synced
from scorelog.journal.schema import DATABASE, FORMAT_VERSION, IDENTITY, open_reader

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = "kaofen.log/v1"
_VERSION: Final = re.compile(r"kaofen\.log/v([1-9][0-9]{0,3})")
_USER_VERSION: Final = slice(60, 64)  # sqlite.org/fileformat2.html, section 1.3
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
        """The last part of the origin."""
        return int(self.origin.rpartition("/")[2])

    @property
    def base(self) -> str:
        """What all generations of this gateway share."""
        return self.origin.rpartition("/")[0]


def write_identity(directory: Path, identity: Identity) -> None:
    """Fsynced; the directory is not."""
    document = {"format": _MAGIC, "origin": identity.origin, "vkey": identity.vkey}
    write_synced(directory / IDENTITY, canonical.encode(document) + b"\n")


def read_identity(directory: Path) -> Identity:
    """LogMissing without a log; Damaged when the file is not one of ours and the database knows better."""
    try:
        return _from_file(directory)
    except LogNewer:
        raise
    except FileNotFoundError:
        if (directory / DATABASE).exists():
            found = _from_database(directory, "is gone")
            raise Damaged(found.origin, None, f"{IDENTITY} is gone") from None
        raise LogMissing(f"there is no log in {directory}; `init` makes one, once, and nothing else does") from None
    except (FormatError, KeyError, ValueError, LogRefused) as error:
        found = _from_database(directory, str(error))
        raise Damaged(found.origin, None, f"{IDENTITY} cannot be read: {error}") from error


def find_identity(directory: Path) -> Identity:
    """Of a log in whatever state, from its file or else from its database."""
    try:
        return _from_file(directory)
    except LogNewer:
        raise
    except FileNotFoundError:
        return _from_database(directory, "is gone")
    except (FormatError, KeyError, ValueError, LogRefused) as error:
        return _from_database(directory, str(error))


def _from_file(directory: Path) -> Identity:
    try:
        content = (directory / IDENTITY).read_bytes()
    except NotADirectoryError:
        raise FileNotFoundError(directory) from None
    document = canonical.decode(content.removesuffix(b"\n"))
    _refuse_newer(directory, str(document.get("format")))
    if document.get("format") != _MAGIC:
        raise LogRefused(f"{directory / IDENTITY} has format {document.get('format')!r}")
    origin, vkey = str(document["origin"]), str(document["vkey"])
    if parse_vkey(vkey).name != origin:  # else a bit that flipped in the origin would pass for another key, for ever
        raise LogRefused(f"{directory / IDENTITY} has a key of another log than {origin}")
    return Identity(origin, vkey)


def _refuse_newer(directory: Path, stated: str) -> None:
    """A later version says so in both files; when only one does, it was changed."""
    found = _VERSION.fullmatch(stated)
    if found is None or (version := int(found[1])) <= FORMAT_VERSION:
        return
    with suppress(FileNotFoundError), (directory / DATABASE).open("rb") as file:
        header = file.read(_USER_VERSION.stop)
        if int.from_bytes(header[_USER_VERSION], "big") == version:
            raise LogNewer(
                f"{directory} has format version {version}, this program knows {FORMAT_VERSION}: a later version of "
                "it made the log. Nothing was changed; install that version again"
            )


def _from_database(directory: Path, why: str) -> Identity:
    try:
        with closing(open_reader(directory / DATABASE)) as connection:
            origin, vkey = rows.get_meta(connection, "origin"), rows.get_meta(connection, "vkey")
        parse_vkey(str(vkey))
        return Identity(str(origin), str(vkey))
    except (sqlite3.DatabaseError, FormatError, LogRefused) as error:
        raise LogRefused(
            f"{directory}: {IDENTITY} ({why}) and {DATABASE} ({error}) both do not say whose log"
        ) from error
