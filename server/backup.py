"""`kaofen-server backup` and `restore` (docs/formats/backup.md).

A backup is a folder: consistent copies of the databases that cannot be made again, the settings, and a manifest with
their hashes and the size and root of every log. Keys are not in it: they are copied once, to another place. Taken
beside a running server by SQLite's online backup, and checked (`fsck`) before it counts as made.

Restoring an older one is safe by design: gateways see that the server holds less than they were receipted, and send
again from there; what a backup lacks is in their logs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scorelog.journal.files import sync_directory, sync_file
from server.errors import AlreadyThere, ConfigError, Missing
from server.evidence.database import EVIDENCE_FILE, PEOPLE_FILE, READERS_FILE, REGISTRY_FILE, DatabaseFiles, reading

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: Final = "manifest.json"
CONFIG_COPY: Final = "server.toml"
FILES: Final = (EVIDENCE_FILE, REGISTRY_FILE, PEOPLE_FILE)
VERSION: Final = 1
# What reading the copies leaves beside them.
LEFTOVERS: Final = (READERS_FILE, *(name + end for name in FILES for end in ("-wal", "-shm", "-journal")))
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup folder holds."""

    path: Path
    made_us: int
    logs: tuple[dict[str, Any], ...]

    @property
    def entries(self) -> int:
        """Entries of all logs."""
        return sum(int(each["size"]) for each in self.logs)


def make(data: Path, config_file: Path, target: Path, made_us: int) -> Backup:
    """Copy into `target`, which must not be there. The caller runs fsck on it."""
    if target.exists():
        raise AlreadyThere(f"{target}: already there; a backup gets a folder of its own")
    fresh = target.with_name(target.name + ".unfinished")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(0o700, parents=True)
    with reading(data):
        for name in FILES:
            if (data / name).exists():
                _copy_database(data / name, fresh / name)
    shutil.copyfile(config_file, fresh / CONFIG_COPY)
    logs = _logs(fresh / EVIDENCE_FILE)
    names = sorted(each.name for each in fresh.iterdir())
    files = {name: {"bytes": (fresh / name).stat().st_size, "sha256": _digest(fresh / name)} for name in names}
    manifest = {"v": VERSION, "made_us": made_us, "files": files, "logs": logs}
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
    for each in fresh.iterdir():
        each.chmod(0o600)
        sync_file(each)
    sync_directory(fresh)
    fresh.replace(target)
    sync_directory(target.parent)
    return Backup(target, made_us, tuple(logs))


def tidy(target: Path, *, damaged: bool) -> None:
    """After the check of a fresh backup: remove what reading left; a copy with findings must not pass as good."""
    for name in LEFTOVERS:
        (target / name).unlink(missing_ok=True)
    if damaged:
        target.replace(target.with_name(target.name + ".damaged"))


def read(source: Path) -> Backup:
    """The backup in a folder, its files compared with the manifest."""
    try:
        manifest = json.loads((source / MANIFEST).read_bytes())
        files, logs, made_us = manifest["files"], manifest["logs"], int(manifest["made_us"])
    except FileNotFoundError:
        raise Missing(f"{source / MANIFEST}: not there; not a backup, or an unfinished one") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{source / MANIFEST}: {error}") from error
    if manifest.get("v") != VERSION:
        raise ConfigError(f"{source / MANIFEST}: version {manifest.get('v')}, this program knows {VERSION}")
    for name in (EVIDENCE_FILE, REGISTRY_FILE):
        if name not in files:
            raise Missing(f"{source}: {name} is not in the manifest")
    for name, stated in files.items():
        if not (source / name).is_file() or _digest(source / name) != stated["sha256"]:
            raise ConfigError(f"{source / name}: not the file that was backed up")
    return Backup(source, made_us, tuple(logs))


def restore(source: Backup, data: Path, aside: str, *, force: bool) -> Path | None:
    """Put the copies in place. What is there is refused, or with `force` moved into a folder beside, never deleted.

    The caller holds the lock. Projections are thrown away: they are made again from the evidence.
    """
    there = [data / name for name in DatabaseFiles.all(data) if (data / name).exists()]
    if there and not force:
        raise AlreadyThere(f"{there[0]}: already there; --force moves it aside into {data / aside}")
    data.mkdir(0o700, parents=True, exist_ok=True)
    for name in FILES:
        if (source.path / name).exists():
            _copy(source.path / name, data / f"{name}.restored")
    old = None
    if there:
        old = data / aside
        old.mkdir(0o700)
        for path in there:
            path.replace(old / path.name)
        sync_directory(old)
    for name in FILES:
        if (data / f"{name}.restored").exists():
            (data / f"{name}.restored").replace(data / name)
    sync_directory(data)
    return old


def _copy_database(source: Path, target: Path) -> None:
    """One consistent snapshot: the backup API in a single step, over a connection that writes nothing."""
    target.touch(0o600)
    origin = sqlite3.connect(source, isolation_level=None)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        origin.execute("PRAGMA query_only=1")
        origin.execute("PRAGMA wal_autocheckpoint=0")
        origin.execute("PRAGMA busy_timeout=10000")
        origin.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
        origin.close()


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    os.chmod(target, 0o600)  # noqa: PTH101  # before a byte could be read by others it is renamed anyway
    sync_file(target)


def _logs(evidence: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(f"file:{evidence}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT origin, size, root FROM logs ORDER BY origin").fetchall()
    finally:
        connection.close()
    return [{"origin": origin, "size": size, "root": root.hex()} for origin, size, root in rows]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()
