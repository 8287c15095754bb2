"""S8, G6: whatever a row of a log holds, fsck says what is wrong and ends; so do a start, and giving the log up."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock
from forged_log import ORIGIN, change, signed_note, small_log, write_entry
from log_entries import key_of, plain, scored
from log_harness import cosigned, mirror_verifier, new_log, opened, signer_for

from scorelog.journal.errors import Damaged, JournalError, LogFailed, LogMissing, LogRefused
from scorelog.journal.fsck import Finding, Report, fsck
from scorelog.journal.generation import open_generation, pending_quarantine, quarantine
from scorelog.journal.identity import Identity
from scorelog.journal.schema import DATABASE, IDENTITY, SHM
from scorelog.journal.sqlite import open_log
from scorelog.journal.statefile import State, write_state

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {
    "meta": ("value",),
    "entry": ("idx", "leaf", "bytes"),
    "opening": ("idx", "field", "blind", "value"),
    "entry_key": ("rig", "epoch", "seq", "type", "ordinal", "content", "generation", "idx", "leaf"),
    "checkpoint": ("size", "note"),
    "receipt": ("size", "note"),
}
VALUES: tuple[Any, ...] = (2**62, "text", b"\x00\xff", None, -1, 0.5, "\udc80", b"", b"x" * 70_000)
COMMIT_VALUES = 3


def check(path: Path) -> Report:
    return fsck(path, signer_for(ORIGIN).vkey, path.parent / "state", [mirror_verifier()])


def put(path: Path, table: str, column: str, value: object) -> bool:
    """Write the value into the last row of a table; whether the database took it and it is another one."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
        cast = "CAST(:value AS TEXT)"  # a text that is no UTF-8 too
    else:
        cast = ":value"
    last = {"entry_key": "rig, epoch, seq, type, ordinal, content", "meta": "name", "opening": "idx, field"}
    key = last.get(table, "idx" if table == "entry" else "size")
    names = key.split(", ")
    where = f"({key}) = (SELECT {key} FROM {table} ORDER BY {', '.join(f'{n} DESC' for n in names)} LIMIT 1)"  # noqa: S608
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        before = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} IS {cast}", {"value": value})  # noqa: S608
        if before.fetchone()[0]:
            return False
        try:
            connection.execute(f"UPDATE {table} SET {column} = {cast} WHERE {where}", {"value": value})  # noqa: S608
            connection.commit()
        except sqlite3.IntegrityError:
            return False
    return True


async def every_cell(tmp_path: Path, table: str, values: tuple[Any, ...]) -> int:
    """Put each value into each column; how many the database took."""
    path = await small_log(tmp_path)
    whole = (path / DATABASE).read_bytes()
    tried = 0
    for column in COLUMNS[table]:
        for value in values:
            if put(path, table, column, value):
                tried += 1
                with suppress(JournalError):
                    assert not check(path).ok, f"{table}.{column} = {value!r:.40} is not seen"
                start_and_give_up(path)
            (path / DATABASE).write_bytes(whole)
    return tried


def start_and_give_up(path: Path) -> None:
    """A start opens it or refuses by a journal error; then it can still be given up for the next generation."""
    copy = path.with_name("copy")
    shutil.copytree(path, copy)
    with suppress(JournalError):
        open_log(copy, signer_for, FakeClock())._close()
    with suppress(JournalError):
        open_generation(copy, quarantine(copy, "x", path.parent / "state"), signer_for, FakeClock())._close()
    for left in path.parent.glob("copy*"):
        shutil.rmtree(left)


@pytest.mark.parametrize("table", COLUMNS)
async def test_no_cell_makes_fsck_fall_over(tmp_path: Path, table: str) -> None:
    """S8: every column of every table, a wild number, a text and bytes: named or refused, and soon.

    Found so: an entry under index 2^62 made fsck and the next generation walk for ever; a checkpoint that is a number
    ended a start with a TypeError; an opening under an index below 0 was not seen.
    """
    assert await every_cell(tmp_path, table, VALUES[:COMMIT_VALUES]) >= 2


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("table", COLUMNS)
async def test_no_value_in_any_cell_makes_fsck_fall_over(tmp_path: Path, table: str) -> None:
    """S8: the same with values of every kind."""
    assert await every_cell(tmp_path, table, VALUES) >= 5


async def test_a_finding_is_one_line(tmp_path: Path) -> None:
    """Where, what kind, and what; each once."""
    report = Report(ORIGIN)
    for _ in range(2):
        report.add(7, "flip", "the entry is not the one that was signed")
    report.add(None, "state", "it is gone")
    assert [str(one) for one in report.findings] == [
        f"{ORIGIN} entry 7: flip: the entry is not the one that was signed",
        f"{ORIGIN}: state: it is gone",
    ]
    assert Finding(ORIGIN, 0, "a", "b") == Finding(ORIGIN, 0, "a", "b")


async def test_another_key_and_a_lost_database_are_findings(tmp_path: Path) -> None:
    """The key that the owner says; and the file in which everything was."""
    path = await small_log(tmp_path)
    other = signer_for("exam.example/gw/gw-02/0").vkey
    assert [one.kind for one in fsck(path, other).findings] == ["identity"]
    (path / DATABASE).unlink()
    assert [(one.kind, one.index) for one in fsck(path).findings] == [("drop", None)]


@pytest.mark.parametrize("spoiled", [False, True])
async def test_a_log_that_is_started_during_the_check_is_not_called_damaged(tmp_path: Path, spoiled: bool) -> None:
    """P8: a reader of files that were replaced under it may have read anything, so it says: run it again."""
    path = await small_log(tmp_path)
    mirror = mirror_verifier()

    class Meddling:
        """A key at whose use the log is opened anew."""

        name, key_id = mirror.name, mirror.key_id

        def verify(self, *arguments: Any) -> Any:
            shm = path / SHM
            shm.unlink(missing_ok=True)
            other = path / "other"
            other.write_bytes(b"")
            other.rename(shm)
            return mirror.verify(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(mirror, name)

    if spoiled:
        change(path, "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 1")
    report = fsck(path, cosigners=[Meddling()])  # type: ignore[list-item]
    assert [one.kind for one in report.findings] == (["disturbed"] if spoiled else [])
    assert report.size == 6


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (b"junk\n", "state"),
        (State(f"{ORIGIN[:-1]}7", 7, 6, bytes(32), 1, None), "rollback"),
        (State(ORIGIN, 0, 6, bytes(32), 1, None), "rollback"),
        (State(ORIGIN, 0, 5, bytes(32), 1, None), None),  # a size that was never signed says nothing
        (State(f"{ORIGIN[:-1]}0", 0, 0, bytes(32), 99, None), "rollback"),
    ],
)
async def test_the_second_file_is_held_against_the_log(tmp_path: Path, state: object, kind: str | None) -> None:
    """G8: another origin, another root, more starts than the log has; and a file that cannot be read."""
    path = await small_log(tmp_path)
    if isinstance(state, State):
        write_state(tmp_path / "state", state)
    else:
        (tmp_path / "state").write_bytes(state)  # type: ignore[arg-type]
    assert [one.kind for one in check(path).findings] == ([kind] if kind else [])


async def test_a_second_file_that_cannot_be_opened_is_a_finding(tmp_path: Path) -> None:
    """A directory where the file should be."""
    path = await small_log(tmp_path)
    (tmp_path / "state").unlink()
    (tmp_path / "state").mkdir()
    assert [one.kind for one in check(path).findings] == ["state"]
    with pytest.raises(LogFailed, match="could not be opened"):  # the disk's fault, not the log's
        open_log(path, signer_for, FakeClock(), tmp_path / "state")


async def test_a_receipt_of_another_tree_is_a_finding(tmp_path: Path) -> None:
    """P3: signed by the log's own key, but not about what it holds."""
    path = await small_log(tmp_path)
    note = cosigned(signed_note(3, bytes(32)))
    change(path, "UPDATE receipt SET note = :note", note=note)
    assert [one.kind for one in check(path).findings] == ["receipt"]


async def test_an_entry_that_is_signed_and_is_none(tmp_path: Path) -> None:
    """What was signed is kept and judged elsewhere: no finding, no refusal to start; it is carried over whole."""
    path = await small_log(tmp_path)
    write_entry(path, 5, b"\xff no entry")
    assert [one.kind for one in fsck(path).findings] == []
    log = open_log(path, signer_for, FakeClock())
    try:
        assert log.entries(5, 6) == [b"\xff no entry"]
    finally:
        await log.close()
    following = open_generation(path, quarantine(path, "test", None), signer_for, FakeClock())
    try:
        assert following.size == 7
    finally:
        await following.close()
    assert fsck(path).ok


async def test_an_extra_key_beside_carried_ones_is_named(tmp_path: Path) -> None:
    """The keys of the generation before are not called extra."""
    path = await small_log(tmp_path)
    log = open_generation(path, quarantine(path, "test", tmp_path / "state"), signer_for, FakeClock())
    await log.close()
    change(
        path,
        "INSERT INTO entry_key SELECT 'other', epoch, seq, type, ordinal, content, generation, idx, leaf"
        " FROM entry_key WHERE generation = 1 LIMIT 1",
    )
    assert {one.kind for one in fsck(path).findings} == {"key"}


# --- whose log, and the start


@pytest.mark.parametrize("origin", ["", "exam.example", "exam.example/", "a b/0", "x/01", "x/-1", "x/0\n"])
def test_an_origin_has_a_base_and_a_generation(origin: str) -> None:
    """Anything else is refused where it enters."""
    with pytest.raises(LogRefused, match="is not <base>/<generation>"):
        Identity(origin, "vkey")


async def test_a_log_that_nobody_can_name_is_refused(tmp_path: Path) -> None:
    """Neither file says whose it is; and a plain file is no log."""
    path = await small_log(tmp_path)
    (path / IDENTITY).write_bytes(b"{}")
    change(path, "DELETE FROM meta")
    for act in (lambda: fsck(path), lambda: open_log(path, signer_for, FakeClock())):
        with pytest.raises(LogRefused, match="both do not say whose log"):
            act()
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(LogMissing):
        open_log(file, signer_for, FakeClock())


async def test_a_checkpoint_kept_for_another_size_stops_the_start(tmp_path: Path) -> None:
    """The newest row is not about the size that it is kept for."""
    path = await small_log(tmp_path)
    change(path, "UPDATE checkpoint SET size = 7 WHERE size = 6")
    with pytest.raises(Damaged, match="kept for size 7 is of size 6"):
        open_log(path, signer_for, FakeClock())


async def test_stored_nodes_are_compared_at_the_start(tmp_path: Path) -> None:
    """A node over 256 entries of the tail that is another, or a root that the nodes do not lead to."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([plain(f"entry {n}") for n in range(300)])
    shutil.copytree(path, tmp_path / "other")
    change(path, "UPDATE node SET hash = zeroblob(32)")
    with pytest.raises(Damaged, match="the stored node over these 256 entries is another"):
        open_log(path, signer_for, FakeClock())
    change(tmp_path / "other", "DELETE FROM node")
    with pytest.raises(Damaged, match="stored hashes of level 8"):
        open_log(tmp_path / "other", signer_for, FakeClock())


async def test_a_directory_that_cannot_be_prepared_is_no_damage(tmp_path: Path) -> None:
    """An index of the write-ahead log that cannot be removed: LogFailed, and the lock is free again."""
    path = await small_log(tmp_path)
    (path / SHM).mkdir()
    with pytest.raises(LogFailed, match="could not be opened"):
        open_log(path, signer_for, FakeClock())
    (path / SHM).rmdir()
    log = open_log(path, signer_for, FakeClock())
    await log.close()


async def test_a_log_is_read_where_its_write_ahead_log_cannot_be_opened(tmp_path: Path) -> None:
    """SQLite needs an index beside it: fsck reads a copy."""
    path = await small_log(tmp_path)
    async with opened(path) as log:
        await log.append(plain("one more").build)
        shutil.copytree(path, tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm", "lock"))
    (tmp_path / "copy" / SHM).mkdir()
    report = fsck(tmp_path / "copy")
    assert (report.findings, report.size) == ([], 7)


# --- giving up


async def generation_of(path: Path, state: Path | None) -> list[bytes]:
    """The entries of the next generation."""
    log = open_generation(path, quarantine(path, "test", state), signer_for, FakeClock(), state)
    try:
        return log.entries(0, log.size)
    finally:
        await log.close()


async def test_a_log_without_checkpoints_leaves_everything_unproven(tmp_path: Path) -> None:
    """P3: the table is gone, so nothing is borne out beyond the receipt."""
    path = await small_log(tmp_path)
    change(path, "DROP TABLE checkpoint")
    entries = await generation_of(path, tmp_path / "state")
    assert sum(b'"doubt":"unproven"' in entry for entry in entries) == 3


async def test_a_damaged_newest_receipt_is_passed_over(tmp_path: Path) -> None:
    """The newest one that verifies counts: a flipped note must not make receipted entries stranded, nor the reverse."""
    path = await small_log(tmp_path)
    change(path, "INSERT INTO receipt (size, note) VALUES (5, x'ff'), (4, 'text')")
    entries = await generation_of(path, None)
    assert sum(b'"type":"relogged"' in entry for entry in entries) == 3


async def test_openings_that_cannot_be_read_do_not_stop_a_score(tmp_path: Path) -> None:
    """The score goes on without the personal data."""
    path = await small_log(tmp_path)
    change(path, "DELETE FROM receipt", "UPDATE opening SET blind = 'short' WHERE idx = 1")
    (tmp_path / "state").unlink()
    entries = await generation_of(path, None)
    assert len(entries) == 7


async def test_a_quarantine_without_its_note_goes_on(tmp_path: Path) -> None:
    """The reason is then unknown, and says so; a second file that is damaged tells nothing."""
    path = await small_log(tmp_path)
    (tmp_path / "state").write_bytes(b"junk")
    put_aside = quarantine(path, "the reason", tmp_path / "state")
    (note,) = (one for one in put_aside.path.iterdir() if b"the reason" in one.read_bytes())
    note.write_bytes(b"{}")
    again = pending_quarantine(path)
    assert again is not None
    assert again.reason.startswith("unknown")
    assert (again.receipt.size if again.receipt else None) == 3


async def test_more_than_one_transaction_is_signed_between(tmp_path: Path) -> None:
    """A generation with many stranded entries can be uploaded in pieces: sizes between are signed too."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([scored(key_of(n)) for n in range(300)])
    log = open_generation(path, quarantine(path, "test", None), signer_for, FakeClock())
    try:
        piece = await log.piece(0)
        assert 0 < len(piece.entries) <= 256
        assert len((await log.piece(len(piece.entries))).entries) == 301 - len(piece.entries)
    finally:
        await log.close()
    assert fsck(path).ok
