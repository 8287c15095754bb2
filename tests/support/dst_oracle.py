"""The model against which every simulated run is judged: what rigs made and heard, and what the server ever said.

Owns no production code but the reading of formats. What it believes about an entry comes from the rig that made it, and
about durability from the files on the disks. The invariants I1-I14 are those of docs/simulation.md.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dst_model import Held
from dst_parts import MIRROR, WITNESS
from dst_projection import judge_projections

from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.cosignature import merge, verify_cosignature
from scorelog.format.entry import content_mac
from scorelog.format.errors import FormatError
from scorelog.format.keys import CosignatureVerifier
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.format.upload import parse_upload
from scorelog.journal.fsck import fsck
from server.audit import Auditor

if TYPE_CHECKING:
    from pathlib import Path

    from dst_box import Box
    from dst_rig import Latched, Rig
    from dst_server import Request
    from dst_world import World

    from scorelog.format.upload import Upload
    from server.evidence.store import EntryStore

VERIFIER = CosignatureVerifier(MIRROR.name, MIRROR.public_key)
UPLOAD = "/gateway/v1/upload"
OK = 200


class Oracle:
    """One per world. `wrong` of the world is told at once whatever may not be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._roots: dict[tuple[str, int], bytes] = {}
        self._cosigned: dict[str, tuple[int, int]] = {}  # by origin: size and time of the newest receipt
        self._was_restored = False
        self.receipted: dict[str, dict[int, bytes]] = defaultdict(dict)  # by origin and index: what has a receipt
        self._excused: dict[str, int] = {}  # by rig: so many of what it was told may be lost with the box's card
        self._tainted: set[str] = set()  # boxes whose card lied
        self._readers: dict[Path, sqlite3.Connection] = {}

    def opened(self, box: Box, generation: int) -> None:
        """I4: only a card that lied makes a box give up its log."""
        if generation and box.id not in self._tainted:
            self._wrong(f"I4 {box.id} opened generation {generation} without a reason")

    def excuse(self, box: Box) -> None:
        """Its card is changed behind its back: what had no receipt at this moment may be gone."""
        self._tainted.add(box.id)
        for rig in box.rigs.values():
            self._excused[rig.serial] = len(rig.told)

    def restored(self) -> None:
        """The server may go back once."""
        self._cosigned.clear()
        self._was_restored = True

    def sick(self, box: Box) -> bool:
        """Whether its card lied."""
        return box.id in self._tainted

    def sent(self, box: Box, request: Request) -> None:
        """I4: what leaves a box says one root for each size."""
        if request.scope["path"] != UPLOAD or box.id in self._tainted:
            return
        upload = parse_upload(request.plain)
        self._one_root(upload)

    def acked(self, box: Box, rig: Rig, record: Latched) -> None:
        """I7: at this very instant the entry is on the disk of the box."""
        if record.mode == "practice":
            self._practised(box, rig, record)
            return
        query = "SELECT 1 FROM entry_key WHERE rig = ? AND epoch = ? AND seq = ? AND type = ?"
        found = self._ask(box.folder / "data" / "log" / "log.db", query, (rig.serial, *record.key))
        if not found:
            self._wrong(f"I7 {rig.serial} was told {record.key}, which is not on the disk of {box.id}")

    def _practised(self, box: Box, rig: Rig, record: Latched) -> None:
        """I7: a practice record is in the spool, or in the summary of its run."""
        content = content_mac(box.parts.content_key, [record.data])
        spooled = any(content in file.read_text() for file in (box.folder / "data" / "practice").glob("*.json"))
        query = "SELECT 1 FROM entry WHERE instr(bytes, ?) AND instr(bytes, ?)"
        log = box.folder / "data" / "log" / "log.db"
        if not spooled and not self.sick(box) and not self._ask(log, query, (content.encode(), b"practice.summary")):
            self._wrong(f"I7 {rig.serial} was told practice {record.key}, which is not on the disk of {box.id}")

    def kept(self, box: Box, note: bytes) -> None:
        """P2: what a box keeps as a receipt is of entries that are on the server's disk, unless that was put back."""
        checkpoint = parse_checkpoint(note)[0]
        if checkpoint.size > self.on_server(checkpoint.origin) and not self._was_restored:
            self._wrong(f"P2 {box.id} keeps a receipt for {checkpoint.size}, the server holds less")

    def answered(self, request: Request) -> None:
        """I6, S9: a receipt is of what is on the server's disk, never of a smaller size or an earlier time."""
        status, lines, _ = request.answer
        if request.scope["path"] != UPLOAD or status != OK:
            return
        upload = parse_upload(request.plain)
        checkpoint = parse_checkpoint(upload.checkpoint)[0]
        origin, size = checkpoint.origin, checkpoint.size
        try:
            time_s = verify_cosignature(merge(upload.checkpoint, lines, VERIFIER), VERIFIER)
        except FormatError as error:
            time_s = 0
            self._wrong(f"I6 the server's own receipt of {origin} {size} does not verify: {error}")
        held = self.on_server(origin)
        if held < size:
            self._wrong(f"I6 a receipt of {origin} {size} left the server, on its disk there are {held}")
        before, before_s = self._cosigned.get(origin, (0, 0))
        if size < before:
            self._wrong(f"I6 {origin} cosigned at {size} after {before}")
        if time_s < before_s:
            self._wrong(f"S9 {origin} cosigned at time {time_s} after {before_s}")
        self._cosigned[origin] = size, time_s
        self.receipted[origin].update(enumerate(upload.entries, upload.start))

    def close(self) -> None:
        """Give the files free."""
        for reader in self._readers.values():
            reader.close()

    def forget(self, folder: Path) -> None:
        """The disk of a process that is no more."""
        for database in [one for one in self._readers if one.is_relative_to(folder)]:
            self._readers.pop(database).close()

    # --- at the end of all

    async def judge(self) -> None:
        """I1, I2, I3, I8: every latched record is at the server, once, in order, as the rig had it."""
        stored: dict[str, list[bytes]] = {}
        store = self._world.server.store
        assert store is not None
        for state in await store.logs():
            entries = [one.data for one in await store.entries(state.origin, 0, state.size)]
            stored[state.origin] = entries
            tree = CompactRange()
            tree.extend(map(leaf_hash, entries))
            if tree.root() != state.root:
                self._wrong(f"I5 the entries of {state.origin} do not make its root")
        await self._audit(store)
        for origin, entries in self.receipted.items():
            held = stored.get(origin, [])
            lacking = [index for index, entry in entries.items() if held[index : index + 1] != [entry]]
            if lacking:
                self._wrong(f"I1 the server gave receipts for {lacking} of {origin} and does not hold them so")
        seen: set[tuple[str, int, int, str]] = set()
        for box in self._world.boxes:
            self._judge_receipt(box, stored)
            held = Held(box, stored)
            seen |= held.seen
            for complaint in held.judge(self._excused, tainted=box.id in self._tainted):
                self._wrong(complaint)
        for complaint in await judge_projections(self._world, self._world.bug.evidence(store), seen):
            self._wrong(complaint)

    async def _audit(self, store: EntryStore) -> None:
        """I5: the server's own audit of everything, and each box's fsck of its log, find nothing."""
        verifiers = VERIFIER, CosignatureVerifier(WITNESS.name, WITNESS.public_key)
        auditor = Auditor(store, verifiers, self._world.server.clock, pause_s=1.0, bytes_per_s=1 << 30)
        for finding in await auditor.once():
            self._wrong(f"I5 the audit of the server: {finding}")
        for box in self._world.boxes:
            config = box.config
            for finding in fsck(config.log_directory, state_path=config.state_file, cosigners=[VERIFIER]).findings:
                self._wrong(f"I5 fsck of {box.id}: {finding}")

    def _judge_receipt(self, box: Box, stored: dict[str, list[bytes]]) -> None:
        """P2: what a box takes for a receipt is one, of what the server holds."""
        receipt = None if box.log is None else box.log.receipt()
        if receipt is None:
            return
        checkpoint = parse_checkpoint(receipt.note)[0]
        tree = CompactRange()
        tree.extend(map(leaf_hash, stored.get(checkpoint.origin, [])[: checkpoint.size]))
        try:
            merge(receipt.note, receipt.note.partition(b"\n\n")[2], VERIFIER)
        except FormatError as error:
            self._wrong(f"P2 {box.id} keeps a receipt that does not verify: {error}")
        if tree.size != checkpoint.size or tree.root() != checkpoint.root:
            self._wrong(f"P2 {box.id} has a receipt for {checkpoint.size}, the server holds {tree.size}")

    # --- inside

    def _one_root(self, upload: Upload) -> None:
        checkpoint = parse_checkpoint(upload.checkpoint)[0]
        known = self._roots.setdefault((checkpoint.origin, checkpoint.size), checkpoint.root)
        if known != checkpoint.root:
            self._wrong(f"I4 two roots of {checkpoint.origin} {checkpoint.size}")

    def on_server(self, origin: str) -> int:
        """How many entries of a log are on the server's disk."""
        row = self._ask(self._world.server.folder / "evidence.db", "SELECT size FROM logs WHERE origin = ?", (origin,))
        return row[0] if row else 0

    def _ask(self, database: Path, query: str, values: tuple[Any, ...]) -> Any:
        reader = self._readers.get(database)
        for _ in range(2):
            if reader is None:
                reader = self._readers[database] = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            with suppress(sqlite3.Error):
                if found := reader.execute(query, values).fetchone():
                    return found
            reader.close()  # another file may bear this name by now
            reader = None
        del self._readers[database]
        return None

    def _wrong(self, what: str) -> None:
        self._world.wrong(what)
