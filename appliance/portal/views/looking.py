"""The history, one record with its proof, and the proof as a file."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from appliance.hubkit.history import PastConversion
from appliance.portal import document, paging
from appliance.portal.asking import Person
from appliance.portal.context import ASKING, Portal
from appliance.portal.entries import Entry, Filter, entry, record_number, today
from appliance.portal.paging import Found
from appliance.portal.proof import Judged, Standing, counts
from appliance.portal.showing import shown_proof
from appliance.web.pages import Stop

MOST_PURPOSES = 50


class Looking:
    """The handlers."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/history", self.history),
            web.get("/history/{record}", self.record),
            web.get("/history/{record}/proof.json", self.proof),
        ]

    async def history(self, request: web.Request) -> web.Response:
        """The newest conversions that are wanted, a page of them."""
        person = await self._portal.person(request)
        wanted = Filter.of(request.query)
        before = record_number(request.query["before"]) if "before" in request.query else None
        asking = request.app[ASKING]

        async def ask(limit: int, before: int | None) -> Judged:
            return await asking.history(person, limit=limit, before=before)

        found = await paging.find(ask, wanted, before)
        entries = await self.entries(request, person, found)
        return self._portal.pages.show(
            request,
            "history.html.j2",
            person=person.name,
            entries=entries,
            found=found,
            wanted=wanted,
            is_first=before is None,
            choices=self._choices(request),
            counts=counts([one.standing for one in entries]),
            today=today(self._portal.clock()),
        )

    async def entries(self, request: web.Request, person: Person, found: Found) -> Sequence[Entry]:
        """What was found, in words, with the person's marks."""
        t, naming = self._portal.words(request), self._portal.naming
        marks = await asyncio.to_thread(self._portal.marks.of, person.number, paging.records(found))
        return [entry(t, naming, one, judged, marks) for one, judged in found.shown]

    async def one(self, request: web.Request, person: Person) -> tuple[PastConversion, Judged]:
        """The record that an address names, if it is one of the person's; judged by itself.

        Raises:
            Stop: there is none; whether it is somebody else's, or nobody's, makes no difference.
        """
        number = record_number(request.match_info["record"])
        judged = await request.app[ASKING].history(person, limit=1, before=number + 1)
        for conversion in judged.history.conversions:
            if conversion.record == number:
                return conversion, judged
        raise Stop(404, "not_found")

    async def record(self, request: web.Request) -> web.Response:
        """One record: everything about it, its proof, and how to check that."""
        person = await self._portal.person(request)
        conversion, judged = await self.one(request, person)
        (entry,) = await self.entries(request, person, Found(shown=[(conversion, judged)]))
        return self._portal.pages.show(
            request,
            "record.html.j2",
            entry=entry,
            conversion=conversion,
            proof=shown_proof(self._portal.words(request), conversion, judged),
            command=self._command(conversion.record),
            standings=Standing,
        )

    async def proof(self, request: web.Request) -> web.Response:
        """One record's proof as a file."""
        person = await self._portal.person(request)
        conversion, judged = await self.one(request, person)
        history = replace(judged.history, conversions=(conversion,), before=None)
        body = document.write([history], made=self._portal.clock(), complete=False)
        name = f"record-{conversion.record}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=body, content_type="application/json", headers=headers)

    def _choices(self, request: web.Request) -> dict[str, list[tuple[str, str]]]:
        """What can be chosen to narrow down, with its title."""
        t, naming = self._portal.words(request), self._portal.naming
        sectors = [name for name in naming.domains if name not in ("resident", "spin")]
        purposes = list(naming.purposes)[:MOST_PURPOSES]
        return {
            "sector": [(name, naming.domain(t, name)) for name in sectors],
            "purpose": [(name, naming.purpose(t, name)) for name in purposes],
        }

    def _command(self, record: int) -> str:
        log = self._portal.settings.log
        words = [f"record-{record}.json"]
        words += [word for key in log.keys for word in ("--log-key", key)]
        words += [word for key in _one_of_each(log.witnesses) for word in ("--witness", key)]
        return shlex.join(("appliance", "portal", "check", *words))


def _one_of_each(keys: Sequence[str]) -> list[str]:
    """The shortest key of each witness, for people to compare: one signature of a witness is enough to be checked."""
    shortest: dict[str, str] = {}
    for key in sorted(keys, key=len):
        shortest.setdefault(key.partition("+")[0], key)
    return list(shortest.values())
