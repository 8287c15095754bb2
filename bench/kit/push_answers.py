"""A bare handler for rigs that push: reads the JSON, answers 200 at once, keeps nothing. A yardstick.

python bench/kit/push_answers.py      prints its port, and answers until it is ended
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web


async def answer(request: web.BaseRequest) -> web.Response:
    """To anything."""
    for line in (await request.read()).splitlines():
        json.loads(line)
    return web.json_response({"v": 1})


async def serve() -> None:
    """Until killed."""
    server = await asyncio.get_running_loop().create_server(web.Server(answer, access_log=None), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
