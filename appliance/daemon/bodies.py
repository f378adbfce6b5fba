"""How is the body of a question read, and an answer sent, so that neither takes more room or time than it may?"""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web

from appliance.daemon.connection import Connection
from appliance.daemon.framing import SMALL_READ
from appliance.daemon.problems import Problem
from appliance.daemon.wire import read_some

LARGEST_BODY = 16 << 20
BODY_SECONDS = 60.0


def connection_of(request: web.BaseRequest) -> Connection:
    """The connection that a request came over."""
    return cast("Connection", request.protocol)


def media_type(request: web.BaseRequest) -> str:
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


def announced(request: web.BaseRequest, limit: int) -> int:
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


async def read_body(request: web.BaseRequest, limit: int, code: str = "too_many_numbers") -> bytes:
    """The body; whoever asks for a large one has taken room for it.

    Args:
        request: whose.
        limit: bytes.
        code: the problem if it is larger.

    Raises:
        ConnectionResetError: the caller is gone.
        Problem: it is larger than ``limit``; malformed_request, it is not whole in `BODY_SECONDS`, or not HTTP.
    """
    await send_continue(request)
    if request.content.is_eof():  # all of it is here, as of nearly all requests
        return await _read_all(request, limit, code)
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


async def _read_all(request: web.BaseRequest, limit: int, code: str) -> bytes:
    body = bytearray()  # bytes would be copied whole for every piece, however small
    while not request.content.at_eof():
        body += await read_some(request)
        if len(body) > limit:
            raise Problem(code, f"The body is larger than {limit} bytes.")
    return bytes(body)


async def send_continue(request: web.BaseRequest) -> None:
    """``Expect: 100-continue``: the caller wants to know first whether to send the body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def is_large(response: web.StreamResponse) -> bool:
    """Whether an answer that is to be sent takes more room than any connection has."""
    return not response.prepared and size_of(response) > SMALL_READ


def size_of(response: web.StreamResponse) -> int:
    """Bytes of an answer's body."""
    return len(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else 0


async def send(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Send a whole answer, and wait until the caller has taken it, a last piece excepted.

    Raises:
        ConnectionError: it is gone, or was cut off because it did not take it.
    """
    await response.prepare(request)
    await response.write_eof()
