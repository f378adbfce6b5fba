"""A conversion that its person does not recognise: into the log, about their own conversions only, durable first."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemonkit import JSON, Daemon, HeldDisk, Reply, codes, copy_world, wait_for
from tests.metrickit import scrape, with_metrics
from tests.watchkit import history, signed_checkpoint, verified, watched_world
from tests.world import World

ME, OTHER = "00000000042", "00000000043"
NOT_MINE = {
    "type": "urn:kagimori:problem:not_found",
    "title": "No such resource",
    "status": 404,
    "detail": "record: not a conversion of this person's number.",
    "code": "not_found",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return watched_world(tmp_path_factory.mktemp("mark") / "w")


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


@pytest.fixture(scope="module")
def asked(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(with_metrics(copy_world(template, tmp_path_factory.mktemp("asked") / "w"))) as daemon:
        yield daemon


def number(daemon: Daemon, code: str, target: str = "sspin.A") -> str:
    return daemon.numbers("resident", target, [code], role="numbering")[0]


def mark(daemon: Daemon, source: str, number_: str, record: object, *, role: str = "portal", **more: Any) -> Reply:
    question = {"source": source, "number": number_, "record": record, "reference": "a mark", **more}
    return daemon.ask(role, "POST", "/v1/history/mark", json.dumps(question).encode(), JSON)


def newest(daemon: Daemon, source: str, number_: str) -> int:
    """The record of the person's newest conversion."""
    return int(history(daemon, source, number_).json["conversions"][0]["record"])


def test_a_mark_is_a_record_of_its_own_and_says_nothing_of_whom(asked: Daemon) -> None:
    a = number(asked, ME)
    mine = newest(asked, "sspin.A", a)
    reply = mark(asked, "sspin.A", a, mine, reference="portal 8f3a")
    assert reply.status == 200
    last = asked.records()[-1]
    assert reply.json == {"record": last["record"]}
    assert {name: value for name, value in last.items() if name not in ("time", "uid", "gid", "pid")} == {
        "kind": "not_recognised",
        "record": last["record"],
        "role": "portal",
        "source": "sspin.A.1",
        "marked": mine,
        "reference": "portal 8f3a",
    }
    assert a not in json.dumps(asked.records())


def test_it_comes_under_the_next_checkpoint(asked: Daemon) -> None:
    a = number(asked, ME)
    at = mark(asked, "sspin.A", a, newest(asked, "sspin.A", a)).json["record"]
    signed, note = signed_checkpoint(asked, at)
    assert verified(asked.world, note) == signed


def test_by_any_number_of_the_person_and_as_often_as_they_like(asked: Daemon) -> None:
    a, common = number(asked, "00000000051"), number(asked, "00000000051", "common")
    mine = newest(asked, "common", common)
    marks = [
        mark(asked, source, one, mine) for source, one in (("sspin.A", a), ("common", common), ("common.1", common))
    ]
    assert [reply.status for reply in marks] == [200] * 3
    assert len({reply.json["record"] for reply in marks}) == 3
    assert [record["marked"] for record in asked.records()[-3:]] == [mine] * 3


def test_one_of_many_numbers_of_a_batch_and_of_a_stream(asked: Daemon) -> None:
    numbers = asked.numbers("resident", "sspin.A", codes(300, 5_000), role="numbering")
    batch = asked.records()[-1]["record"]
    assert asked.stream("sspin.A", "sspin.B", ("\n".join(numbers) + "\n").encode()).status == 200
    stream = next(r["record"] for r in reversed(asked.records()) if r["kind"] == "conversion")
    for one in (numbers[0], numbers[150], numbers[299]):
        assert mark(asked, "sspin.A", one, batch).status == 200
        assert mark(asked, "sspin.A", one, stream).status == 200


def test_what_is_not_this_persons_conversion_gets_one_answer_whatever_it_is(asked: Daemon) -> None:
    """Another person's, a refusal, a start, a look, a mark, a future record, one that no log will ever have."""
    a, b = number(asked, ME), number(asked, OTHER)
    theirs = newest(asked, "sspin.A", b)
    kinds = {record["kind"]: record["record"] for record in asked.records()}
    assert {"start", "ledger_loaded", "ceremony", "history_read", "not_recognised"} <= set(kinds)
    assert asked.convert("sspin.A", "nowhere", [a]).code == "pair_denied"
    refusal = asked.records()[-1]["record"]
    wrong = [theirs, refusal, *(at for kind, at in kinds.items() if kind != "conversion"), refusal + 1_000, 2**53 - 1]
    bodies = {mark(asked, "sspin.A", a, record).body for record in wrong}
    assert [json.loads(body) for body in bodies] == [NOT_MINE]
    refused = asked.records()[-len(wrong) :]
    assert {(record["kind"], record["role"], record["code"], record["source"]) for record in refused} == {
        ("refusal", "portal", "not_found", "sspin.A")
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=st.integers(1, 200))
def test_a_person_can_mark_exactly_what_their_history_has(asked: Daemon, record: int) -> None:
    a = number(asked, "00000000052")
    mine = {one["record"] for one in history(asked, "sspin.A", a, limit=1_000).json["conversions"]}
    for one in (record, max(mine)):
        assert mark(asked, "sspin.A", a, one).status == (200 if one in mine else 404)


@pytest.mark.parametrize(
    ("source", "number_", "more", "code"),
    [
        ("sspin.A", "ABC98765XYZ", {}, "unknown_number"),
        ("common", "?", {}, "malformed_number"),
        ("sspin.B", "ABC98765XYZ", {}, "pair_denied"),
        ("resident", "00000000042", {}, "pair_denied"),
        ("sspin.A.9", "ABC98765XYZ", {}, "unknown_generation"),
        ("sspin.A", "ABC98765XYZ", {"record": 0}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"record": -1}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"record": 2**53}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"record": 10**400}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"record": 1.5}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"record": "7"}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"record": None}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"extra": 1}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"reference": ""}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"reference": "x" * 129}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"reference": "two\nlines"}, "malformed_request"),
        ("sspin.A", "ABC98765XYZ", {"reference": "for ABC98765XYZ"}, "malformed_request"),
    ],
)
def test_refusals_are_recorded(asked: Daemon, source: str, number_: str, more: dict[str, Any], code: str) -> None:
    record = more.pop("record", 1)
    assert mark(asked, source, number_, record, **more).code == code
    last = asked.records()[-1]
    assert (last["kind"], last["role"], last["code"]) == ("refusal", "portal", code)


def test_a_record_named_twice_is_refused(asked: Daemon) -> None:
    body = b'{"source":"sspin.A","number":"ABC98765XYZ","record":1,"record":2,"reference":"r"}'
    reply = asked.ask("portal", "POST", "/v1/history/mark", body, JSON)
    assert (reply.code, reply.json["detail"]) == ("malformed_request", "record: given twice")


def test_roles_without_histories_have_no_such_path_and_nothing_is_recorded(asked: Daemon) -> None:
    before = len(asked.records())
    for role in ("hub", "numbering", "oversight", "court"):
        reply = mark(asked, "sspin.A", "ABC98765XYZ", 1, role=role)
        assert (reply.code, reply.json["detail"]) == (
            "not_found",
            "There is nothing at this path; see the OpenAPI document.",
        )
    assert asked.ask("portal", "GET", "/v1/history/mark").code == "method_not_allowed"
    assert asked.ask("portal", "POST", "/v1/history/mark/", b"{}", JSON).code == "not_found"
    assert len(asked.records()) == before


def test_another_media_type_and_a_large_body_are_refused(asked: Daemon) -> None:
    assert asked.ask("portal", "POST", "/v1/history/mark", b"x", {"Content-Type": "text/plain"}).status == 415
    assert mark(asked, "sspin.A", "A" * 5_000, 1).status == 413


def test_marks_are_counted_as_what_they_are(asked: Daemon) -> None:
    a = number(asked, ME)
    labels = {"role": "portal", "interface": "mark"}
    name = "kagimori_requests_total"
    before = scrape(asked.world)
    mark(asked, "sspin.A", a, newest(asked, "sspin.A", a))
    mark(asked, "sspin.A", a, 1)
    after = scrape(asked.world)
    for outcome in ("answered", "refused"):
        seen = [one.value(name, **labels, outcome=outcome) for one in (before, after)]
        assert seen[1] - seen[0] == 1


def test_no_answer_before_the_record_is_durable(world: World) -> None:
    held = HeldDisk(world)
    with held.daemon as daemon:
        a = number(daemon, ME)
        mine = newest(daemon, "sspin.A", a)
        held.hold()
        told: list[object] = []

        def ask() -> None:
            try:
                told.append(mark(daemon, "sspin.A", a, mine).status)
            except (OSError, HTTPException) as error:
                told.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(1.0)
        assert told == []
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        asking.join(10)
        assert len(told) == 1 and isinstance(told[0], OSError | HTTPException)
        held.release()
    shutil.rmtree(world.audit_directory / "tags")
    with Daemon(world) as daemon:  # whatever became of that record, it can be said again; the index is made anew
        wait_for(lambda: mark(daemon, "sspin.A", a, mine).status == 200)
        assert mark(daemon, "sspin.A", a, mine + 1).code == "not_found"
        assert daemon.stop() == 0


DIES = """
import os, signal
from appliance.daemon import mark
def dies(number):
    os.kill(os.getpid(), signal.SIGKILL)
mark.Answer = dies
from appliance.cli import main
main()
"""


def test_killed_between_the_record_and_the_answer(world: World) -> None:
    """The mark is in the log, nobody was told so; saying it again makes another record, and the log goes on."""
    with Daemon(world, program=("-c", DIES)) as daemon:
        a = number(daemon, ME)
        mine = newest(daemon, "sspin.A", a)
        with pytest.raises((OSError, HTTPException)):
            mark(daemon, "sspin.A", a, mine, reference="the first time")
        assert daemon.wait() == -signal.SIGKILL
    with Daemon(world) as daemon:
        assert mark(daemon, "sspin.A", a, mine, reference="again").status == 200
        said = [record["reference"] for record in daemon.records() if record["kind"] == "not_recognised"]
        assert said == ["the first time", "again"]
        assert len(history(daemon, "sspin.A", a).json["conversions"]) == 1
        assert daemon.stop() == 0


def test_when_the_log_cannot_be_written_nothing_is_marked(world: World) -> None:
    with Daemon(world) as daemon:
        a = number(daemon, ME)
        for _ in range(20):  # so that it is the audit file and not the log that is too large
            mine = newest(daemon, "sspin.A", a)
        size, before = world.audit_segment.stat().st_size, len(daemon.records())
        no_limit = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (size + 10, no_limit[1]))
        assert mark(daemon, "sspin.A", a, mine).code == "audit_unavailable"
        assert len(daemon.records()) == before
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, no_limit)
        wait_for(lambda: mark(daemon, "sspin.A", a, mine).status == 200)
