"""Properties of the ledger: one encoding of everything, and nothing but the original is accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import ledgerkit
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.ledger import canonical, chain, cms, fold
from appliance.ledger.actions import (
    Action,
    Activate,
    Destroy,
    Generate,
    Ratify,
    Restrict,
    Resume,
    Retire,
    Suspend,
)
from appliance.ledger.errors import IllegalAction, LedgerError
from appliance.ledger.states import TRANSITIONS, KeyState
from appliance.ledger.text import parse_instant, render_instant, require_line

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAFE = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | SAFE | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


class Anything(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A typed document around any JSON."""

    value: object


@cache
def book() -> ledgerkit.Book:
    """The ledger that is mutated."""
    return ledgerkit.three_entries()


# --- canonical JSON ---------------------------------------------------------------------------------------------------


@given(JSON)
def test_canonical_json_goes_both_ways(value: object) -> None:
    data = canonical.encode(Anything(value))
    assert canonical.decode(data, Anything) == Anything(value)
    assert msgspec.json.decode(data) == {"value": value}


@given(JSON, JSON)
def test_different_documents_have_different_bytes(one: object, other: object) -> None:
    """Booleans and integers are told apart, which Python's equality does not do."""
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    assert (canonical.encode(one) == canonical.encode(other)) == same


@given(JSON, st.sampled_from([b" ", b"\n", b"\t", b"\r"]), st.data())
def test_added_white_space_is_refused_or_changes_the_value(value: object, space: bytes, data: st.DataObject) -> None:
    good = canonical.encode(Anything(value))
    place = data.draw(st.integers(0, len(good)))
    changed = good[:place] + space + good[place:]
    try:
        read = canonical.decode(changed, Anything)
    except LedgerError:
        return
    assert read != Anything(value)
    assert canonical.encode(read) == changed


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_cleanly_or_canonical(data: bytes) -> None:
    try:
        value = canonical.decode(data, Anything)
    except LedgerError:
        return
    assert canonical.encode(value) == data


# --- signed files -----------------------------------------------------------------------------------------------------


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """A ledger file with some bytes changed, cut out, doubled, moved or put in."""
    name = draw(st.sampled_from(sorted(book().files)))
    data = book().files[name]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 64)))
        put = draw(st.binary(max_size=16) | st.just(data[start:end] * 2) | st.just(data[end : end + 8]))
        data = data[:start] + put + data[end:]
    return name, data


@settings(SLOW, max_examples=400)
@given(mutations())
def test_nothing_but_the_original_file_is_accepted(mutated: tuple[str, bytes]) -> None:
    name, data = mutated
    sequence = int(name[:6])
    entry = {**book().files, name: data}
    files = entry[chain.authorization_name(sequence)], entry[chain.outcome_name(sequence)]
    if data == book().files[name]:
        chain.verify_entry(book().states[sequence - 1], *files, book().anchor)
        return
    with pytest.raises(LedgerError):
        chain.verify_entry(book().states[sequence - 1], *files, book().anchor)


@SLOW
@given(st.binary(max_size=300))
@example(b"")
@example(b"\x30\x80\x00\x00")
@example(b"\x30\x84\xff\xff\xff\xff")
def test_any_bytes_are_refused_cleanly_as_a_signed_file(data: bytes) -> None:
    with pytest.raises(LedgerError):
        cms.verify(data)


@settings(SLOW, max_examples=300)
@given(mutations())
def test_a_signed_file_that_verifies_says_what_was_signed(mutated: tuple[str, bytes]) -> None:
    """`cms.verify` alone: whatever passes has the content and signers of the original, and so is the original."""
    name, data = mutated
    try:
        read = cms.verify(data)
    except LedgerError:
        return
    assert read == cms.verify(book().files[name])
    assert data == book().files[name]


@settings(SLOW, max_examples=30)
@given(st.binary(max_size=2000), st.sampled_from(["sato", "ito", "ueda"]), st.datetimes(timezones=st.just(UTC)))
def test_signing_and_verifying_go_together(content: bytes, name: str, moment: datetime) -> None:
    read = cms.verify(cms.sign(content, ledgerkit.signer(name), moment))
    assert read.content == content
    assert read.signers[0].signing_time == moment.replace(microsecond=0)


@settings(SLOW, max_examples=30)
@given(st.permutations(["ito", "sato", "mori", "ueda"]), st.integers(1, 4))
def test_merging_gives_one_file_in_whatever_order(names: list[str], count: int) -> None:
    content = canonical.encode({"title": "x"})
    approvals = [cms.sign(content, ledgerkit.signer(name), ledgerkit.NOW) for name in names[:count]]
    merged = cms.merge(approvals)
    assert cms.merge(sorted(approvals)) == merged
    assert {one.certificate for one in cms.verify(merged).signers} == {
        ledgerkit.signer(name).certificate for name in names[:count]
    }


# --- text and times ---------------------------------------------------------------------------------------------------


@given(st.text(max_size=50))
def test_text_that_passes_prints_on_one_line(text: str) -> None:
    try:
        require_line("title", text)
    except LedgerError as error:
        assert error.reason.startswith("title: ")
        assert error.reason.isprintable(), "the reason itself must be safe to print"
        return
    assert text.replace("\u3000", " ").isprintable()
    assert text.splitlines() == [text] and text == text.strip()


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_go_both_ways(moment: datetime) -> None:
    assert parse_instant("created", render_instant(moment)) == moment.replace(microsecond=0)


# --- states -----------------------------------------------------------------------------------------------------------

KINDS = (Activate, Restrict, Suspend, Ratify, Resume, Retire, Destroy)
STEPS = st.lists(
    st.builds(lambda number: Generate(generation=f"sspin.C.{number}", parent="spin.1"), st.integers(1, 3))
    | st.builds(lambda kind, number: kind(generation=f"sspin.C.{number}"), st.sampled_from(KINDS), st.integers(1, 3)),
    min_size=1,
    max_size=25,
)


@SLOW
@given(STEPS)
def test_whatever_is_tried_keys_keep_to_the_table(steps: list[Action]) -> None:
    """Every accepted step is a row of the table; every refused one leaves everything as it was."""
    state = book().state
    for step in steps:
        plan = ledgerkit.make_plan([step], state=state)
        try:
            (effect,) = fold.plan_effects(state, plan)
        except IllegalAction:
            continue
        row = TRANSITIONS[effect.action]
        assert effect.before in row.sources
        assert effect.after in ({row.target} if row.target else {KeyState.ACTIVE, KeyState.DECRYPT_ONLY})
        results = ledgerkit.results_for(state, plan)
        after = fold.apply(state, plan, ledgerkit.make_outcome(plan, b"", results), "ab" * 32, book().anchor)
        changed = {one for one in after.keys if after.keys[one] != state.keys.get(one)}
        assert {str(one) for one in changed} == {effect.subject}
        for domain, generation in after.current.items():
            assert generation.domain == domain and after.keys[generation].state is KeyState.ACTIVE
        state = after


@SLOW
@given(STEPS)
def test_many_actions_in_one_plan_are_as_one_after_another(steps: list[Action]) -> None:
    together: object
    try:
        together = fold.plan_effects(book().state, ledgerkit.make_plan(steps, state=book().state))
    except IllegalAction as error:
        together = error.reason.split(":")[0]
    state, alone = book().state, []
    for number, step in enumerate(steps, start=1):
        plan = ledgerkit.make_plan([step], state=state)
        try:
            alone.extend(fold.plan_effects(state, plan))
        except IllegalAction:
            assert together == f"action {number}"
            return
        outcome = ledgerkit.make_outcome(plan, b"", ledgerkit.results_for(state, plan))
        state = fold.apply(state, plan, outcome, "ab" * 32, book().anchor)
    assert together == tuple(alone)
