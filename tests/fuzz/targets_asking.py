"""Targets: what callers ask of the daemon, and what the hub kit is answered."""

from __future__ import annotations

import itertools
import json
import math
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st

from appliance.daemon import history as asked_history
from appliance.daemon import mark as asked_mark
from appliance.daemon import orders, requests
from appliance.daemon.cutting import Cutter
from appliance.daemon.problems import KINDS, Problem
from appliance.engine.frames import MAX_LINE_BYTES, MAX_LINES
from appliance.hubkit import history, lines, mark, wire
from appliance.hubkit.errors import HistoryUnproven, HubkitError, ProtocolError, Refused
from appliance.numbers.newlines import count_lines
from appliance.tlog import merkle
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from tests.fuzz import targets_log
from tests.fuzz.mutations import any_bytes, changed_json, mutated
from tests.fuzz.target import Target, parsed

_QUESTION = wire.question("sspin.A", "sspin.B", ["369PQRST246", "ABC98765XYZ"], "exchange", "case-4711", b"an order")
_HISTORY = history.question("common", "123456789018", "case-4711", 100, 7)
_MARK = mark.question("common", "123456789018", 4711, "case-4711")
_QUERY = wire.stream_target("sspin.A", "sspin.B", "exchange", "事件 4711").partition("?")[2].encode()


def _refused_as_malformed(problem: Problem) -> None:
    assert problem.code in ("malformed_request", "order_invalid")
    said = json.loads(problem.body())
    assert said["status"] == KINDS[problem.code].status and said["detail"]


def _question(body: bytes) -> bool:
    """What is accepted means the same to another parser, and makes exactly one line of each number."""
    try:
        question = requests.parse_json(body)
    except Problem as problem:
        _refused_as_malformed(problem)
        return False
    said = json.loads(body)
    assert {name: getattr(question, name) for name in said} == said
    made = requests.to_lines(question.numbers)
    assert count_lines(made) == len(question.numbers) and made.isascii()
    for number, line in zip(question.numbers, made.split(b"\n"), strict=False):
        assert line in (b"", number.encode("utf-8", "surrogatepass")) and len(line) <= MAX_LINE_BYTES
    return True


def _asked_history(body: bytes) -> bool:
    return _asked_of_one(body, asked_history.parse)


def _asked_mark(body: bytes) -> bool:
    return _asked_of_one(body, asked_mark.parse)


def _asked_of_one(body: bytes, parse: Callable[[bytes], object]) -> bool:
    try:
        question = parse(body)
    except Problem as problem:
        _refused_as_malformed(problem)
        return False
    said = json.loads(body)
    assert {name: getattr(question, name) for name in said} == said
    return True


def _query(text: str) -> bool:
    try:
        terms = requests.parse_query(text)
    except Problem as problem:
        _refused_as_malformed(problem)
        return False
    assert terms.reference.isprintable()
    return True


def _queries() -> st.SearchStrategy[str]:
    spoilt = any_bytes((_QUERY,), (b"&", b"=", b"%", b"%00", b"%0A", b"%ff", b"+", b";", b"source=", b"&source=x"))
    return spoilt.map(lambda data: data.decode("utf-8", "surrogateescape"))


def _timeout(values: list[str]) -> bool:
    try:
        seconds = requests.parse_timeout(values)
    except Problem as problem:
        _refused_as_malformed(problem)
        return False
    assert seconds == math.inf or 0.001 <= seconds <= 600
    return True


def _timeouts() -> st.SearchStrategy[list[str]]:
    one = st.integers(-5, 700_000).map(str) | st.text("0123456789 +-.eE٣\n", max_size=8)
    return st.lists(one, max_size=2)


def _order_text(text: str) -> bool:
    try:
        data = orders.from_text(text)
    except Problem as problem:
        _refused_as_malformed(problem)
        return False
    assert len(data) <= orders.LONGEST_TEXT
    return True


def _order_texts() -> st.SearchStrategy[str]:
    known = [b64encode(b"an order of some length" * size) for size in (1, 2, 3, 3000)]
    return any_bytes(known, (b"=", b"+", b"-", b"\n")).map(lambda data: data.decode("utf-8", "surrogateescape"))


# --- a stream's body --------------------------------------------------------------------------------------------------


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[bytes, list[int], int]:
    """A body, where it is cut on the way, and how many lines a frame takes."""
    known = (b"369PQRST246\nABC98765XYZ\r\n\n123\n", b"x" * 700 + b"\n" + b"y" * 256 + b"\n", b"0\n" * 900)
    data = draw(mutated(known)) * draw(st.sampled_from((1, 1, 2, 20)))
    return (
        data,
        sorted(draw(st.lists(st.integers(0, len(data)), max_size=6))),
        draw(st.sampled_from((1, 2, 7, MAX_LINES))),
    )


def _cut(asked: tuple[bytes, list[int], int]) -> bool:
    """Every line goes into one frame, in order; one that can be no number is shortened and never split."""
    data, cuts, most = asked
    cutter, found = Cutter(most), list[tuple[bytes, int]]()
    edges = [0, *cuts, len(data)]
    for begin, end in itertools.pairwise(edges):
        found += cutter.feed(data[begin:end])
    found += cutter.finish()
    wanted = data.split(b"\n")
    wanted = wanted[:-1] if data.endswith(b"\n") or not data else wanted
    given = b"".join(frame for frame, _ in found).split(b"\n")[:-1]
    assert len(given) == len(wanted)
    for line, whole in zip(given, wanted, strict=True):
        assert line == whole or min(len(line), len(whole)) > MAX_LINE_BYTES
    assert all(count_lines(frame) == count and 0 < count <= most for frame, count in found)
    return True


# --- answers, as the hub kit reads them -------------------------------------------------------------------------------

_ANSWER = (
    b'{"source":"sspin.A.1","target":"sspin.B.1","record":7,'
    b'"results":[{"number":"369PQRST246"},{"error":"unknown_number"}]}'
)
_MARKED = b'{"record":4711}'
_ACCEPTED = b'{"size":7,"accepted":["oversight.example/witness"]}'


def _answer(body: bytes) -> bool:
    try:
        conversion = wire.answer(body, "sspin.A", "sspin.B", 2)
    except ProtocolError:
        return False
    assert len(conversion.results) == 2
    assert (wire.domain_of(conversion.source), wire.domain_of(conversion.target)) == ("sspin.A", "sspin.B")
    return True


def _problem(body: bytes) -> bool:
    error = wire.problem(503, {"retry-after": "7"}, body)
    assert isinstance(error, Refused | ProtocolError) and error.message
    return isinstance(error, Refused)


def _problems() -> st.SearchStrategy[bytes]:
    known = (Problem("overloaded").body(), Problem("deadline_exceeded").body())
    return changed_json(known) | any_bytes(known)


def _accepted(body: bytes) -> bool:
    return parsed(body, wire.accepted, ProtocolError)


def _marked(body: bytes) -> bool:
    return parsed(body, mark.answer, ProtocolError)


def _any_document(body: bytes) -> bool:
    return parsed(body, wire.document, ProtocolError)


@cache
def _a_history() -> bytes:
    """A history with two conversions that are proven, one of them under the co-signed tree as well."""
    tree, leaves, size = targets_log.tree(), targets_log.leaves(), len(targets_log.leaves())
    shown: list[dict[str, Any]] = []
    for number in range(size, 0, -1):
        said = json.loads(leaves[number - 1])
        if said["kind"] == "conversion" and (number == size or (number <= 7 and len(shown) < 2)):
            proof = merkle.inclusion_proof(number - 1, size, tree)
            seen = [_text(step) for step in merkle.inclusion_proof(number - 1, 7, tree)] if number <= 7 else None
            facts = {name: said[name] for name in history._FIELDS}
            shown.append(
                {
                    **facts,
                    "entry": _text(leaves[number - 1]),
                    "proof": [_text(step) for step in proof],
                    "cosigned_proof": seen,
                }
            )
    return msgspec.json.encode(
        {
            "source": "common.1",
            "size": size,
            "root": _text(merkle.root(size, tree)),
            "checkpoint": targets_log.cosigned()[1].decode(),
            "cosigned": {
                "checkpoint": targets_log.cosigned()[0].decode(),
                "size": 7,
                "root": _text(merkle.root(7, tree)),
            },
            "conversions": shown,
            "before": 3,
        }
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _history(body: bytes) -> bool:
    """What is proven was logged: every fact of every conversion is that of its record."""
    try:
        found = history.answer(body, "common")
        checkpoint = history.verify_history(found, [targets_log.verifiers()[0]])
    except (ProtocolError, HistoryUnproven):
        return False
    assert isinstance(checkpoint, Checkpoint)
    for one in found.conversions:
        assert one.entry == targets_log.leaves()[one.record - 1]
        assert {name: getattr(one, name) for name in history._FIELDS}.items() <= json.loads(one.entry).items()
    return True


def _cosigned_history(body: bytes) -> bool:
    """What a witness is said to have seen was logged, and is in the tree that it signed."""
    log, *witness = targets_log.verifiers()
    try:
        found = history.answer(body, "common")
        proven = history.verify_cosigned(found, [log], witness)
    except (ProtocolError, HistoryUnproven):
        return False
    known = [notes.parse(note).text for note in targets_log.cosigned()]
    assert proven.checkpoint.text in known and proven.by == (witness[0].name,) and proven.at == (1_800_000_000,)
    assert proven.records == {one.record for one in found.conversions if one.record <= proven.checkpoint.size}
    return _history(body)


@st.composite
def _answered_lines(draw: st.DrawFn) -> tuple[bytes, list[int], int]:
    known = (b"369PQRST246\n!unknown_number\nABC\n", b"369\n!!engine_lost\n", b"!!stopping\n", b"")
    data = draw(mutated(known, (b"!!", b"!", b"\n\n", b"\n!!x\n")))
    return data, sorted(draw(st.lists(st.integers(0, len(data)), max_size=4))), draw(st.integers(0, 4))


def _incoming(asked: tuple[bytes, list[int], int]) -> bool:
    """A stream that is taken for complete has exactly as many lines as were sent, each of them handed out."""
    data, cuts, sent = asked
    incoming, given = lines.Incoming(), b""
    edges = [0, *cuts, len(data)]
    try:
        for begin, end in itertools.pairwise(edges):
            given += incoming.take(data[begin:end])
            incoming.check()
        incoming.finish(sent)
    except HubkitError:
        return False
    assert given == data and data.count(b"\n") == sent == len(list(lines.results(given)))
    assert not data.startswith(b"!!") and b"\n!!" not in data
    return True


TARGETS = (
    Target("question in JSON", lambda: changed_json((_QUESTION,)) | any_bytes((_QUESTION,)), _question),
    Target("question about a history", lambda: changed_json((_HISTORY,)) | any_bytes((_HISTORY,)), _asked_history),
    Target("question about a mark", lambda: changed_json((_MARK,)) | any_bytes((_MARK,)), _asked_mark),
    Target("query of a stream", _queries, _query),
    Target("deadline header", _timeouts, _timeout),
    Target("order in a request", _order_texts, _order_text),
    Target("body of a stream", _bodies, _cut),
    Target("hub kit: answer", lambda: changed_json((_ANSWER,)) | any_bytes((_ANSWER,)), _answer),
    Target("hub kit: problem", _problems, _problem),
    Target("hub kit: cosignatures", lambda: changed_json((_ACCEPTED,)) | any_bytes((_ACCEPTED,)), _accepted),
    Target("hub kit: any document", lambda: changed_json((_ANSWER,)) | any_bytes((_ANSWER,)), _any_document),
    Target("hub kit: history", lambda: changed_json((_a_history(),)) | any_bytes((_a_history(),)), _history),
    Target(
        "hub kit: co-signed history",
        lambda: changed_json((_a_history(),)) | any_bytes((_a_history(),)),
        _cosigned_history,
    ),
    Target("hub kit: mark", lambda: changed_json((_MARKED,)) | any_bytes((_MARKED,)), _marked),
    Target("hub kit: lines of a stream", _answered_lines, _incoming),
)
