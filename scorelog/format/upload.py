"""The upload body and the size answer (docs/formats/upload.md): entries, openings and a checkpoint in one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.commitment import Opening
from scorelog.format.errors import CommitmentError, TileError, UploadError
from scorelog.format.limits import (
    BLIND_BYTES,
    CHECKPOINT_BYTES_MAX,
    INT_MAX,
    UPLOAD_BYTES_MAX,
    UPLOAD_ENTRIES_MAX,
    UPLOAD_HEAD_BYTES_MAX,
    UPLOAD_OPENINGS_BYTES_MAX,
)
from scorelog.format.text import decimal
from scorelog.format.tiles import frame_entries, unframe_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAGIC = "kaofen.upload/v1"
UPLOAD_TYPE = "application/vnd.kaofen.upload"
SIZE_TYPE = "text/x.tlog.size"
FILE_SUFFIX = ".kaofen-upload"

_HEAD = (("start", 1), ("entries", 2), ("openings", 2), ("checkpoint", 1))
_SIZE_ANSWER_MAX = 32


@dataclass(frozen=True, slots=True)
class Upload:
    """The entries [start, start + count) of a log, their openings, and the checkpoint of size start + count."""

    start: int
    entries: tuple[bytes, ...]
    openings: tuple[Opening, ...]
    checkpoint: bytes

    @property
    def size(self) -> int:
        """The size that the checkpoint must state."""
        return self.start + len(self.entries)


def encode_upload(upload: Upload) -> bytes:
    """The body of an upload."""
    try:
        entries = frame_entries(upload.entries)
    except TileError as error:
        raise UploadError(error.what, where=error.where, expected=error.expected) from None
    openings = encode_openings(upload.openings)
    _check_limits(len(upload.entries), len(entries), len(openings), len(upload.checkpoint))
    _check_range(upload.start, len(upload.entries))
    _check_openings(upload.openings, upload.start, upload.size)
    counts = len(upload.entries), len(upload.openings)
    return join_upload(upload.start, counts, entries, openings, upload.checkpoint)


def join_upload(start: int, counts: tuple[int, int], entries: bytes, openings: bytes, checkpoint: bytes) -> bytes:
    """The body of these parts, so many entries and openings in them; nothing of it is checked."""
    head = (
        f"{MAGIC}\nstart {start}\nentries {counts[0]} {len(entries)}\n"
        f"openings {counts[1]} {len(openings)}\ncheckpoint {len(checkpoint)}\n\n"
    )
    return head.encode("ascii") + entries + openings + checkpoint


def parse_upload(data: bytes) -> Upload:
    """The upload in these bytes; neither signature nor root is checked."""
    head_end = data.find(b"\n\n", 0, UPLOAD_HEAD_BYTES_MAX)
    if head_end < 0:
        raise UploadError("no empty line", where="upload head", expected="six lines, the last one empty")
    start, count, entries_bytes, openings_count, openings_bytes, checkpoint_bytes = _head(data[:head_end])
    _check_limits(count, entries_bytes, openings_bytes, checkpoint_bytes)
    _check_range(start, count)
    entries_at = head_end + 2
    openings_at = entries_at + entries_bytes
    checkpoint_at = openings_at + openings_bytes
    end = checkpoint_at + checkpoint_bytes
    if end != len(data):
        raise UploadError(f"{len(data)} bytes", where="upload", expected=f"{end} as the head says")
    entries = _entries(data[entries_at:openings_at], count)
    openings = parse_openings(data[openings_at:checkpoint_at], openings_count)
    _check_openings(openings, start, start + count)
    return Upload(start, entries, openings, data[checkpoint_at:])


def encode_openings(openings: Iterable[Opening]) -> bytes:
    """Openings one after the other: u64 index, u8 and field, blind, u16 and value."""
    parts = []
    for one in openings:
        field = one.field.encode("ascii")
        parts += [
            one.index.to_bytes(8, "big"), bytes([len(field)]), field,
            one.blind, len(one.value).to_bytes(2, "big"), one.value,
        ]  # fmt: skip
    return b"".join(parts)


def parse_openings(data: bytes, count: int) -> tuple[Opening, ...]:
    """Exactly `count` openings, and nothing after them."""
    found: list[Opening] = []
    at = 0
    while at < len(data):
        if len(found) == count:
            raise UploadError(f"bytes after {count} openings", where=f"openings byte {at}")
        opening, at = _opening(data, at)
        found.append(opening)
    if len(found) != count:
        raise UploadError(f"{len(found)} openings", where="openings", expected=f"{count}")
    return tuple(found)


def encode_size_answer(size: int) -> bytes:
    """The body of a 409."""
    if not 0 <= size <= INT_MAX:
        raise UploadError(f"size {size}", expected=f"0 to {INT_MAX}")
    return b"%d\n" % size


def parse_size_answer(data: bytes) -> int:
    """The size in the body of a 409."""
    if len(data) > _SIZE_ANSWER_MAX or not data.endswith(b"\n"):
        raise UploadError(f"{data[:40]!r}", where="size answer", expected="a decimal and LF")
    return decimal(_ascii(data[:-1], "size answer"), "size answer", UploadError)


def _head(data: bytes) -> list[int]:
    lines = _ascii(data, "upload head").split("\n")
    if lines[0] != MAGIC or len(lines) != len(_HEAD) + 1:
        raise UploadError(
            f"{lines[0][:40]!r} and {len(lines) - 1} lines", where="upload head", expected=f"{MAGIC!r} and 4"
        )
    values: list[int] = []
    for number, (line, (word, arity)) in enumerate(zip(lines[1:], _HEAD, strict=True), 2):
        parts = line.split(" ")
        if parts[0] != word or len(parts) != arity + 1:
            raise UploadError(f"{line[:60]!r}", where=f"upload line {number}", expected=f"{word!r} and {arity} numbers")
        values += [decimal(part, f"upload line {number}", UploadError) for part in parts[1:]]
    return values


def _ascii(data: bytes, where: str) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise UploadError("not ASCII", where=f"{where} byte {error.start}") from None


def _check_limits(count: int, entries: int, openings: int, checkpoint: int) -> None:
    for what, value, most in (
        ("entries", count, UPLOAD_ENTRIES_MAX),
        ("bytes of entries", entries, UPLOAD_BYTES_MAX),
        ("bytes of openings", openings, UPLOAD_OPENINGS_BYTES_MAX),
        ("bytes of checkpoint", checkpoint, CHECKPOINT_BYTES_MAX),
    ):
        if value > most:
            raise UploadError(f"{value} {what}", status=413, where="upload", expected=f"at most {most}")


def _check_range(start: int, count: int) -> None:
    if not 0 <= start <= INT_MAX - count:
        raise UploadError(f"{count} entries from {start}", where="upload", expected=f"a size of at most {INT_MAX}")


def _entries(data: bytes, count: int) -> tuple[bytes, ...]:
    try:
        entries = unframe_entries(data)
    except TileError as error:
        raise UploadError(error.what, where=error.where, expected=error.expected) from None
    if len(entries) != count:
        raise UploadError(f"{len(entries)} entries", where="upload entries", expected=f"{count} as the head says")
    return tuple(entries)


def _opening(data: bytes, at: int) -> tuple[Opening, int]:
    field_at = at + 9
    blind_at = field_at + (data[field_at - 1] if field_at <= len(data) else 0)
    value_at = blind_at + BLIND_BYTES + 2
    end = value_at + int.from_bytes(data[value_at - 2 : value_at], "big")
    if value_at > len(data) or end > len(data):
        raise UploadError("cut short", where=f"openings byte {at}", expected="a whole opening")
    field = _ascii(data[field_at:blind_at], f"openings byte {field_at}: field name")
    index = int.from_bytes(data[at : at + 8], "big")
    try:
        return Opening(index, field, data[blind_at : value_at - 2], data[value_at:end]), end
    except CommitmentError as error:
        raise UploadError(error.what, where=f"openings byte {at}", expected=error.expected) from None


def _check_openings(openings: Sequence[Opening], start: int, stop: int) -> None:
    before: tuple[int, str] | None = None
    for one in openings:
        place = (one.index, one.field)
        if not start <= one.index < stop:
            raise UploadError(f"opening of entry {one.index}", where="openings", expected=f"{start} to {stop - 1}")
        if before is not None and place <= before:
            raise UploadError(f"opening {place} after {before}", where="openings", expected="strictly increasing")
        before = place
