"""Disclosure orders and quotas at a real daemon: what needs an order, what it allows, what is counted for good."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.ledger.text import render_instant
from tests.daemonkit import Daemon, Reply, codes, copy_world, stream_path
from tests.watchkit import HOURS, digest_of, make_order, text, watched_world
from tests.world import World

TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return watched_world(tmp_path_factory.mktemp("orders") / "w")


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


@pytest.fixture(scope="module")
def court(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(copy_world(template, tmp_path_factory.mktemp("court") / "w")) as daemon:
        yield daemon


def numbers(daemon: Daemon, count: int, start: int = 0) -> list[str]:
    return daemon.numbers("resident", "sspin.A", codes(count, start), role="numbering")


def disclose(
    daemon: Daemon, asked: list[str], der: bytes | None, source: str = "sspin.A", target: str = "resident"
) -> Reply:
    more = {} if der is None else {"order": text(der)}
    return daemon.convert(source, target, asked, role="court", purpose="court-order", **more)


def stream(daemon: Daemon, asked: list[str], der: bytes | None, target: str = "resident") -> Reply:
    path = stream_path("sspin.A", target, "court-order" if target == "resident" else "exchange")
    headers = TEXT if der is None else {**TEXT, "Kagimori-Order": text(der)}
    return daemon.ask("court", "POST", path, ("\n".join(asked) + "\n").encode(), headers)


def last(daemon: Daemon, kind: str) -> dict[str, object]:
    return next(record for record in reversed(daemon.records()) if record["kind"] == kind)


def test_nothing_is_disclosed_without_an_order(court: Daemon) -> None:
    asked = numbers(court, 1)
    for target in ("resident", "spin"):
        reply = disclose(court, asked, None, target=target)
        assert (reply.status, reply.code) == (403, "order_required")
        assert last(court, "refusal")["code"] == "order_required"
    assert stream(court, asked, None).code == "order_required"


def test_an_order_discloses_what_it_names_and_its_use_is_recorded(court: Daemon) -> None:
    der = make_order(court.world)
    asked = numbers(court, 2)
    reply = disclose(court, [*asked, "ABC98765XYZ"], der)
    assert [result.get("number") for result in reply.json["results"]] == [*codes(2), None]
    record = last(court, "conversion")
    assert (record["order"], record["count"], record["target"]) == (digest_of(der), 3, "resident")
    again = disclose(court, asked[:1], der)
    assert (again.code, again.json["detail"]) == ("order_exhausted", "order: 0 of 3 numbers are left.")
    assert (last(court, "refusal")["code"], last(court, "refusal")["order"]) == ("order_exhausted", digest_of(der))


def test_more_signatures_make_no_new_order(court: Daemon) -> None:
    from appliance.ledger import cms

    der = make_order(court.world)
    asked = numbers(court, 2)
    assert disclose(court, asked, der).status == 200
    content = cms.verify(der).content
    now = datetime.now(UTC)
    more = cms.merge([cms.sign(content, court.world.signers[one], now) for one in ("oversight-1", "officer-1")])
    assert more != der
    assert disclose(court, asked, more).code == "order_exhausted"


def test_streams_carry_orders_in_a_header(court: Daemon) -> None:
    asked = numbers(court, 3)
    der = make_order(court.world)
    reply = stream(court, asked, der)
    assert (reply.status, reply.body.decode().split()) == (200, codes(3))
    assert last(court, "conversion")["order"] == digest_of(der)
    assert stream(court, asked[:1], der).code == "order_exhausted"


def test_a_stream_that_outgrows_its_order_is_cut(court: Daemon) -> None:
    asked = numbers(court, 50)
    reply = stream(court, asked, make_order(court.world, most=40))
    assert reply.code == "order_exhausted"


def test_many_numbers_need_an_order_though_few_do_not(court: Daemon) -> None:
    asked = numbers(court, 6)
    few = court.convert("sspin.A", "sspin.B", asked[:5], role="court", purpose="exchange")
    assert few.status == 200
    many = court.convert("sspin.A", "sspin.B", asked, role="court", purpose="exchange")
    assert many.code == "order_required"
    der = make_order(court.world, target="sspin.B", purpose="exchange", most=6)
    more = {"order": text(der)}
    assert court.convert("sspin.A", "sspin.B", asked, role="court", purpose="exchange", **more).status == 200
    assert stream(court, asked, None, "sspin.B").code == "order_required"


def refusal(daemon: Daemon, der: bytes, code: str, *said: str, **more: str) -> None:
    reply = disclose(daemon, numbers(daemon, 1), der, **more)
    assert (reply.status, reply.code) == (403, code), reply
    for words in said:
        assert words in reply.json["detail"]


def test_orders_that_do_not_hold(court: Daemon) -> None:
    world = court.world
    now = datetime.now(UTC)
    soon = make_order(world, not_after=render_instant(now + timedelta(seconds=2)))
    refusal(court, make_order(world, "officer-1"), "order_invalid", "oversight")
    refusal(court, make_order(world, anchor="0" * 64), "order_invalid")
    refusal(court, make_order(world, target="sspin.B"), "order_mismatch", "sspin.B")
    refusal(court, make_order(world), "order_mismatch", "sspin.A", source="sspin.B")
    refusal(court, make_order(world, role="hub"), "order_mismatch", "hub")
    refusal(court, make_order(world, purpose="exchange"), "order_mismatch", "exchange")
    later = {"not_before": render_instant(now + HOURS), "not_after": render_instant(now + 2 * HOURS)}
    refusal(court, make_order(world, **later), "order_expired")
    refusal(court, b"", "order_required")
    refusal(court, b"\x30\x03abc", "order_invalid")
    broken = bytearray(make_order(world))
    broken[-5] ^= 1
    refusal(court, bytes(broken), "order_invalid")
    time.sleep(max(0.0, 3.0 - (datetime.now(UTC) - now).total_seconds()))
    refusal(court, soon, "order_expired")


@pytest.mark.parametrize("order", ["%%%", "é", "A" * 100_000])
def test_what_is_not_even_base64(court: Daemon, order: str) -> None:
    reply = court.convert("sspin.A", "resident", numbers(court, 1), role="court", purpose="court-order", order=order)
    assert reply.code == "order_invalid"


def test_use_is_counted_for_good(world: World) -> None:
    der = make_order(world, most=5)
    with Daemon(world) as daemon:
        asked = numbers(daemon, 3)
        assert disclose(daemon, asked, der).status == 200
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    with Daemon(world) as daemon:
        reply = disclose(daemon, asked, der)
        assert (reply.code, reply.json["detail"]) == ("order_exhausted", "order: 2 of 5 numbers are left.")
        assert disclose(daemon, asked[:2], der).status == 200
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        assert disclose(daemon, asked[:1], der).json["detail"] == "order: 0 of 5 numbers are left."


def daily(daemon: Daemon, asked: list[str], purpose: str = "exchange") -> Reply:
    return daemon.convert("sspin.A", "sspin.B", asked, role="daily", purpose=purpose)


def test_quotas_count_numbers_per_role_and_purpose_over_restarts(world: World) -> None:
    with Daemon(world) as daemon:
        asked = numbers(daemon, 50)
        assert daily(daemon, asked[:10], "linking").status == 200
        reply = daily(daemon, asked[:1], "linking")
        assert (reply.status, reply.code) == (429, "quota_exhausted")
        assert 0 < int(reply.headers["retry-after"]) <= 86_400
        assert last(daemon, "refusal")["code"] == "quota_exhausted"
        assert daily(daemon, asked[:45]).status == 200
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    with Daemon(world) as daemon:
        assert daily(daemon, asked[:6]).code == "quota_exhausted"
        assert daily(daemon, asked[:5]).status == 200
        assert daily(daemon, asked[:1]).code == "quota_exhausted"
        assert daemon.convert("sspin.A", "sspin.B", asked).status == 200


def test_a_stream_stops_at_the_quota(world: World) -> None:
    with Daemon(world) as daemon:
        asked = numbers(daemon, 70)
        reply = daemon.stream(
            "sspin.A", "sspin.B", ("\n".join(asked) + "\n").encode(), role="daily", purpose="exchange"
        )
        assert reply.code == "quota_exhausted"
        assert daily(daemon, asked[:50]).status == 200
