"""What a form sent: a few short texts, each once; a chosen file counts as its text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

LARGEST_BODY = 65_536
BODY_SECONDS = 15.0
MOST_FIELDS = 8
KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")

FORM: web.RequestKey[Mapping[str, str]] = web.RequestKey("form", Mapping)
"""Where a request has its form's fields once the guard has read them."""


async def fields(request: web.Request) -> Mapping[str, str]:
    """The fields of a form by name.

    Raises:
        web.HTTPUnsupportedMediaType, web.HTTPRequestEntityTooLarge, web.HTTPRequestTimeout: the body is none of a form,
            too large (`LARGEST_BODY`) or too slow (`BODY_SECONDS`).
        web.HTTPBadRequest: not a form, too many fields, or one twice.
    """
    if request.content_type not in KINDS or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType
    try:
        async with asyncio.timeout(BODY_SECONDS):
            posted = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except web.HTTPException:
        raise
    except Exception:  # whatever else aiohttp's parsers raise, it is about what was sent
        raise web.HTTPBadRequest from None
    if len(posted) > MOST_FIELDS or len(set(posted)) != len(posted):
        raise web.HTTPBadRequest
    return {name: _text(value) for name, value in posted.items()}


def _text(value: str | bytes | bytearray | web.FileField) -> str:
    if isinstance(value, str):
        return value
    content = bytes(value) if isinstance(value, bytes | bytearray) else _content(value)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise web.HTTPBadRequest from None


def _content(chosen: web.FileField) -> bytes:
    with chosen.file as file:
        return file.read(LARGEST_BODY + 1)
