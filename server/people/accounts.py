"""Accounts, sessions and tokens of people, in a database of their own (people.db, or a schema in PostgreSQL).

Owns who may log in and what is remembered about a login. A password is kept as its argon2 hash; a session id and an API
token only as SHA-256, so that a copy of the file opens nothing. Never holds anything about candidates or exams.
What is lost with the file: logins and who acknowledged which alert, no evidence.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.errors import AlreadyThere, Busy, ConfigError, Missing
from server.people import limits
from server.projection.engine import Engines, open_engines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from scorelog.journal.clock import Clock

Role = Literal["operator", "viewer"]
T = TypeVar("T")
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

metadata = sa.MetaData()
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", sa.String(limits.NAME_MAX), primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(limits.NAME_MAX), nullable=False, index=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
)
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("label", sa.String(limits.NAME_MAX), nullable=False, unique=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)
acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("alert", sa.String(80), primary_key=True),
    sa.Column("account", sa.String(limits.NAME_MAX), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Who it is, and what they may do."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One login on one browser; `csrf` is the word that its forms must repeat."""

    id: str
    account: Account
    csrf: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person has seen an alert."""

    alert: str
    account: str
    note: str
    at_us: int


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _over(created_us: int, seen_us: int, now_us: int) -> bool:
    """Whether a session has ended by its age or by being left alone."""
    idle_s, age_s = (now_us - seen_us) / 1e6, (now_us - created_us) / 1e6
    return idle_s > limits.SESSION_IDLE_S or age_s > limits.SESSION_LIFE_S


def _portions(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), limits.SESSIONS_AT_ONCE):
        yield ids[start : start + limits.SESSIONS_AT_ONCE]


class AccountStore:
    """People, their sessions and tokens. One writer at a time; argon2 runs in threads, two at once."""

    def __init__(self, engines: Engines, clock: Clock, hasher: PasswordHasher, nobody: str) -> None:
        self._engines = engines
        self._clock = clock
        self._hasher = hasher
        self._hashing = asyncio.Semaphore(limits.HASHES_AT_ONCE)
        self._waiting = 0
        # A login for an unknown name must take as long as one with a wrong password.
        self._nobody = nobody

    @classmethod
    async def open(cls, path: Path, clock: Clock, hasher: PasswordHasher | None = None) -> AccountStore:
        """Open people.db, made when it is not there (it holds nothing that a fresh one would contradict)."""
        return await cls.over(await open_engines(path, metadata), clock, hasher)

    @classmethod
    async def over(cls, engines: Engines, clock: Clock, hasher: PasswordHasher | None = None) -> AccountStore:
        """Over a database that is open already."""
        hasher = hasher or PasswordHasher()
        nobody = await asyncio.to_thread(hasher.hash, secrets.token_hex(16))
        return cls(engines, clock, hasher, nobody)

    async def close(self) -> None:
        """Close the database; idempotent."""
        await self._engines.dispose()

    async def create(self, name: str, password: str, role: Role = "operator") -> Account:
        """Make an account; AlreadyThere when the name is taken, ConfigError when name or password will not do."""
        if not NAME.fullmatch(name):
            raise ConfigError(f"account name {name!r}: expected 1-64 of a-z 0-9 . _ - beginning with a letter or digit")
        if role not in get_args(Role):
            raise ConfigError(f"role {role!r}: expected one of {', '.join(get_args(Role))}")
        row = {"name": name, "hash": await self._hash(password), "role": role, "created_us": self._clock.now_us()}
        try:
            async with self._engines.writer.begin() as db:
                await db.execute(sa.insert(accounts).values(row))
        except sa.exc.IntegrityError as error:
            raise AlreadyThere(f"account {name!r} exists already") from error
        return Account(name, role)

    async def verify(self, name: str, password: str) -> Account | None:
        """The account when name and password are right. Takes the same time when they are not."""
        async with self._engines.reader.connect() as db:
            row = (await db.execute(sa.select(accounts).where(accounts.c.name == name))).one_or_none()
        right = await self._in_thread(self._matches, row.hash if row else self._nobody, password)
        return Account(row.name, row.role) if row and right else None

    async def set_password(self, name: str, password: str) -> None:
        """Change a password and end every session of the account."""
        hashed = await self._hash(password)
        async with self._engines.writer.begin() as db:
            done = await db.execute(sa.update(accounts).where(accounts.c.name == name).values(hash=hashed))
            if not done.rowcount:
                raise Missing(f"no account {name!r}")
            await db.execute(sa.delete(sessions).where(sessions.c.account == name))

    async def operator(self, name: str, password: str) -> str:
        """Make an operator's account, or give an existing one this password; says which it was."""
        try:
            await self.create(name, password)
        except AlreadyThere:
            await self.set_password(name, password)
            return "changed"
        return "made"

    async def names(self) -> list[Account]:
        """All accounts, by name."""
        async with self._engines.reader.connect() as db:
            rows = await db.execute(sa.select(accounts.c.name, accounts.c.role).order_by(accounts.c.name))
            return [Account(row.name, row.role) for row in rows]

    async def start_session(self, account: Account) -> LoginSession:
        """A new session; the oldest of the account ends when it has too many."""
        secret, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(24), self._clock.now_us()
        mine = sa.select(sessions.c.id).where(sessions.c.account == account.name).order_by(sessions.c.seen_us.desc())
        async with self._engines.writer.begin() as db:
            kept = mine.limit(limits.SESSIONS_PER_ACCOUNT_MAX - 1)
            await db.execute(
                sa.delete(sessions).where(sessions.c.account == account.name, sessions.c.id.not_in(kept)),
            )
            row = {"id": _digest(secret), "account": account.name, "csrf": csrf, "created_us": now, "seen_us": now}
            await db.execute(sa.insert(sessions).values(row))
        return LoginSession(secret, account, csrf)

    async def session(self, secret: str) -> LoginSession | None:
        """The session of this secret while it lives."""
        joined = sa.join(sessions, accounts, sessions.c.account == accounts.c.name)
        query = sa.select(sessions, accounts.c.role).select_from(joined).where(sessions.c.id == _digest(secret))
        async with self._engines.reader.connect() as db:
            row = (await db.execute(query)).one_or_none()
        if row is None:
            return None
        now = self._clock.now_us()
        if _over(row.created_us, row.seen_us, now):
            await self.end_session(secret)
            return None
        if now - row.seen_us > limits.SESSION_TOUCH_S * 1e6:
            async with self._engines.writer.begin() as db:
                await db.execute(sa.update(sessions).where(sessions.c.id == row.id).values(seen_us=now))
        return LoginSession(secret, Account(row.account, row.role), row.csrf)

    async def living(self, secrets_: Iterable[str]) -> set[str]:
        """Which of these sessions live: asked together, for streams that stay open. Each of them counts as used."""
        by_id = {_digest(secret): secret for secret in secrets_}
        now = self._clock.now_us()
        alive, used = set(), []
        for some in _portions([*by_id]):
            query = sa.select(sessions.c.id, sessions.c.created_us, sessions.c.seen_us).where(sessions.c.id.in_(some))
            async with self._engines.reader.connect() as db:
                rows = (await db.execute(query)).all()
            for row in rows:
                if _over(row.created_us, row.seen_us, now):
                    continue
                alive.add(by_id[row.id])
                if now - row.seen_us > limits.SESSION_TOUCH_S * 1e6:
                    used.append(row.id)
        for some in _portions(used):
            async with self._engines.writer.begin() as db:
                await db.execute(sa.update(sessions).where(sessions.c.id.in_(some)).values(seen_us=now))
        return alive

    async def end_session(self, secret: str) -> None:
        """Log out; idempotent."""
        async with self._engines.writer.begin() as db:
            await db.execute(sa.delete(sessions).where(sessions.c.id == _digest(secret)))

    async def create_token(self, label: str, role: Role = "viewer") -> str:
        """A Bearer token for the JSON API, shown once. The same label again replaces the older token."""
        if not NAME.fullmatch(label):
            raise ConfigError(f"token label {label!r}: expected 1-64 of a-z 0-9 . _ - beginning with a letter or digit")
        secret = f"kaofen_{secrets.token_urlsafe(32)}"
        async with self._engines.writer.begin() as db:
            await db.execute(sa.delete(tokens).where(tokens.c.label == label))
            row = {"id": _digest(secret), "label": label, "role": role, "created_us": self._clock.now_us()}
            await db.execute(sa.insert(tokens).values(row))
        return secret

    async def token(self, secret: str) -> Account | None:
        """Whom a Bearer token stands for."""
        async with self._engines.reader.connect() as db:
            row = (await db.execute(sa.select(tokens).where(tokens.c.id == _digest(secret)))).one_or_none()
        return Account(f"token:{row.label}", row.role) if row else None

    async def acknowledge(self, alert: str, account: Account, note: str) -> None:
        """Remember who has seen an alert; the first one stays."""
        row = {"alert": alert, "account": account.name, "note": note, "at_us": self._clock.now_us()}
        try:
            async with self._engines.writer.begin() as db:
                await db.execute(sa.insert(acknowledgements).values(row))
        except sa.exc.IntegrityError:
            return

    async def acknowledged(self) -> dict[str, Acknowledgement]:
        """Alert id → who saw it."""
        async with self._engines.reader.connect() as db:
            rows = await db.execute(sa.select(acknowledgements))
            return {row.alert: Acknowledgement(row.alert, row.account, row.note, row.at_us) for row in rows}

    async def _hash(self, password: str) -> str:
        if not limits.PASSWORD_MIN <= len(password) <= limits.PASSWORD_MAX:
            raise ConfigError(f"password: expected {limits.PASSWORD_MIN} to {limits.PASSWORD_MAX} characters")
        return await self._in_thread(self._hasher.hash, password)

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password[: limits.PASSWORD_MAX + 1])
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= limits.HASHES_WAITING_MAX:
            raise Busy("too many logins at once", retry_after_s=2, status=503)
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1
