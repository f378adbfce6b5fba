"""The whole history on one page to be printed, and as a file with all proofs."""

from __future__ import annotations

import asyncio

from aiohttp import web

from appliance.portal import document, paging
from appliance.portal.asking import Person
from appliance.portal.context import ASKING, Portal
from appliance.portal.paging import Found
from appliance.portal.proof import Judged, counts
from appliance.portal.views.looking import Looking

MOST = 5_000
AT_ONCE = 2


class Exporting:
    """The handlers; they take long, so few at a time. ``looking``: what an entry is in words."""

    def __init__(self, portal: Portal, looking: Looking) -> None:
        self._portal = portal
        self._looking = looking
        self._seats = asyncio.Semaphore(AT_ONCE)

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [web.get("/export", self.sheet), web.get("/export.json", self.file)]

    async def sheet(self, request: web.Request) -> web.Response:
        """A page to be printed."""
        person = await self._portal.person(request)
        async with self._seats:
            found = await self._everything(request, person)
            entries = await self._looking.entries(request, person, found)
            t = self._portal.words(request)
            return self._portal.pages.show(
                request,
                "export.html.j2",
                person=person.name,
                entries=entries,
                found=found,
                counts=counts([one.standing for one in entries]),
                made=t.moment(self._portal.clock()),
            )

    async def file(self, request: web.Request) -> web.Response:
        """A file that anybody can check."""
        person = await self._portal.person(request)
        async with self._seats:
            found = await self._everything(request, person)
            histories = [one.history for one in found.windows]
            made = self._portal.clock()
            body = await asyncio.to_thread(document.write, histories, made=made, complete=found.before is None)
        headers = {"Content-Disposition": 'attachment; filename="my-linkage-history.json"'}
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _everything(self, request: web.Request, person: Person) -> Found:
        asking = request.app[ASKING]

        async def ask(limit: int, before: int | None) -> Judged:
            return await asking.history(person, limit=limit, before=before)

        return await paging.everything(ask, MOST)
