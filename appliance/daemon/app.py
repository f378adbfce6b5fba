"""The HTTP interface of one role's socket: which path is what, who may ask, what is refused.

The handler decides nothing about policy or audit itself; it asks the service. Every refusal of a conversion, or of
a look into somebody's history, is recorded before it is answered, just like what is granted.
"""

from __future__ import annotations

import asyncio
import math
from typing import cast

from aiohttp import web

from appliance.daemon import history, log, logview, views
from appliance.daemon.conversion import Conversions
from appliance.daemon.orders import LONGEST_TEXT, from_text
from appliance.daemon.policy import RolePolicy
from appliance.daemon.problems import Problem
from appliance.daemon.requests import (
    BYTES_PER_NUMBER,
    JSON_OVERHEAD,
    TIMEOUT_HEADER,
    Terms,
    parse_json,
    parse_query,
    parse_timeout,
)
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller, Listener
from appliance.daemon.stream import Stream
from appliance.daemon.wire import Connection, json_response, problem_response, read_some

LARGEST_BODY = 16 << 20
BODY_SECONDS = 60.0
CONVERT = "/v1/convert"
HISTORY = "/v1/history"
ORDER_HEADER = "Kagimori-Order"
GET_PATHS = ("/healthz", "/readyz", "/v1/domains", "/v1/status")


class Door:
    """The handler behind one role's socket."""

    def __init__(self, service: Service, listener: Listener) -> None:
        self._service = service
        self._role = listener.role
        self._uids = listener.uids
        self._conversions = Conversions(service, listener.role)
        self.in_flight = 0
        self.streams: set[Stream] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self.in_flight += 1
        try:
            return await self._route(request)
        except Problem as problem:
            return problem_response(problem)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as fault:
            log.defect("request failed", fault)
            return problem_response(Problem("internal"))
        finally:
            self.in_flight -= 1

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path == CONVERT:
            return await self._convert(request, query)
        if path == HISTORY:
            return await self._history(request)
        if path.startswith(logview.PREFIX):
            return await self._log(request, path.removeprefix(logview.PREFIX))
        if path not in GET_PATHS:
            raise Problem("not_found")
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        return await self._view(request, path)

    async def _view(self, request: web.BaseRequest, path: str) -> web.Response:
        if path == "/healthz":
            return json_response(b'{"healthy":true}')
        if path == "/readyz":
            return views.ready(self._service)
        await self._check_caller(_caller(request))
        if path == "/v1/domains":
            return views.domains(self._policy())
        return views.status(self._service, self._role)

    def _policy(self) -> RolePolicy:
        return self._service.in_force.roles[self._role]

    def _due(self, request: web.BaseRequest) -> float:
        """The moment after which the request is not given to an engine any more; infinity if it did not say."""
        if TIMEOUT_HEADER not in request.headers:  # as nearly all
            return math.inf
        return self._service.now() + parse_timeout(request.headers.getall(TIMEOUT_HEADER))

    async def _check_caller(self, who: Caller) -> None:
        if self._uids is not None and who.uid not in self._uids:
            await self._service.refuse(who, "caller_denied")
            raise Problem("caller_denied")

    async def _convert(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        if request.method != "POST":
            return _not_allowed("POST")
        who = _caller(request)
        await self._check_caller(who)
        terms: Terms | None = None
        order: str | None = None
        try:
            self._service.admit()
            if _media_type(request) == "application/json":
                if query:
                    raise Problem("malformed_request", "query: the JSON form takes everything in the body")
                limit = JSON_OVERHEAD + LONGEST_TEXT + BYTES_PER_NUMBER * self._policy().rule.values_per_request
                due, limit = self._due(request), _announced(request, min(LARGEST_BODY, limit))
                with self._service.room.hold(limit):
                    terms = question = parse_json(await _read_body(request, limit))
                    order = self._service.orders.digest(from_text(question.order))
                    return await self._conversions.answer(who, question, due)
            if TIMEOUT_HEADER in request.headers:
                raise Problem("malformed_request", f"{TIMEOUT_HEADER}: not for streams, which may not be half done")
            terms = parse_query(query)
            data = from_text(request.headers.get(ORDER_HEADER))
            order = self._service.orders.digest(data)
            return await self._convert_stream(request, who, terms, data)
        except Problem as problem:
            names = (None, None, None) if terms is None else (terms.source, terms.target, terms.purpose)
            await self._service.refuse(who, problem.code, names, order)
            raise

    async def _convert_stream(
        self, request: web.BaseRequest, who: Caller, terms: Terms, order: bytes
    ) -> web.StreamResponse:
        policy = self._policy()
        route = policy.route(terms.source, terms.target)
        policy.check_purpose(terms.purpose)
        if policy.rule.values_per_stream == 0:
            raise Problem("stream_denied")
        verified = self._service.orders.accept(order, policy, route, terms.purpose) if order else None
        if verified is None and policy.needs_order(route, 1):
            raise Problem("order_required")
        number = self._service.open_stream()
        stream = Stream(self._service, who, terms, route, number, verified, order)
        self.streams.add(stream)
        try:
            await _continue(request)
            return await stream.run(request)
        finally:
            self.streams.discard(stream)
            self._service.close_stream()

    async def _history(self, request: web.BaseRequest) -> web.StreamResponse:
        policy = self._policy()
        if not policy.rule.history:
            raise Problem("not_found")
        if request.method != "POST":
            return _not_allowed("POST")
        who = _caller(request)
        await self._check_caller(who)
        source: str | None = None
        try:
            self._service.admit_reading()
            if _media_type(request) != "application/json":
                raise Problem("unsupported_media_type", "Content-Type must be application/json.")
            due = self._due(request)
            question = history.parse(await _read_body(request, _announced(request, history.LARGEST_BODY)))
            source = question.source
            self._conversions.take_from_bucket(1)
            return json_response(await history.answer(self._service, who, policy, question, due))
        except Problem as problem:
            await self._service.refuse(who, problem.code, (source, None, None))
            raise

    async def _log(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if not self._policy().rule.log:
            raise Problem("not_found")
        await self._check_caller(_caller(request))
        if path == logview.COSIGNATURES:
            if request.method != "POST":
                return _not_allowed("POST")
            return await self._service.log_view.take_cosignatures(request)
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        return await self._service.log_view.get(path)


def _announced(request: web.BaseRequest, limit: int) -> int:
    """How large the body can be: as it says itself, or ``limit`` if it comes in chunks.

    Raises:
        Problem: too_many_numbers, larger than this role's largest question can be.
    """
    length = request.content_length
    if length is None:
        return limit
    if length > limit:
        raise Problem("too_many_numbers", f"The body is larger than {limit} bytes.")
    return length


async def _read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The body, if it is no larger than ``limit``, and comes in `BODY_SECONDS`."""
    await _continue(request)
    if request.content.is_eof():  # all of it is here, as of nearly all requests
        return await _read_all(request, limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_all(request, limit)
    except TimeoutError:
        raise Problem("malformed_request", f"body: was not there whole within {BODY_SECONDS:g} s") from None


async def _read_all(request: web.BaseRequest, limit: int) -> bytes:
    body = b""
    while not request.content.at_eof():
        body += await read_some(request)
        if len(body) > limit:
            raise Problem("too_many_numbers", f"The body is larger than {limit} bytes.")
    return body


def _caller(request: web.BaseRequest) -> Caller:
    return cast("Connection", request.protocol).caller


def _media_type(request: web.BaseRequest) -> str:
    """``application/json`` or ``text/plain``, in UTF-8 or ASCII, as it is.

    Raises:
        Problem: unsupported_media_type.
    """
    headers = request.headers
    if headers.get("Content-Type") == "application/json" and "Content-Encoding" not in headers:
        return "application/json"  # as nearly all say it
    kind, _, parameters = headers.get("Content-Type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    encoded = headers.get("Content-Encoding", "identity").lower() != "identity"
    kind = kind.strip().lower()
    if encoded or kind not in ("application/json", "text/plain") or charset not in ("", "utf-8", "us-ascii"):
        raise Problem("unsupported_media_type")
    return kind


async def _continue(request: web.BaseRequest) -> None:
    """``Expect: 100-continue``: the caller wants to know first whether to send the body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _not_allowed(allowed: str) -> web.Response:
    response = problem_response(Problem("method_not_allowed"))
    response.headers["Allow"] = allowed
    return response
