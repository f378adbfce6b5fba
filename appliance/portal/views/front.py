"""Before the history: what this site is, signing in with a card, signing out."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from appliance.portal.context import Portal
from appliance.portal.signin.reasons import Reason, SignInRefused
from appliance.web.forms import FORM
from appliance.web.sessions import SESSION, Session

CHALLENGE = "challenge"
CHALLENGE_FILE = "challenge.json"
ANSWER_FILE = "answer.txt"
SEAL = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
T = TypeVar("T")
_STATUS = {Reason.TOO_MANY: 429, Reason.CRL_OVERDUE: 503, Reason.UNAVAILABLE: 503}


class Front:
    """The handlers."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/", self.home),
            web.get("/sign-in", self.sign_in),
            web.get(f"/sign-in/{CHALLENGE_FILE}", self.challenge),
            web.post("/sign-in", self.enter),
            web.post("/sign-out", self.sign_out),
            web.get("/signed-out", self.signed_out),
            web.get("/signed-out/seal.svg", self.seal),
        ]

    async def home(self, request: web.Request) -> web.Response:
        """What this site is."""
        return self._portal.pages.show(request, "home.html.j2")

    async def sign_in(self, request: web.Request) -> web.Response:
        """A new challenge, and how to answer it. Who is signed in already goes to the history."""
        session = request[SESSION]
        if session is not None and session.holder is not None:
            raise web.HTTPSeeOther("/history")
        if session is None:
            session = request[SESSION] = self._portal.sessions.begin()
        session.notes[CHALLENGE] = (await self._in_turn(self._portal.door.begin, session.name)).text
        response = self._portal.pages.show(
            request,
            "sign_in.html.j2",
            challenge=session.notes[CHALLENGE],
            command=self._command(),
            origin=self._portal.settings.listen.origin,
        )
        self._portal.sessions.give(response, session)
        return response

    async def challenge(self, request: web.Request) -> web.Response:
        """The challenge of this browser as a file; the one that its page shows."""
        session = request[SESSION]
        if session is None or CHALLENGE not in session.notes:
            raise web.HTTPSeeOther("/sign-in")
        headers = {"Content-Disposition": f'attachment; filename="{CHALLENGE_FILE}"'}
        return web.Response(text=session.notes[CHALLENGE], content_type="application/json", headers=headers)

    async def enter(self, request: web.Request) -> web.Response:
        """Judge an answer: a new session and the history, or why not."""
        session: Session[object] = request[SESSION]
        form = request[FORM]
        answer = form.get("answer", "").strip() or form.get("file", "")
        try:
            card = await self._in_turn(self._portal.door.enter, session.name, answer)
        except SignInRefused as refused:
            return self._portal.pages.show(
                request, "refused.html.j2", status=_STATUS.get(refused.reason, 403), reason=refused.reason.value
            )
        self._portal.sessions.end(request[SESSION])  # a cookie that was planted before means nothing from here on
        response = web.Response(status=303, headers={"Location": "/history"})
        self._portal.sessions.give(response, self._portal.enter(card))
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """The session is over, here and in the browser."""
        self._portal.sessions.end(request[SESSION])
        response = web.Response(status=303, headers={"Location": "/signed-out"})
        self._portal.sessions.clear(response)
        return response

    async def signed_out(self, request: web.Request) -> web.Response:
        """What to do on a shared computer."""
        return self._portal.pages.show(request, "signed_out.html.j2")

    async def seal(self, request: web.Request) -> web.Response:
        """A picture on that page, by which the browser forgets the pages that its back button would bring back.

        Browsers keep those, in spite of ``Cache-Control: no-store``; what the page says itself comes too early.
        """
        return web.Response(body=SEAL, content_type="image/svg+xml", headers={"Clear-Site-Data": '"cache"'})

    async def _in_turn(self, ask: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._portal.door_thread, ask, *arguments)

    def _command(self) -> str:
        cards = self._portal.settings.cards
        words = ("--portal", self._portal.settings.listen.origin, "--module", cards.module or "MODULE")
        more = ("--label", cards.label or "LABEL", "--out", ANSWER_FILE, CHALLENGE_FILE)
        return shlex.join(("appliance", "card", "sign", *words, *more))
