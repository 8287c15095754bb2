"""Who is asking: a browser by its session cookie, a program by its Bearer token.

The cookie holds only a signed random id; what it stands for lies in people.db, so that a logout or a new password ends
it everywhere. Forms repeat the session's CSRF word; requests from other sites were refused before (headers.py).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer

from server.errors import ServerError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from server.people.accounts import Account, AccountStore, LoginSession

COOKIE: Final = "__Host-kaofen"
LOGIN_COOKIE: Final = "__Host-kaofen-login"
LOGIN_FORM_S: Final = 3600


class LoginNeededError(ServerError):
    """No session, no token, or one that has ended."""


class ForbiddenError(ServerError):
    """Logged in, and not allowed to."""


class Guard:
    """Reads and writes the cookies."""

    def __init__(self, accounts: AccountStore, secret: bytes) -> None:
        self._accounts = accounts
        self._cookies = URLSafeSerializer(secret, salt="kaofen-session")
        self._login_forms = URLSafeTimedSerializer(secret, salt="kaofen-login-form")

    async def session(self, request: Request) -> LoginSession | None:
        """The browser's session, while it lives."""
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return await self._accounts.session(str(self._cookies.loads(cookie)))
        except BadSignature:
            return None

    async def browser(self, request: Request) -> LoginSession:
        """The session, or LoginNeededError."""
        session = await self.session(request)
        if session is None:
            raise LoginNeededError("log in first")
        return session

    async def caller(self, request: Request) -> Account:
        """Whoever calls the API: a Bearer token counts before a cookie."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            account = await self._accounts.token(token.strip())
            if account is None:
                raise LoginNeededError("this token is not known")
            return account
        return (await self.browser(request)).account

    def remember(self, response: Response, session: LoginSession) -> None:
        """Give the browser its session."""
        _set(response, COOKIE, str(self._cookies.dumps(session.id)))
        response.delete_cookie(LOGIN_COOKIE, path="/", secure=True, httponly=True)

    async def forget(self, request: Request, response: Response) -> None:
        """Log out."""
        session = await self.session(request)
        if session:
            await self._accounts.end_session(session.id)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True)

    def login_word(self, request: Request) -> str:
        """The word that the login form must repeat: there is no session yet that could hold one."""
        kept = request.cookies.get(LOGIN_COOKIE)
        return kept if kept and self._fresh(kept) else str(self._login_forms.dumps(secrets.token_urlsafe(16)))

    def remember_login_word(self, response: Response, word: str) -> None:
        """Give the browser the word that it must send back beside the form."""
        _set(response, LOGIN_COOKIE, word)

    def check_login_word(self, request: Request, word: str) -> None:
        """ForbiddenError when the form is not ours or is too old."""
        kept = request.cookies.get(LOGIN_COOKIE, "")
        if not (kept and secrets.compare_digest(kept.encode(), word.encode()) and self._fresh(kept)):
            raise ForbiddenError("this form has expired: load the page again")

    @staticmethod
    def check_word(session: LoginSession, word: str) -> None:
        """ForbiddenError when the form does not repeat the session's word."""
        if not secrets.compare_digest(session.csrf.encode(), word.encode()):
            raise ForbiddenError("this form has expired: load the page again")

    def _fresh(self, word: str) -> bool:
        try:
            self._login_forms.loads(word, max_age=LOGIN_FORM_S)
        except BadSignature:
            return False
        return True


def _set(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="lax")
