"""The parts of one upload's cost, each bare and alone: what the sum of parts is made of."""

from __future__ import annotations

import itertools
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kit.cpu import repeated
from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.format.upload import parse_upload
from server.evidence.database import create
from server.evidence.store import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kit.figures import Figure, Report
    from kit.uploads import Uploads

ROUND_S: Final = 1.0
MESSAGE: Final = b"x" * 150  # as long as a checkpoint
_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_GATEWAY: Final = (
    "select g.status, g.log_key, c.status from gateways g left join certificates c"
    " on c.gateway_id = g.id and c.fingerprint = ? where g.id = ?"
)
_BUNDLE: Final = (
    "insert into bundles(log_id, start, stop, received_us, cosigned_s, seal, checkpoint, leaves, entries)"
    " values (?, ?, ?, 1, 1, ?, ?, ?, ?)"
)
_LOG: Final = (
    "update logs set size = ?, root = ?, range_hashes = ?, checkpoint = ?, cosigned_s = 1, updated_us = 1"
    " where origin = ? and size = ?"
)
_NOTE: Final = "update logs set cosigned = ?, cosigned_size = ? where origin = ?"


def certificate_lookup(report: Report, folder: Path) -> Figure:
    """Gateway and certificate by their keys, from a registry like the server's."""
    bare = folder / "bare-registry"
    bare.mkdir()
    create(bare)
    base = sqlite3.connect(bare / "registry.db", isolation_level=None)
    for number in range(100):
        base.execute("insert into gateways values (?, ?, 'active', null, 1)", (f"gw-{number}", bytes(32)))
        base.execute("insert into certificates values (?, ?, 'active', null, 1)", (f"gw-{number}", f"{number:064x}"))
    done, span = repeated(lambda: base.execute(_GATEWAY, (f"{50:064x}", "gw-50")).fetchone(), ROUND_S)
    base.close()
    return report.add("part: certificate lookup (bare SQLite)", span.rate(done), "/s", cpu_us=span.cpu_us(done))


def verified(report: Report) -> Figure:
    """One signature of a log."""
    signature, public = _KEY.sign(MESSAGE), _KEY.public_key()
    done, span = repeated(lambda: public.verify(signature, MESSAGE), ROUND_S)
    return report.add("part: Ed25519 verify", span.rate(done), "/s", cpu_us=span.cpu_us(done))


def read_and_grown(report: Report, uploads: Uploads) -> Figure:
    """The body and its checkpoint parsed, the entries hashed, the root compared: what the tree asks of every upload."""
    tree, bodies = CompactRange(), itertools.cycle(uploads.bodies)

    def step() -> None:
        nonlocal tree
        upload = parse_upload(next(bodies))
        if not upload.start:
            tree = CompactRange()
        checkpoint, _ = parse_checkpoint(upload.checkpoint)
        tree.extend(map(leaf_hash, upload.entries))
        if tree.root() != checkpoint.root:
            raise ValueError("the uploads of this benchmark lead to other roots than they say")

    done, span = repeated(step, ROUND_S)
    return report.add(
        "part: body parsed, entries hashed, root compared", span.rate(done), "/s", cpu_us=span.cpu_us(done)
    )


def signed(report: Report) -> Figure:
    """One cosignature."""
    done, span = repeated(lambda: _KEY.sign(MESSAGE), ROUND_S)
    return report.add("part: Ed25519 sign", span.rate(done), "/s", cpu_us=span.cpu_us(done))


def group_commit(report: Report, folder: Path, uploads: list[Uploads], group: int) -> Figure:
    """Bare SQLite, WAL, FULL: the same rows, as many uploads in one commit as the server had."""
    bare = folder / "bare-evidence"
    bare.mkdir()
    create(bare)
    base = sqlite3.connect(bare / "evidence.db", isolation_level=None)
    base.execute("pragma synchronous = full")
    names = [each.gateway_id for each in uploads]
    base.executemany(
        "insert into logs(origin, gateway_id, generation, size, range_hashes, root, checkpoint, cosigned_size,"
        " cosigned_s, updated_us) values (?, ?, 0, 0, x'', x'', x'', 0, 0, 0)",
        [(name, name) for name in names],
    )
    body = len(uploads[0].bodies[0])
    turns = itertools.cycle(range(len(names)))
    sizes = [0] * len(names)

    def commit() -> None:
        base.execute("begin immediate")
        chosen = [next(turns) for _ in range(group)]
        base.executemany(_LOG, [_log_row(names[at], sizes[at]) for at in chosen])
        base.executemany(_BUNDLE, [_bundle_row(at, sizes[at], body) for at in chosen])
        base.executemany(_NOTE, [(bytes(300), sizes[at], names[at]) for at in chosen])
        base.execute("commit")
        for at in chosen:
            sizes[at] += 1

    done, span = repeated(commit, ROUND_S)
    base.close()
    name = f"part: SQLite FULL, the same rows, {group} a commit"
    return report.add(name, span.rate(done * group), "/s", cpu_us=span.cpu_us(done * group))


def bundles_of(uploads: Uploads) -> Iterator[Bundle]:
    """What the ingest makes of them once they are verified."""
    tree = CompactRange()
    for body in uploads.bodies:
        upload = parse_upload(body)
        leaves = tuple(map(leaf_hash, upload.entries))
        tree.extend(leaves)
        yield Bundle(
            origin=uploads.origin,
            gateway_id=uploads.gateway_id,
            generation=0,
            old_size=upload.start,
            new_size=upload.size,
            entries=upload.entries,
            leaves=leaves,
            openings=upload.openings,
            checkpoint=upload.checkpoint,
            root=tree.root(),
            range_hashes=tree.hashes,
            received_us=1,
            cosigned_s=1,
        )


def _log_row(name: str, size: int) -> tuple[object, ...]:
    return (size + 1, os.urandom(32), bytes(32 * (size + 1).bit_count()), bytes(200), name, size)


def _bundle_row(at: int, size: int, body: int) -> tuple[object, ...]:
    return (at + 1, size, size + 1, bytes(32), bytes(200), bytes(32), bytes(body - 200))
