"""Saying that one does not recognise a record: asked first, then recorded in the appliance's log, then told."""

from __future__ import annotations

import asyncio

from aiohttp import web

from appliance.portal.context import ASKING, Portal
from appliance.portal.marks import MarksUnusable
from appliance.portal.paging import Found
from appliance.portal.views.looking import Looking
from appliance.web import log


class Marking:
    """The handlers. ``looking``: how a record is found, which must be the person's own."""

    def __init__(self, portal: Portal, looking: Looking) -> None:
        self._portal = portal
        self._looking = looking

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [web.get("/history/{record}/mark", self.ask), web.post("/history/{record}/mark", self.mark)]

    async def ask(self, request: web.Request) -> web.Response:
        """What it means; or, if it was done already, its number."""
        person = await self._portal.person(request)
        found = await self._looking.one(request, person)
        (entry,) = await self._looking.entries(request, person, Found(shown=[found]))
        return self._portal.pages.show(request, "mark.html.j2", entry=entry)

    async def mark(self, request: web.Request) -> web.Response:
        """Do it, once; the page before it then tells the number."""
        person = await self._portal.person(request)
        conversion, _ = await self._looking.one(request, person)
        record = conversion.record
        if record not in await asyncio.to_thread(self._portal.marks.of, person.number, (record,)):
            marked = await request.app[ASKING].mark(person, record)
            await self._remember(person.number, record, marked)
        return web.Response(status=303, headers={"Location": f"/history/{record}/mark"})

    async def _remember(self, number: str, record: int, marked: int) -> None:
        """What is in the log is done, whether the portal remembers it or not."""
        try:
            await asyncio.to_thread(self._portal.marks.remember, number, record, marked, self._portal.clock())
        except MarksUnusable as error:
            log.said("a mark is not remembered", error=error.message, marked=marked)
