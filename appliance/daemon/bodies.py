"""How is the body of a question read, and an answer sent, so that neither takes more room or time than it may?"""

from __future__ import annotations

import asyncio
from typing import cast

from appliance.daemon.connection import Connection
from appliance.daemon.exchange import BrokenBody, Request
from appliance.daemon.framing import SMALL_READ
from appliance.daemon.problems import Problem

LARGEST_BODY = 16 << 20
BODY_SECONDS = 60.0


def connection_of(request: Request) -> Connection:
    """The connection that a request came over."""
    return cast("Connection", request.connection)


def media_type(request: Request) -> str:
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


def announced(request: Request, limit: int) -> int:
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


async def read_body(request: Request, limit: int, code: str = "too_many_numbers") -> bytes:
    """The body; whoever asks for a large one has taken room for it.

    Args:
        request: whose.
        limit: bytes.
        code: the problem if it is larger.

    Raises:
        ConnectionResetError: the caller is gone.
        Problem: it is larger than ``limit``; malformed_request, it is not whole in `BODY_SECONDS`, or not HTTP.
    """
    await request.send_continue()
    if request.body.is_eof():  # all of it is here, as of nearly all requests
        body = _here(request)
        _require_size(len(body), limit, code)
        return body
    connection = connection_of(request)
    if limit > SMALL_READ:
        connection.widen()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_all(request, limit, code)
    except TimeoutError:
        raise Problem("malformed_request", f"body: was not there whole within {BODY_SECONDS:g} s") from None
    finally:
        connection.narrow()


async def _read_all(request: Request, limit: int, code: str) -> bytes:
    body = bytearray()  # bytes would be copied whole for every piece, however small
    while not request.body.at_eof():
        body += await read_some(request)
        _require_size(len(body), limit, code)
    return bytes(body)


def _require_size(size: int, limit: int, code: str) -> None:
    if size > limit:
        raise Problem(code, f"The body is larger than {limit} bytes.")


def _here(request: Request) -> bytes:
    """A body all of which has arrived."""
    try:
        return request.body.read_nowait()
    except BrokenBody:
        raise _broken() from None


async def read_some(request: Request) -> bytes:
    """What has arrived of the body, at least a byte unless it is at its end.

    Raises:
        ConnectionResetError: the caller is gone.
        Problem: malformed_request, if the body's transfer encoding is broken.
    """
    try:
        return await request.body.readany()
    except BrokenBody:
        if not request.connected:
            raise ConnectionResetError("the caller is gone") from None
        raise _broken() from None


def _broken() -> Problem:
    return Problem("malformed_request", "body: broken transfer encoding")
