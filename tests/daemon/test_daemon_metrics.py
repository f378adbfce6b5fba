"""What monitoring reads is true: scraped by curl from a real daemon, before and after things happen to it."""

from __future__ import annotations

import os
import re
import signal
import stat
import time
from collections.abc import Iterator

import pytest

from tests.daemonkit import Asking, Daemon, HeldDisk, codes, copy_world, wait_for
from tests.metrickit import Scraped, curl, metrics_socket, moved, scrape, with_metrics
from tests.watchkit import signed_checkpoint
from tests.world import PROJECT, TOKEN_LABEL, World

REFERENCE = "case 4711 of a person"
STAGES = ("decide", "wait", "engine", "audit", "whole")
REASONS = ("killed", "died", "configuration", "ledger", "pin", "keys", "token", "defect")


@pytest.fixture(scope="module")
def held(small_template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldDisk]:
    held = HeldDisk(with_metrics(copy_world(small_template, tmp_path_factory.mktemp("metrics") / "w")))
    with held.daemon:
        yield held
        assert held.daemon.stop() == 0, held.daemon.log
    assert not metrics_socket(held.daemon.world).exists()


@pytest.fixture(scope="module")
def daemon(held: HeldDisk) -> Daemon:
    return held.daemon


@pytest.fixture(scope="module")
def numbers(daemon: Daemon) -> list[str]:
    """Numbers of sspin.A."""
    made = daemon.convert("resident", "sspin.A", codes(9), role="numbering", purpose="linking")
    assert made.status == 200, made
    return [result["number"] for result in made.json["results"]]


def documented() -> set[str]:
    """The metrics that docs/monitoring.md lists, each in the first column of a table."""
    page = (PROJECT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `((?:kagimori|process)_\w+)` \|", page, re.MULTILINE))


def test_what_the_page_asks_for_is_there() -> None:
    """Every metric in an alert's expression is in one of the page's tables."""
    page = (PROJECT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    asked = set(
        re.findall(r"\b(kagimori_\w+|process_\w+)", " ".join(re.findall("expr: (.*?)annotations", page, re.DOTALL)))
    )
    assert len(asked) > 15
    assert {name.removesuffix("_bucket") for name in asked} <= documented()


def told(scraped: Scraped) -> set[str]:
    """The metrics in a scrape, by the names under which they are asked for: counters end in ``_total``."""
    return {name + "_total" * (family.type == "counter") for name, family in scraped.families.items()}


def test_both_formats_parse_and_tell_what_is_documented(daemon: Daemon) -> None:
    plain, opened = scrape(daemon.world), scrape(daemon.world, as_openmetrics=True)
    assert opened.text.endswith("\n# EOF\n")
    assert told(plain) == told(opened)
    only_with_witnesses = {"kagimori_audit_cosignature_age_seconds"}
    assert told(plain) == documented() - only_with_witnesses
    for family in plain.families.values():
        assert family.documentation.endswith("."), family.name


def test_conversions_are_counted_and_timed_by_stage(daemon: Daemon, numbers: list[str]) -> None:
    before = scrape(daemon.world)
    where = {"role": "hub", "source": "sspin.A.1", "target": "sspin.B.1"}
    reply = daemon.convert("sspin.A", "sspin.B", [*numbers[:3], "nonsense"])
    assert [result.get("error") for result in reply.json["results"]] == [None, None, None, "malformed_number"]
    asked = {"role": "hub", "interface": "convert", "outcome": "answered"}
    after = moved(
        daemon.world, "kagimori_requests_total", before.value("kagimori_requests_total", **asked) + 1, **asked
    )
    for result, count in (("converted", 3), ("malformed", 1), ("unknown", 0)):
        had = sum(before.rows("kagimori_numbers_total", **where, result=result))
        assert after.value("kagimori_numbers_total", **where, result=result) == had + count
    took = {stage: _grown(before, after, "kagimori_request_stage_seconds", stage=stage) for stage in STAGES}
    assert {count for count, _ in took.values()} == {1}
    parts = sum(seconds for stage, (_, seconds) in took.items() if stage != "whole")
    assert 0 < parts <= took["whole"][1] + 0.01


def _grown(before: Scraped, after: Scraped, name: str, **labels: str) -> tuple[float, float]:
    """By how many values, and how many seconds, a histogram grew. Its buckets must add up."""
    buckets = after.rows(f"{name}_bucket", **labels)
    assert buckets == sorted(buckets)
    assert buckets[-1] == after.value(f"{name}_count", **labels)
    count, seconds = (
        after.value(name + end, **labels) - before.value(name + end, **labels) for end in ("_count", "_sum")
    )
    return count, seconds


def test_large_requests_and_streams_have_times_of_their_own(daemon: Daemon, numbers: list[str]) -> None:
    before = scrape(daemon.world)
    assert daemon.convert("sspin.A", "sspin.B", numbers[:1] * 1_025).status == 200
    lines = "".join(f"{number}\n" for number in numbers).encode()
    assert daemon.stream("sspin.A", "sspin.B", lines).status == 200
    ended = {"role": "hub", "outcome": "complete"}
    after = moved(
        daemon.world,
        "kagimori_streams_ended_total",
        before.value("kagimori_streams_ended_total", **ended) + 1,
        **ended,
    )
    assert _grown(before, after, "kagimori_large_request_seconds")[0] == 1
    for stage in ("convert", "audit", "write"):
        assert _grown(before, after, "kagimori_stream_chunk_seconds", stage=stage)[0] == 1
    for stage in STAGES:
        assert _grown(before, after, "kagimori_request_stage_seconds", stage=stage)[0] == 0


def test_a_refusal_raises_its_code_and_no_other(daemon: Daemon, numbers: list[str]) -> None:
    before = scrape(daemon.world)
    assert daemon.convert("sspin.A", "resident", numbers[:1]).code == "pair_denied"
    assert daemon.ask("hub", "DELETE", "/v1/status").code == "method_not_allowed"
    after = moved(
        daemon.world,
        "kagimori_refusals_total",
        before.value("kagimori_refusals_total", role="hub", code="method_not_allowed") + 1,
        role="hub",
        code="method_not_allowed",
    )
    grown = {
        (sample.labels["role"], sample.labels["code"])
        for sample, old in zip(*(one.families["kagimori_refusals"].samples for one in (after, before)), strict=True)
        if sample.value != old.value
    }
    assert grown == {("hub", "pair_denied"), ("hub", "method_not_allowed")}
    assert after.value("kagimori_requests_total", role="hub", interface="convert", outcome="refused") >= 1


def test_no_number_reference_or_purpose_of_a_caller_is_told(daemon: Daemon, numbers: list[str]) -> None:
    converted = daemon.numbers("sspin.A", "sspin.B", numbers)
    daemon.convert("sspin.A", "sspin.B", numbers[:2], reference=REFERENCE)
    daemon.convert("sspin.A", "sspin.B", numbers[:2], purpose="a-purpose-of-mine")
    daemon.convert("a-domain-of-mine", "sspin.B", numbers[:2])
    daemon.ask("hub", "GET", f"/v1/status?{numbers[0]}")
    daemon.ask("hub", "GET", f"/{numbers[0]}")
    for scraped in (scrape(daemon.world), scrape(daemon.world, as_openmetrics=True)):
        for word in (*codes(9), *numbers, *converted):  # digits in the middle of a sum of seconds are nobody's number
            assert re.search(rf"(?<![\d.]){word}(?!\d)", scraped.text) is None
        for word in ("4711", REFERENCE, "-of-mine"):
            assert word not in scraped.text


def test_the_log_and_its_signatures_are_followed(held: HeldDisk, daemon: Daemon) -> None:
    before = scrape(daemon.world)
    held.hold()
    asking = Asking(daemon, "nonsense")
    after = moved(daemon.world, "kagimori_requests_in_flight", 1, role="hub")
    assert after.value("kagimori_connections", role="hub") == 1
    time.sleep(0.3)
    held.release()
    wait_for(lambda: asking.reply is not None)
    records = before.value("kagimori_audit_records") + 1
    after = moved(daemon.world, "kagimori_audit_records", records)
    assert after.value("kagimori_audit_group_records_sum") >= before.value("kagimori_audit_group_records_sum") + 1
    count, seconds = _grown(before, after, "kagimori_audit_sync_seconds")
    assert count >= 1
    assert seconds >= 0.3
    assert after.value("kagimori_audit_newest_record_age_seconds") < 30
    oldest = after.value("kagimori_audit_oldest_record_age_seconds")
    assert 0.3 < oldest < time.time() - daemon.world.config.stat().st_mtime + 60
    signed_checkpoint(daemon, int(records))
    assert scrape(daemon.world).value("kagimori_audit_unsigned_records") <= 1
    assert after.value("kagimori_audit_available") == 1
    assert after.value("kagimori_audit_uncosigned_records") == after.value("kagimori_audit_records")


def test_keys_and_the_ledger_have_their_ages(daemon: Daemon) -> None:
    scraped, state = scrape(daemon.world), daemon.world.state()
    assert scraped.value("kagimori_ledger_sequence") == state.sequence
    labels = [sample.labels for sample in scraped.families["kagimori_key_age_seconds"].samples]
    assert {one["generation"] for one in labels} == {str(generation) for generation in state.keys}
    assert {(one["state"], one["current"]) for one in labels} == {("active", "yes")}
    ages = scraped.rows("kagimori_key_age_seconds")
    assert len(set(ages)) == 1  # one ceremony
    assert 0 < ages[0] < 3_600
    assert abs(scraped.value("kagimori_ledger_age_seconds") - ages[0]) < 60


def test_an_engine_that_dies_is_counted_by_token_and_reason(daemon: Daemon) -> None:
    before = scrape(daemon.world)
    assert before.value("kagimori_engines_serving", token=TOKEN_LABEL) == 1
    assert before.value("kagimori_engines_wanted", token=TOKEN_LABEL) == 1
    reasons = [sample.labels["reason"] for sample in before.families["kagimori_engine_losses"].samples]
    assert reasons == list(REASONS)
    os.kill(daemon.engines()[0], signal.SIGKILL)
    lost = {"token": TOKEN_LABEL, "reason": "died"}
    moved(
        daemon.world, "kagimori_engine_losses_total", before.value("kagimori_engine_losses_total", **lost) + 1, **lost
    )
    after = moved(daemon.world, "kagimori_engines_serving", 1)
    assert sum(after.rows("kagimori_engine_losses_total")) == sum(before.rows("kagimori_engine_losses_total")) + 1
    assert after.rows("kagimori_token_left_out") == [0.0] * 6


def test_it_is_the_only_thing_on_its_socket_and_on_no_other(daemon: Daemon) -> None:
    path = metrics_socket(daemon.world)
    for url in ("/", "/v1/status", "/v1/convert", "/healthz", "/metrics/", "/metrics?name=x", "/METRICS"):
        head, body = curl(path, f"http://kagimori{url}")
        assert head.startswith("HTTP/1.1 404 "), url
        assert '"code":"not_found"' in body
    head, body = curl(path, "http://kagimori/metrics", "--data", "x")
    assert (head[:13], '"code":"not_found"' in body) == ("HTTP/1.1 404 ", True)
    for role in ("hub", "numbering", "oversight", "portal"):
        assert daemon.ask(role, "GET", "/metrics").code == "not_found"
    assert sum(scrape(daemon.world).rows("kagimori_scrapes_total", outcome="refused")) >= 1


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=abc", "x" * 5_000, '";,=', "*/*;q=,,version="]
)
def test_any_accept_header_gets_an_answer(daemon: Daemon, accept: str) -> None:
    head, body = curl(metrics_socket(daemon.world), "http://kagimori/metrics", "-H", f"Accept: {accept}")
    assert head.startswith("HTTP/1.1 200 ")
    assert "kagimori_ready 1.0\n" in body


def test_the_socket_is_for_its_group_and_its_uids_alone(small: World) -> None:
    world = with_metrics(small, f"uids = [{os.getuid() + 1}]\n")
    with Daemon(world) as daemon:
        path = metrics_socket(world)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        for url in ("/metrics", "/"):
            head, body = curl(path, f"http://kagimori{url}")
            assert head.startswith("HTTP/1.1 403 ")
            assert '"code":"caller_denied"' in body
            assert "kagimori_" not in body
        assert daemon.stop() == 0


def test_it_answers_while_the_token_is_gone_and_while_the_daemon_stops(small: World) -> None:
    held = HeldDisk(with_metrics(small))
    with held.daemon as daemon:
        tokens, away = small.folder / "tokens", small.folder / "away"
        tokens.rename(away)
        os.kill(daemon.engines()[0], signal.SIGKILL)
        gone = moved(small, "kagimori_token_left_out", 1, token=TOKEN_LABEL, reason="token")
        assert gone.value("kagimori_ready") == 0
        assert gone.value("kagimori_unready", reason="token_unavailable") == 1
        assert gone.value("kagimori_engines_serving", token=TOKEN_LABEL) == 0
        assert gone.value("kagimori_token_left_out_seconds", token=TOKEN_LABEL) > 0
        away.rename(tokens)
        moved(small, "kagimori_ready", 1)
        held.hold()
        asking = Asking(daemon, "nonsense")
        moved(small, "kagimori_requests_in_flight", 1, role="hub")
        daemon.signal(signal.SIGTERM)
        stopping = moved(small, "kagimori_unready", 1, reason="stopping")
        assert stopping.value("kagimori_ready") == 0
        held.release()
        assert daemon.wait() == 0, daemon.log
        assert asking.reply is not None
        assert asking.reply.status == 200
