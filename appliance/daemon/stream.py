"""The streamed form: lines in, lines out, any length, constant memory.

A producer reads the body, cuts it after line ends into frames and gives them to the bulk lane; the recorder takes the
answers in order and has each one's record written; the consumer waits until that is durable, and only then writes the
answer. A few frames are under way at once. When something fails, the last line is ``!!code`` and the answer ends
without its final chunk, so that nobody can take it for complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import NamedTuple

from appliance.audit import records
from appliance.daemon.bodies import read_some
from appliance.daemon.charges import Charge
from appliance.daemon.cutting import Cutter
from appliance.daemon.exchange import Outflow, Request
from appliance.daemon.policy import Route
from appliance.daemon.problems import Problem
from appliance.daemon.requests import Terms
from appliance.daemon.service import Service
from appliance.daemon.sockets import Caller
from appliance.engine.frames import MAX_LINES, Answer
from appliance.ledger.order import VerifiedOrder

DEPTH = 4
STALL_SECONDS = 300.0
DRAIN_SECONDS = 2.0

_Waiting = asyncio.Future[Answer]


class _Piece(NamedTuple):
    """A frame under way, what it took from quotas and order, and since when it waits."""

    waiting: _Waiting
    charge: Charge
    since: float


class ClientGone(Exception):
    """The caller closed the connection."""


class _Recorded(NamedTuple):
    """An answer whose record is on its way to the disk, and since when."""

    durable: asyncio.Future[int]
    answer: Answer
    since: float


_End = Problem | ClientGone | None


class Stream:
    """One streamed conversion."""

    def __init__(
        self,
        service: Service,
        who: Caller,
        terms: Terms,
        route: Route,
        number: int,
        verified: VerifiedOrder | None = None,
        order: bytes = b"",
    ) -> None:
        self._service = service
        self._took = service.measures.chunks
        self._seen = service.measures.roles[who.role]
        self._verified, self._order = verified, order
        self._who = who
        self._terms = terms
        self._route = route
        self._number = number
        self._limit = service.in_force.roles[who.role].rule.values_per_stream
        self._queue: asyncio.Queue[_Piece | _End] = asyncio.Queue(DEPTH)
        self._recorded: asyncio.Queue[_Recorded | _End] = asyncio.Queue(DEPTH)
        self._read = self._answered = 0
        self._stopping = False
        self._producer: asyncio.Task[None] | None = None
        self._recorder: asyncio.Task[None] | None = None
        self._answer: Outflow | None = None

    def stop(self) -> None:
        """Read no further; what was read is still answered, then the stream is cut with ``!!stopping``."""
        self._stopping = True
        if self._producer is not None:
            self._producer.cancel()

    async def run(self, request: Request) -> None:
        """Convert the request's body into the answer's.

        Raises:
            Problem: before anything was answered.
        """
        self._producer = asyncio.create_task(self._produce(request))
        self._recorder = asyncio.create_task(self._record_answers())
        try:
            await self._consume(request)
            answer = self._begin(request)
            await self._close_record("complete")
            await answer.end()
            self._seen.stream_ended("complete")
        except Problem as problem:
            if self._answer is None:
                raise
            await self._cut(request, self._answer, problem.code)
        except (ConnectionError, ClientGone, TimeoutError):
            self._seen.stream_ended("client_gone")
            await self._close_record("client_gone")
            raise ConnectionResetError("the caller is gone") from None
        finally:
            await self._end_tasks()

    async def _end_tasks(self) -> None:
        """Nothing more is read, converted or recorded; what was taken from quotas for it is given back."""
        for task in (self._producer, self._recorder):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        while not self._queue.empty():
            left = self._queue.get_nowait()
            if isinstance(left, _Piece):
                left.waiting.cancel()
                left.charge.release()

    async def _produce(self, request: Request) -> None:
        """Put the answers-to-be into the queue, in order; last of all None or what went wrong."""
        end: Problem | ClientGone | None = None
        try:
            await self._read_body(request)
        except Problem as problem:
            end = problem
        except TimeoutError:
            end = Problem("deadline_exceeded")
        except ConnectionError:
            end = ClientGone()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            end = Problem("stopping")
        await self._queue.put(end)

    async def _read_body(self, request: Request) -> None:
        cutter = Cutter(min(MAX_LINES, self._service.buckets[self._who.role].capacity))
        while not request.body.at_eof():
            async with asyncio.timeout(STALL_SECONDS):
                data = await read_some(request)
            for lines, count in cutter.feed(data):
                await self._submit(lines, count)
        for lines, count in cutter.finish():
            await self._submit(lines, count)

    async def _submit(self, lines: bytes, count: int) -> None:
        await self._service.pauses.over()
        self._read += count
        if self._read > self._limit:
            raise Problem("too_many_numbers", f"A stream of this role has at most {self._limit} lines.")
        await self._keep_to_rate(count)
        self._check_policy()
        charge = self._charge(count)
        try:
            waiting = self._service.lanes.bulk(self._route.source, self._route.target, count, lines, self._order)
            waiting.add_done_callback(_seen)
            await self._queue.put(_Piece(waiting, charge, self._service.now()))
        except BaseException:
            charge.release()
            raise

    def _charge(self, count: int) -> Charge:
        """Take the lines from quotas and order, which must still be good."""
        who, purpose = self._who, self._terms.purpose
        policy = self._service.in_force.roles[who.role]
        if self._order:
            self._verified = self._service.orders.accept(self._order, policy, self._route, purpose)
        elif policy.needs_order(self._route, self._read):
            raise Problem("order_required", "So many numbers in one stream need a disclosure order.")
        return self._service.charges.take(who.role, policy.rule, purpose, count, self._verified)

    async def _keep_to_rate(self, count: int) -> None:
        """A stream that has begun is slowed down, never cut, for its role's rate."""
        bucket = self._service.buckets[self._who.role]
        while wait := bucket.take(count):
            if math.isinf(wait):  # a reload lowered the limit below one frame
                raise Problem("rate_limited")
            await asyncio.sleep(wait)

    def _check_policy(self) -> None:
        """A ledger loaded since must still allow this, with these generations."""
        policy = self._service.in_force.roles[self._who.role]
        policy.route(self._route.source, self._route.target)
        policy.check_purpose(self._terms.purpose)

    async def _record_answers(self) -> None:
        """As answers come, in order, their records are written; frames under way share one sync of the disk."""
        while True:
            piece = await self._queue.get()
            if not isinstance(piece, _Piece):
                await self._recorded.put(piece)
                return
            with piece.charge:
                try:
                    answer = await piece.waiting
                except Problem as problem:
                    await self._recorded.put(problem)
                    return
                self._took.convert.observe(self._service.now() - piece.since)
                await self._service.pauses.over()
                begun = self._service.now()
                durable = self._service.append_conversion(self._record(answer), answer.tags, piece.charge)
            await self._recorded.put(_Recorded(durable, answer, begun))

    async def _consume(self, request: Request) -> None:
        """Write each answer whose record is durable."""
        while True:
            recorded = await self._recorded.get()
            if recorded is None:
                return
            if isinstance(recorded, Exception):
                raise recorded
            await self._service.durable(recorded.durable)
            self._took.audit.observe(self._service.now() - recorded.since)
            await self._service.pauses.over()
            begun, answer = self._service.now(), recorded.answer
            async with asyncio.timeout(STALL_SECONDS):
                await self._begin(request).write(answer.lines)
            self._took.write.observe(self._service.now() - begun)
            self._answered += answer.converted + answer.malformed + answer.unknown

    def _begin(self, request: Request) -> Outflow:
        """The answer, its head sent when the first piece of it is at hand; until then a problem is a problem."""
        if self._answer is None:
            self._answer = Outflow(
                request,
                {
                    "Content-Type": "text/plain; charset=us-ascii",
                    "Kagimori-Source": self._route.source,
                    "Kagimori-Target": self._route.target,
                },
            )
        return self._answer

    def _record(self, answer: Answer) -> records.Conversion:
        return records.Conversion(
            **self._who._asdict(),
            source=self._route.source,
            target=self._route.target,
            purpose=self._terms.purpose,
            reference=self._terms.reference,
            count=answer.converted + answer.malformed + answer.unknown,
            converted=answer.converted,
            malformed=answer.malformed,
            unknown=answer.unknown,
            stream=self._number,
            order=None if self._verified is None else self._verified.digest,
            tag_key=self._service.in_force.roles[self._who.role].tag_key if answer.tags else None,
        )

    async def _close_record(self, outcome: str) -> None:
        await self._service.record(
            records.StreamClosed(
                **self._who._asdict(),
                source=self._route.source,
                target=self._route.target,
                stream=self._number,
                count=self._answered,
                outcome=outcome,
            )
        )

    async def _cut(self, request: Request, answer: Outflow, code: str) -> None:
        """Say why, end without the final chunk, and read on a little so that the caller gets to see it."""
        self._seen.stream_ended(code)
        with contextlib.suppress(Problem):
            await self._close_record(code)
        with contextlib.suppress(ConnectionError, TimeoutError, Problem):
            async with asyncio.timeout(DRAIN_SECONDS):
                await answer.write(b"!!" + code.encode("ascii") + b"\n")
                await self._end_tasks()
                request.connection.hang_up()
                while not request.body.at_eof():
                    await read_some(request)
        request.connection.close()
        raise ConnectionResetError("the stream was cut off")


def _seen(waiting: _Waiting) -> None:
    """A failure is the consumer's to tell, but it may have ended before it came to this one."""
    if not waiting.cancelled():
        waiting.exception()
