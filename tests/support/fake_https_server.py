"""The fake server behind real mutual TLS on a free port: the far side of the gateway's own HTTPS client."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web
from fake_server_client import FakeServerClient

from certs.contexts import gateway_server_context
from gateway.errors import BadAnswer, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fake_server_client import FakeServer
    from tls_material import TlsMaterial


@asynccontextmanager
async def https_server(server: FakeServer, tls: TlsMaterial, port: int = 0) -> AsyncIterator[str]:
    """Serves until the block ends; yields the address."""
    client = FakeServerClient(server)

    async def upload(request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/vnd.kaofen.upload"
        try:
            answer = await client.upload(await request.read())
        except Unreachable:
            return _cut_off(request)
        headers = {} if answer.retry_after is None else {"Retry-After": str(int(answer.retry_after))}
        if answer.status in (301, 302):
            headers["Location"] = "https://elsewhere.example/"
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def heartbeat(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response({"v": 1, **asdict(await client.heartbeat(await request.json()))})
        except Unreachable:
            return _cut_off(request)

    async def plan(request: web.Request) -> web.StreamResponse:
        return await _plan(server, client, request)

    async def checkpoint(request: web.Request) -> web.StreamResponse:
        for origin in server.logs:
            if hashlib.sha256(origin.encode()).hexdigest() == request.match_info["hash"]:
                note = await client.checkpoint(origin)
                return web.Response(status=404) if note is None else web.Response(body=note)
        return web.Response(status=404)

    app = web.Application(client_max_size=4 << 20)
    app.router.add_post("/gateway/v1/upload", upload)
    app.router.add_post("/gateway/v1/heartbeat", heartbeat)
    app.router.add_get("/gateway/v1/plan", plan)
    app.router.add_get("/{hash}/checkpoint", checkpoint)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    context = gateway_server_context(tls.server / "cert.pem", tls.server / "cert.key", tls.server / "ca.pem")
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _plan(server: FakeServer, client: FakeServerClient, request: web.Request) -> web.StreamResponse:
    have = request.headers.get("If-None-Match")
    assert have is None or (have[0], have[-1], len(have)) == ('"', '"', 66), have
    try:
        answer = await client.plan(have and have[1:-1])
    except BadAnswer:
        return web.Response(status=server.plan_status or 500)
    except Unreachable:
        return _cut_off(request)
    return web.Response(status=answer.status, body=answer.body or None)


def _cut_off(request: web.Request) -> web.Response:
    """The connection breaks, as on a bad line: the gateway cannot know what was stored."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)
