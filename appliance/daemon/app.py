"""The HTTP interface of one role's socket: routes, the JSON form of a conversion, refusals.

The handler decides nothing about policy or audit itself; it asks the service. Every refusal of a
conversion is recorded before it is answered, just like a conversion.
"""

from __future__ import annotations

import asyncio
import math
from typing import cast

import msgspec
from aiohttp import web

from appliance.audit import records
from appliance.daemon import log, views
from appliance.daemon.batching import MOST_LINES
from appliance.daemon.policy import RolePolicy, Route
from appliance.daemon.problems import Problem
from appliance.daemon.requests import (
    BYTES_PER_NUMBER,
    JSON_OVERHEAD,
    Question,
    Terms,
    parse_json,
    parse_query,
    to_lines,
)
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller, Listener
from appliance.daemon.stream import Stream
from appliance.daemon.wire import Connection, json_response, problem_response, read_some
from appliance.engine.frames import MAX_LINES

LARGEST_BODY = 16 << 20
CONVERT = "/v1/convert"
GET_PATHS = ("/healthz", "/readyz", "/v1/domains", "/v1/status")


class Result(msgspec.Struct, omit_defaults=True):
    """One number of the answer: either ``number`` or ``error``."""

    number: str | None = None
    error: str | None = None


class Answer(msgspec.Struct):
    """The answer in JSON: generations, the audit record's number, results in the order of the question."""

    source: str
    target: str
    record: int
    results: list[Result]


class Door:
    """The handler behind one role's socket."""

    def __init__(self, service: Service, listener: Listener) -> None:
        self._service = service
        self._role = listener.role
        self._uids = listener.uids
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
        if path not in GET_PATHS:
            raise Problem("not_found")
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
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

    async def _check_caller(self, who: Caller) -> None:
        if self._uids is not None and who.uid not in self._uids:
            await self._service.refuse(who, "caller_denied", None, None, None)
            raise Problem("caller_denied")

    async def _convert(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        if request.method != "POST":
            return _not_allowed("POST")
        who = _caller(request)
        await self._check_caller(who)
        terms: Terms | None = None
        try:
            self._service.admit()
            if _media_type(request) == "application/json":
                if query:
                    raise Problem("malformed_request", "query: the JSON form takes everything in the body")
                terms = parse_json(await self._read_body(request))
                return await self._convert_json(who, terms)
            terms = parse_query(query)
            return await self._convert_stream(request, who, terms)
        except Problem as problem:
            names = (None, None, None) if terms is None else (terms.source, terms.target, terms.purpose)
            await self._service.refuse(who, problem.code, *names)
            raise

    async def _read_body(self, request: web.BaseRequest) -> bytes:
        """The body, if it is no larger than this role's largest question can be."""
        limit = min(LARGEST_BODY, JSON_OVERHEAD + BYTES_PER_NUMBER * self._policy().rule.values_per_request)
        if (request.content_length or 0) > limit:
            raise Problem("too_many_numbers", f"The body is larger than {limit} bytes.")
        await _continue(request)
        body = b""
        while not request.content.at_eof():
            body += await read_some(request)
            if len(body) > limit:
                raise Problem("too_many_numbers", f"The body is larger than {limit} bytes.")
        return body

    async def _convert_json(self, who: Caller, question: Question) -> web.Response:
        policy = self._policy()
        route = policy.route(question.source, question.target)
        policy.check_purpose(question.purpose)
        count = len(question.numbers)
        if count > policy.rule.values_per_request:
            raise Problem("too_many_numbers", f"numbers: at most {policy.rule.values_per_request} in one request.")
        self._take_from_bucket(count)
        lines = await self._ask(route, count, to_lines(question.numbers))
        results, failed = _results(lines)
        number = await self._service.record(_record(who, question, route, count, failed))
        return json_response(_encode(Answer(route.source, route.target, number, results)))

    def _take_from_bucket(self, count: int) -> None:
        wait = self._service.buckets[self._role].take(count)
        if wait:
            seconds = 60 if math.isinf(wait) else max(1, math.ceil(wait))
            raise Problem("rate_limited", f"This role may go on in {seconds} s.", retry_after=seconds)

    async def _ask(self, route: Route, count: int, lines: bytes) -> list[str]:
        """The answer's lines: a small request in the lane for small ones, a large one in frames."""
        lanes = self._service.lanes
        if count <= MOST_LINES:
            small = lanes.ask(route.source, route.target, count, lines)
            self._service.deadlines.watch(small)
            return await small
        every = lines.split(b"\n")[:count]
        answered: list[str] = []
        for start in range(0, count, MAX_LINES):
            part = every[start : start + MAX_LINES]
            large = lanes.bulk(route.source, route.target, len(part), b"\n".join(part) + b"\n")
            self._service.deadlines.watch(large)
            answer = await large
            answered += answer.lines.decode("ascii").splitlines()
        return answered

    async def _convert_stream(self, request: web.BaseRequest, who: Caller, terms: Terms) -> web.StreamResponse:
        policy = self._policy()
        route = policy.route(terms.source, terms.target)
        policy.check_purpose(terms.purpose)
        if policy.rule.values_per_stream == 0:
            raise Problem("stream_denied")
        number = self._service.open_stream()
        stream = Stream(self._service, who, terms, route, number)
        self.streams.add(stream)
        try:
            await _continue(request)
            return await stream.run(request)
        finally:
            self.streams.discard(stream)
            self._service.close_stream()


_encode = msgspec.json.Encoder().encode


def _caller(request: web.BaseRequest) -> Caller:
    return cast("Connection", request.protocol).caller


def _results(lines: list[str]) -> tuple[list[Result], dict[str, int]]:
    """The results, and how many failed for which reason."""
    failed: dict[str, int] = {}
    results = []
    for line in lines:
        if line.startswith("!"):
            code = line[1:]
            failed[code] = failed.get(code, 0) + 1
            results.append(Result(error=code))
        else:
            results.append(Result(number=line))
    return results, failed


def _record(who: Caller, terms: Terms, route: Route, count: int, failed: dict[str, int]) -> records.Conversion:
    return records.Conversion(
        role=who.role,
        uid=who.uid,
        gid=who.gid,
        pid=who.pid,
        source=route.source,
        target=route.target,
        purpose=terms.purpose,
        reference=terms.reference,
        count=count,
        converted=count - sum(failed.values()),
        malformed=failed.get("malformed_number", 0),
        unknown=failed.get("unknown_number", 0),
    )


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
