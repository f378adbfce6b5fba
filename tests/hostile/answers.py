"""What came back, and was it right? Answers as they must be, whatever was sent."""

from __future__ import annotations

import json
import re

from appliance.daemon.problems import KINDS
from tests.hostile.messages import MARK, Message

_HEAD = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [A-Za-z ]+\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"Content-Length: ([0-9]+)\r\n")
WITHOUT_RECORD = ("not_found", "method_not_allowed")
OF_THE_WIRE = ("The request is not of the form", "head: ", "Too many connections", "Too many requests with large heads")


class Answer:
    """One answer. ``code``: the problem's, or the status of what is none."""

    def __init__(self, status: int, head: bytes, body: bytes) -> None:
        self.status = status
        self.code = str(status)
        self.detail = ""
        if b"application/problem+json" in head and body:
            said = json.loads(body)
            self.code, self.detail = said["code"], said["detail"]
            if KINDS[self.code].status != status:
                raise ValueError(f"{self.code} with status {status}")

    @property
    def recorded(self) -> bool:
        """Whether the log must have a record of it."""
        refused = self.code in KINDS and self.code not in WITHOUT_RECORD
        return refused and not self.detail.startswith(OF_THE_WIRE)


def split(data: bytes) -> list[Answer]:
    """The answers in what was received; the last one may be cut.

    Raises:
        ValueError: it is not HTTP as this daemon speaks it.
    """
    found = []
    while data:
        head = _HEAD.match(data)
        if head is None:
            if b"\r\n\r\n" in data:
                raise ValueError(f"not an answer: {data[:80]!r}")
            return found
        status, fields = int(head[1]), head[2]
        if status == 100:
            data = data[head.end() :]
            continue
        body, data = _body(fields, data[head.end() :])
        if body is not None:
            found.append(Answer(status, fields, body))
    return found


def _body(fields: bytes, data: bytes) -> tuple[bytes | None, bytes]:
    """An answer's body, None if it was cut, and what follows it."""
    length = _LENGTH.search(fields)
    if length is not None:
        size = int(length[1])
        return (data[:size], data[size:]) if len(data) >= size else (None, b"")
    body, end, rest = data.partition(b"0\r\n\r\n")
    return (body, rest) if end else (None, b"")


def faults(message: Message, received: bytes) -> tuple[list[Answer], list[str]]:
    """The answers to a message, and what is wrong with them."""
    try:
        answers = split(received)
    except ValueError as error:
        return [], [f"{message.kind}: {error}"]
    wrong = [f"{message.kind}: {answer.code}" for answer in answers if answer.status == 500]
    if len(answers) > message.answers:
        wrong.append(f"{message.kind}: {len(answers)} answers to {message.pieces[0][:60]!r}")
    others = [answer for answer in answers if answer.status != message.only and answer.code != "overloaded"]
    if message.only is not None and others:
        wrong.append(f"{message.kind}: {[one.status for one in answers]} to {message.pieces[0][:60]!r}")
    wrong += [f"{message.kind}: repeats a number" for answer in answers if MARK in answer.detail]
    return answers, wrong
