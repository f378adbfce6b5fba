"""Which requests that aiohttp's parser takes are refused all the same?

The parser (llhttp, with none of its leniencies switched on) refuses what RFC 9112 calls invalid. What is left are
forms that two parsers might read in two ways, or that ask for another protocol.
"""

from __future__ import annotations

from aiohttp import hdrs
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage

LONGEST_LENGTH = 15  # digits of a Content-Length; 2**64 - 1 would be none at all to the parser


def unwelcome(message: RawRequestMessage) -> str:
    """Why it is refused; empty if it is not."""
    headers = message.headers
    if message.version not in (HttpVersion11, HttpVersion10):
        return "neither HTTP/1.1 nor HTTP/1.0"
    if message.method == hdrs.METH_CONNECT or (
        message.upgrade and "websocket" in headers.get(hdrs.UPGRADE, "").lower()
    ):
        return "another protocol is asked for"
    if message.chunked and message.version != HttpVersion11:  # RFC 9112, 6.1
        return "a transfer encoding in HTTP/1.0"
    if message.chunked and headers.get(hdrs.TRANSFER_ENCODING, "").strip().lower() != "chunked":
        return "another transfer encoding than chunked"
    if len(headers.get(hdrs.CONTENT_LENGTH, "")) > LONGEST_LENGTH:
        return "a body longer than any"
    return ""
