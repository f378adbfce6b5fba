"""Canonical JSON (RFC 8785): one encoding for every signed structure, and no other is accepted.

Decoding is typed and strict, and the result is encoded again: unless that gives exactly the
same bytes, the document is refused. That one rule covers duplicate keys, spaces, escapes, key
order, floats for integers, and whatever else two parsers might read differently.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
import rfc8785

from appliance.ledger.errors import Malformed, NotCanonical

MAXIMUM_SIZE = 4 * 2**20  # bytes; of any one file of the ledger

T = TypeVar("T")


def encode(obj: object) -> bytes:
    """The canonical JSON of a structure (msgspec Struct, dict, list, str, int, bool, None).

    Raises:
        NotCanonical: something JSON cannot carry exactly: a float, an integer beyond 2**53 - 1,
            text that is not Unicode, a key that is not text.
    """
    builtin = msgspec.to_builtins(obj)
    _refuse_floats(builtin)
    try:
        return rfc8785.dumps(builtin)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise NotCanonical(f"cannot be written as canonical JSON: {error}") from error


def decode(data: bytes, type: type[T], *, malformed: type[Malformed] = Malformed) -> T:
    """The structure that canonical JSON stands for.

    Raises:
        NotCanonical: too large, not UTF-8 JSON, or not the canonical encoding of what it says.
        Malformed: JSON, but not of this type (or the given subclass of it).
    """
    if len(data) > MAXIMUM_SIZE:
        raise NotCanonical(f"{len(data)} bytes of JSON; at most {MAXIMUM_SIZE} are read")
    try:
        value = msgspec.json.decode(data, type=type, strict=True)
    except msgspec.ValidationError as error:
        raise malformed(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical(f"not JSON in UTF-8: {error}") from error
    if encode(value) != data:
        raise NotCanonical("the JSON is not in its canonical form (RFC 8785)")
    return value


def _refuse_floats(value: object) -> None:
    """RFC 8785 allows floats; nothing that Kagimori signs holds one."""
    match value:
        case float():
            raise NotCanonical(f"cannot be written as canonical JSON: {value!r} is a float")
        case dict():
            for item in value.values():
                _refuse_floats(item)
        case list() | tuple():
            for item in value:
                _refuse_floats(item)
        case _:
            pass
