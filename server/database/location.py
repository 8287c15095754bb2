"""Which database: the URL of a setting or of the environment, and where its password comes from.

The password is never in server.toml (a backup holds a copy of it): it is in `database.password_file`, in the URL of
KAOFEN_DATABASE_URL, or where libpq looks by itself (PGPASSFILE, ~/.pgpass, PGPASSWORD). A URL object shows `***` in
its place whenever it is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from server.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE: Final = "KAOFEN_DATABASE_URL"
_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})

# What SQLAlchemy raises when a database cannot be reached, or not in time: come back later.
AWAY: Final = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)


def parse_url(text: str, name: str, *, secret: bool) -> sa.URL | None:
    """The database at this URL; None for an empty text (SQLite in server.data). `secret`: a password may be in it."""
    if not text:
        return None
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(f"{name}: not a URL; expected postgresql://user@host:port/database") from None
    if url.drivername not in _SCHEMES:
        raise ConfigError(f"{name}: {url.drivername}, expected postgresql://user@host:port/database")
    if not url.database:
        raise ConfigError(f"{name}: no database named; expected postgresql://user@host:port/database")
    if (url.password or "password" in url.query) and not secret:
        raise ConfigError(
            f"{name}: holds a password; put it into database.password_file, PGPASSFILE or the variable {VARIABLE}"
        )
    return url.set(drivername="postgresql+psycopg")


def with_password(url: sa.URL, password_file: Path | None) -> sa.URL:
    """The URL with the password of the file, when there is one and the URL has none."""
    if password_file is None or url.password:
        return url
    try:
        lines = password_file.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"database.password_file: {password_file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"database.password_file: {password_file}: not text in UTF-8") from None
    if not lines or not lines[0]:
        raise ConfigError(f"database.password_file: {password_file}: no password in the first line")
    return url.set(password=lines[0])


def shown(url: sa.URL) -> str:
    """For people and log lines: user, host and database, nothing else."""
    return f"postgresql://{url.username or ''}@{url.host or ''}:{url.port or 5432}/{url.database}"
