"""Counts without locks are those that prometheus-client would have made, and are counted where they should be."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Judge
from prometheus_client.samples import Sample

from appliance.audit.records import Conversion
from appliance.configuration import SocketSection
from appliance.daemon.accepting import Bounds, Server
from appliance.daemon.exchange import Request
from appliance.daemon.histogram import RECORDS, SECONDS, Histogram
from appliance.daemon.measures import Measures
from appliance.daemon.metrics import counted, scrape
from appliance.daemon.metrics.families import histograms
from appliance.daemon.problems import KINDS
from appliance.daemon.selftest import SelfTest
from appliance.daemon.sockets import Listener
from appliance.daemon.wire import Reply, json_reply

VALUES = st.one_of(st.sampled_from((*SECONDS, 0.0)), st.floats(0, 20), st.floats(0, 0.01))


@given(st.lists(VALUES, max_size=60))
def test_a_histogram_tells_what_prometheus_own_would(values: list[float]) -> None:
    """Values on a bound, below the first and above the last, too."""
    judge, ours = Judge("kagimori_a_seconds", "A.", registry=None, buckets=SECONDS), Histogram()
    for value in values:
        judge.observe(value)
        ours.observe(value)
    wanted = next(iter(judge.collect())).samples
    told = histograms("a_seconds", "A.", (), [((), ours)]).samples
    assert _counts(told) == _counts(wanted)
    assert math.isclose(ours.total, sum(values))


def _counts(samples: Iterable[Sample]) -> dict[tuple[str, str], float]:
    counts = [one for one in samples if one.name.endswith(("_bucket", "_count"))]
    return {(one.name, one.labels.get("le", "")): one.value for one in counts}


@given(VALUES, st.integers(0, 50))
def test_one_value_for_many_is_that_many_values(value: float, many: int) -> None:
    together, singly = Histogram(), Histogram()
    together.observe_for(many, value)
    for _ in range(many):
        singly.observe(value)
    assert together.counts == singly.counts
    assert math.isclose(together.total, singly.total)


def test_bounds_rise_from_a_tenth_of_a_millisecond_to_ten_seconds() -> None:
    assert list(SECONDS) == sorted(set(SECONDS))
    assert (SECONDS[0], SECONDS[-1]) == (0.0001, 10.0)
    assert list(RECORDS) == sorted(set(RECORDS))


def test_a_stream_that_is_cut_counts_as_a_refusal_with_its_code() -> None:
    seen = Measures(["hub"]).roles["hub"]
    for outcome in ("complete", "client_gone", "stopping", "token_unavailable"):
        seen.stream_ended(outcome)
    assert seen.streams == {"complete": 1, "client_gone": 1, "cut": 2}
    assert {code: count for code, count in seen.refusals.items() if count} == {"stopping": 1, "token_unavailable": 1}


@pytest.mark.parametrize("word", ["https://", "sspin.A.1", "a-role-of-mine"])
def test_an_unknown_word_gets_no_row(word: str) -> None:
    """A defect would show as a defect, and not as a new series."""
    seen = Measures(["hub"]).roles["hub"]
    for count in (lambda: seen.request(word, None), lambda: seen.request("convert", word)):
        with pytest.raises(KeyError):
            count()


def test_every_problem_code_of_every_role_is_told_as_zero_before_it_happens() -> None:
    family = {one.name: one for one in counted.requests(Measures(["hub", "portal"]))}["kagimori_refusals"]
    rows = {(sample.labels["role"], sample.labels["code"]): sample.value for sample in family.samples}
    assert rows == {(role, code): 0 for role in ("hub", "portal") for code in KINDS}


def test_numbers_are_those_of_the_records() -> None:
    measures = Measures(["hub"])
    for converted, malformed, unknown in ((3, 0, 1), (0, 2, 0)):
        measures.converted(_record(converted, malformed, unknown))
    family = {one.name: one for one in counted.requests(measures)}["kagimori_numbers"]
    where = {"role": "hub", "source": "sspin.A.1", "target": "sspin.B.2"}
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({**where, "result": "converted"}, 3),
        ({**where, "result": "malformed"}, 2),
        ({**where, "result": "unknown"}, 1),
    ]


def _record(converted: int, malformed: int, unknown: int) -> Conversion:
    return Conversion(
        role="hub",
        uid=1,
        gid=2,
        pid=3,
        source="sspin.A.1",
        target="sspin.B.2",
        purpose="p",
        reference="r",
        count=converted + malformed + unknown,
        converted=converted,
        malformed=malformed,
        unknown=unknown,
    )


def test_self_tests_are_those_of_the_heartbeat() -> None:
    measures = Measures(["hub"])
    for tested, wanted in ((None, [0, 0]), (SelfTest(lambda: ()), [2, 1])):
        if tested is not None:
            tested.passed, tested.failed = 2, 1
        measures.self_test = tested
        family = {one.name: one for one in counted.others(measures, ["a token"])}["kagimori_self_tests"]
        assert [sample.value for sample in family.samples] == wanted


def test_our_registry_is_none_of_the_process() -> None:
    """What this process registers elsewhere is not told, and nothing of ours is told elsewhere."""
    text = scrape.write(counted.log(Measures([])), scrape.PLAIN).decode()
    assert "kagimori_audit_failures_total 0.0" in text
    assert "process_open_fds" in text
    assert "python_gc_" not in text
    assert "kagimori" not in generate_latest().decode()
    assert "kagimori" not in generate_latest(CollectorRegistry()).decode()


def test_a_connection_that_finds_no_seat_is_counted(tmp_path: Path) -> None:
    """Two seats for all, so one for this user, who asks on it and comes again."""

    async def run() -> tuple[bytes, int]:
        answer = asyncio.Event()

        async def handle(request: Request) -> Reply:
            await answer.wait()
            return json_reply(b"{}")

        listener = Listener(SocketSection(role="hub", path=tmp_path / "hub.sock"))
        server = Server(handle, "hub", Bounds.of(2))
        server.listen(listener.socket)
        _, asking = await asyncio.open_unix_connection(listener.path)
        asking.write(b"GET / HTTP/1.1\r\nHost: kagimori\r\n\r\n")
        await asyncio.sleep(0.3)
        reader, writer = await asyncio.open_unix_connection(listener.path)
        said = await asyncio.wait_for(reader.read(), 20)
        answer.set()
        writer.close()
        asking.close()
        await server.shutdown(1)
        listener.socket.close()
        return said, server.turned_away

    said, turned_away = asyncio.run(run())
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"overloaded"' in said
    assert turned_away == 1
