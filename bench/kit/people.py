"""A person at the people's listener: logged in through the form, as a browser does."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from service import WorldError

if TYPE_CHECKING:
    from pathlib import Path


def line(ca: Path, port: int) -> http.client.HTTPSConnection:
    """A connection that trusts only this root."""
    return http.client.HTTPSConnection(
        "localhost", port, timeout=30, context=ssl.create_default_context(cafile=str(ca))
    )


def cookie(ca: Path, port: int, name: str, password: str) -> str:
    """The cookie of a new session."""
    connection = line(ca, port)
    try:
        connection.request("GET", "/login")
        form = connection.getresponse()
        word = re.search(rb'name="word" value="([^"]+)"', form.read())
        fields = {"word": word[1].decode() if word else "", "name": name, "password": password, "next": "/"}
        head = {
            "cookie": (form.getheader("set-cookie") or "").split(";")[0],
            "origin": f"https://localhost:{port}",
            "content-type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", "/login", urlencode(fields), head)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    given = [one.split(";")[0] for one in answer.headers.get_all("set-cookie") or []]
    found = next((one for one in given if one.startswith("__Host-kaofen=")), None)
    if found is None:
        raise WorldError(f"the login of {name} answered {answer.status}")
    return found
