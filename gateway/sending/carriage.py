"""Uploads and receipts as files, for a box without any uplink: what `export` writes and `import-receipt` takes.

The files hold openings (personal data) and are made with mode 0600. A receipt comes in one of two forms: the whole
cosigned checkpoint, or only the cosignature lines that the server answers an upload with. Either must verify.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import ReceiptRefused
from scorelog.format.cosignature import merge, verify_cosignature
from scorelog.format.errors import FormatError
from scorelog.format.note import parse_note
from scorelog.format.upload import FILE_SUFFIX, encode_upload
from scorelog.journal.files import write_synced

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.recording.readonly import ReadOnlyLog
    from scorelog.format.keys import CosignatureVerifier
    from scorelog.format.upload import Upload


def export(log: ReadOnlyLog, directory: Path) -> list[Path]:
    """What has no receipt yet: one file per body, named by origin, start and size: sorted in the order of import."""
    return _write(log.origin, log.uploads(log.receipted_size), directory)


def export_receipted(log: ReadOnlyLog, start: int, directory: Path) -> list[Path]:
    """What has receipts, for a server that lost it (its backup is older than this log's end). Raises Refuse."""
    return _write(log.origin, log.receipted_uploads(start), directory)


def _write(origin: str, uploads: Iterable[Upload], directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    name = origin.replace("/", "_")
    made = []
    for upload in uploads:
        path = directory / f"{name}-{upload.start:012d}-{upload.size:012d}{FILE_SUFFIX}"
        write_synced(path, encode_upload(upload))
        made.append(path)
    return made


def receipt_in(data: bytes, checkpoints: Iterable[bytes], mirror: CosignatureVerifier) -> bytes:
    """The cosigned checkpoint that the file holds or completes. Raises ReceiptRefused."""
    try:
        note = parse_note(data)
    except FormatError:
        return _completed(data, checkpoints, mirror)
    try:
        verify_cosignature(note, mirror)
    except FormatError as error:
        raise ReceiptRefused(f"not a receipt of this gateway's server: {error}") from None
    return data


def _completed(lines: bytes, checkpoints: Iterable[bytes], mirror: CosignatureVerifier) -> bytes:
    """Lines alone: they fit exactly one of the signed sizes that have no receipt yet."""
    for checkpoint in checkpoints:
        try:
            return merge(checkpoint, lines, mirror)
        except FormatError:
            continue
    raise ReceiptRefused("neither a cosigned checkpoint nor the answer to an upload that still waits for its receipt")
