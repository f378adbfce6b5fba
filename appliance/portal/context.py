"""What every page of the portal works with: who is signed in with which card, and whose card that is.

A session holds the card's name and nothing else. Number and name of the person are looked up for each request, and are
forgotten with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from appliance.portal.asking import Asking, Person, fresh_reference
from appliance.portal.marks import Marks
from appliance.portal.naming import Naming
from appliance.portal.settings import PortalSettings
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.door import Door
from appliance.portal.signin.holders import Holders
from appliance.portal.signin.reasons import CardRefused, SignInUnusable
from appliance.web import log
from appliance.web.pages import Pages, Stop
from appliance.web.sessions import SESSION, Session, Sessions
from appliance.web.wording import Words

ASKING = web.AppKey("asking", Asking)
REFERENCE = "reference"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Portal:
    """The portal's parts. ``door_thread``: answers are looked at one at a time, since each waits for the disk."""

    settings: PortalSettings
    naming: Naming
    pages: Pages
    sessions: Sessions[CardId]
    door: Door
    holders: Holders
    marks: Marks
    clock: Callable[[], datetime] = _now
    door_thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "door"))

    def close(self) -> None:
        """Close the files."""
        self.door_thread.shutdown()
        self.holders.close()
        self.marks.close()

    def words(self, request: web.Request) -> Words:
        """The texts in the visitor's language."""
        return self.pages.words(request)

    def enter(self, card: CardId) -> Session[CardId]:
        """A new session for somebody who has just signed in."""
        session = self.sessions.begin(card)
        session.notes[REFERENCE] = fresh_reference()
        return session

    def signed_in(self, request: web.Request) -> Session[CardId]:
        """The session of the card that is signed in.

        Raises:
            web.HTTPSeeOther: nobody is; to the page where that can be done.
        """
        session: Session[CardId] | None = request[SESSION]
        if session is None or session.holder is None:
            raise web.HTTPSeeOther("/sign-in")
        return session

    async def person(self, request: web.Request) -> Person:
        """Whose card it is.

        Raises:
            web.HTTPSeeOther: nobody is signed in.
            Stop: the card has no holder any more; the session is over then.
        """
        session = self.signed_in(request)
        if session.holder is None:
            raise web.HTTPSeeOther("/sign-in")
        try:
            holder = await asyncio.to_thread(self.holders.of, session.holder)
        except CardRefused:
            self.sessions.end(session)
            request[SESSION] = None
            raise Stop(403, "holder") from None
        except SignInUnusable as error:
            log.said("holders not usable", error=error.message)
            raise Stop(503, "unavailable", retry_after=60) from None
        return Person(holder.common, holder.name, session.notes[REFERENCE])
