"""How the portal asks the appliance about one person, and what a visitor is told when that fails.

The number is the holder's of the card that is signed in; no request can name another. Every question becomes a record
of the log, with a reference that stands for the session and says nothing of the person.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from appliance.hubkit.aioclient import AsyncClient
from appliance.hubkit.errors import AnswerTimeout, ConnectionLost, DaemonUnreachable, HubkitError, Refused
from appliance.hubkit.history import History
from appliance.portal.proof import Judged, Trust, judge
from appliance.web import log
from appliance.web.pages import Stop

AT_ONCE = 16
T = TypeVar("T")
_BUSY = ("busy", 60)
_WAITS = {
    "rate_limited": _BUSY,
    "quota_exhausted": _BUSY,
    "overloaded": _BUSY,
    "deadline_exceeded": _BUSY,
    "index_behind": ("index", 10),
}
_PERSON = ("unknown_number", "malformed_number")


def fresh_reference() -> str:
    """What stands in the log for somebody who asks, and says nothing of them."""
    return f"portal-{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a question is about. ``reference``: what stands for the session in the log."""

    number: str = field(repr=False)
    name: str = field(repr=False)
    reference: str


class Asking:
    """The appliance's socket of the portal's role. ``domain``: of the holders' numbers."""

    def __init__(self, client: AsyncClient, domain: str, trust: Trust) -> None:
        self._client = client
        self._domain = domain
        self._trust = trust
        self._seats = asyncio.Semaphore(AT_ONCE)

    async def history(self, person: Person, *, limit: int, before: int | None = None) -> Judged:
        """The newest conversions before a record, with what is proven of them.

        Raises:
            Stop: the appliance gave no history.
        """
        asking = self._client.history(
            self._domain, person.number, reference=person.reference, limit=limit, before=before
        )
        history: History = await self._asked(asking)
        return await asyncio.to_thread(judge, history, self._trust)

    async def mark(self, person: Person, record: int) -> int:
        """Have the log say that the person does not recognise a record; the number of the record that says so.

        Each has a reference of its own: the session's would tell readers of the log which records are one person's.

        Raises:
            Stop: not one of the person's records, or the appliance did not do it.
        """
        return await self._asked(self._client.mark(self._domain, person.number, record, reference=fresh_reference()))

    async def _asked(self, asking: Awaitable[T]) -> T:
        async with self._seats:
            try:
                return await asking
            except HubkitError as error:
                raise _stop(error) from None


@asynccontextmanager
async def opened(socket: str, domain: str, trust: Trust) -> AsyncIterator[Asking]:
    """Connections to the appliance, as long as the portal runs."""
    async with AsyncClient(socket, timeout=15.0, connections=AT_ONCE) as client:
        yield Asking(client, domain, trust)


def _stop(error: HubkitError) -> Stop:
    """The page for an error. What only the operator can see to is said in the log as well."""
    if isinstance(error, DaemonUnreachable | ConnectionLost | AnswerTimeout):
        log.said("appliance not reachable", error=type(error).__name__)
        return Stop(503, "unavailable", retry_after=30)
    if not isinstance(error, Refused):
        log.said("appliance not understood", error=type(error).__name__)
        return Stop(502, "unavailable")
    if error.code == "not_found":
        return Stop(404, "not_found")
    log.said("appliance refused", code=error.code)
    return Stop(500, "person") if error.code in _PERSON else _later(error.code)


def _later(code: str) -> Stop:
    key, seconds = _WAITS.get(code, ("unavailable", 60))
    return Stop(503, key, retry_after=seconds)
