"""What would somebody send who means harm, or whose program is broken? Seeded: the same number makes the same messages.

Each kind begins with something the interface takes, so that messages get as far as they can before they go wrong.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.hostile import forms

MARK = "90817263545"  # stands in bodies where numbers belong; must never be seen in a log, a record or a refusal
ROLES = ("hub", "numbering", "oversight", "portal")
PATHS = (b"/healthz", b"/readyz", b"/v1/domains", b"/v1/status", b"/v1/log/checkpoint", b"/v1/log/tile/0/000", b"/no")
STREAM = b"/v1/convert?source=resident&target=sspin.A&purpose=linking&reference=r"


@dataclass(frozen=True, slots=True)
class Message:
    """``pieces`` are sent one after the other, with ``pause`` seconds between them; then answers are read, or not.

    ``answers``: the most there may be. ``reads``: whether it waits for them. ``only``: the one status allowed, if any.
    ``recorded``: whether a refusal is one that the audit log has.
    """

    kind: str
    role: str
    pieces: tuple[bytes, ...]
    answers: int = 1
    pause: float = 0.0
    reads: bool = True
    only: int | None = None
    recorded: bool = True


def messages(seed: int, count: int, only: str = "") -> Iterator[Message]:
    """So many messages of all kinds, mixed, or of one only."""
    chance = random.Random(seed)
    kinds = [only] if only else list(KINDS)
    weights = [_MAKERS[kind][1] for kind in kinds]
    for _ in range(count):
        kind = chance.choices(kinds, weights)[0]
        yield _MAKERS[kind][0](chance, kind)


def question(chance: random.Random) -> dict[str, Any]:
    """A conversion as it should be, or nearly."""
    return {
        "source": chance.choice(("resident", "sspin.A", "sspin.B", "spin")),
        "target": chance.choice(("sspin.A", "sspin.B")),
        "purpose": chance.choice(("linking", "exchange")),
        "reference": "hostile",
        "numbers": [chance.choice((MARK, "?", "00000000042")) for _ in range(chance.randrange(1, 5))],
    }


def _valid(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return forms.get(target=chance.choice(PATHS))
    if chance.random() < 0.2:
        lines = (MARK.encode() + b"\n") * chance.randrange(0, 4)
        head = b"POST " + STREAM + b" HTTP/1.1\r\n" + forms.HOST + b"Content-Type: text/plain\r\n"
        return head + b"Content-Length: %d\r\n\r\n" % len(lines) + lines
    body = json.dumps(question(chance)).encode()
    if chance.random() < 0.3:
        return forms.post(forms.CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    return forms.post(b"Content-Length: %d\r\n" % len(body), body)


def _truncated(chance: random.Random, kind: str) -> Message:
    data = _valid(chance)
    return Message(kind, _role(chance), (data[: chance.randrange(len(data))],), reads=False)


def _mutated(chance: random.Random, kind: str) -> Message:
    data = bytearray(_valid(chance))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data))
        piece = chance.choice(
            (b"", b"\r\n", b"\0", b"\xff", b"  ", b"%", b'"', chance.randbytes(chance.randrange(1, 9)))
        )
        data[at : at + chance.randrange(0, 4)] = piece
    return Message(kind, _role(chance), (bytes(data),), answers=2 + data.count(b"HTTP/1."))


def _smuggled(chance: random.Random, kind: str) -> Message:
    form = forms.REFUSED[chance.choice(list(forms.REFUSED))]
    return Message(kind, _role(chance), (form + forms.NEXT,), only=400)


def _odd(chance: random.Random, kind: str) -> Message:
    data, status = forms.ODD[chance.choice(list(forms.ODD))]
    role = "hub" if status == 400 else _role(chance)
    return Message(kind, role, (data,), only=status)


def _binary(chance: random.Random, kind: str) -> Message:
    return Message(kind, _role(chance), (chance.randbytes(chance.choice((1, 16, 300, 5_000, 70_000))),))


def _oversized(chance: random.Random, kind: str) -> Message:
    body = json.dumps({**question(chance), "numbers": [MARK] * chance.choice((20_000, 60_000))}).encode()
    head = b"Content-Length: %d\r\n" % chance.choice((len(body), 10**9, 10**14))
    data = chance.choice(
        (
            forms.get(b"X: " + b"y" * chance.choice((20_000, 97_000, 99_000)) + b"\r\n"),
            forms.get(b"".join(b"X-%d: y\r\n" % place for place in range(chance.choice((60, 70, 500))))),
            forms.get(target=b"/" + b"a" * chance.choice((8_000, 9_000, 100_000))),
            forms.get(b"X: " + b"y" * 90_000 + b"\r\nZ: " + b"y" * 90_000 + b"\r\n"),
            forms.post(head, body),
            forms.post(forms.CHUNKED, b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"),
            forms.post(forms.CHUNKED, b"1\r\nx\r\n" * 20_000),
            forms.post(forms.CHUNKED, b"0\r\n" + b"X: y\r\n" * 20_000),
        )
    )
    return Message(kind, _role(chance), (data,), answers=2)


def _slow(chance: random.Random, kind: str) -> Message:
    data = _valid(chance)
    size = max(1, len(data) // chance.randrange(2, 12))
    pieces = tuple(data[at : at + size] for at in range(0, len(data), size))
    return Message(kind, _role(chance), pieces, pause=chance.choice((0.0, 0.01, 0.1, 0.3)))


def _pipelined(chance: random.Random, kind: str) -> Message:
    parts = [_valid(chance) for _ in range(chance.randrange(2, 20))]
    if chance.random() < 0.5:
        parts.insert(chance.randrange(len(parts)), forms.REFUSED[chance.choice(list(forms.REFUSED))])
    return Message(kind, _role(chance), (b"".join(parts),), answers=len(parts), reads=chance.random() < 0.7)


def _deaf(chance: random.Random, kind: str) -> Message:
    body = json.dumps({**question(chance), "numbers": ["?"] * 5_000}).encode()
    return Message(
        kind, _role(chance), (forms.post(b"Content-Length: %d\r\n" % len(body), body),), pause=0.2, reads=False
    )


def _wrong(chance: random.Random, kind: str) -> Message:
    """HTTP as it should be, and a question that is not."""
    asked: Any = question(chance)
    change = chance.randrange(7)
    if change == 0:
        asked.pop(chance.choice(list(asked)))
    elif change == 1:
        asked[chance.choice(list(asked))] = chance.choice(
            (None, 7, [], {}, "", "\ud800", "x" * 300, "\0", [[]] * 3, MARK)
        )
    elif change == 2:
        asked["more"] = MARK
    elif change == 3:
        asked["numbers"] = [chance.choice(("\n", "\ud800", "é", "", "x" * 100, MARK + "\n" + MARK))] * 3
    elif change == 4:
        asked["order"] = chance.choice(("", "====", "AAAA", "é", MARK))
    elif change == 5:
        asked = chance.choice(([], "x", 5, None, [asked]))
    body = json.dumps(asked).encode() if change != 6 else b"[" * chance.randrange(1, 5_000)
    if chance.random() < 0.2:
        body = body.replace(b'"reference"', b'"refer\xffence"')
    path = chance.choice(
        (b"/v1/convert", b"/v1/convert", b"/v1/history", b"/v1/log/cosignatures", b"/v1/convert?x=%ff")
    )
    head = (
        b"POST "
        + path
        + b" HTTP/1.1\r\n"
        + forms.HOST
        + chance.choice((forms.JSON, forms.JSON, b"Content-Type: \xff\r\n"))
    )
    extra = chance.choice(
        (b"", b"", b"Kagimori-Timeout: -1\r\n", b"Kagimori-Order: \xff\r\n", b"Content-Encoding: gzip\r\n")
    )
    data = head + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return Message(kind, _role(chance), (data,), recorded=b"cosignatures" not in path)


def _queries(chance: random.Random, kind: str) -> Message:
    """The streamed form with a query of all sorts."""
    names = (b"source", b"target", b"purpose", b"reference", b"%73ource", b"x", b"")
    values = (
        b"resident",
        b"sspin.A",
        b"linking",
        b"%ff",
        b"%",
        b"%00",
        b"",
        b"a" * 300,
        MARK.encode(),
        b"\xc3\xa9",
        b"+",
    )
    pairs = (chance.choice(names) + b"=" + chance.choice(values) for _ in range(chance.randrange(0, 20)))
    head = b"POST /v1/convert?" + b"&".join(pairs) + b" HTTP/1.1\r\n" + forms.HOST + b"Content-Type: text/plain\r\n"
    return Message(kind, _role(chance), (head + b"Content-Length: 2\r\n\r\n?\n",))


def _role(chance: random.Random) -> str:
    return chance.choice(ROLES)


_MAKERS: dict[str, tuple[Callable[[random.Random, str], Message], int]] = {
    "truncated": (_truncated, 18),
    "mutated": (_mutated, 18),
    "smuggled": (_smuggled, 18),
    "odd": (_odd, 6),
    "binary": (_binary, 12),
    "oversized": (_oversized, 4),
    "slow": (_slow, 6),
    "pipelined": (_pipelined, 4),
    "deaf": (_deaf, 1),
    "wrong question": (_wrong, 9),
    "wrong query": (_queries, 4),
}
KINDS = tuple(_MAKERS)
