"""The transactions over the tables of plans: plain functions of a SQLAlchemy connection (server/database/seam.py)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from scorelog.format.plan import PlanOpening
from server.database import names
from server.errors import Busy, ConfigError
from server.plan.publication import PlanHead
from server.plan.schema import (
    plan_gateways,
    plan_openings,
    plan_persons,
    plan_rubrics,
    plan_sessions,
    plans,
    session_nonces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.sql.elements import ColumnElement

    from server.plan.publication import Publication

# Variables of one statement: SQLite takes 32,766, and nobody gains by more.
_AT_ONCE: Final = 500
_HEADS: Final = select(plans.c.point_id, plans.c.version, plans.c.sha256, plans.c.published_us)


def heads(connection: Connection, point_id: str | None = None) -> list[PlanHead]:
    """Every version without its text, by point and version."""
    wanted = _HEADS if point_id is None else _HEADS.where(plans.c.point_id == point_id)
    return [PlanHead(*row) for row in connection.execute(wanted.order_by(plans.c.point_id, plans.c.version))]


def head(connection: Connection, *where: ColumnElement[bool]) -> PlanHead | None:
    """The newest plan of these, without its text."""
    row = connection.execute(_HEADS.where(*where).order_by(plans.c.version.desc()).limit(1)).one_or_none()
    return PlanHead(*row) if row else None


def for_gateway(connection: Connection, gateway_id: str) -> PlanHead | None:
    """The current plan that names this gateway, without its text."""
    later = plans.alias()
    named = (plan_gateways.c.point_id == plans.c.point_id) & (plan_gateways.c.version == plans.c.version)
    newest = select(func.max(later.c.version)).where(later.c.point_id == plans.c.point_id).scalar_subquery()
    mine = _HEADS.join(plan_gateways, named).where(plan_gateways.c.gateway_id == gateway_id, plans.c.version == newest)
    row = connection.execute(mine.order_by(plans.c.published_us.desc()).limit(1)).one_or_none()
    return PlanHead(*row) if row else None


def plan_text(connection: Connection, sha256: str) -> bytes:
    """The text of a plan that is there."""
    return bytes(connection.execute(select(plans.c.text).where(plans.c.sha256 == sha256)).scalar_one())


def rubric_texts(connection: Connection, sha256s: Sequence[str]) -> dict[str, bytes]:
    """The rubrics of these hashes, as far as they are there."""
    wanted = select(plan_rubrics).where(plan_rubrics.c.sha256.in_(sha256s))
    return {row.sha256: bytes(row.text) for row in connection.execute(wanted)}


# -- personal ------------------------------------------------------------------------------------------------------


def openings(connection: Connection, attempts: Iterable[str]) -> list[tuple[str, PlanOpening]]:
    """Every opening of these attempts that is still there with the commitment it opens, oldest version first."""
    found: list[tuple[str, PlanOpening]] = []
    wanted = sorted(set(attempts))
    for start in range(0, len(wanted), _AT_ONCE):
        some = select(plan_openings).where(plan_openings.c.attempt.in_(wanted[start : start + _AT_ONCE]))
        ordered = some.order_by(plan_openings.c.attempt, plan_openings.c.field, plan_openings.c.version)
        found += [(row.sha256, _opening(row)) for row in connection.execute(ordered)]
    return found


def _opening(row: Row[Any]) -> PlanOpening:
    return PlanOpening(row.attempt, row.field, bytes(row.blind), bytes(row.value).decode("utf-8", "replace"))


def find_ticket(connection: Connection, ticket: str) -> list[str]:
    """The attempts whose ticket this is, in the order of their sessions."""
    mine = (plan_openings.c.field == "ticket") & (plan_openings.c.value == ticket.encode())
    wanted = select(plan_openings.c.attempt, plan_openings.c.session_id, plan_openings.c.try_no).where(mine).distinct()
    rows = connection.execute(wanted.order_by(plan_openings.c.session_id, plan_openings.c.try_no))
    return [row.attempt for row in rows]


def minted(connection: Connection, session_ids: Sequence[str]) -> dict[tuple[str, str, int], str]:
    """(session, ticket, try) -> attempt, as earlier versions minted them."""
    mine = (plan_openings.c.field == "ticket") & plan_openings.c.session_id.in_(session_ids)
    return {
        (row.session_id, bytes(row.value).decode("utf-8", "replace"), row.try_no): row.attempt
        for row in connection.execute(select(plan_openings).where(mine))
    }


def keyed(connection: Connection, attempts: Iterable[str]) -> dict[str, str]:
    """Attempt -> keyed hash of its id number."""
    wanted = sorted(set(attempts))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = select(plan_persons).where(plan_persons.c.attempt.in_(wanted[start : start + _AT_ONCE]))
        found |= {row.attempt: row.keyed for row in connection.execute(some)}
    return found


# -- writing -------------------------------------------------------------------------------------------------------


def session_points(connection: Connection) -> dict[str, str]:
    """Session -> the point that it belongs to."""
    return {row.session_id: row.point_id for row in connection.execute(select(plan_sessions))}


def publish(connection: Connection, made: Publication) -> None:
    """One version whole: text, gateways, sessions, rubrics, openings. Busy when another one came in between."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({names.PLANS})"))
    plan = made.plan
    newest = head(connection, plans.c.point_id == plan.point)
    if (newest.version if newest else 0) != plan.version - 1:
        raise Busy(f"another plan of {plan.point} was published in between; run it again")
    values = {"point_id": plan.point, "version": plan.version, "sha256": plan.sha256}
    connection.execute(insert(plans).values(**values, published_us=made.published_us, text=plan.text))
    for gateway_id in sorted({rig.gateway for rig in plan.rigs}):
        _refuse_taken_gateway(connection, plan.point, gateway_id)
        row = {"gateway_id": gateway_id, "point_id": plan.point, "version": plan.version}
        connection.execute(insert(plan_gateways).values(row))
    for session in plan.sessions:
        _add(connection, plan_sessions, [{"session_id": session.id, "point_id": plan.point}])
        owner = select(plan_sessions.c.point_id).where(plan_sessions.c.session_id == session.id)
        if connection.execute(owner).scalar_one() != plan.point:
            raise ConfigError(f"session {session.id} belongs to another point; give it another id")
    _add(connection, plan_rubrics, [{"sha256": sha256, "text": each} for sha256, each in made.rubrics.items()])
    _add(connection, plan_openings, [each.row(plan.version) for each in made.openings])
    for attempt, hashed in made.persons.items():
        _set_person(connection, attempt, hashed)


def _refuse_taken_gateway(connection: Connection, point_id: str, gateway_id: str) -> None:
    other = for_gateway(connection, gateway_id)
    if other is not None and other.point != point_id:
        raise ConfigError(
            f"gateway {gateway_id} serves point {other.point}; publish a plan of that point without it first"
        )


def _set_person(connection: Connection, attempt: str, hashed: str) -> None:
    """A corrected id number takes the place of the wrong one."""
    make = _inserter(connection)(plan_persons).values(attempt=attempt, keyed=hashed)
    connection.execute(make.on_conflict_do_update(index_elements=["attempt"], set_={"keyed": hashed}))


def _inserter(connection: Connection) -> Callable[[Table], postgresql.Insert | sqlite.Insert]:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


def _add(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Rows that may be there already."""
    if rows:
        connection.execute(_inserter(connection)(table).on_conflict_do_nothing(), list(rows))


def known_nonce(connection: Connection, session_id: str) -> str | None:
    """The nonce of a session, if it was made."""
    wanted = select(session_nonces.c.nonce).where(session_nonces.c.session_id == session_id)
    found: str | None = connection.execute(wanted).scalar_one_or_none()
    return found


def make_nonce(connection: Connection, session_id: str, now_us: int) -> str:
    """The one nonce of a session: whoever comes second, in whichever process, gets the first one's."""
    fresh = {"session_id": session_id, "nonce": secrets.token_hex(16), "made_us": now_us}
    _add(connection, session_nonces, [fresh])
    wanted = select(session_nonces.c.nonce).where(session_nonces.c.session_id == session_id)
    return str(connection.execute(wanted).scalar_one())
