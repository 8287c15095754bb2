"""EntryStore over a database (SQLAlchemy Core): the real form. What the calls promise stands in store.py."""

# ruff: noqa: D102  # what the calls promise stands in store.py
from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DataError, IntegrityError

from scorelog.journal.failpoints import failpoint
from server import limits
from server.errors import Damaged, Missing, Overtaken
from server.evidence import bulk, enrolment, locks, rowcheck, statements, tiles, witnessed
from server.evidence.registry import RegistryView
from server.evidence.store import Cosigned
from server.failpoints import INSERT
from server.matches.store import findings as match_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from scorelog.format.commitment import Opening
    from scorelog.journal.clock import Clock
    from server.database.seam import Database
    from server.evidence.seal import Sealer
    from server.evidence.store import (
        Alarm,
        Bundle,
        BundleRef,
        Certificate,
        Gateway,
        GatewayStatus,
        LogState,
        Refusal,
        RowFinding,
        StoredBundle,
        StoredEntry,
        StoredTile,
        Witnessed,
    )


class SqlEntryStore:
    """Evidence in one database, the registry in another (or the same)."""

    def __init__(self, evidence: Database, registry: Database, clock: Clock, sealer: Sealer) -> None:
        self._evidence = evidence
        self._registry = registry
        self._clock = clock
        self._sealer = sealer
        self._gateways = RegistryView(registry)

    async def log(self, origin: str) -> LogState | None:
        return await self._evidence.read(partial(statements.log, origin=origin))

    async def logs(self) -> list[LogState]:
        return await self._evidence.read(statements.all_logs)

    async def gateways(self) -> list[Gateway]:
        return await self._registry.read(enrolment.all_gateways)

    async def gateway(self, gateway_id: str) -> Gateway | None:
        return await self._gateways.gateway(gateway_id)

    async def add_gateway(self, gateway: Gateway) -> None:
        await self._registry.write(partial(enrolment.add, gateway=gateway, now_us=self._clock.now_us()))

    async def set_gateway_status(self, gateway_id: str, status: GatewayStatus, reason: str | None = None) -> None:
        await self._registry.write(partial(enrolment.set_status, gateway_id=gateway_id, status=status, reason=reason))

    async def certificate_seen(self, gateway_id: str, fingerprint: str) -> Certificate:
        return await self._registry.write(
            partial(
                enrolment.certificate_seen,
                gateway_id=gateway_id,
                fingerprint=fingerprint,
                now_us=self._clock.now_us(),
            )
        )

    async def revoke_certificate(self, gateway_id: str, fingerprint: str, reason: str) -> None:
        await self._registry.write(
            partial(
                enrolment.revoke_certificate,
                gateway_id=gateway_id,
                fingerprint=fingerprint,
                reason=reason,
                now_us=self._clock.now_us(),
            )
        )

    async def append(self, bundle: Bundle) -> bool:
        return (await self.append_many([bundle]))[0]

    async def append_many(
        self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
    ) -> list[bool]:
        def work(connection: Connection, *, together: bool) -> list[bool]:
            locks.lock_logs(connection, bundles, {note.origin for note in (*cosigned, *again)})
            append = _append_together if together else _append_singly
            stored = append(connection, bundles, self._sealer)
            bulk.keep_all(connection, cosigned)
            return stored + [statements.cosign_again(connection, note) for note in again]

        try:
            return await self._evidence.write(partial(work, together=bulk.fits(bundles)))
        except Overtaken:
            return await self._evidence.write(partial(work, together=False))

    async def save_cosigned(self, origin: str, size: int, note: bytes, cosigned_s: int) -> None:
        await self.append_many((), [Cosigned(origin, size, note, cosigned_s)])

    async def entries(self, origin: str, start: int, stop: int) -> list[StoredEntry]:
        return await self._evidence.read(partial(statements.entries, origin=origin, start=start, stop=stop))

    async def arrived(self, first: int, last: int) -> list[StoredEntry]:
        return await self._evidence.read(partial(statements.arrived, first=first, last=last))

    async def bundles_after(self, seq: int, limit: int) -> list[BundleRef]:
        after = partial(statements.bundles_after, seq=seq, limit=limit)

        def first(connection: Connection) -> int | list[BundleRef]:
            until = locks.horizon(connection)
            return after(connection) if until is None else until

        found = await self._evidence.read(first)
        # One writer has no horizon. With several it is asked before the snapshot in which the bundles are read.
        return found if isinstance(found, list) else await self._evidence.read(partial(after, until=found))

    async def stored_bundles(self, origin: str, start: int, limit: int) -> list[StoredBundle]:
        return await self._evidence.read(
            partial(statements.stored_bundles, origin=origin, start=start, limit=limit, sealer=self._sealer)
        )

    async def stored_tiles(self, origin: str, level: int, start: int, limit: int) -> list[StoredTile]:
        return await self._evidence.read(
            partial(tiles.stored_tiles, origin=origin, level=level, start=start, limit=limit)
        )

    async def row_findings(self) -> list[RowFinding]:
        found = await self._evidence.read(partial(rowcheck.findings, sealer=self._sealer))
        return found + await self._registry.read(partial(match_findings, sealer=self._sealer))

    async def node(self, origin: str, level: int, index: int) -> bytes:
        return await self._evidence.read(partial(tiles.node, origin=origin, level=level, index=index))

    async def hashes(self, origin: str, level: int, start: int, stop: int) -> list[bytes]:
        return await self._evidence.read(partial(tiles.hashes, origin=origin, level=level, start=start, stop=stop))

    async def openings(self, origin: str, start: int, stop: int) -> list[Opening]:
        return await self._evidence.read(partial(statements.stored_openings, origin=origin, start=start, stop=stop))

    async def refuse(self, refusal: Refusal) -> None:
        kept = replace(refusal, reason=_storable(refusal.reason))
        await self._evidence.write(partial(statements.refuse, refusal=kept, sealer=self._sealer))

    async def refusals(self, origin: str | None = None) -> list[Refusal]:
        return await self._evidence.read(partial(statements.kept_refusals, origin=origin))

    async def alarm(self, kind: str, origin: str | None, index: int | None, detail: str, evidence: bytes = b"") -> int:
        raised = statements.Raised(
            kind,
            origin,
            index,
            _storable(detail[: limits.DETAIL_MAX]),
            evidence[: limits.ALARM_EVIDENCE_MAX],
            self._clock.now_us(),
        )
        return await self._evidence.write(partial(statements.raise_alarm, raised=raised, sealer=self._sealer))

    async def alarms(self, after: int = 0, limit: int = 1000) -> list[Alarm]:
        return await self._evidence.read(partial(statements.alarms_after, after=after, limit=limit))

    async def witnessed(self, origin: str) -> Witnessed | None:
        return await self._evidence.read(partial(witnessed.last, origin=origin))

    async def witness(self, before: Witnessed | None, after: Witnessed) -> bool:
        return await self._evidence.write(partial(witnessed.advance, before=before, after=after))

    async def close(self) -> None:
        await self._evidence.close()
        await self._registry.close()


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL in a text; what a sender wrote may come up in a reason."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _append_singly(connection: Connection, bundles: Sequence[Bundle], sealer: Sealer) -> list[bool]:
    stored = []
    for bundle in bundles:
        with failpoint(INSERT), _damage_of(bundle):
            stored.append(statements.append(connection, bundle, sealer))
    return stored


def _append_together(connection: Connection, bundles: Sequence[Bundle], sealer: Sealer) -> list[bool]:
    """The step of every upload is one statement here: each one's failpoint is around it.

    Of a damaged log the group only learns that it is one of them; the committer then finds it (P8).
    """
    with ExitStack() as steps:
        for _ in bundles:
            steps.enter_context(failpoint(INSERT))
        with _damage_of(bundles[0]):
            bulk.append_all(connection, bundles, sealer)
    return [True] * len(bundles)


@contextmanager
def _damage_of(bundle: Bundle) -> Iterator[None]:
    """Rows that stand in the way were put there from outside: that log is damaged, not the database.

    A value that the database cannot hold stops its log as well, and no other.
    """
    try:
        yield
    except IntegrityError as error:
        raise Damaged(f"{bundle.origin}: a stored row contradicts size {bundle.old_size}") from error
    except DataError as error:
        raise Damaged(
            f"{bundle.origin}: the entries from {bundle.old_size} on hold a value that cannot be stored"
        ) from error
    except Missing as error:
        raise Damaged(f"{bundle.origin}: {error}") from error
