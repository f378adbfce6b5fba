"""The portal's life: its parts opened as configured, its pages put together, served until it is told to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from appliance.portal import settings
from appliance.portal.asking import opened
from appliance.portal.context import ASKING, Portal
from appliance.portal.marks import Marks
from appliance.portal.naming import PACKAGE, Naming
from appliance.portal.proof import Trust
from appliance.portal.settings import PortalSettings
from appliance.portal.signin.authority import Authorities
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.challenge import Challenges
from appliance.portal.signin.door import Door
from appliance.portal.signin.holders import Holders
from appliance.portal.signin.journal import Journal
from appliance.portal.views.exporting import Exporting
from appliance.portal.views.front import Front
from appliance.portal.views.looking import Looking
from appliance.portal.views.marking import Marking
from appliance.web import log, serving
from appliance.web.guard import Guard
from appliance.web.origin import Origin
from appliance.web.pages import Pages
from appliance.web.sessions import Sessions


async def serve(path: Path) -> None:
    """Run the portal until SIGTERM or Ctrl-C.

    Raises:
        KagimoriError: it could not start.
    """
    manager = serving.prepare()  # people's numbers pass through its memory
    loaded = settings.load(path)

    def said(line: str) -> None:
        log.said(line)
        if line.startswith("listening"):
            manager.ready(line)
        else:
            manager.stopping()

    await serving.serve(application(loaded), loaded.listen, said)


def application(loaded: PortalSettings) -> web.Application:
    """The portal's pages. Every file that it rests on is opened here, so that what is wrong is told at the start.

    Raises:
        KagimoriError: one of them cannot be used.
    """
    portal = _portal(loaded)
    app = Guard(Origin.parse(loaded.listen.origin), portal.pages, portal.sessions).application()
    looking = Looking(portal)
    for part in (Front(portal), looking, Marking(portal, looking), Exporting(portal, looking)):
        app.router.add_routes(part.routes)

    async def connected(app: web.Application) -> AsyncIterator[None]:
        trust = Trust(loaded.log.keys, loaded.log.witnesses)
        async with opened(str(loaded.appliance.socket), loaded.appliance.domain, trust) as asking:
            app[ASKING] = asking
            yield
        portal.close()

    app.cleanup_ctx.append(connected)
    return app


def _portal(loaded: PortalSettings) -> Portal:
    origin = Origin.parse(loaded.listen.origin)
    holders = Holders(loaded.cards.holders)
    door = Door(
        Challenges(str(origin)),
        Authorities(loaded.cards.authorities, loaded.cards.crls),
        holders,
        Journal(loaded.files.journal),
        said=log.said,
    )
    facts = {"contacts": {"ja": loaded.page.contact.ja, "en": loaded.page.contact.en}}
    pages = Pages(PACKAGE, default=loaded.page.language, facts=facts)
    sessions: Sessions[CardId] = Sessions(origin)
    return Portal(loaded, Naming.of(loaded), pages, sessions, door, holders, Marks(loaded.files.marks))
