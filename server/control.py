"""The control socket: how an operator's command reaches the running server, so that only one process ever writes.

A Unix socket in the data folder, mode 0600: whoever can open it could read the databases as well. The requests:
`POST /import` (an upload body, the receipt back), `POST /audit` (one pass, its findings back), `POST /token` (a label,
the token back), `POST /operator` (a name, LF, a password), `GET /ping`.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, Final

from server import limits
from server.errors import ConfigError, ServerError
from server.importer import import_body
from server.ingest.problems import Answer, problem, to_answer
from server.ingest.routes import Disconnected, read_body, send_answer

if TYPE_CHECKING:
    from pathlib import Path

    from server.audit import Auditor
    from server.evidence.store import EntryStore
    from server.ingest.routes import Receive, Scope, Send
    from server.ingest.service import Ingest
    from server.people.accounts import AccountStore

SOCKET: Final = "control.sock"
_ANSWER_MAX: Final = 16 << 20
_PATH_MAX: Final = 100  # the kernel's sun_path is 108 bytes


class ControlApp:
    """ASGI application of the control socket."""

    def __init__(self, ingest: Ingest, store: EntryStore, auditor: Auditor, accounts: AccountStore) -> None:
        self._ingest = ingest
        self._store = store
        self._auditor = auditor
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        except ConfigError as error:
            answer = problem(400, str(error))
        except ServerError as error:
            answer = to_answer(error)
        await send_answer(send, answer, scope["method"])

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        match scope["method"], scope["path"]:
            case "GET", "/ping":
                return _json({"ok": True})
            case "POST", "/import":
                body = await read_body(scope, receive, limits.UPLOAD_BODY_MAX)
                done = await import_body(self._ingest, self._store, body)
                return _json({"origin": done.origin, "size": done.size, "receipt": done.receipt.decode()})
            case "POST", "/audit":
                return _json({"findings": [str(each) for each in await self._auditor.once()]})
            case "POST", "/token":
                label = (await read_body(scope, receive, limits.CHECKPOINT_BODY_MAX)).decode("utf-8", "replace")
                return _json({"token": await self._accounts.create_token(label)})
            case "POST", "/operator":
                asked = await read_body(scope, receive, limits.CHECKPOINT_BODY_MAX)
                name, _, password = asked.decode("utf-8", "replace").partition("\n")
                return _json({"done": await self._accounts.operator(name, password)})
            case _:
                return problem(404, "no such resource")


def socket_path(data: Path) -> Path:
    """Where the socket of a running server is."""
    path = data / SOCKET
    if len(str(path)) > _PATH_MAX:
        raise ConfigError(
            f"{path}: longer than {_PATH_MAX} bytes, too long for a Unix socket; use a shorter server.data"
        )
    return path


def ask(data: Path, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]] | None:
    """The running server's answer; None when none runs."""
    connection = _UnixConnection(socket_path(data))
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read(_ANSWER_MAX))
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def _json(document: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(document).encode(), "application/json")
