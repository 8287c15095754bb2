"""Entries of an older generation that this server receipted, and lost when it was put back from a backup.

    a new generation's entry 0 names a receipt for more than is here ─▶ alarm `generation_lost`, and what to do
    an upload into a frozen log whose checkpoint carries our receipt ─▶ taken; alarm `refilled` (which entries)

Nobody but this server can have made that receipt, so nothing else ever gets into a frozen log. A gateway sends only its
newest generation by itself; the older one comes as files: `kaofen-gateway export --generation`, `kaofen-server import`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from server.ingest.origins import parse_origin
from server.ingest.refill import REFILLED

if TYPE_CHECKING:
    from scorelog.format.keys import CosignatureVerifier
    from scorelog.format.note import Note
    from server.evidence.store import Bundle, EntryStore

GENERATION_LOST: Final = "generation_lost"
_OPENED: Final = "generation.opened"


class Regain:
    """Recognises this server's own receipts, and tells of what it lost."""

    def __init__(self, store: EntryStore, mirror: CosignatureVerifier) -> None:
        self._store = store
        self._mirror = mirror

    def receipted(self, note: bytes | Note) -> bool:
        """Whether this server cosigned this checkpoint once: it had every entry below it."""
        try:
            verify_cosignature(note, self._mirror)
        except FormatError:
            return False
        return True

    async def tell_lost(self, opened: Bundle) -> None:
        """The first entry of a generation names the newest receipt of the one before: say so if less is here."""
        found = self._last_receipt(opened)
        if found is None:
            return
        origin, receipted = found
        state = await self._store.log(origin)
        held = state.size if state else 0
        if held < receipted:
            detail = (
                f"the gateway has receipts for {receipted} entries of its older generation, here are {held}: put back "
                f"from a backup; `kaofen-gateway export CONFIG DIR --generation {origin.rpartition('/')[2]}` on the "
                f"box makes the files that `kaofen-server import` takes"
            )
            await self._store.alarm(GENERATION_LOST, origin, held, detail)

    async def tell_regained(self, bundle: Bundle) -> None:
        """Some of it is here again."""
        detail = f"entries {bundle.old_size} to {bundle.new_size - 1} are here again; the log stays frozen"
        await self._store.alarm(REFILLED, bundle.origin, bundle.old_size, detail)

    def _last_receipt(self, opened: Bundle) -> tuple[str, int] | None:
        try:
            entry = parse_entry(opened.entries[0])
        except FormatError:
            return None
        previous: Any = entry.document.get("previous")
        note = previous.get("checkpoint") if entry.type == _OPENED and isinstance(previous, dict) else None
        if not isinstance(note, str) or not self.receipted(note.encode()):
            return None
        checkpoint = parse_checkpoint(note.encode())[0]
        origin = parse_origin(checkpoint.origin)
        if origin is None or origin.gateway_id != opened.gateway_id or origin.generation >= opened.generation:
            return None
        return checkpoint.origin, checkpoint.size
