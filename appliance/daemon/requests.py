"""What a caller asks for, parsed strictly: the JSON form and the query of the streamed form.

Numbers become lines here, in the one form that goes to the engine. A number that could not be exactly one
line (a line break in it, not ASCII, longer than any number) becomes an empty line, which the engine calls
malformed; so it fails alone and shifts no other.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

import msgspec

from appliance.daemon.problems import Problem
from appliance.engine.frames import MAX_LINE_BYTES, MAX_NAME_BYTES

LONGEST_REFERENCE = 128
TIMEOUT_HEADER = "Kagimori-Timeout"
LONGEST_TIMEOUT = 600_000  # milliseconds
JSON_OVERHEAD = 4_096
BYTES_PER_NUMBER = 2 * MAX_LINE_BYTES
_FIELDS = ("source", "target", "purpose", "reference")
_IN_JSON = (*_FIELDS, "numbers", "order")
_TIMEOUT = re.compile("[1-9][0-9]{0,5}", re.ASCII)
_FEW_BYTES = 8_192
_SHORTEST_NUMBER = 6  # what is shorter may stand in a reference by chance

T = TypeVar("T")

Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_BYTES)]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From what to what, what for, and the caller's own note for the audit record."""

    source: Name
    target: Name
    purpose: Name
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_REFERENCE)]


class Question(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The JSON form: the numbers are in it. ``order``: a disclosure order, base64 of its DER."""

    numbers: Annotated[list[str], msgspec.Meta(min_length=1)]
    order: str | None = None


_questions = msgspec.json.Decoder(Question)


def parse_json(body: bytes, most: int = sys.maxsize) -> Question:
    """The question in a JSON body. One with more than ``most`` numbers is refused anyway: it is not looked at further.

    Raises:
        Problem: malformed_request, naming the field.
    """
    question = decode_json(body, _questions, _IN_JSON)
    check_reference(question.reference, question.numbers if len(question.numbers) <= most else ())
    return question


def decode_json(body: bytes, decoder: msgspec.json.Decoder[T], fields: tuple[str, ...]) -> T:
    """A JSON body of one form, each field in it once at most.

    Raises:
        Problem: malformed_request, naming the field.
    """
    try:
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("malformed_request", f"JSON body: {error}") from None
    if b"\\" in body or _may_double(body, fields):
        _refuse_doubles(json.loads(body, object_pairs_hook=_names), fields)
    return value


def _may_double(body: bytes, fields: tuple[str, ...]) -> bool:
    """Whether any of the words is there twice, as a name or otherwise."""
    if len(body) > _FEW_BYTES:  # which might be nothing but such words
        return any(body.count(b'"%b"' % name.encode()) > 1 for name in fields)
    found = _words(fields).findall(body)
    return len(found) > len(set(found))


@lru_cache
def _words(fields: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(b'"(?:%b)"' % b"|".join(name.encode() for name in fields))


def parse_query(query: str) -> Terms:
    """The terms in the query of the streamed form.

    Raises:
        Problem: malformed_request, naming the field.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=16)
        _refuse_doubles([name for name, _ in pairs], _FIELDS)
        terms = msgspec.convert(dict(pairs), Terms)
    except msgspec.ValidationError as error:
        raise Problem("malformed_request", f"query: {error}") from None
    except ValueError:
        needed = ", ".join(_FIELDS)
        raise Problem("malformed_request", f"query: not URL-encoded fields; {needed} are needed") from None
    check_reference(terms.reference)
    return terms


def parse_timeout(values: Sequence[str]) -> float:
    """Seconds in which an engine must have begun, from what stands in the header `TIMEOUT_HEADER`; infinity without it.

    Raises:
        Problem: malformed_request.
    """
    if not values:
        return math.inf
    if len(values) > 1 or not _TIMEOUT.fullmatch(values[0]) or int(values[0]) > LONGEST_TIMEOUT:
        raise Problem("malformed_request", f"{TIMEOUT_HEADER}: milliseconds, 1 to {LONGEST_TIMEOUT}, once")
    return int(values[0]) / 1_000


def to_lines(numbers: Sequence[str]) -> bytes:
    """The numbers as lines, exactly one for each, each ended by a newline."""
    text = "\n".join(numbers)
    plain = text.isascii() and "\r" not in text and text.count("\n") == len(numbers) - 1
    if not plain or (len(text) > MAX_LINE_BYTES and max(map(len, numbers)) > MAX_LINE_BYTES):
        text = "\n".join(number if _is_line(number) else "" for number in numbers)
    return text.encode("ascii") + b"\n"


def _is_line(number: str) -> bool:
    return number.isascii() and len(number) <= MAX_LINE_BYTES and "\n" not in number and "\r" not in number


def _names(pairs: list[tuple[str, object]]) -> list[str]:
    return [name for name, _ in pairs]


def _refuse_doubles(names: list[str], fields: tuple[str, ...]) -> None:
    """A name given twice: two parsers might take different ones."""
    for name in fields:
        if names.count(name) > 1:
            raise Problem("malformed_request", f"{name}: given twice")


def check_reference(reference: str, numbers: Sequence[str] = ()) -> None:
    """A reference goes into the log as it is: one printable line, and none of the numbers it is about.

    Raises:
        Problem: malformed_request.
    """
    if not reference.isprintable():
        raise Problem("malformed_request", "reference: only printable characters, on one line")
    if any(len(number) >= _SHORTEST_NUMBER and number in reference for number in numbers):
        raise Problem("malformed_request", "reference: holds a number of the request; the log must not hold any")
