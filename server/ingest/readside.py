"""What anybody with a gateway certificate may read of a log, byte-exact to C2SP: cosigned checkpoint and hash tiles.

No entries: they are behind authorisation on the people's listener. Paths: `/<hex SHA-256 of origin>/checkpoint` and
`/<hash>/tile/<L>/<N>[.p/<W>]` (tlog-witness, tlog-tiles).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scorelog.format.errors import TileError
from scorelog.format.tiles import parse_tile_path
from server.errors import Missing, Refused
from server.ingest.origins import origin_hash

if TYPE_CHECKING:
    from server.evidence.store import EntryStore


class ReadSide:
    """Looks origins up by their hash; the list is read again when a hash is not known."""

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self._origins: dict[str, str] = {}

    async def checkpoint(self, hashed: str) -> bytes:
        """The newest note with the mirror's line."""
        state = await self._store.log(await self._origin(hashed))
        if state is None or state.cosigned is None:
            raise Refused(404, "no cosigned checkpoint of this log yet")
        return state.cosigned

    async def tile(self, hashed: str, path: str) -> bytes:
        """The hashes of one tile; a width that the log does not have yet is not found."""
        try:
            tile = parse_tile_path(path)
        except TileError as error:
            raise Refused(404, str(error)) from error
        if tile.level is None:
            raise Refused(404, "entries are not served here")
        start = tile.index * 256
        try:
            hashes = await self._store.hashes(await self._origin(hashed), tile.level, start, start + tile.width)
        except Missing as error:
            raise Refused(404, f"no such tile: {path}") from error
        return b"".join(hashes)

    async def _origin(self, hashed: str) -> str:
        if hashed not in self._origins:
            self._origins = {origin_hash(state.origin): state.origin for state in await self._store.logs()}
        try:
            return self._origins[hashed]
        except KeyError:
            raise Refused(404, "no such log") from None
