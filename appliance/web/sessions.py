"""Who is signed in: sessions that only this server knows, found by a random cookie that no script or other site sees.

A session begins without anybody in it (so that a challenge and a form can be bound to it) and is replaced by a new one
when somebody signs in, so that a cookie planted before means nothing after. Both kinds are bounded in number, each for
itself: whoever opens many empty ones pushes out nobody who is signed in.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Generic, TypeVar

from aiohttp import web

from appliance.web.origin import Origin

H = TypeVar("H")
SECRET_BYTES = 32
LONGEST_COOKIE = 64


@dataclass(slots=True)
class Session(Generic[H]):
    """``name``: random, may be told to other parts; ``holder``: who is signed in, None: nobody (yet).

    ``notes``: small things that belong to it, such as a challenge that waits for its answer.
    """

    cookie: str = field(repr=False)
    holder: H | None
    began: float
    seen: float
    name: str = field(default_factory=lambda: secrets.token_urlsafe(SECRET_BYTES), repr=False)
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(SECRET_BYTES), repr=False)
    notes: dict[str, str] = field(default_factory=dict, repr=False)

    def owns(self, token: str) -> bool:
        """Whether a form with this token was made for this session."""
        return hmac.compare_digest(token.encode(), self.csrf.encode())


SESSION: web.RequestKey[Any] = web.RequestKey("session", object)
"""Where a request has its session (`Session`, or None) once the guard has looked for it."""


class Sessions(Generic[H]):
    """All sessions of a server, in memory.

    Args:
        origin: the server's; over TLS the cookie is ``Secure`` and bound to the host by its name.
        idle: seconds without a request after which a session is over.
        longest: seconds that one lasts at most.
        most: of each kind, with somebody in it and without; the one that was idle longest goes first.
        now: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        idle: float = 600.0,
        longest: float = 3_600.0,
        most: int = 10_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secure = origin.secure
        self._cookie = "__Host-session" if origin.secure else "session"
        self._idle, self._longest, self._most, self._now = idle, longest, most, now
        self._held: OrderedDict[bytes, Session[H]] = OrderedDict()
        self._empty: OrderedDict[bytes, Session[H]] = OrderedDict()

    def begin(self, holder: H | None = None) -> Session[H]:
        """A new session, not yet in any browser (`give`)."""
        now = self._now()
        session = Session(secrets.token_urlsafe(SECRET_BYTES), holder, now, now)
        kind = self._empty if holder is None else self._held
        kind[_key(session.cookie)] = session
        while len(kind) > self._most:
            kind.popitem(last=False)
        return session

    def find(self, request: web.BaseRequest) -> Session[H] | None:
        """The session that a request belongs to, if it is still going on."""
        cookie = request.cookies.get(self._cookie, "")
        if not 0 < len(cookie) <= LONGEST_COOKIE:
            return None
        key, now = _key(cookie), self._now()
        for kind in (self._held, self._empty):
            if session := kind.get(key):
                if now - session.seen > self._idle or now - session.began > self._longest:
                    del kind[key]
                    return None
                session.seen = now
                kind.move_to_end(key)
                return session
        return None

    def end(self, session: Session[H]) -> None:
        """It is over, whatever cookie anybody still has."""
        for kind in (self._held, self._empty):
            kind.pop(_key(session.cookie), None)

    def give(self, response: web.StreamResponse, session: Session[H]) -> None:
        """Let the browser have the session's cookie, until it is closed."""
        response.set_cookie(
            self._cookie, session.cookie, path="/", httponly=True, samesite="Strict", secure=self._secure
        )

    def clear(self, response: web.StreamResponse) -> None:
        """Have the browser forget its cookie."""
        response.del_cookie(self._cookie, path="/", httponly=True, samesite="Strict", secure=self._secure)

    @property
    def counts(self) -> tuple[int, int]:
        """How many are signed in, and how many sessions are empty; over or not."""
        return len(self._held), len(self._empty)


def _key(cookie: str) -> bytes:
    """What a session is found by: the hash, so that the time a search takes tells nothing of any cookie."""
    return sha256(cookie.encode("utf-8", "surrogateescape")).digest()
