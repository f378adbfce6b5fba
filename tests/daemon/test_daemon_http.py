"""The HTTP interface, asked over real sockets: what it answers, and every way it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
from typing import Any

import pytest

from tests.daemonkit import JSON, TEXT, Daemon, UnixConnection, codes, stream_path
from tests.world import softhsm

QUESTION: dict[str, Any] = {
    "source": "sspin.A",
    "target": "sspin.B",
    "purpose": "exchange",
    "reference": "a test",
    "numbers": ["ABC98765XYZ"],
}


def raw(daemon: Daemon, data: bytes, role: str = "hub") -> bytes:
    """What comes back for some bytes, until the daemon closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(daemon.world.socket(role)))
        connection.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
        return answer


def last(daemon: Daemon) -> dict[str, Any]:
    return daemon.records()[-1]


# --- answers ---------------------------------------------------------------------------------------


def test_both_flows_numbers_come_back_to_the_same_person(served: Daemon) -> None:
    people = codes(100)
    in_b = served.numbers("resident", "sspin.B", people, role="numbering")
    in_e = served.numbers("sspin.B", "sspin.E", in_b)
    assert in_e == served.numbers("resident", "sspin.E", people, role="numbering")
    assert served.numbers("sspin.E", "sspin.B", in_e) == in_b
    assert len({*people, *in_b, *in_e}) == 300


def test_answers_name_generations_and_the_audit_record(served: Daemon) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(3), role="numbering")
    reply = served.convert("sspin.A", "sspin.B.1", in_a, reference="照会 12")
    said = reply.json
    assert (said["source"], said["target"]) == ("sspin.A.1", "sspin.B.1")
    record = next(record for record in served.records() if record["record"] == said["record"])
    assert record == {
        **{"kind": "conversion", "record": said["record"], "time": record["time"], "role": "hub", "stream": None},
        **{"uid": os.getuid(), "gid": os.getgid(), "pid": os.getpid(), "reference": "照会 12", "purpose": "exchange"},
        **{"source": "sspin.A.1", "target": "sspin.B.1", "count": 3, "converted": 3, "malformed": 0, "unknown": 0},
        **{"tag_key": "tag.1", "tags": record["tags"], "order": None},
    }
    assert re.fullmatch("[0-9a-f]{64}", record["tags"])


def test_the_root_has_no_generation(served: Daemon) -> None:
    assert served.convert("resident", "sspin.A", codes(1), role="numbering").json["source"] == "resident"


def test_unnamed_means_current_and_older_generations_are_asked_by_name(served: Daemon) -> None:
    people = codes(5)
    new = served.numbers("resident", "sspin.D", people, role="numbering")
    assert served.convert("resident", "sspin.D", people, role="numbering").json["target"] == "sspin.D.2"
    in_a = served.numbers("resident", "sspin.A", people, role="numbering")
    assert served.numbers("sspin.D.2", "sspin.A", new) == in_a
    mistaken = served.convert("sspin.D.1", "sspin.A", new).json["results"]
    assert mistaken == [{"error": "unknown_number"}] * 5, "a number of another generation is nobody's"


def test_every_bad_number_fails_alone_and_order_is_kept(served: Daemon) -> None:
    good = served.numbers("resident", "sspin.A", codes(4), role="numbering")
    expected = served.numbers("sspin.A", "sspin.B", good)
    malformed: list[str] = [
        *("", " ", "x", good[0].lower(), good[0] + "\n", "\n", good[0] + "\n" + good[1], good[0] + "\r", "\r\n"),
        *(good[0] + " ", " " + good[0], good[0][:-1], good[0] + "A", "x" * 5_000, "\0" * 11, "!unknown_number"),
        *("漢字漢字漢字漢字漢字漢", "Ａ" * 11, "\ud7ff", "A\u0301" * 6, "!!stopping", good[0] + "\n" * 50),
    ]
    asked = [good[0], *malformed, good[1], "ABC98765XYZ", good[2], good[3]]
    results = served.convert("sspin.A", "sspin.B", asked).json["results"]
    bad = [{"error": "malformed_number"}] * len(malformed)
    one, two, three, four = ({"number": number} for number in expected)
    assert results == [one, *bad, two, {"error": "unknown_number"}, three, four]
    record = last(served)
    outcome = (record["count"], record["converted"], record["malformed"], record["unknown"])
    assert outcome == (len(asked), 4, len(malformed), 1)


@pytest.mark.parametrize("number", ["", "\n", "x\n", "A\nB", "x" * 300, "漢"])
def test_a_single_bad_number_is_one_result(served: Daemon, number: str) -> None:
    reply = served.convert("sspin.A", "sspin.B", [number])
    assert (reply.status, reply.json["results"]) == (200, [{"error": "malformed_number"}])


def test_large_requests_keep_their_order_over_several_frames(served: Daemon) -> None:
    people = codes(10_000)
    in_a = served.numbers("resident", "sspin.A", people, role="numbering")
    assert len(set(in_a)) == 10_000
    some = [0, 1, 1_023, 1_024, 8_191, 8_192, 9_999]
    alone = [served.numbers("resident", "sspin.A", [people[place]], role="numbering")[0] for place in some]
    assert [in_a[place] for place in some] == alone


def test_a_number_of_another_sector_is_nobody(served: Daemon) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(200), role="numbering")
    results = served.convert("sspin.B", "sspin.E", in_a).json["results"]
    assert results == [{"error": "unknown_number"}] * 200


def test_the_schemes_sample_is_well_formed_and_unknown(served: Daemon) -> None:
    assert served.convert("sspin.C", "sspin.E", ["369PQRST246"]).json["results"] == [{"error": "unknown_number"}]


def test_domains_show_a_role_what_it_may_convert_and_nothing_else(served: Daemon) -> None:
    said = served.ask("slow", "GET", "/v1/domains").json
    assert said["role"] == "slow"
    assert [domain["name"] for domain in said["domains"]] == ["sspin.A", "sspin.B"]
    assert said["domains"][0]["current"] == "sspin.A.1"
    assert said["domains"][0]["title"] == "税 (tax)"
    assert said["domains"][0]["format"] == {
        "alphabet": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "length": 11,
        "check": "none",
    }
    assert said["pairs"] == [{"source": "sspin.A", "target": "sspin.B"}]
    assert said["purposes"] == ["exchange"]
    assert said["limits"] == {"values_per_request": 5, "values_per_stream": 60, "values_per_minute": 600}


def test_domains_show_generations_with_their_states(served: Daemon) -> None:
    said = {domain["name"]: domain for domain in served.ask("hub", "GET", "/v1/domains").json["domains"]}
    assert said["sspin.D"]["current"] == "sspin.D.2"
    assert said["sspin.D"]["generations"] == [
        {"generation": "sspin.D.1", "state": "decrypt-only"},
        {"generation": "sspin.D.2", "state": "active"},
    ]
    assert said["sspin.F"]["current"] is None
    assert "spin" not in said and "resident" not in said and "common" not in said


def test_a_role_without_pairs_sees_nothing(served: Daemon) -> None:
    said = served.ask("portal", "GET", "/v1/domains").json
    assert (said["domains"], said["pairs"], said["purposes"]) == ([], [], [])


def test_status_tells_ledger_engines_and_audit(served: Daemon) -> None:
    said, state = served.ask("hub", "GET", "/v1/status").json, served.world.state()
    assert said["ready"] is True and said["reason"] is None
    facts = {"sequence": 3, "head": state.head, "anchor": state.anchor, "rehearsal": False}
    assert said["ledger"] == facts
    assert [link["pid"] for link in said["engines"]["serving"]] == served.engines()
    audit = said["audit"]
    assert (audit["available"], audit["records"]) == (True, len(served.records()))
    assert 0 < audit["signed"] <= audit["records"]
    assert (audit["cosigned"], audit["cosignature_age"]) == (0, None)


def test_health_and_readiness(served: Daemon) -> None:
    assert served.ask("hub", "GET", "/healthz").json == {"healthy": True}
    reply = served.ask("hub", "GET", "/readyz")
    assert (reply.status, reply.json) == (200, {"ready": True})
    reply = served.ask("hub", "HEAD", "/healthz")
    assert (reply.status, reply.body) == (200, b"")


def test_a_connection_serves_many_requests(served: Daemon) -> None:
    body = json.dumps(QUESTION)
    with contextlib.closing(UnixConnection(served.world.socket("hub"))) as connection:
        for _ in range(20):
            connection.request("POST", "/v1/convert", body, JSON)
            with connection.getresponse() as response:
                assert response.status == 200
                response.read()


def test_pipelined_requests_are_answered_in_order(served: Daemon) -> None:
    in_a = served.numbers("resident", "sspin.A", codes(5), role="numbering")
    expected = served.numbers("sspin.A", "sspin.B", in_a)
    requests = b""
    for place, number in enumerate(in_a):
        body = json.dumps({**QUESTION, "numbers": [number]}).encode()
        head = f"POST /v1/convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        requests += head.encode() + (b"\r\nConnection: close" if place == 4 else b"") + b"\r\n\r\n" + body
    answer = raw(served, requests).decode()
    assert [answer.index(number) for number in expected] == sorted(answer.index(number) for number in expected)


def test_curl_works(served: Daemon) -> None:
    curl = str(softhsm()["KAGIMORI_CURL"])
    in_a = served.numbers("resident", "sspin.A", codes(2_000), role="numbering")
    expected = served.numbers("sspin.A", "sspin.B", in_a)
    command = [curl, "-sS", "--fail", "--unix-socket", str(served.world.socket("hub"))]
    url = "http://kagimori" + stream_path("sspin.A", "sspin.B", "exchange")
    text = [*command, "-H", "Content-Type: text/plain", "--data-binary", "@-", url]
    lines = "\n".join(in_a * 100).encode()  # large enough for curl to send Expect: 100-continue
    done = subprocess.run(text, input=lines, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().split() == expected * 100
    upload = [*command, "-T", "-", "-X", "POST", "-H", "Content-Type: text/plain", url]
    done = subprocess.run(upload, input=lines, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().split() == expected * 100
    ask = [*command, "--json", json.dumps({**QUESTION, "numbers": in_a[:1]}), "http://kagimori/v1/convert"]
    done = subprocess.run(ask, capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["results"] == [{"number": expected[0]}]


# --- refusals --------------------------------------------------------------------------------------

DENIED = [
    ("sspin.A", "resident"),
    ("sspin.A", "spin"),
    ("spin", "sspin.A"),
    ("resident", "sspin.A"),
    ("sspin.A", "common"),
    ("sspin.A", "sspin.A"),
    ("sspin.A", "sspin.Z"),
    ("sspin.Z", "sspin.A"),
    ("sspin.A", "sspin.Z.1"),
    ("nothing", "sspin.A"),
    ("", "sspin.A"),
    ("sspin.A", "sspin.B.01"),
    ("sspin.A", "sspin.B.0"),
    ("sspin.A", "sspin.b"),
    ("SSPIN.A", "sspin.B"),
    ("sspin.A ", "sspin.B"),
    ("*", "*"),
]


@pytest.mark.parametrize(("source", "target"), DENIED)
def test_a_denied_pair_and_a_domain_that_does_not_exist_look_alike(served: Daemon, source: str, target: str) -> None:
    reply = served.convert(source, target, ["ABC98765XYZ"])
    assert (reply.status, reply.code) == (403, "pair_denied")
    assert reply.body == served.convert("sspin.A", "resident", ["ABC98765XYZ"]).body
    streamed = served.stream(source.replace(" ", "+"), target, b"ABC98765XYZ\n")
    assert (streamed.status, streamed.body) == (403, reply.body)


def test_a_denied_pair_is_denied_before_its_generation_is_looked_at(served: Daemon) -> None:
    for target in ("spin.1", "spin.99", "resident.1", "common.1"):
        assert served.convert("sspin.A", target, ["x"]).code == "pair_denied"


def test_a_role_without_rule_gets_nothing(served: Daemon) -> None:
    assert served.convert("sspin.A", "sspin.B", ["ABC98765XYZ"], role="portal").code == "pair_denied"


@pytest.mark.parametrize("purpose", ["linking", "", "Exchange", "exchange ", "*"])
def test_a_purpose_of_another_role_or_of_nobody_is_refused(served: Daemon, purpose: str) -> None:
    reply = served.convert("sspin.A", "sspin.B", ["ABC98765XYZ"], purpose=purpose)
    assert (reply.status, reply.code) == (403, "purpose_denied")
    assert last(served)["purpose"] == ("linking" if purpose == "linking" else None)


@pytest.mark.parametrize(
    ("source", "target", "status", "code", "said"),
    [
        ("sspin.A", "sspin.B.2", 404, "unknown_generation", "target: 'sspin.B.2' is no domain or key generation"),
        ("sspin.A.99999", "sspin.B", 404, "unknown_generation", "source: 'sspin.A.99999'"),
        ("sspin.A", "sspin.C.2", 409, "generation_unusable", "sspin.C.2 is generated"),
        ("sspin.C.2", "sspin.A", 409, "generation_unusable", "sspin.C.2 is generated"),
        ("sspin.A", "sspin.D.1", 409, "generation_unusable", "sspin.D.1 is decrypt-only"),
        ("sspin.D.2", "sspin.D.1", 409, "generation_unusable", "sspin.D.1 is decrypt-only"),
        ("sspin.A", "sspin.F", 409, "generation_unusable", "target: sspin.F has no active key"),
        ("sspin.F", "sspin.A", 409, "generation_unusable", "source: sspin.F has no active key"),
    ],
)
def test_generations_that_cannot_be_used(
    served: Daemon, source: str, target: str, status: int, code: str, said: str
) -> None:
    reply = served.convert(source, target, ["ABC98765XYZ"])
    assert (reply.status, reply.code) == (status, code)
    assert said in reply.json["detail"]
    assert served.stream(source, target, b"ABC98765XYZ\n").code == code


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[" * 1_000, json.dumps({**QUESTION, "numbers": []}).encode(), b"\xff\xff", b'{"a":' * 500],
)
def test_a_malformed_body_is_refused_and_recorded_without_its_content(served: Daemon, body: bytes) -> None:
    reply = served.ask("hub", "POST", "/v1/convert", body, JSON)
    assert (reply.status, reply.code) == (400, "malformed_request")
    record = last(served)
    assert (record["kind"], record["code"]) == ("refusal", "malformed_request")
    assert (record["source"], record["target"], record["purpose"]) == (None, None, None)


def test_a_malformed_query_is_refused(served: Daemon) -> None:
    assert served.ask("hub", "POST", "/v1/convert?source=sspin.A", b"x\n", TEXT).code == "malformed_request"
    assert served.ask("hub", "POST", "/v1/convert", b"x\n", TEXT).code == "malformed_request"
    both = served.ask("hub", "POST", "/v1/convert?source=sspin.A", json.dumps(QUESTION).encode(), JSON)
    assert "the JSON form takes everything in the body" in both.json["detail"]


def test_no_refusal_or_record_repeats_what_might_be_a_number(served: Daemon) -> None:
    number = served.numbers("resident", "sspin.A", codes(1), role="numbering")[0]
    for terms in ({"source": number}, {"target": number}, {"purpose": number}, {"reference": number + "\n"}):
        reply = served.ask("hub", "POST", "/v1/convert", json.dumps({**QUESTION, **terms}).encode(), JSON)
        assert reply.status in (400, 403)
        assert number.encode() not in reply.body
    text = json.dumps(served.records())
    assert number not in text
    assert number not in served.log


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/xml"},
        {"Content-Type": "text/html"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "text/plain; charset=shift_jis"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "deflate"},
    ],
)
def test_other_media_types_are_refused(served: Daemon, headers: dict[str, str]) -> None:
    reply = served.ask("hub", "POST", "/v1/convert", json.dumps(QUESTION).encode(), headers)
    assert (reply.status, reply.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", 'application/json;charset="UTF-8"']
)
def test_the_same_media_type_in_other_words_is_taken(served: Daemon, kind: str) -> None:
    reply = served.ask("hub", "POST", "/v1/convert", json.dumps(QUESTION).encode(), {"Content-Type": kind})
    assert reply.status == 200


def test_paths_and_methods(served: Daemon) -> None:
    for path in ("/", "/v1/convert/", "/v1/converts", "/v2/convert", "/metrics", "/v1/domains/sspin.A", "//v1/convert"):
        assert served.ask("hub", "GET", path).code == "not_found", path
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = served.ask("hub", method, "/v1/convert")
        assert (reply.status, reply.code, reply.headers["allow"]) == (405, "method_not_allowed", "POST")
    for path in ("/healthz", "/readyz", "/v1/domains", "/v1/status"):
        reply = served.ask("hub", "POST", path, b"{}", JSON)
        assert (reply.status, reply.code, reply.headers["allow"]) == (405, "method_not_allowed", "GET, HEAD")


@pytest.mark.parametrize(
    "data",
    [
        b"HELLO\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
        b"POST /v1/convert HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /v1/convert HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000 + b"\r\n",
        b"ABC98765XYZ\nABC98765XYZ\n\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_and_a_closed_connection(served: Daemon, data: bytes) -> None:
    answer = raw(served, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") or head.startswith(b"HTTP/1.0 400 ")
    assert json.loads(body)["code"] == "malformed_request"
    assert b"ABC98765XYZ" not in answer
    assert "ABC98765XYZ" not in served.log


def test_a_caller_who_hangs_up_in_the_middle_disturbs_nobody(served: Daemon) -> None:
    for data in (
        b"POST /v1/con",
        b"POST /v1/convert HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(served.world.socket("hub")))
            connection.sendall(data)
    assert served.convert("sspin.A", "sspin.B", ["?"]).status == 200


# --- limits ----------------------------------------------------------------------------------------


def test_too_many_numbers_in_one_request(served: Daemon) -> None:
    reply = served.convert("sspin.A", "sspin.B", ["x"] * 6, role="slow")
    assert (reply.status, reply.code) == (413, "too_many_numbers")
    assert reply.json["detail"] == "numbers: at most 5 in one request."
    assert served.convert("sspin.A", "sspin.B", ["x"] * 5, role="slow").status == 200


def test_a_body_larger_than_any_allowed_question_is_not_read(served: Daemon) -> None:
    body = json.dumps({**QUESTION, "numbers": ["x" * 500_000]}).encode()
    reply = served.ask("slow", "POST", "/v1/convert", body, JSON)
    assert (reply.status, reply.code) == (413, "too_many_numbers")
    with contextlib.closing(UnixConnection(served.world.socket("slow"))) as connection:
        connection.request("POST", "/v1/convert", (b"x" * 4_000 for _ in range(60)), JSON, encode_chunked=True)
        with connection.getresponse() as response:
            assert response.status == 413
            assert json.loads(response.read())["code"] == "too_many_numbers"


def test_the_rate_is_kept_and_the_wait_is_told(served: Daemon) -> None:
    assert served.convert("sspin.A", "sspin.B", ["x"] * 5, role="narrow").status == 200
    reply = served.convert("sspin.A", "sspin.B", ["x"] * 5, role="narrow")
    assert (reply.status, reply.code) == (429, "rate_limited")
    assert 30 <= int(reply.headers["retry-after"]) <= 40
    assert f"in {reply.headers['retry-after']} s" in reply.json["detail"]
    assert last(served)["code"] == "rate_limited"
    assert served.convert("sspin.A", "sspin.B", ["?"], role="hub").status == 200, "each role has its own"


def test_a_role_without_streams_is_refused_them(served: Daemon) -> None:
    reply = served.stream("sspin.A", "sspin.B", b"x\n", role="narrow")
    assert (reply.status, reply.code) == (403, "stream_denied")


def test_a_stream_in_http_1_0_is_refused_where_its_end_could_not_be_told_from_a_cut(served: Daemon) -> None:
    path = stream_path("sspin.A", "sspin.B", "exchange").encode()
    answer = raw(served, b"POST %b HTTP/1.0\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nx\n" % path)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 ")
    said = json.loads(body)
    assert said["code"] == "malformed_request"
    assert said["detail"] == "HTTP/1.0: a stream needs chunks, which tell its end from a cut"
    assert last(served)["code"] == "malformed_request"
    question = json.dumps({**QUESTION, "numbers": ["?"]}).encode()
    headers = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(question)
    whole = raw(served, b"POST /v1/convert HTTP/1.0\r\n" + headers + question)
    assert whole.startswith(b"HTTP/1.0 200 OK\r\n"), "a whole answer says how long it is"


def test_every_refusal_is_recorded(served: Daemon) -> None:
    before = len(served.records())
    served.convert("sspin.A", "resident", ["x"])
    served.convert("sspin.A", "sspin.B.7", ["x"])
    served.convert("sspin.A", "nowhere", ["x"], purpose="fun")
    served.stream("sspin.A", "sspin.C.2", b"x\n")
    found = [
        (record["kind"], record["code"], record["source"], record["target"], record["purpose"], record["uid"])
        for record in served.records()[before:]
    ]
    uid = os.getuid()
    assert found == [
        ("refusal", "pair_denied", "sspin.A", "resident", "exchange", uid),
        ("refusal", "unknown_generation", "sspin.A", None, "exchange", uid),
        ("refusal", "pair_denied", "sspin.A", None, None, uid),
        ("refusal", "generation_unusable", "sspin.A", "sspin.C.2", "exchange", uid),
    ]
