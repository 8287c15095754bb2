"""The transactions over the registry: which gateways and certificates may upload. Plain functions, as statements.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from server.errors import AlreadyThere, Missing
from server.evidence import rows
from server.evidence.locks import lock_gateway
from server.evidence.schema import certificates, gateways
from server.evidence.store import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from server.evidence.store import Gateway, GatewayStatus


def all_gateways(connection: Connection) -> list[Gateway]:
    """Every gateway with its certificates."""
    found = connection.execute(select(gateways).order_by(gateways.c.id)).all()
    return [_with_certificates(connection, row.id) for row in found]


def gateway(connection: Connection, gateway_id: str) -> Gateway | None:
    """One gateway."""
    known = connection.execute(select(gateways.c.id).where(gateways.c.id == gateway_id)).one_or_none()
    return _with_certificates(connection, gateway_id) if known else None


def some_gateways(connection: Connection, gateway_ids: Sequence[str]) -> list[Gateway]:
    """Those of these that there are, in two statements."""
    mine = select(certificates).where(certificates.c.gateway_id.in_(gateway_ids))
    seen: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(mine.order_by(certificates.c.first_seen_us, certificates.c.fingerprint)):
        seen.setdefault(row.gateway_id, []).append(row)
    found = connection.execute(select(gateways).where(gateways.c.id.in_(gateway_ids)))
    return [rows.gateway(row, seen.get(row.id, ())) for row in found]


def _with_certificates(connection: Connection, gateway_id: str) -> Gateway:
    row = connection.execute(select(gateways).where(gateways.c.id == gateway_id)).one()
    mine = select(certificates).where(certificates.c.gateway_id == gateway_id)
    ordered = mine.order_by(certificates.c.first_seen_us, certificates.c.fingerprint)
    return rows.gateway(row, connection.execute(ordered))


def add(connection: Connection, gateway: Gateway, now_us: int) -> None:
    """Enrol a gateway."""
    values = {
        "id": gateway.id,
        "log_key": gateway.log_key,
        "status": gateway.status,
        "reason": gateway.reason,
        "added_us": gateway.added_us or now_us,
    }
    try:
        connection.execute(insert(gateways).values(values))
    except IntegrityError as error:
        raise AlreadyThere(f"gateway {gateway.id} is already enrolled") from error


def set_status(connection: Connection, gateway_id: str, status: GatewayStatus, reason: str | None) -> None:
    """Revoke a gateway, or allow it again."""
    changed = update(gateways).where(gateways.c.id == gateway_id).values(status=status, reason=reason)
    if not connection.execute(changed).rowcount:
        raise Missing(f"no gateway {gateway_id}")


def certificate_seen(connection: Connection, gateway_id: str, fingerprint: str, now_us: int) -> Certificate:
    """The certificate as it is known, from now on at least."""
    lock_gateway(connection, gateway_id)
    if gateway(connection, gateway_id) is None:
        raise Missing(f"no gateway {gateway_id}")
    mine = (certificates.c.gateway_id == gateway_id) & (certificates.c.fingerprint == fingerprint)
    row = connection.execute(select(certificates).where(mine)).one_or_none()
    if row is not None:
        return rows.certificate(row)
    values = {"gateway_id": gateway_id, "fingerprint": fingerprint, "status": "active", "first_seen_us": now_us}
    connection.execute(insert(certificates).values(values))
    return Certificate(fingerprint, "active", now_us)


def revoke_certificate(connection: Connection, gateway_id: str, fingerprint: str, reason: str, now_us: int) -> None:
    """Refuse one certificate of a gateway."""
    certificate_seen(connection, gateway_id, fingerprint, now_us)
    mine = (certificates.c.gateway_id == gateway_id) & (certificates.c.fingerprint == fingerprint)
    connection.execute(update(certificates).where(mine).values(status="revoked", reason=reason))
