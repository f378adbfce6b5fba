"""A small site on the web base, as a program for tests: ``python -m tests.web.site PORT``. Its pages are errors."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from appliance.web import forms, serving
from appliance.web.guard import Guard
from appliance.web.listening import Listen
from appliance.web.origin import Origin
from appliance.web.pages import Pages, Stop
from appliance.web.sessions import SESSION, Sessions

SECRET = "a person's secret"
LARGE = 32_000_000


def application(origin: Origin) -> web.Application:
    """``/`` begins a session, ``/sent`` takes a form, ``/defect`` breaks, ``/large`` answers with much."""
    sessions: Sessions[str] = Sessions(origin)
    pages = Pages("appliance.web")

    async def home(request: web.Request) -> web.Response:
        session = request[SESSION] or sessions.begin()
        request[SESSION] = session
        response = web.Response(text=f'name="csrf" value="{session.csrf}"')
        sessions.give(response, session)
        return response

    async def sent(request: web.Request) -> web.Response:
        return web.json_response(dict(request[forms.FORM]))

    async def defect(request: web.Request) -> web.Response:
        raise RuntimeError(SECRET)

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * LARGE)

    async def stop(request: web.Request) -> web.Response:
        raise Stop(503, "slow", retry_after=7)

    app = Guard(origin, pages, sessions).application()
    for path, handler in (("/", home), ("/defect", defect), ("/large", large), ("/stop", stop)):
        app.router.add_get(path, handler)
    app.router.add_post("/sent", sent)
    return app


def main() -> None:
    port, *short = sys.argv[1:]
    if short:  # a test does not wait for half a minute
        serving.STUCK_SECONDS = serving.IDLE_SECONDS = float(short[0])
        serving._LIMITS["keepalive_timeout"] = float(short[0])
        serving.MOST_CONNECTIONS = 20
    serving.prepare()
    listen = Listen(origin=f"http://localhost:{port}", host="127.0.0.1", port=int(port))
    asyncio.run(serving.serve(application(Origin.parse(listen.origin)), listen, lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()
