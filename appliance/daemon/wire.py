"""What goes back over the wire: whole answers, refusals as problem documents, and the head of any answer.

Every answer names the server and the moment (RFC 9110, 6.6.1 and 10.2.4), in the HTTP version that was asked with.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp.http import HttpVersion, HttpVersion10, HttpVersion11

from appliance.daemon.problems import Problem

SERVER = "kagimori"
JSON: Mapping[str, str] = {"Content-Type": "application/json"}
_KNOWN_HEADS = 256  # which lie ready: a few for each kind of answer, and one for each ``Retry-After``


class Reply:
    """A whole answer. ``headers``: what is not the same for all. ``final``: the connection is closed after it."""

    __slots__ = ("body", "final", "headers", "status")

    def __init__(self, body: bytes, headers: Mapping[str, str], status: int = 200, *, final: bool = False) -> None:
        self.body = body
        self.headers = headers
        self.status = status
        self.final = final

    def start(self, version: HttpVersion, goes_on: bool) -> bytes:
        """What comes before its body.

        Args:
            version: the one that it was asked for in.
            goes_on: whether another request may follow.
        """
        return head(self.status, self.headers, version, goes_on) + b"Content-Length: %d\r\n\r\n" % len(self.body)


def head(status: int, headers: Mapping[str, str], version: HttpVersion, goes_on: bool) -> bytes:
    """The head of an answer, but for what says how long it is, and the empty line at its end."""
    return _known_head(status, tuple(headers.items()), version, goes_on) + _date(int(time.time()))


@lru_cache(_KNOWN_HEADS)
def _known_head(status: int, fields: tuple[tuple[str, str], ...], version: HttpVersion, goes_on: bool) -> bytes:
    lines = [f"HTTP/{version.major}.{version.minor} {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields]
    lines.append(f"Server: {SERVER}")
    if version == HttpVersion10 and goes_on:
        lines.append("Connection: keep-alive")
    elif version != HttpVersion10 and not goes_on:
        lines.append("Connection: close")
    return "\r\n".join([*lines, ""]).encode("ascii")


@lru_cache(1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")


def json_reply(body: bytes, status: int = 200) -> Reply:
    """An answer in JSON."""
    return Reply(body, JSON, status)


def problem_reply(problem: Problem, *, final: bool = False) -> Reply:
    """A refusal."""
    return Reply(problem.body(), problem.headers, problem.status, final=final)


def last_words(problem: Problem) -> bytes:
    """A refusal as bytes, for a connection that is closed after it, without a request that it would answer."""
    reply = problem_reply(problem)
    return reply.start(HttpVersion11, goes_on=False) + reply.body
