"""The JSON form of a conversion: one question with its numbers, one answer with a result for each."""

from __future__ import annotations

import math
from contextlib import nullcontext
from time import monotonic

import msgspec

from appliance.audit import records
from appliance.daemon.batching import MOST_LINES
from appliance.daemon.orders import from_text
from appliance.daemon.policy import Route
from appliance.daemon.problems import Problem
from appliance.daemon.requests import Question, Terms, to_lines
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller
from appliance.daemon.wire import Reply, json_reply
from appliance.engine.frames import MAX_LINES

_NO_PAUSES = nullcontext()  # a large request is bulk work as a stream is


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


class Conversions:
    """Answers questions in JSON for one role."""

    def __init__(self, service: Service, role: str) -> None:
        self._service = service
        self._role = role
        self._measures = service.measures

    async def answer(self, who: Caller, question: Question, begun: float, due: float = math.inf) -> Reply:
        """The answer, recorded. What no engine has begun when it is ``due`` (the event loop's time) is dropped.

        ``begun``: when the whole question was there (`time.monotonic`).

        Raises:
            Problem: whatever forbids it.
        """
        policy = self._service.in_force.roles[self._role]
        route = policy.route(question.source, question.target)
        policy.check_purpose(question.purpose)
        count = len(question.numbers)
        if count > policy.rule.values_per_request:
            raise Problem("too_many_numbers", f"numbers: at most {policy.rule.values_per_request} in one request.")
        data = from_text(question.order)
        order = self._service.orders.accept(data, policy, route, question.purpose) if data else None
        if order is None and policy.needs_order(route, count):
            raise Problem("order_required")
        self.take_from_bucket(count)
        pauses = self._service.pauses if count <= MOST_LINES else _NO_PAUSES
        with self._service.charges.take(self._role, policy.rule, question.purpose, count, order) as charge, pauses:
            asked = monotonic()
            lines, tags = await self._ask(route, count, to_lines(question.numbers), data, due)
            results, failed = _results(lines)
            record = _record(who, question, route, count, failed)
            record.order = None if order is None else order.digest
            record.tag_key = policy.tag_key if tags else None
            appended = monotonic()
            number = await self._service.durable(self._service.append_conversion(record, tags, charge))
        self._took(count, begun, asked, appended)
        return json_reply(_encode(Answer(route.source, route.target, number, results)))

    def _took(self, count: int, begun: float, asked: float, appended: float) -> None:
        """How long a question took whose record has just become durable."""
        now = monotonic()
        if count > MOST_LINES:
            self._measures.large.observe(now - begun)
            return
        stages = self._measures.stages
        stages.decide.observe(asked - begun)
        stages.audit.observe(now - appended)
        stages.whole.observe(now - begun)

    def take_from_bucket(self, count: int) -> None:
        """Raises Problem rate_limited when the role's bucket does not hold so many."""
        wait = self._service.buckets[self._role].take(count)
        if wait:
            seconds = 60 if math.isinf(wait) else max(1, math.ceil(wait))
            raise Problem("rate_limited", f"This role may go on in {seconds} s.", retry_after=seconds)

    async def _ask(self, route: Route, count: int, lines: bytes, order: bytes, due: float) -> tuple[list[str], bytes]:
        """The answer's lines, and the subject tags of the converted ones.

        A small request goes into the lane for small ones, a large one in parts; once its first one has begun, it is
        done whole.
        """
        lanes = self._service.lanes
        if count <= MOST_LINES:
            small = lanes.ask(route.source, route.target, count, lines, order, due)
            self._service.deadlines.watch(small)
            return await small
        every = lines.split(b"\n")[:count]
        answered: list[str] = []
        tags: list[bytes] = []
        for start in range(0, count, MAX_LINES):
            part = every[start : start + MAX_LINES]
            first = due if start == 0 else math.inf
            large = lanes.bulk(route.source, route.target, len(part), b"\n".join(part) + b"\n", order, first)
            self._service.deadlines.watch(large)
            answer = await large
            answered += answer.lines.decode("ascii").splitlines()
            tags.append(answer.tags)
        return answered, b"".join(tags)


_encode = msgspec.json.Encoder().encode


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
