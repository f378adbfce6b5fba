"""The HTTP interface of one role's socket: which path is what, who may ask, what is refused.

The handler decides nothing about policy or audit itself; it asks the service. Every refusal of a conversion, or of
a look into somebody's history, is recorded before it is answered, just like what is granted.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from time import monotonic

from aiohttp.http import HttpVersion10

from appliance.daemon import history, logview, mark, person, views
from appliance.daemon.bodies import (
    LARGEST_BODY,
    announced,
    connection_of,
    media_type,
    read_body,
)
from appliance.daemon.conversion import Conversions
from appliance.daemon.exchange import Request
from appliance.daemon.framing import SMALL_READ
from appliance.daemon.limits import Pace
from appliance.daemon.orders import LONGEST_TEXT, from_text
from appliance.daemon.policy import RolePolicy
from appliance.daemon.problems import KINDS, Problem
from appliance.daemon.requests import (
    BYTES_PER_NUMBER,
    JSON_OVERHEAD,
    TIMEOUT_HEADER,
    Terms,
    parse_json,
    parse_query,
    parse_timeout,
)
from appliance.daemon.seats import Party
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller, Listener
from appliance.daemon.stream import Stream
from appliance.daemon.wire import Reply, json_reply, problem_reply

CONVERT = "/v1/convert"
HISTORY = "/v1/history"
MARK = "/v1/history/mark"
ORDER_HEADER = "Kagimori-Order"
GET_PATHS = ("/healthz", "/readyz", "/v1/domains", "/v1/status")
_INTERFACES = {CONVERT: "convert", HISTORY: "history", MARK: "mark", **dict.fromkeys(GET_PATHS, "view")}
_NOT_ALLOWED = KINDS["method_not_allowed"].status
RECORDS_AT_ONCE = 2_000  # refusals and the like, of one party
RECORDS_PER_SECOND = 100.0
LOOK_SECONDS = 0.5
BYTES_HELD = 96  # for each number of a question, as an object in lists, however short it is


@dataclass(slots=True)
class _Asked:
    """What the record of a refusal says of the question: source, target, purpose; the digest of its order."""

    names: tuple[str | None, str | None, str | None] = (None, None, None)
    order: str | None = None


class Door:
    """The handler behind one role's socket."""

    def __init__(self, service: Service, listener: Listener) -> None:
        self._service = service
        self._role = listener.role
        self._uids = listener.uids
        self._conversions = Conversions(service, listener.role)
        self._measures = service.measures.roles[listener.role]
        self._pace = Pace(RECORDS_AT_ONCE, RECORDS_PER_SECOND, service.now)
        self.in_flight = 0
        self.streams: set[Stream] = set()

    async def handle(self, request: Request) -> Reply | None:
        """The answer to one request; None if it was a stream, or so large that it has been sent already."""
        self.in_flight += 1
        path, _, query = request.path.partition("?")
        code = None
        try:
            reply = await self._route(request, path, query)
            if reply is not None:
                code = "method_not_allowed" if reply.status == _NOT_ALLOWED else None
                if len(reply.body) > SMALL_READ:
                    await self._send_large(request, reply)
                    reply = None
        except Problem as problem:
            reply, code = problem_reply(problem), problem.code
        except (ConnectionError, asyncio.CancelledError):
            self._measures.cut[_interface(path)] += 1
            raise
        except Exception:
            self._measures.request(_interface(path), "internal")
            raise
        finally:
            self.in_flight -= 1
        self._measures.request(_interface(path), code)
        return reply

    async def _send_large(self, request: Request, reply: Reply) -> None:
        with self._service.room.hold(_party(_caller(request)), len(reply.body)):
            await request.send(reply)

    async def _route(self, request: Request, path: str, query: str) -> Reply | None:
        if path == CONVERT:
            return await self._convert(request, query)
        if path in (HISTORY, MARK):
            return await self._of_one_person(request, path)
        if path.startswith(logview.PREFIX):
            return await self._log(request, path.removeprefix(logview.PREFIX))
        if path not in GET_PATHS:
            raise Problem("not_found")
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        return await self._view(request, path)

    async def _view(self, request: Request, path: str) -> Reply:
        if path == "/healthz":
            return json_reply(b'{"healthy":true}')
        if path == "/readyz":
            return views.ready(self._service)
        await self._check_caller(_caller(request))
        if path == "/v1/domains":
            return views.domains(self._policy())
        return views.status(self._service, self._role)

    def _policy(self) -> RolePolicy:
        return self._service.in_force.roles[self._role]

    def _due(self, request: Request) -> float:
        """The moment after which the request is not given to an engine any more; infinity if it did not say."""
        if TIMEOUT_HEADER not in request.headers:  # as nearly all
            return math.inf
        return self._service.now() + parse_timeout(request.headers.getall(TIMEOUT_HEADER))

    async def _check_caller(self, who: Caller) -> None:
        if self._uids is not None and who.uid not in self._uids:
            await self._refuse(who, "caller_denied")
            raise Problem("caller_denied")

    async def _refuse(
        self,
        who: Caller,
        code: str,
        names: tuple[str | None, str | None, str | None] = (None, None, None),
        order: str | None = None,
    ) -> None:
        """Record a refusal, when it is this caller's turn."""
        await self._turn(who)
        await self._service.refuse(who, code, names, order)

    async def _turn(self, who: Caller) -> None:
        """Before a record that no number pays for: not more of them than the log has room for."""
        wait = self._pace.turn(_party(who))
        while wait > 0 and not self._service.stopping:
            await asyncio.sleep(min(wait, LOOK_SECONDS))
            wait -= LOOK_SECONDS

    async def _convert(self, request: Request, query: str) -> Reply | None:
        if request.method != "POST":
            return _not_allowed("POST")
        who = _caller(request)
        await self._check_caller(who)
        asked = _Asked()
        try:
            return await self._answer(request, query, who, asked)
        except Problem as problem:
            refused = _bare(problem)
        await self._refuse(who, refused.code, asked.names, asked.order)
        raise refused

    async def _answer(self, request: Request, query: str, who: Caller, asked: _Asked) -> Reply | None:
        self._service.admit()
        if media_type(request) == "application/json":
            if query:
                raise Problem("malformed_request", "query: the JSON form takes everything in the body")
            return await self._convert_json(request, who, asked)
        if request.version == HttpVersion10:
            raise Problem("malformed_request", "HTTP/1.0: a stream needs chunks, which tell its end from a cut")
        if TIMEOUT_HEADER in request.headers:
            raise Problem("malformed_request", f"{TIMEOUT_HEADER}: not for streams, which may not be half done")
        terms = parse_query(query)
        asked.names = terms.source, terms.target, terms.purpose
        order = from_text(request.headers.get(ORDER_HEADER))
        asked.order = self._service.orders.digest(order)
        await self._convert_stream(request, who, terms, order)
        return None

    async def _convert_json(self, request: Request, who: Caller, asked: _Asked) -> Reply:
        limit = JSON_OVERHEAD + LONGEST_TEXT + BYTES_PER_NUMBER * self._policy().rule.values_per_request
        due, limit = self._due(request), announced(request, min(LARGEST_BODY, limit))
        room, party = self._service.room, _party(who)
        with room.hold(party, limit):
            body = await read_body(request, limit)
            begun = monotonic()
            question = parse_json(body, self._policy().rule.values_per_request)  # as `answer` checks it, at once
            asked.names = question.source, question.target, question.purpose
            asked.order = self._service.orders.digest(from_text(question.order))
            with room.hold(party, BYTES_HELD * len(question.numbers)):
                return await self._conversions.answer(who, question, begun, due)

    async def _convert_stream(self, request: Request, who: Caller, terms: Terms, order: bytes) -> None:
        policy = self._policy()
        route = policy.route(terms.source, terms.target)
        policy.check_purpose(terms.purpose)
        if policy.rule.values_per_stream == 0:
            raise Problem("stream_denied")
        verified = self._service.orders.accept(order, policy, route, terms.purpose) if order else None
        if verified is None and policy.needs_order(route, 1):
            raise Problem("order_required")
        await self._turn(who)
        number = self._service.open_stream(_party(who))
        stream = Stream(self._service, who, terms, route, number, verified, order)
        self.streams.add(stream)
        connection = connection_of(request)
        connection.stream()
        try:
            await request.send_continue()
            await stream.run(request)
        finally:
            connection.narrow()
            self.streams.discard(stream)
            self._service.close_stream(_party(who))

    async def _of_one_person(self, request: Request, path: str) -> Reply | None:
        policy = self._policy()
        if not policy.rule.history:
            raise Problem("not_found")
        if request.method != "POST":
            return _not_allowed("POST")
        who = _caller(request)
        await self._check_caller(who)
        asked = _Asked()
        try:
            return await self._ask_of_one(request, path, who, policy, asked)
        except Problem as problem:
            refused = _bare(problem)
        await self._refuse(who, refused.code, asked.names)
        raise refused

    async def _ask_of_one(
        self, request: Request, path: str, who: Caller, policy: RolePolicy, asked: _Asked
    ) -> Reply | None:
        self._service.admit_reading()
        if media_type(request) != "application/json":
            raise Problem("unsupported_media_type", "Content-Type must be application/json.")
        due = self._due(request)
        parse = mark.parse if path == MARK else history.parse
        question = parse(await read_body(request, announced(request, person.LARGEST_BODY)))
        begun = monotonic()
        asked.names = question.source, None, None
        self._conversions.take_from_bucket(1)
        with self._service.pauses:
            if isinstance(question, mark.Question):
                return json_reply(await mark.answer(self._service, who, policy, question, due))
            answer = await history.answer(self._service, who, policy, question, due)
        self._service.measures.history.observe(monotonic() - begun)
        return json_reply(answer)

    async def _log(self, request: Request, path: str) -> Reply | None:
        if not self._policy().rule.log:
            raise Problem("not_found")
        await self._check_caller(_caller(request))
        if path == logview.COSIGNATURES:
            if request.method != "POST":
                return _not_allowed("POST")
            with self._service.room.hold(_party(_caller(request)), logview.LARGEST_NOTE):
                return await self._service.log_view.take_cosignatures(request)
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        return await self._service.log_view.get(path)


def _interface(path: str) -> str:
    """What was asked for, in a word for the metrics: one of `appliance.daemon.measures.INTERFACES`."""
    return _INTERFACES.get(path) or ("log" if path.startswith(logview.PREFIX) else "other")


def _caller(request: Request) -> Caller:
    return connection_of(request).caller


def _party(who: Caller) -> Party:
    return who.role, who.uid


def _bare(problem: Problem) -> Problem:
    """The same without its traceback, in whose frames the question would stay in memory while its record waits."""
    return Problem(problem.code, problem.detail, retry_after=problem.retry_after)


def _not_allowed(allowed: str) -> Reply:
    problem = Problem("method_not_allowed")
    return Reply(problem.body(), {**problem.headers, "Allow": allowed}, problem.status)
