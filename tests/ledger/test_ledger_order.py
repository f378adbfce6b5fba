"""Disclosure orders: every rule with the words it is refused with, every byte of a signed one, and its quorum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from subprocess import run

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgerkit import (
    HOUR,
    MINUTE,
    NOW,
    OFFICERS,
    OVERSIGHT,
    Book,
    SoftSigner,
    make_roster,
    make_signer,
    person,
    signer,
)

from appliance.ledger import canonical, cms, order
from appliance.ledger.errors import (
    LedgerError,
    MalformedOrder,
    OrderElsewhere,
    OrderExpired,
    OrderMismatch,
    OrderNotYetValid,
    OrderRefused,
    OrderSignerRefused,
    OrderTooLong,
    OrderUnsigned,
)
from appliance.ledger.order import Order, VerifiedOrder
from appliance.ledger.policy import DisclosureRules
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from tests.world import softhsm

DAY = timedelta(days=1)
FIELDS: dict[str, object] = {
    "type": "kagimori/order/v1",
    "id": "0123456789abcdef0123456789abcdef",
    "source": "sspin.B",
    "target": "resident",
    "role": "inquiry",
    "purpose": "court-order",
    "most": 3,
    "issued": render_instant(NOW),
    "not_before": render_instant(NOW),
    "not_after": render_instant(NOW + 30 * DAY),
    "case": "東京地裁 令和8年(行ウ)第12号",
}


def made(state: LedgerState, **changes: object) -> Order:
    return Order(**{"anchor": state.anchor, **FIELDS, **changes})  # type: ignore[arg-type]


def signed(given: Order | bytes, who: Iterable[str | SoftSigner] = ("ueda",), at: datetime = NOW + MINUTE) -> bytes:
    content = given if isinstance(given, bytes) else canonical.encode(given)
    return cms.merge([cms.sign(content, signer(one) if isinstance(one, str) else one, at) for one in who])


def ruled(state: LedgerState, **rules: int) -> LedgerState:
    """The state under other rules about orders."""
    policy = msgspec.structs.replace(state.policy, disclosure=DisclosureRules(**rules))
    return replace(state, policy=policy)


def verified(state: LedgerState, der: bytes, now: datetime = NOW + HOUR) -> VerifiedOrder:
    return order.verify(der, state, now=now)


def refused(error: type[OrderRefused], state: LedgerState, der: bytes, now: datetime = NOW + HOUR) -> str:
    with pytest.raises(error) as refusal:
        order.verify(der, state, now=now)
    assert refusal.value.hint, "a person is told what to do next"
    return refusal.value.reason


def test_an_order_that_oversight_signed(book: Book) -> None:
    given = made(book.state)
    found = verified(book.state, signed(given))
    assert found.order == given
    assert found.digest == order.digest(order.encode(given))
    assert [(one.person.id, one.signing_time) for one in found.signers] == [("ueda", NOW + MINUTE)]
    order.require_pair(found.order, "sspin.B", "resident")
    order.require_terms(found.order, "inquiry", "court-order")


def test_more_signatures_make_no_new_order(book: Book) -> None:
    given = order.encode(made(book.state))
    one, more = signed(given), signed(given, ("ito", "kato", "ueda"), NOW + 2 * MINUTE)
    assert one != more
    assert verified(book.state, one).digest == verified(book.state, more).digest == order.digest(given)


def test_two_orders_of_one_wording_are_two(book: Book) -> None:
    first, second = (order.encode(made(book.state, id=letter * 32)) for letter in "ab")
    assert order.digest(first) != order.digest(second)


@pytest.mark.parametrize(
    ("rules", "who", "reason"),
    [
        ({}, ("ito",), "the order has 0 of 1 oversight signatures (still can: ueda, kato)"),
        ({}, OFFICERS, "the order has 0 of 1 oversight signatures (still can: ueda, kato)"),
        ({"oversight": 2}, ("kato",), "the order has 1 of 2 oversight signatures (still can: ueda)"),
        ({"officers": 2}, ("ueda",), "the order has 0 of 2 officer signatures (still can: ito, sato, mori)"),
        (
            {"officers": 2, "oversight": 2},
            ("sato", "ueda"),
            "the order has 1 of 2 officer signatures (still can: ito, mori); "
            "1 of 2 oversight signatures (still can: kato)",
        ),
    ],
)
def test_too_few_signatures(book: Book, rules: dict[str, int], who: tuple[str, ...], reason: str) -> None:
    state = ruled(book.state, **rules)
    assert refused(OrderUnsigned, state, signed(made(state), who)) == reason
    with pytest.raises(OrderUnsigned) as refusal:
        verified(state, signed(made(state), who))
    assert refusal.value.code == "order_invalid"
    assert refusal.value.hint == "Have the missing people sign it: keyceremony order sign."


def test_who_is_left_when_nobody_is(book: Book) -> None:
    """Such a policy cannot come about (`policy.require_reachable`); it must not pass for a full quorum either."""
    state = ruled(book.state, oversight=3)
    assert refused(OrderUnsigned, state, signed(made(state), OVERSIGHT)) == (
        "the order has 2 of 3 oversight signatures (still can: nobody)"
    )


def test_oversight_twice_by_one_person_or_one_key(book: Book) -> None:
    state = ruled(book.state, oversight=2)
    content = canonical.encode(made(state))
    twice = cms.merge([cms.sign(content, signer("ueda"), NOW + n * MINUTE) for n in (1, 2)])
    assert refused(OrderSignerRefused, state, twice) == "ueda approved twice; each person counts once"
    double = make_signer("double", signer("kato").key)
    people = [person("kato", "oversight"), person("double", "oversight", double), person("ito", "officer")]
    odd = replace(state, roster=make_roster(people))  # the roster's own rules refuse it before
    both = signed(made(state), ("kato", double))
    assert "approved with one and the same key" in refused(OrderSignerRefused, odd, both)


def test_a_stranger_and_somebody_who_was_removed(book: Book) -> None:
    der = signed(made(book.state), ("ueda", "kato"))
    verified(book.state, der)
    left = replace(book.state, roster=make_roster([p for p in book.state.roster.people if p.id != "kato"]))
    assert refused(OrderSignerRefused, left, der) == "signed by CN=kato, who is not in the roster"
    assert refused(OrderSignerRefused, book.state, signed(made(book.state), ("ueda", "eve"))) == (
        "signed by CN=eve, who is not in the roster"
    )


def test_a_certificate_that_the_roster_does_not_have(book: Book) -> None:
    again = make_signer("ueda", signer("ueda").key)
    assert refused(OrderSignerRefused, book.state, signed(made(book.state), (again,))) == (
        "signed with the key of ueda, but under another certificate than the roster's"
    )


@pytest.mark.parametrize(
    ("begins", "ends"), [(NOW - DAY, NOW + 30 * DAY - timedelta(seconds=1)), (NOW + 2 * MINUTE, NOW + 60 * DAY)]
)
def test_a_certificate_must_cover_the_signature_and_the_whole_order(
    book: Book, begins: datetime, ends: datetime
) -> None:
    short = make_signer("kato", not_before=begins, not_after=ends)
    people = [person("kato", "oversight", short), person("ito", "officer")]
    state = replace(book.state, roster=make_roster(people))
    assert refused(OrderSignerRefused, state, signed(made(state), (short,))) == (
        f"kato signed at {render_instant(NOW + MINUTE)}, with a certificate valid from {render_instant(begins)} until"
        f" {render_instant(ends)}; it must cover the signature and the order's end ({FIELDS['not_after']})"
    )
    verified(state, signed(made(state, not_after=render_instant(ends)), (short,), NOW + 2 * MINUTE))


def test_signed_too_early_too_late_or_in_the_future(book: Book) -> None:
    given = made(book.state, not_after=render_instant(NOW + DAY))
    early, late = signed(given, at=NOW - MINUTE), signed(given, at=NOW + 2 * DAY)
    assert refused(OrderSignerRefused, book.state, early) == (
        "ueda signed at 2026-04-01T08:59:00Z, before the order was issued (2026-04-01T09:00:00Z)"
    )
    assert refused(OrderSignerRefused, book.state, late) == (
        "ueda signed at 2026-04-03T09:00:00Z, after the order's end (2026-04-02T09:00:00Z)"
    )
    future = signed(given, at=NOW + 2 * HOUR)
    assert refused(OrderNotYetValid, book.state, future) == (
        "ueda signed the order at 2026-04-01T11:00:00Z, but it is 2026-04-01T10:00:00Z"
    )
    verified(book.state, future, NOW + 2 * HOUR)


def test_an_order_of_another_ledger(book: Book) -> None:
    assert refused(OrderElsewhere, book.state, signed(made(book.state, anchor="ab" * 32))) == (
        f"the order is for the ledger {'ab' * 32}; this one is {book.state.anchor}"
    )


def test_an_order_longer_than_the_policy_lets_any_be(book: Book) -> None:
    state = ruled(book.state, longest_days=30)
    verified(state, signed(made(state)))
    longer = made(state, not_after=render_instant(NOW + 30 * DAY + timedelta(seconds=1)))
    assert refused(OrderTooLong, state, signed(longer)) == (
        "the order is valid from 2026-04-01T09:00:00Z until 2026-05-01T09:00:01Z; the policy allows 30 days"
    )


def test_its_time_to_the_second(book: Book) -> None:
    begins, ends, second = NOW + HOUR, NOW + 2 * HOUR, timedelta(seconds=1)
    der = signed(made(book.state, not_before=render_instant(begins), not_after=render_instant(ends)))
    for moment in (begins, ends):
        verified(book.state, der, moment)
    assert refused(OrderNotYetValid, book.state, der, begins - second) == (
        "the order is valid from 2026-04-01T10:00:00Z on; it is 2026-04-01T09:59:59Z"
    )
    assert refused(OrderExpired, book.state, der, ends + second) == (
        "the order was valid until 2026-04-01T11:00:00Z; it is 2026-04-01T11:00:01Z"
    )
    assert OrderExpired.code == OrderNotYetValid.code == "order_expired"


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("sspin.B", "spin"), "the order is for sspin.B → resident, not for sspin.B → spin"),
        (("sspin.E", "resident"), "the order is for sspin.B → resident, not for sspin.E → resident"),
        (("resident", "sspin.B"), "the order is for sspin.B → resident, not for resident → sspin.B"),
    ],
)
def test_another_pair(book: Book, pair: tuple[str, str], reason: str) -> None:
    with pytest.raises(OrderMismatch) as refusal:
        order.require_pair(made(book.state), *pair)
    assert (refusal.value.reason, refusal.value.code) == (reason, "order_mismatch")


def test_another_role_or_purpose(book: Book) -> None:
    for terms, reason in {
        ("hub", "court-order"): "the order is for the role inquiry, not for hub",
        ("inquiry", "tax"): "the order is for the purpose court-order, not for tax",
    }.items():
        with pytest.raises(OrderMismatch) as refusal:
            order.require_terms(made(book.state), *terms)
        assert (refusal.value.reason, refusal.value.code) == (reason, "order_mismatch")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "kagimori/plan/v1"}, "Invalid enum value"),
        ({"anchor": "AB" * 32}, "Expected `str` matching regex"),
        ({"id": "12"}, "Expected `str` matching regex"),
        ({"source": "sspin.B.1"}, "Expected `str` matching regex"),
        ({"target": "a" * 33}, "Expected `str` of length <= 32"),
        ({"role": "Hub"}, "Expected `str` matching regex"),
        ({"purpose": ""}, "Expected `str` matching regex"),
        ({"most": 0}, "Expected `int` >= 1"),
        ({"issued": "2026-04-01"}, "Expected `str` matching regex"),
        ({"issued": "2026-02-30T09:00:00Z"}, "issued: '2026-02-30T09:00:00Z' is not an instant"),
        ({"not_after": "2026-13-01T09:00:00Z"}, "not_after: '2026-13-01T09:00:00Z' is not an instant"),
        ({"not_before": "2026-04-01T08:59:59Z"}, "not_before: must not be earlier than issued"),
        ({"not_after": "2026-04-01T09:00:00Z"}, "not_after: must be later than not_before"),
        ({"case": ""}, "case: must have 1 to 200 characters, has 0"),
        ({"case": "two\nlines"}, "case: U+000A is not printable text on one line"),
        ({"case": "x\u202ey"}, "case: U+202E is not printable text on one line"),
        ({"extra": 1}, "unknown field `extra`"),
    ],
)
def test_contents_that_are_no_order(book: Book, changes: dict[str, object], reason: str) -> None:
    raw = msgspec.to_builtins(made(book.state))
    content = canonical.encode({**raw, **changes})
    told = refused(MalformedOrder, book.state, signed(content))
    assert reason in told
    with pytest.raises(MalformedOrder) as refusal:
        order.parse(content)
    assert (refusal.value.reason, refusal.value.code) == (told, "order_invalid")


def test_an_order_is_not_written_either_when_it_breaks_a_rule(book: Book) -> None:
    with pytest.raises(MalformedOrder, match="case: must have 1 to 200 characters"):
        order.encode(made(book.state, case="x" * 201))


def test_a_content_in_another_spelling(book: Book) -> None:
    spaced = canonical.encode(made(book.state)).replace(b'"most":3', b'"most": 3')
    assert refused(MalformedOrder, book.state, signed(spaced)) == "the JSON is not in its canonical form (RFC 8785)"


@pytest.mark.parametrize("garbage", [b"", b"\x30\x80", b"{}", bytes(100)])
def test_garbage(book: Book, garbage: bytes) -> None:
    assert refused(MalformedOrder, book.state, garbage).startswith("not CMS SignedData")


def test_a_plan_or_an_outcome_is_no_order(book: Book) -> None:
    for der in book.files.values():
        assert "Object" in refused(MalformedOrder, book.state, der)


def test_the_size_is_looked_at_before_anything_else(book: Book) -> None:
    assert refused(MalformedOrder, book.state, bytes(order.MAXIMUM_SIZE + 1)) == (
        "an order of 65537 bytes; at most 65536 are read"
    )


@pytest.mark.parametrize("who", [("ueda",), ("ito", "ueda", "kato")])
def test_every_byte_of_an_order_matters(book: Book, who: tuple[str, ...]) -> None:
    original, names = signed(made(book.state), who), Counter[str]()
    verified(book.state, original)
    for position in range(len(original)):
        for bit in (0x01, 0x80):
            changed = bytearray(original)
            changed[position] ^= bit
            with pytest.raises(OrderRefused) as refusal:
                verified(book.state, bytes(changed))
            assert refusal.value.code == "order_invalid", f"byte {position}: {refusal.value.message}"
            names[type(refusal.value).__name__] += 1
    assert names["MalformedOrder"] > 1000


def test_a_byte_more_or_less_anywhere(book: Book) -> None:
    original = signed(made(book.state))
    for position in range(0, len(original) + 1, 5):
        for changed in (
            original[:position] + original[position + 1 :],
            original[:position] + b"\0" + original[position:],
        ):
            if changed != original:
                with pytest.raises(OrderRefused):
                    verified(book.state, changed)


PEOPLE = (*OFFICERS, *OVERSIGHT)


@given(
    who=st.sets(st.sampled_from(PEOPLE), min_size=1),
    officers=st.integers(0, 3),
    oversight=st.integers(1, 2),
    seconds=st.integers(-2, 3605),
)
def test_an_order_holds_exactly_when_enough_signed_and_its_time_is(
    book: Book, who: set[str], officers: int, oversight: int, seconds: int
) -> None:
    state = ruled(book.state, officers=officers, oversight=oversight)
    begins = NOW + HOUR
    given = made(state, not_before=render_instant(begins), not_after=render_instant(begins + HOUR))
    der = _signed_once(order.encode(given), tuple(sorted(who)))
    enough = len(who & set(OFFICERS)) >= officers and len(who & set(OVERSIGHT)) >= oversight
    wanted = None if enough and 0 <= seconds <= 3600 else "order_expired" if enough else "order_invalid"
    try:
        verified(state, der, begins + timedelta(seconds=seconds))
        got = None
    except OrderRefused as refusal:
        got = refusal.code
    assert got == wanted


@cache
def _signed_once(content: bytes, who: tuple[str, ...]) -> bytes:
    return signed(content, who)


def test_every_refusal_is_one_of_the_ledger_s_and_ends_with_1() -> None:
    kinds = OrderRefused.__subclasses__()
    assert {kind.code for kind in kinds} == {"order_invalid", "order_expired", "order_mismatch"}
    assert all(issubclass(kind, LedgerError) and kind.exit_code == 1 for kind in kinds)


def test_openssl_verifies_an_order(book: Book, tmp_path: Path) -> None:
    der = signed(made(book.state), ("ito", "ueda"))
    (tmp_path / "case.order.cms").write_bytes(der)
    pem = "".join(DER_cert_to_PEM_cert(signer(name).certificate) for name in PEOPLE)
    (tmp_path / "people.pem").write_text(pem)
    clock = ["-attime", str(int(NOW.timestamp()))]
    for trust in (["-noverify"], ["-CAfile", "people.pem", *clock]):
        command = [str(softhsm()["KAGIMORI_OPENSSL"]), "cms", "-verify", "-inform", "DER", *trust]
        done = run([*command, "-in", "case.order.cms"], cwd=tmp_path, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout == order.encode(made(book.state))
