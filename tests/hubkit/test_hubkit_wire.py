"""What goes over the socket, without a socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit import wire
from appliance.hubkit.errors import DaemonUnreachable, ProtocolError, Refused, StreamBroken
from appliance.hubkit.lines import Incoming, LineRefused, Outgoing, results
from appliance.hubkit.wire import Converted, Failed, Retry

GOOD = {
    "source": "sspin.B.1",
    "target": "sspin.E.2",
    "record": 4711,
    "results": [{"number": "369PQRST246"}, {"error": "unknown_number"}],
}


def encoded(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_question_has_exactly_the_fields_of_the_interface() -> None:
    body = wire.question("sspin.B", "sspin.E", ["369PQRST246"], "exchange", "case-1")
    assert json.loads(body) == {
        "source": "sspin.B",
        "target": "sspin.E",
        "purpose": "exchange",
        "reference": "case-1",
        "numbers": ["369PQRST246"],
    }


def test_an_answer_keeps_the_order_and_names_the_generations() -> None:
    said = wire.answer(encoded(), "sspin.B", "sspin.E.2", 2)
    assert said.results == (Converted("369PQRST246"), Failed("unknown_number"))
    assert (said.source, said.target, said.record) == ("sspin.B.1", "sspin.E.2", 4711)


def test_numbers_do_not_show_in_repr() -> None:
    assert "369PQRST246" not in repr(wire.answer(encoded(), "sspin.B", "sspin.E", 2))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "the answer is not a conversion: JSON is malformed"),
        (encoded(record="x"), r"the answer is not a conversion: Expected `int`, got `str` - at `\$.record`"),
        (encoded(source="sspin.C.1"), r"asked for source sspin.B, the answer is about sspin.C.1"),
        (encoded(target="sspin.F.2"), r"asked for target sspin.E, the answer is about sspin.F.2"),
        (encoded(results=[{"number": "X"}]), "asked for 2 numbers, the answer has 1 results"),
        (encoded(results=[{}, {}]), "a result must have either a number or an error"),
        (encoded(results=[{"number": "X", "error": "y"}] * 2), "a result must have either a number or an error"),
    ],
)
def test_an_answer_that_does_not_fit_the_question_is_thrown_away(body: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        wire.answer(body, "sspin.B", "sspin.E", 2)


def test_another_generation_than_the_one_asked_for_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"asked for target sspin\.E\.1, the answer is about sspin\.E\.2"):
        wire.answer(encoded(), "sspin.B", "sspin.E.1", 2)


def test_a_problem_document_becomes_refused_with_all_it_says() -> None:
    body = json.dumps({"type": "about:blank", "title": "Slow", "status": 503, "code": "busy", "detail": "later"})
    error = wire.problem(503, {"retry-after": "2"}, body.encode())
    assert isinstance(error, Refused)
    assert (error.code, error.detail, error.status, error.retry_after) == ("busy", "later", 503, 2.0)
    assert str(error) == "busy: later\n  → try again in 2 s"


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b'{"title":"no code"}', b"[]"])
def test_an_error_without_a_problem_document_is_a_protocol_error(body: bytes) -> None:
    error = wire.problem(502, {}, body)
    assert isinstance(error, ProtocolError)
    assert error.message == "HTTP status 502 without a problem document"


@pytest.mark.parametrize("name", ["spin", "sspin.C", "resident"])
def test_domain_of_a_generation(name: str) -> None:
    assert wire.domain_of(f"{name}.12") == name == wire.domain_of(name)


class TestRetry:
    def test_refused_connections_wait_longer_each_time_and_end(self) -> None:
        retry, error = Retry(attempts=4), DaemonUnreachable("no")
        assert [retry.wait_or_raise(error, attempt) for attempt in (2, 3, 4)] == [0.05, 0.1, 0.2]
        with pytest.raises(DaemonUnreachable):
            retry.wait_or_raise(error, 5)

    def test_a_503_is_tried_again_when_it_says_when(self) -> None:
        assert Retry().wait_or_raise(Refused("busy", "", 503, 1.0), 2) == 1.0

    @pytest.mark.parametrize(
        "error",
        [
            Refused("busy", "", 503, None),
            Refused("busy", "", 503, 60.0),
            Refused("rate_limited", "", 429, 1.0),
            Refused("denied", "", 403, None),
        ],
    )
    def test_nothing_else_is(self, error: Refused) -> None:
        with pytest.raises(Refused) as caught:
            Retry().wait_or_raise(error, 2)
        assert caught.value is error


class TestOutgoing:
    def test_lines_are_counted_and_ended(self) -> None:
        outgoing = Outgoing(["A", "", "B"])
        assert b"".join(outgoing) == b"A\n\nB\n"
        assert outgoing.lines == 3

    @pytest.mark.parametrize("bad", ["A\nB", "A\r", "\n"])
    def test_a_line_break_inside_a_line_is_refused(self, bad: str) -> None:
        with pytest.raises(LineRefused, match="line 2: must be a string without a line break"):
            list(Outgoing(["A", bad]))

    @given(st.binary(max_size=300))
    def test_a_file_is_sent_as_it_is_and_counted_like_a_text(self, data: bytes) -> None:
        import io

        outgoing = Outgoing(io.BytesIO(data))
        assert b"".join(outgoing) == data
        expected = len(data.split(b"\n")) - (data.endswith(b"\n") or not data)
        assert outgoing.lines == expected

    def test_a_file_in_text_mode_is_refused(self) -> None:
        import io

        with pytest.raises(LineRefused, match="must be opened in binary mode"):
            list(Outgoing(io.StringIO("A\n")))  # type: ignore[arg-type]

    def test_blocks_stay_small(self) -> None:
        sizes = [len(block) for block in Outgoing("369PQRST246" for _ in range(100_000))]
        assert max(sizes) < 70_000
        assert sum(sizes) == 1_200_000


class TestIncoming:
    @given(st.lists(st.sampled_from(["369PQRST246", "!unknown_number", "A"]), max_size=20), st.data())
    def test_lines_come_whole_however_they_are_cut(self, lines: list[str], data: st.DataObject) -> None:
        text = "".join(line + "\n" for line in lines).encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
        incoming, got = Incoming(), b""
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            part = incoming.take(text[start:end])
            assert part == b"" or part.endswith(b"\n")
            got += part
        incoming.finish(len(lines))
        assert got == text
        assert [r.number if isinstance(r, Converted) else "!" + r.code for r in results(got)] == lines

    @given(st.integers(0, 3), st.data())
    def test_a_broken_stream_gives_what_came_before_and_raises_its_code(self, good: int, data: st.DataObject) -> None:
        text = b"369PQRST246\n" * good + b"!!engine_lost\n"
        cut = data.draw(st.integers(0, len(text)))
        incoming = Incoming()
        got = incoming.take(text[:cut]) + incoming.take(text[cut:])
        assert got == b"369PQRST246\n" * good
        with pytest.raises(StreamBroken, match=f"broke after {good} lines: engine_lost") as caught:
            incoming.check()
        assert (caught.value.code, caught.value.lines) == ("engine_lost", good)

    def test_nothing_counts_after_the_break(self) -> None:
        incoming = Incoming()
        assert incoming.take(b"!!engine_lost\nA\n") == b""
        assert incoming.take(b"B\n") == b""
        assert incoming.lines == 0

    @pytest.mark.parametrize(
        ("text", "sent", "code"),
        [(b"A\nB", 2, "cut_short"), (b"A\n", 2, "wrong_count"), (b"A\nB\n", 1, "wrong_count"), (b"", 1, "wrong_count")],
    )
    def test_an_answer_of_another_length_is_not_complete(self, text: bytes, sent: int, code: str) -> None:
        incoming = Incoming()
        incoming.take(text)
        with pytest.raises(StreamBroken, match="the answer is not complete") as caught:
            incoming.finish(sent)
        assert caught.value.code == code

    @pytest.mark.parametrize("text", [b"\n", b"A\n\nB\n", b"\xff\n"])
    def test_an_empty_or_strange_line_is_no_number(self, text: bytes) -> None:
        with pytest.raises(ProtocolError, match="a line of the answer is empty or not ASCII"):
            Incoming().take(text)
