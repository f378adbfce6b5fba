"""The client for programs without an event loop: one kept-alive connection, one request at a time.

After any failure the connection is thrown away: an answer that comes late must never be taken for
the answer to the next question.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self

from appliance.hubkit import history as histories
from appliance.hubkit import mark as marks
from appliance.hubkit import transport, wire
from appliance.hubkit.errors import AnswerTimeout, ConnectionLost, DaemonUnreachable, NumberRefused, Refused
from appliance.hubkit.history import History
from appliance.hubkit.lines import Outgoing
from appliance.hubkit.streaming import ConvertedStream
from appliance.hubkit.wire import Conversion, Failed, Retry


class Client:
    """A connection to the daemon's socket of one role; safe to share between threads (they take turns).

    Args:
        socket_path: the role's socket.
        timeout: seconds that one answer may take; in a stream, that nothing may move, a minute added
            because a role's rate limit can hold a stream that long.
        retry: None (the default) never tries twice.
    """

    def __init__(
        self, socket_path: str | os.PathLike[str], *, timeout: float = 10.0, retry: Retry | None = None
    ) -> None:
        self._path = os.fspath(socket_path)
        self._timeout = timeout
        self._retry = retry or Retry(attempts=1)
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None

    def convert(
        self,
        source: str,
        target: str,
        numbers: Sequence[str],
        *,
        purpose: str,
        reference: str,
        order: bytes = b"",
        deadline: float | None = None,
    ) -> Conversion:
        """Convert some numbers; ``results[i]`` belongs to ``numbers[i]``, one bad number fails alone.

        ``source`` and ``target`` are domains (``sspin.B``, its current generation) or generations (``sspin.B.1``).
        ``order``: the disclosure order (CMS, DER) that it is done under; empty for none. ``deadline``: seconds (to 600)
        after which the daemon drops it undone if no engine has begun; what has begun is done whole and answered.

        Raises:
            Refused: the daemon refused the request as a whole (policy, limits, not ready, too late).
            DaemonUnreachable, ConnectionLost, AnswerTimeout, ProtocolError: no usable answer.
        """
        asked = wire.listed(numbers)
        body = wire.question(source, target, asked, purpose, reference, order)
        return wire.answer(self._ask("POST", wire.CONVERT, body, late=deadline), source, target, len(asked))

    def convert_one(
        self,
        source: str,
        target: str,
        number: str,
        *,
        purpose: str,
        reference: str,
        order: bytes = b"",
        deadline: float | None = None,
    ) -> str:
        """Convert one number.

        Raises:
            NumberRefused: it was not converted; ``code`` says why. Otherwise as `convert`.
        """
        why = {"purpose": purpose, "reference": reference}
        result = self.convert(source, target, [number], **why, order=order, deadline=deadline).results[0]
        if isinstance(result, Failed):
            raise NumberRefused(result.code)
        return result.number

    def convert_stream(
        self,
        source: str,
        target: str,
        lines: Iterable[str] | BinaryIO,
        *,
        purpose: str,
        reference: str,
        order: bytes = b"",
    ) -> ConvertedStream:
        """Convert any amount in constant memory: an iterator over results in the lines' order.

        ``lines`` (strings without a line break, or a binary file with one number a line) is drawn on as the
        results are. A stream has a connection of its own. Never retried.

        Raises:
            Refused: before the first result. From the iterator: `StreamBroken`, `AnswerTimeout`, `ProtocolError`.
        """
        outgoing = Outgoing(lines)
        headers = {"Content-Type": wire.TEXT, "Transfer-Encoding": "chunked", "Connection": "close"}
        headers |= {wire.ORDER_HEADER: wire.order_text(order)} if order else {}
        request = transport.head("POST", wire.stream_target(source, target, purpose, reference), headers)
        sock = transport.connect(self._path, self._timeout)
        duplex = transport.Duplex(sock, request, iter(outgoing), self._timeout + wire.RATE_WAIT)
        try:
            return ConvertedStream(duplex, outgoing, source, target)
        except BaseException:
            duplex.close()
            raise

    def history(
        self,
        source: str,
        number: str,
        *,
        reference: str,
        limit: int = 100,
        before: int | None = None,
        deadline: float | None = None,
    ) -> History:
        """One person's conversions, the newest first, by a number of theirs; check it with `verify_history`.

        ``before``: only records with a lower number, to go on where an answer ended. ``deadline``: as for `convert`.

        Raises:
            Refused: the role may not ask, or the number is malformed or unknown. Otherwise as `convert`.
        """
        body = histories.question(source, number, reference, limit, before)
        return histories.answer(self._ask("POST", histories.PATH, body, late=deadline), source)

    def mark(self, source: str, number: str, record: int, *, reference: str, deadline: float | None = None) -> int:
        """Have it recorded that a person does not recognise one of their conversions; the number of the mark's record.

        Each call is a record more. In the log, a ``reference`` that is used twice joins what was marked with it; take a
        fresh one each time. ``deadline``: as for `convert`.

        Raises:
            Refused: not_found: ``record`` is no conversion of that person. Otherwise as `history`.
        """
        body = marks.question(source, number, record, reference)
        return marks.answer(self._ask("POST", marks.PATH, body, late=deadline))

    def log_piece(self, path: str) -> bytes:
        """A piece of the log, such as ``checkpoint`` or ``tile/0/000.p/5`` (``GET /v1/log/…``).

        Raises:
            Refused: not_found, gone (older than the retention). Otherwise as `convert`.
        """
        return self._ask("GET", f"{wire.LOG}/{path}")

    def cosign(self, note: bytes) -> tuple[int, tuple[str, ...]]:
        """Hand in cosignatures on a checkpoint: the size that they are for, and whose were accepted.

        Raises:
            Refused: a signature is not one of the policy's witnesses. Otherwise as `convert`.
        """
        return wire.accepted(self._ask("POST", f"{wire.LOG}/cosignatures", note, wire.TEXT))

    def domains(self) -> Any:
        """The domains, their formats, generations and states (``GET /v1/domains``)."""
        return wire.document(self._ask("GET", "/v1/domains"))

    def status(self) -> Any:
        """The daemon's own state (``GET /v1/status``)."""
        return wire.document(self._ask("GET", "/v1/status"))

    def ready(self) -> bool:
        """Whether the daemon would convert now; False also when it cannot be reached."""
        try:
            return self._once(transport.head("GET", "/readyz", {})).status == 200
        except (DaemonUnreachable, ConnectionLost, AnswerTimeout):
            return False

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _ask(
        self, method: str, path: str, body: bytes = b"", kind: str = wire.JSON, late: float | None = None
    ) -> bytes:
        headers = {"Content-Type": kind, "Content-Length": str(len(body))} if method == "POST" else {}
        request = transport.head(method, path, headers | wire.timeout_header(late)) + body
        attempt = 1
        while True:
            try:
                said = self._once(request)
                if said.status == 200:
                    return said.body
                raise wire.problem(said.status, said.headers, said.body)
            except (DaemonUnreachable, Refused) as error:
                attempt += 1
                time.sleep(self._retry.wait_or_raise(error, attempt))

    def _once(self, request: bytes) -> transport.Answer:
        with self._lock:
            if self._sock is None or transport.gone(self._sock):
                self._drop()
                self._sock = transport.connect(self._path, self._timeout)
            try:
                said, reusable = transport.roundtrip(self._sock, request)
            except BaseException:
                self._drop()
                raise
            if not reusable:
                self._drop()
            return said

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
