"""What goes over the socket, for both clients: requests, answers, problem documents.

Nothing here knows a socket. Answers are checked strictly against their question: a client that
took the results of another request for its own would hand out wrong people.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from appliance.hubkit.errors import DaemonUnreachable, ProtocolError, Refused

CONVERT = "/v1/convert"
LOG = "/v1/log"
JSON = "application/json"
TEXT = "text/plain"
ORDER_HEADER = "Kagimori-Order"
TIMEOUT_HEADER = "Kagimori-Timeout"
LONGEST_DEADLINE = 600.0  # seconds
SOURCE_HEADER = "Kagimori-Source"
TARGET_HEADER = "Kagimori-Target"
RATE_WAIT = 60.0  # seconds; limits are per minute
LARGEST_ANSWER = 64 * 1024 * 1024  # bytes of a JSON answer; streams have no limit
NOT_JSON = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
)  # what msgspec raises for what is none, or is too deep


@dataclass(frozen=True, slots=True)
class Converted:
    """One number of the target domain. Left out of ``repr``, so that no log gets it by accident."""

    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """One number that was not converted; ``code`` says why (``unknown_number``, ``malformed_number``)."""

    code: str


Result = Converted | Failed


@dataclass(frozen=True, slots=True)
class Conversion:
    """The answer to one request: ``results[i]`` belongs to ``numbers[i]`` of the question.

    ``source`` and ``target`` are key generations (``sspin.B.1``); ``record`` is the audit record's number.
    """

    source: str
    target: str
    record: int
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """Opt-in retries: only when nothing was sent (connection refused) or a 503 named a time to come back.

    ``attempts`` counts the first one too; ``longest_wait`` seconds is the most a client sleeps between two.
    """

    attempts: int = 3
    longest_wait: float = 2.0

    def wait_or_raise(self, error: DaemonUnreachable | Refused, attempt: int) -> float:
        """Seconds to wait before the given attempt (2, 3, …); raises the error again when there is to be none."""
        if isinstance(error, DaemonUnreachable):
            wait = 0.05 * (1 << (attempt - 2))
        elif error.status == 503 and error.retry_after is not None:
            wait = error.retry_after
        else:
            raise error
        if attempt > self.attempts or wait > self.longest_wait:
            raise error
        return wait


class _Question(msgspec.Struct, frozen=True, omit_defaults=True):
    source: str
    target: str
    purpose: str
    reference: str
    numbers: Sequence[str]
    order: str | None = None


class _Result(msgspec.Struct, frozen=True):
    number: str | None = None
    error: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    source: str
    target: str
    record: int
    results: list[_Result]


class _Accepted(msgspec.Struct, frozen=True):
    size: int
    accepted: tuple[str, ...]


class _Problem(msgspec.Struct, frozen=True):
    code: str
    detail: str = ""
    title: str = ""


def listed(numbers: Iterable[str]) -> list[str]:
    """The numbers as a list. One string is not a list of numbers: its characters would each be asked about.

    Raises:
        TypeError: it is one string.
    """
    if isinstance(numbers, str):
        raise TypeError("numbers must be a list of strings; for one number there is convert_one")
    return list(numbers)


def question(
    source: str, target: str, numbers: Sequence[str], purpose: str, reference: str, order: bytes = b""
) -> bytes:
    """The JSON body of ``POST /v1/convert``; ``order``: a disclosure order (CMS, DER), empty for none."""
    asked = _Question(source, target, purpose, reference, numbers, order_text(order) if order else None)
    return msgspec.json.encode(asked)


def order_text(order: bytes) -> str:
    """A disclosure order as a request carries it."""
    return b64encode(order).decode("ascii")


def timeout_header(deadline: float | None) -> dict[str, str]:
    """The header that says in how many seconds an engine must have begun; none for None.

    Raises:
        ValueError: not above 0, or above `LONGEST_DEADLINE`.
    """
    if deadline is None:
        return {}
    if not 0 < deadline <= LONGEST_DEADLINE:
        raise ValueError(f"deadline: seconds, above 0 and at most {LONGEST_DEADLINE:g}")
    return {TIMEOUT_HEADER: str(math.ceil(deadline * 1_000))}


def stream_target(source: str, target: str, purpose: str, reference: str) -> str:
    """Path and query of the streamed ``POST /v1/convert``."""
    return f"{CONVERT}?{urlencode({'source': source, 'target': target, 'purpose': purpose, 'reference': reference})}"


def answer(body: bytes, source: str, target: str, count: int) -> Conversion:
    """The conversion in a JSON answer to a question about ``count`` numbers.

    Raises:
        ProtocolError: not JSON of the promised shape, other domains, or another number of results.
    """
    try:
        said = msgspec.json.decode(body, type=_Answer)
    except NOT_JSON as error:
        raise ProtocolError(f"the answer is not a conversion: {error}") from None
    check_generations(said.source, said.target, source, target)
    if len(said.results) != count:
        raise ProtocolError(f"asked for {count} numbers, the answer has {len(said.results)} results")
    return Conversion(said.source, said.target, said.record, tuple(map(_result, said.results)))


def _result(said: _Result) -> Result:
    if said.number is not None and said.error is None:
        return Converted(said.number)
    if said.error is not None and said.number is None:
        return Failed(said.error)
    raise ProtocolError("a result must have either a number or an error")


def check_generations(said_source: str | None, said_target: str | None, source: str, target: str) -> None:
    """Whether an answer's generations belong to the domains (or generations) of the question.

    Raises:
        ProtocolError: they do not.
    """
    for name, said, asked in (("source", said_source, source), ("target", said_target, target)):
        if said is None or (said != asked and domain_of(said) != asked):
            raise ProtocolError(f"asked for {name} {asked}, the answer is about {said}")


def domain_of(name: str) -> str:
    """``sspin.C`` of ``sspin.C.2``; a bare domain stays as it is."""
    head, _, tail = name.rpartition(".")
    return head if head and tail.isascii() and tail.isdigit() else name


def problem(status: int, headers: Mapping[str, str], body: bytes) -> Refused | ProtocolError:
    """The error that an answer other than 200 stands for. ``headers`` has lower-case names."""
    try:
        said = msgspec.json.decode(body, type=_Problem)
    except NOT_JSON:
        return ProtocolError(f"HTTP status {status} without a problem document")
    refused = Refused(said.code, said.detail or said.title, status, _seconds(headers.get("retry-after")))
    if said.code == "deadline_exceeded":
        refused.hint = "asking again is safe, nothing was handed out; give it more time, or ask less at a time"
    return refused


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def accepted(body: bytes) -> tuple[int, tuple[str, ...]]:
    """The size and the names in an answer to cosignatures.

    Raises:
        ProtocolError: not JSON of the promised shape.
    """
    try:
        said = msgspec.json.decode(body, type=_Accepted)
    except NOT_JSON as error:
        raise ProtocolError(f"the answer does not say what was accepted: {error}") from None
    return said.size, said.accepted


def document(body: bytes) -> Any:
    """A JSON answer with no fixed shape here (``/v1/status``).

    Raises:
        ProtocolError: it is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except NOT_JSON as error:
        raise ProtocolError(f"the answer is not JSON: {error}") from None
