"""The streamed form: any length, in order, in constant memory, and never mistaken for complete when it is not."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.chunkedkit import Chunked, chunked
from tests.daemonkit import TEXT, Daemon, Reply, codes, resident_kilobytes, stream_path

Expected = tuple[bytes, bytes]


@pytest.fixture(scope="module")
def people(served: Daemon) -> Expected:
    """10,000 lines of sector A, and the same people's of sector B."""
    in_a = served.numbers("resident", "sspin.A", codes(10_000), role="numbering")
    in_b = served.numbers("resident", "sspin.B", codes(10_000), role="numbering")
    return "".join(number + "\n" for number in in_a).encode(), "".join(number + "\n" for number in in_b).encode()


def records_of_last_stream(daemon: Daemon) -> list[dict[str, Any]]:
    found = daemon.records()
    closing = next(record for record in reversed(found) if record["kind"] == "stream_closed")
    return [record for record in found if record.get("stream") == closing["stream"]]


def wait_for_closing(daemon: Daemon, before: int) -> dict[str, Any]:
    for _ in range(500):
        for record in daemon.records()[before:]:
            if record["kind"] == "stream_closed":
                return record
        time.sleep(0.02)
    raise AssertionError("no closing record")


def test_lines_in_lines_out_in_order(served: Daemon, people: Expected) -> None:
    lines, expected = people
    reply = served.stream("sspin.A", "sspin.B", lines * 7)
    assert reply.status == 200
    assert reply.body == expected * 7
    assert reply.headers["kagimori-source"] == "sspin.A.1"
    assert reply.headers["kagimori-target"] == "sspin.B.1"
    assert reply.headers["content-type"] == "text/plain; charset=us-ascii"


def test_every_line_that_was_answered_is_in_a_record(served: Daemon, people: Expected) -> None:
    lines, _ = people
    served.stream("sspin.A", "sspin.B", lines + b"?\nABC98765XYZ\n")
    *parts, closing = records_of_last_stream(served)
    assert all(part["kind"] == "conversion" for part in parts)
    assert sum(part["count"] for part in parts) == 10_002
    assert sum(part["converted"] for part in parts) == 10_000
    assert sum(part["malformed"] for part in parts) == 1
    assert sum(part["unknown"] for part in parts) == 1
    assert (closing["kind"], closing["count"], closing["outcome"]) == ("stream_closed", 10_002, "complete")
    assert {part["reference"] for part in parts} == {"a-test"}


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_last_line_may_lack_its_newline(served: Daemon, people: Expected, end: bytes) -> None:
    lines, expected = people
    assert served.stream("sspin.A", "sspin.B", lines[:-1] + end).body == expected


def test_an_empty_body_has_an_empty_answer(served: Daemon) -> None:
    reply = served.stream("sspin.A", "sspin.B", b"")
    assert (reply.status, reply.body) == (200, b"")
    assert records_of_last_stream(served)[-1]["outcome"] == "complete"


def test_windows_line_ends_are_understood(served: Daemon, people: Expected) -> None:
    lines, expected = people
    assert served.stream("sspin.A", "sspin.B", lines[:1200].replace(b"\n", b"\r\n")).body == expected[:1200]


def test_bad_lines_fail_alone_wherever_they_are(served: Daemon, people: Expected) -> None:
    lines, expected = (text.splitlines() for text in people)
    chance = random.Random(7)
    bad = [b"", b"x", b"y" * 300, b"z" * 70_000, bytes(11), "漢字".encode(), b"\xff\xfe", b"!!stopping", b"\r"]
    asked, answer = [], []
    for number, known in zip(lines, expected, strict=True):
        if chance.random() < 0.05:
            asked.append(chance.choice(bad))
            answer.append(b"!malformed_number")
        asked.append(number)
        answer.append(known)
    reply = served.stream("sspin.A", "sspin.B", b"\n".join(asked))
    assert reply.body.splitlines() == answer


def test_answers_come_while_the_question_goes_on(served: Daemon, people: Expected) -> None:
    lines, expected = people
    with chunked(served) as conversation:
        conversation.send(lines[:24])
        assert conversation.read_until(expected[:24]).startswith(b"HTTP/1.1 200 OK")
        conversation.send(lines[24:30])
        conversation.send(lines[30:36])
        conversation.read_until(expected[24:36])
        conversation.end()
        assert conversation.read_until(b"0\r\n\r\n").endswith(b"\r\n0\r\n\r\n")


def test_pieces_of_any_size_make_the_same_answer(served: Daemon, people: Expected) -> None:
    lines, expected = people
    chance = random.Random(11)
    with chunked(served) as conversation:
        data = lines[:6_000]
        while data:
            size = chance.choice([1, 2, 5, 11, 12, 13, 300])
            conversation.send(data[:size])
            data = data[size:]
        conversation.end()
        answer = conversation.read_until(b"\r\n0\r\n\r\n")
    body = b"".join(chunks(answer.partition(b"\r\n\r\n")[2]))
    assert body == expected[:6_000]


def chunks(data: bytes) -> Iterator[bytes]:
    while data:
        size, _, data = data.partition(b"\r\n")
        yield data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]


def test_many_streams_at_once_do_not_mix(served: Daemon, people: Expected) -> None:
    lines, expected = people
    places = range(0, 120_000, 12_000)
    replies: dict[int, Reply] = {}

    def ask(place: int) -> None:
        replies[place] = served.stream("sspin.A", "sspin.B", lines[place : place + 60_000])

    threads = [threading.Thread(target=ask, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for place in places:
        assert replies[place].body == expected[place : place + 60_000]


def test_a_stream_over_its_limit_is_cut_and_says_why(served: Daemon, people: Expected) -> None:
    lines, expected = (text.splitlines(keepends=True) for text in people)
    with chunked(served, role="slow") as conversation:
        for start in range(0, 60, 10):
            conversation.send(b"".join(lines[start : start + 10]))
        conversation.read_until(expected[59])
        conversation.send(lines[60])
        answer = conversation.read_rest()
    assert answer.endswith(b"!!too_many_numbers\n\r\n"), answer[-100:]
    assert expected[60] not in answer
    closing = records_of_last_stream(served)[-1]
    assert (closing["outcome"], closing["count"]) == ("too_many_numbers", 60)


def test_a_stream_is_slowed_down_to_its_rate_and_not_cut(served: Daemon, people: Expected) -> None:
    """600 numbers a minute: 600 are there at once, the last 20 of 620 come two seconds later."""
    lines, expected = people
    began = time.monotonic()
    reply = served.stream("sspin.A", "sspin.B", lines[: 12 * 620], role="trickle")
    assert reply.body == expected[: 12 * 620]
    assert 1.5 < time.monotonic() - began < 10
    refused = served.convert("sspin.A", "sspin.B", ["x"] * 5, role="trickle")
    assert refused.code == "rate_limited", "the stream used up what was there"


def test_an_early_problem_is_a_proper_answer(served: Daemon) -> None:
    path = stream_path("sspin.A", "spin", "exchange")
    reply = served.ask("hub", "POST", path, b"ABC98765XYZ\n" * 100_000, TEXT)
    assert (reply.status, reply.code) == (403, "pair_denied")


def test_broken_transfer_encoding_is_cut(served: Daemon, people: Expected) -> None:
    lines, expected = people
    with chunked(served) as conversation:
        conversation.send(lines[:12])
        conversation.read_until(expected[:12])
        conversation._socket.sendall(b"what is this\r\n")
        answer = conversation.read_rest()
    assert not answer.endswith(b"0\r\n\r\n")
    assert answer.endswith(b"!!malformed_request\n\r\n")


def test_a_caller_who_hangs_up_leaves_a_closing_record(served: Daemon, people: Expected) -> None:
    lines, expected = people
    before = len(served.records())
    with chunked(served) as conversation:
        conversation.send(lines[:1200])
        conversation.read_until(expected[1188:1200])
    closing = wait_for_closing(served, before)
    assert (closing["outcome"], closing["count"]) == ("client_gone", 100)
    assert served.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_a_caller_who_does_not_read_is_waited_for_in_constant_memory(served: Daemon, people: Expected) -> None:
    lines, expected = people
    total = 60
    with chunked(served) as conversation:
        sender = threading.Thread(target=_send_all, args=(conversation, lines, total), daemon=True)
        sender.start()
        time.sleep(1.5)
        before = resident_kilobytes(served.pid)
        assert sender.is_alive(), "the daemon must stop reading when nobody takes its answers"
        answer = conversation.read_until(b"\r\n0\r\n\r\n")
        sender.join(20)
    assert b"".join(chunks(answer.partition(b"\r\n\r\n")[2])) == expected * total
    assert before < 150_000


def _send_all(conversation: Chunked, lines: bytes, times: int) -> None:
    for _ in range(times):
        conversation.send(lines)
    conversation.end()


def test_too_many_streams_at_once_are_refused(served: Daemon) -> None:
    open_streams = [Chunked(served, stream_path("sspin.A", "sspin.B", "exchange")) for _ in range(32)]
    try:
        for conversation in open_streams:
            conversation.send(b"?\n")
            conversation.read_until(b"!malformed_number\n")
        reply = served.stream("sspin.A", "sspin.B", b"?\n")
        assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "1")
        assert served.convert("sspin.A", "sspin.B", ["?"]).status == 200, "small requests go on"
    finally:
        for conversation in open_streams:
            conversation.end()
            conversation.read_until(b"\r\n0\r\n\r\n")
            conversation.close()
    assert served.stream("sspin.A", "sspin.B", b"?\n").status == 200


def test_small_requests_do_not_wait_behind_a_stream(served: Daemon, people: Expected) -> None:
    lines, _ = people
    running = threading.Event()

    def feed() -> None:
        with chunked(served) as conversation:
            reader = threading.Thread(target=conversation.read_until, args=(b"\r\n0\r\n\r\n",))
            reader.start()
            for _ in range(100):
                conversation.send(lines)
                running.set()
            conversation.end()
            reader.join(60)

    stream = threading.Thread(target=feed)
    stream.start()
    running.wait(10)
    times = []
    while stream.is_alive() and len(times) < 100:
        began = time.monotonic()
        assert served.convert("sspin.A", "sspin.B", ["ABC98765XYZ"]).status == 200
        times.append(time.monotonic() - began)
    stream.join(60)
    assert len(times) >= 5
    assert sorted(times)[len(times) // 2] < 0.5


def test_a_million_lines_in_flat_memory(served: Daemon, people: Expected) -> None:
    lines, _ = people
    processes = [served.pid, *served.engines()]
    served.stream("sspin.A", "sspin.B", lines * 10)
    before = [resident_kilobytes(pid) for pid in processes]
    most = list(before)
    count = 0
    with chunked(served) as conversation:
        sender = threading.Thread(target=_send_all, args=(conversation, lines, 100))
        sender.start()
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            piece = conversation._socket.recv(1 << 20)
            assert piece
            count += piece.count(b"\n")
            tail = (tail + piece)[-20:]
            if count % 7 == 0:
                most = [max(old, resident_kilobytes(pid)) for old, pid in zip(most, processes, strict=True)]
        sender.join(20)
    assert records_of_last_stream(served)[-1]["count"] == 1_000_000
    for was, peak in zip(before, most, strict=True):
        assert peak - was < 20_000, f"grew from {was} kB to {peak} kB"


def test_the_body_may_be_announced_or_chunked_or_expected(served: Daemon, people: Expected) -> None:
    lines, expected = people
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(served.world.socket("hub")))
        head = f"POST {stream_path('sspin.A', 'sspin.B', 'exchange')} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        connection.sendall(head.encode() + b"Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(lines[:24])
        answer = b""
        while b"\r\n0\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        assert expected[:24] in answer


def test_the_policy_is_asked_before_the_body_is_sent(served: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(served.world.socket("hub")))
        head = f"POST {stream_path('sspin.A', 'spin', 'exchange')} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        connection.sendall(head.encode() + b"Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 Forbidden")


def test_every_stream_has_a_number_of_its_own(served: Daemon) -> None:
    seen = set()
    for _ in range(3):
        served.stream("sspin.A", "sspin.B", b"?\n")
        seen.add(records_of_last_stream(served)[-1]["stream"])
    assert len(seen) == 3
    assert all(record["uid"] == os.getuid() for record in islice(reversed(served.records()), 6))
