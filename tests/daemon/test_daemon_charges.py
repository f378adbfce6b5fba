"""Quotas and orders: what is under way counts as used, what comes to nothing is given back, nothing is exceeded."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from appliance.audit import records
from appliance.audit.tally import Tally
from appliance.daemon.charges import Charge, Charges
from appliance.daemon.problems import Problem
from appliance.ledger.order import VerifiedOrder
from appliance.ledger.policy import RoleRule
from tests.audit.test_audit_tally import DAY, conversion

EVENING = datetime(2026, 11, 26, 23, 59, 0, tzinfo=UTC)


def rule(per_day: int | None = None, **by_purpose: int) -> RoleRule:
    return RoleRule(
        pairs=(),
        purposes=("exchange", "linking"),
        values_per_request=100,
        values_per_stream=100,
        values_per_minute=100,
        values_per_day=per_day,
        purpose_values_per_day=by_purpose,
    )


def order(most: int, digest: str = "ab" * 32) -> VerifiedOrder:
    return cast("VerifiedOrder", SimpleNamespace(digest=digest, order=SimpleNamespace(most=most)))


def charges() -> Charges:
    return Charges(Tally(), now=lambda: EVENING)


def refused(book: Charges, *arguments: object) -> Problem:
    with pytest.raises(Problem) as caught:
        book.take(*arguments)  # type: ignore[arg-type]
    return caught.value


def test_a_days_quota_counts_numbers_and_what_is_under_way() -> None:
    book = charges()
    first = book.take("hub", rule(10), "exchange", 6, None)
    problem = refused(book, "hub", rule(10), "linking", 5, None)
    assert (problem.code, problem.retry_after) == ("quota_exhausted", 60)
    assert problem.detail == "This role may convert 10 numbers a day (UTC), and they are used up or would be."
    first.release()
    book.take("hub", rule(10), "linking", 10, None)


def test_a_purposes_quota_is_its_own() -> None:
    book = charges()
    limits = rule(None, linking=3)
    book.take("hub", limits, "exchange", 100, None)
    book.take("hub", limits, "linking", 3, None)
    problem = refused(book, "hub", limits, "linking", 1, None)
    assert problem.detail.startswith("This role, for linking, may convert 3 numbers a day")
    book.take("numbering", limits, "linking", 3, None)


def test_what_was_refused_took_nothing_of_the_other_quota() -> None:
    book = charges()
    limits = rule(10, linking=3)
    refused(book, "hub", limits, "linking", 4, None)
    book.take("hub", limits, "exchange", 10, None)


def test_an_order_is_never_exceeded_however_many_ask() -> None:
    book = charges()
    taken: list[Charge] = [book.take("hub", rule(), "exchange", 4, order(10)) for _ in range(2)]
    problem = refused(book, "hub", rule(), "exchange", 4, order(10))
    assert (problem.code, problem.detail) == ("order_exhausted", "order: 2 of 10 numbers are left.")
    taken[0].release()
    taken[0].release()
    book.take("hub", rule(), "exchange", 6, order(10))
    refused(book, "hub", rule(), "exchange", 1, order(10))
    book.take("hub", rule(), "exchange", 10, order(10, "cd" * 32))


def test_a_durable_record_is_counted_and_a_lost_one_given_back() -> None:
    book = charges()
    for came in (True, False):
        with book.take("hub", rule(10), "exchange", 5, order(20)) as charge:
            told = charge.commit(_record(5))
        assert refused(book, "hub", rule(10), "exchange", 6, None).code == "quota_exhausted"
        told(came)
        assert book.tally.on_day(DAY, "hub") == 5
        assert book.tally.used("ab" * 32) == 5
    book.take("hub", rule(10), "exchange", 5, order(20))
    assert refused(book, "hub", rule(10), "exchange", 1, None).code == "quota_exhausted"


def _record(count: int) -> records.Conversion:
    record = conversion(1, count, order="ab" * 32)
    assert isinstance(record, records.Conversion)
    return record


def test_yesterdays_numbers_do_not_count_today() -> None:
    book = charges()
    yesterday = conversion(1, 10, day="2026-11-25")
    assert isinstance(yesterday, records.Conversion)
    book.tally.take(yesterday)
    book.take("hub", rule(10), "exchange", 10, None)
