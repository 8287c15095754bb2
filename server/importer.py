"""`kaofen-server import`: uploads that came as files, for exam points without an uplink (docs/formats/upload.md).

The same way as over the network, without a client certificate: the log's own signature says whose it is, and the
operator who runs the command vouches for the carrier. The answer is written beside the file as `<file>.receipt`: the
cosigned checkpoint, which `kaofen-gateway import-receipt` takes. A file twice gives the receipt again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.cosignature import merge
from scorelog.format.errors import FormatError
from scorelog.format.upload import parse_upload
from scorelog.journal.files import write_synced
from server import limits
from server.errors import Behind, Refused
from server.ingest.mirror import Refuse, read_checkpoint
from server.ingest.origins import parse_origin
from server.ingest.service import Peer

if TYPE_CHECKING:
    from pathlib import Path

    from server.evidence.store import EntryStore
    from server.ingest.service import Ingest

RECEIPT_SUFFIX = ".receipt"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file: the receipt that covers it."""

    origin: str
    size: int
    receipt: bytes


async def import_body(ingest: Ingest, store: EntryStore, body: bytes) -> Imported:
    """Store one upload body; Refused says why not."""
    try:
        upload = parse_upload(body)
    except FormatError as error:
        raise Refused(400, str(error)) from error
    found = read_checkpoint(upload)
    if isinstance(found, Refuse):
        raise Refused(found.status, found.reason)
    checkpoint = found[0]
    origin = parse_origin(checkpoint.origin)
    if origin is None:
        raise Refused(404, f"{checkpoint.origin} is not the origin of a gateway's log")
    gateway = await ingest.authorise(Peer(origin.domain, origin.gateway_id, None))
    try:
        line = await ingest.upload(gateway, body)
    except Behind as behind:
        state = await store.log(checkpoint.origin)
        if behind.size < checkpoint.size or state is None or state.cosigned is None:
            what = f"the server holds {behind.size} entries of {checkpoint.origin}, the file begins with {upload.start}"
            missing = upload.start > behind.size
            advice = "import the file before it first" if missing else "take its receipts in, then export again"
            raise Refused(409, f"{what}; {advice}") from behind
        return Imported(checkpoint.origin, state.cosigned_size, state.cosigned)
    return Imported(checkpoint.origin, checkpoint.size, merge(upload.checkpoint, line))


def read_body_file(path: Path) -> bytes:
    """One body; a file that is larger than any body is refused unread."""
    with path.open("rb") as file:
        body = file.read(limits.UPLOAD_BODY_MAX + 1)
    if len(body) > limits.UPLOAD_BODY_MAX:
        raise Refused(413, f"more than {limits.UPLOAD_BODY_MAX} bytes; one file holds one upload body")
    return body


def named(path: Path, refused: Refused) -> Refused:
    """The refusal with the file's name, and what to do about it where that does not follow from the words."""
    advice = {
        400: "; not an upload file, or damaged on the way: export it again",
        404: "; `kaofen-server gateway add` enrols a gateway",
        422: "; damaged on the way, or changed: export it again, and look at the alerts",
    }
    return Refused(refused.status, f"{path}: {refused.reason}{advice.get(refused.status, '')}")


def write_receipt(path: Path, receipt: bytes) -> Path:
    """Beside the file, whole or not at all; its bytes are durable when it returns."""
    target = path.with_name(path.name + RECEIPT_SUFFIX)
    fresh = target.with_name(target.name + ".new")
    write_synced(fresh, receipt, 0o666)
    fresh.replace(target)  # its folder may be on a carrier that cannot be synced
    return target
