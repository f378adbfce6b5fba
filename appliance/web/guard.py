"""What every request passes: is it meant for this server, of a kind it takes, and from one of its own pages?

Answers tell browsers to run nothing, fetch nothing from elsewhere, keep nothing and be framed by nobody. Headers that
proxies add (``X-Forwarded-…``) are not read at all. Whatever goes wrong ends in a page of ours, never in a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from appliance.web import forms, log, wording
from appliance.web.origin import Origin
from appliance.web.pages import Pages, Stop
from appliance.web.sessions import SESSION, Session, Sessions

READING = ("GET", "HEAD")
_PATH = re.compile(r"/[A-Za-z0-9._/-]{0,200}")
_BACK = re.compile(r"/(?!/)[A-Za-z0-9._/?&=%+:~-]{0,500}")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would send forms with `Origin: null`
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "kagimori",
}
_KEYS = {
    400: "malformed",
    403: "form",
    404: "not_found",
    405: "method",
    408: "slow",
    413: "too_large",
    415: "malformed",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard(NamedTuple):
    """``methods``: beside GET and HEAD, POST at most. ``sessions``: None: no form is taken."""

    origin: Origin
    pages: Pages
    sessions: Sessions[Any] | None = None
    methods: tuple[str, ...] = (*READING, "POST")

    def application(self) -> web.Application:
        """An application whose every request passes the guard. It has the style sheet, the icon and ``/language/…``."""
        app = web.Application(middlewares=[self._middleware()], client_max_size=forms.LARGEST_BODY)
        app.router.add_get(self.pages.style_path, self._style)
        app.router.add_get("/icon.svg", self._icon)
        app.router.add_get("/language/{language:ja|en}", self._language)
        return app

    def _middleware(self) -> Any:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await self._answer(request, handler)
            response.headers.update(_HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            if self.origin.secure:
                response.headers["Strict-Transport-Security"] = "max-age=31536000"
            return response

        return guarded

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            await self._check(request)
            return await handler(request)
        except Stop as why:
            return self.pages.stop(request, why)
        except web.HTTPRedirection as elsewhere:
            return web.Response(status=elsewhere.status, headers={"Location": elsewhere.headers["Location"]})
        except web.HTTPException as refusal:
            return self._refused(request, refusal)
        except ConnectionError:  # nobody is there any more
            raise
        except Exception as fault:
            log.defect(fault)
            return self.pages.stop(request, Stop(500, "defect"))

    def _refused(self, request: web.Request, refusal: web.HTTPException) -> web.Response:
        page = self.pages.stop(request, Stop(refusal.status, _KEYS.get(refusal.status, "malformed")))
        if "Allow" in refusal.headers:
            page.headers["Allow"] = refusal.headers["Allow"]
        return page

    async def _check(self, request: web.Request) -> None:
        if request.headers.getall("Host", []) != [self.origin.host]:
            raise Stop(421, "host")
        if request.method not in self.methods:
            raise web.HTTPMethodNotAllowed(request.method, self.methods)
        path = request.raw_path.partition("?")[0]
        if not _PATH.fullmatch(path) or "//" in path or ".." in path:
            raise web.HTTPNotFound
        request[SESSION] = None if self.sessions is None else self.sessions.find(request)
        if request.method not in READING:
            await self._check_form(request)

    async def _check_form(self, request: web.Request) -> None:
        """It was sent from a page of ours (Origin, RFC 6454, 7; Fetch Metadata), made for this session (its token)."""
        sent_from = request.headers.getall("Origin", [])
        site = request.headers.getall("Sec-Fetch-Site", [])
        if site not in ([], ["same-origin"]) or sent_from not in ([], [str(self.origin)]) or not (site or sent_from):
            raise web.HTTPForbidden
        request[forms.FORM] = await forms.fields(request)
        session: Session[Any] | None = request[SESSION]
        if session is None or not session.owns(request[forms.FORM].get("csrf", "")):
            raise web.HTTPForbidden

    async def _style(self, request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(text=self.pages.style, content_type="text/css", charset="utf-8", headers=headers)

    async def _icon(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self.pages.icon, content_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"}
        )

    async def _language(self, request: web.Request) -> web.Response:
        """Remember the language, and back to where the browser was: on this server, whatever the link says."""
        back = request.query.get("back", "/")
        response = web.Response(status=303, headers={"Location": back if _BACK.fullmatch(back) else "/"})
        response.set_cookie(
            wording.COOKIE,
            request.match_info["language"],
            path="/",
            max_age=31_536_000,
            httponly=True,
            samesite="Lax",
            secure=self.origin.secure,
        )
        return response
