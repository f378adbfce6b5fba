"""The desk's pages over HTTP: GET and HEAD, nothing else, and nothing that anybody can change.

A page is made in the event loop from the one standing of its moment; only a single record is read from the disk.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from appliance.desk import access
from appliance.desk.following import Following
from appliance.desk.pages import record as record_page
from appliance.desk.pages.every import PAGES, path_of
from appliance.desk.seen import Seen
from appliance.desk.settings import Desk
from appliance.desk.sheets import DeskPages, record_of
from appliance.desk.standing import Standing
from appliance.desk.words import PACKAGE, DeskWords
from appliance.errors import KagimoriError
from appliance.oversight.report.moments import Clock
from appliance.tlog.errors import TlogError
from appliance.web.guard import READING, Guard
from appliance.web.pages import Stop

EVERY = "60"  # seconds; the one way in which a page may open itself again
_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(desk: Desk, following: Following, clock: Clock, key: str | None) -> web.Application:
    """The application. ``key``: what a browser must give, None: the socket's permissions alone decide who may look."""
    pages = DeskPages(PACKAGE, default=desk.pages.language)
    front = _Front(desk, following, clock, pages)
    app = Guard(desk.listen_origin, pages, methods=READING).application()
    if key is not None:
        app.middlewares.append(_asking_for(key))
    for name in PAGES:
        app.router.add_get(path_of(name), front.page(name))
    app.router.add_get("/record/{number}", front.record)
    return app


def _asking_for(key: str) -> Any:
    @web.middleware
    async def asked(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.getall("Authorization", [])
        if len(given) == 1 and access.admits(given[0], key):
            return await handler(request)
        why = Stop(401, "key")
        why.headers["WWW-Authenticate"] = access.CHALLENGE
        raise why

    return asked


class _Front:
    """Makes the pages."""

    def __init__(self, desk: Desk, following: Following, clock: Clock, pages: DeskPages) -> None:
        self._desk = desk
        self._following = following
        self._clock = clock
        self._pages = pages

    def page(self, name: str) -> Handler:
        """The handler of one page."""

        async def handle(request: web.Request) -> web.Response:
            t, standing, now = self._words(request), self._following.standing, datetime.now(UTC)
            if standing.view is None:
                return self._show(request, t, standing, name=name, title=t(f"nav.{name}"), sections=None)
            seen = Seen(t, self._clock, self._desk, standing, standing.view, now)
            sections = PAGES[name](seen)
            return self._show(request, t, standing, name=name, title=t(f"nav.{name}"), sections=sections)

        return handle

    async def record(self, request: web.Request) -> web.Response:
        """One record."""
        text = request.match_info["number"]
        if _NUMBER.fullmatch(text) is None:
            raise web.HTTPNotFound
        t, number = self._words(request), int(text)
        try:
            proven = await self._following.record(number)
        except (KagimoriError, TlogError) as error:
            sections = record_page.absent(t, error.message)
            title = t("nav.record", number=number)
            return self._show(
                request, t, self._following.standing, name="record", title=title, sections=sections, status=404
            )
        sections = record_page.record(t, proven)
        beside = (number - 1, number + 1 if number < proven.checkpoint.size else 0)
        title = t("nav.record", number=number)
        return self._show(
            request, t, self._following.standing, name="record", title=title, sections=sections, beside=beside
        )

    def _words(self, request: web.Request) -> DeskWords:
        return DeskWords(self._pages.language(request))

    def _show(
        self,
        request: web.Request,
        t: DeskWords,
        standing: Standing,
        *,
        name: str,
        title: str,
        sections: object,
        beside: tuple[int, int] = (0, 0),
        status: int = 200,
    ) -> web.Response:
        menu = [(path_of(one), t(f"nav.{one}")) for one in PAGES]
        return self._pages.show(
            request,
            "desk.html.j2",
            status=status,
            t=t,
            standing=standing,
            clock=self._clock,
            desk=self._desk,
            reading=self._following.reading,
            intro=t(f"intro.{name}"),
            title=title,
            sections=sections,
            menu=menu,
            beside=beside,
            every=EVERY if request.query.get("every") == EVERY else "",
            numbered=[t(f"column.{column}") for column in ("records", "logged", "mark", "marked")],
            record_of=record_of,
        )
