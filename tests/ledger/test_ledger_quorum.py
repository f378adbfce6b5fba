"""Quorum: who counts, how often, when, and what is said of those who are missing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ledgerkit import (
    HOUR,
    MINUTE,
    NOW,
    Book,
    approve,
    make_found,
    make_plan,
    make_roster,
    make_signer,
    person,
    signer,
)

from appliance.ledger import chain, cms, quorum
from appliance.ledger.actions import Activate, Destroy, Generate, Suspend
from appliance.ledger.cms import Signature
from appliance.ledger.errors import (
    ApprovalUntimely,
    ApprovedTwice,
    LedgerError,
    NotCanonical,
    QuorumShort,
    StrangeSigner,
)
from appliance.ledger.roster import Roster, Threshold

KEYS = Generate(generation="spin.2", parent=None)


def signatures(names: list[str], at: object = None) -> tuple[Signature, ...]:
    """Verified signatures; the plan's bytes do not matter here."""
    return cms.verify(approve(b"{}", names, at or NOW + MINUTE)).signers  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("actions", "needed"),
    [
        ([KEYS], (2, 1)),
        ([Suspend(generation="spin.1")], (1, 1)),
        ([Destroy(generation="spin.1")], (3, 1)),
        ([Suspend(generation="spin.1"), Activate(generation="spin.2")], (2, 1)),
        ([Suspend(generation="spin.1"), KEYS, Destroy(generation="spin.1")], (3, 1)),
    ],
)
def test_a_plan_needs_the_most_that_any_of_its_actions_needs(book: Book, actions: list, needed: tuple) -> None:
    plan = make_plan(actions, state=book.state)
    assert quorum.threshold_for(plan, make_roster()) == Threshold(officers=needed[0], oversight=needed[1])


def test_the_maximum_is_taken_for_each_role_apart(book: Book) -> None:
    crossed = make_roster(
        thresholds={"keys": Threshold(officers=1, oversight=2), "emergency": Threshold(officers=3, oversight=1)}
    )
    plan = make_plan([KEYS, Suspend(generation="spin.1")], state=book.state)
    assert quorum.threshold_for(plan, crossed) == Threshold(officers=3, oversight=2)


def test_genesis_needs_what_a_roster_change_would() -> None:
    assert quorum.threshold_for(make_plan([make_found()]), make_roster()) == Threshold(officers=3, oversight=1)


def test_the_tally_says_who_approved_and_who_still_can(book: Book) -> None:
    plan = make_plan([KEYS], state=book.state)
    result = quorum.tally(plan, signatures(["sato"]), make_roster())
    assert [(one.person.id, one.signing_time) for one in result.approved] == [("sato", NOW + MINUTE)]
    assert result.needed == Threshold(officers=2, oversight=1)
    assert result.missing == {"officer": 1, "oversight": 1}
    assert {role: [one.id for one in people] for role, people in result.remaining.items()} == {
        "officer": ["ito", "mori"],
        "oversight": ["ueda", "kato"],
    }
    assert not result.complete


def test_nobody_has_approved_yet(book: Book) -> None:
    result = quorum.tally(make_plan([KEYS], state=book.state), (), make_roster())
    assert result.missing == {"officer": 2, "oversight": 1}


def test_more_than_needed_is_fine(book: Book) -> None:
    plan = make_plan([KEYS], state=book.state)
    result = quorum.require(plan, signatures(["ito", "sato", "mori", "ueda", "kato"]), make_roster())
    (tally,) = result.tallies
    assert result.complete and tally.missing == {"officer": 0, "oversight": 0}
    assert [one.person.id for one in result.approved] == [one.person.id for one in tally.approved]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["ito", "ueda"], "quorum: 1 of 2 officer approvals (still can: sato, mori)"),
        (["ito", "sato"], "quorum: 0 of 1 oversight approvals (still can: ueda, kato)"),
        (["ito", "sato", "mori"], "quorum: 0 of 1 oversight approvals (still can: ueda, kato)"),
        (["ueda", "kato"], "quorum: 0 of 2 officer approvals (still can: ito, sato, mori)"),
        (["kato"], "quorum: 0 of 2 officer approvals (still can: ito, sato, mori)"),
    ],
)
def test_a_short_quorum_is_named(book: Book, names: list[str], reason: str) -> None:
    with pytest.raises(QuorumShort) as refusal:
        quorum.require(make_plan([KEYS], state=book.state), signatures(names), make_roster())
    assert refusal.value.reason == reason
    assert refusal.value.hint == "Have the missing people approve the plan."


def test_the_same_person_twice(book: Book) -> None:
    plan = make_plan([KEYS], state=book.state)
    twice = signatures(["ito", "ueda"]) + signatures(["ito"], NOW + 2 * MINUTE)
    with pytest.raises(ApprovedTwice, match="ito approved twice; each person counts once"):
        quorum.tally(plan, twice, make_roster())


def test_the_very_same_signature_twice(book: Book) -> None:
    one = cms.sign(b"{}", signer("ito"), NOW + MINUTE)
    with pytest.raises(ApprovedTwice, match="ito approved twice"):
        quorum.tally(make_plan([KEYS], state=book.state), [*cms.verify(one).signers] * 2, make_roster())
    with pytest.raises(NotCanonical, match="the file holds the same signature twice"):
        cms.merge([one, one])


def test_one_key_under_two_names_does_not_count_twice_even_in_a_bad_roster(book: Book) -> None:
    """The roster's own validation refuses it before; this is the second lock."""
    second = make_signer("suzuki", signer("sato").key)
    bad = Roster(
        people=(person("sato", "officer"), person("suzuki", "officer", second), person("ueda", "oversight")),
        thresholds=make_roster().thresholds,
    )
    signed = cms.verify(approve(b"{}", ["sato", second, "ueda"], NOW + MINUTE)).signers
    with pytest.raises(ApprovedTwice, match=r"(sato and suzuki|suzuki and sato) approved with one and the same key"):
        quorum.tally(make_plan([KEYS], state=book.state), signed, bad)


def test_a_stranger(book: Book) -> None:
    with pytest.raises(StrangeSigner, match="signed by CN=eve, who is not in the roster"):
        quorum.tally(make_plan([KEYS], state=book.state), signatures(["ito", "sato", "eve", "ueda"]), make_roster())


def test_a_stranger_spoils_even_a_full_quorum(book: Book) -> None:
    with pytest.raises(StrangeSigner, match="CN=eve"):
        quorum.require(
            make_plan([KEYS], state=book.state), signatures(["ito", "sato", "mori", "ueda", "eve"]), make_roster()
        )


def test_the_roster_s_key_under_another_certificate(book: Book) -> None:
    again = make_signer("ito", signer("ito").key)
    signed = cms.verify(approve(b"{}", [again], NOW + MINUTE)).signers
    with pytest.raises(StrangeSigner, match="with the key of ito, but under another certificate than the roster's"):
        quorum.tally(make_plan([KEYS], state=book.state), signed, make_roster())


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOW - timedelta(seconds=1), "ito approved at 2026-04-01T08:59:59Z, before the plan was created"),
        (NOW + 24 * HOUR + timedelta(seconds=1), "ito approved at 2026-04-02T09:00:01Z, after the plan expired"),
    ],
)
def test_approvals_outside_the_plan_s_time(book: Book, moment: object, reason: str) -> None:
    with pytest.raises(ApprovalUntimely, match=reason):
        quorum.tally(make_plan([KEYS], state=book.state), signatures(["ito"], moment), make_roster())


def test_approvals_at_the_plan_s_very_limits_count(book: Book) -> None:
    plan = make_plan([KEYS], state=book.state)
    for moment in (NOW, NOW + 24 * HOUR):
        assert quorum.tally(plan, signatures(["ito"], moment), make_roster()).approved[0].signing_time == moment


def test_an_expired_certificate(book: Book) -> None:
    brief = make_signer("nagai", not_after=NOW + MINUTE)
    roster = make_roster([*make_roster().people, person("nagai", "officer", brief)])
    plan = make_plan([KEYS], state=book.state)
    in_time = cms.verify(approve(b"{}", [brief], NOW + MINUTE)).signers
    assert [one.person.id for one in quorum.tally(plan, in_time, roster).approved] == ["nagai"]
    late = cms.verify(approve(b"{}", [brief], NOW + 2 * MINUTE)).signers
    with pytest.raises(ApprovalUntimely, match=r"nagai approved at .*, outside the validity of the certificate"):
        quorum.tally(plan, late, roster)


def test_who_decides(book: Book) -> None:
    assert quorum.roster_for(make_plan([make_found()]), None) == make_roster()
    assert quorum.roster_for(make_plan([KEYS], state=book.state), book.state.roster) == book.state.roster
    with pytest.raises(LedgerError, match="the plan is not genesis, and there is no ledger"):
        quorum.roster_for(make_plan([KEYS], state=book.state), None)


def test_one_approval_can_be_opened_for_a_status_view(book: Book) -> None:
    plan = make_plan([KEYS], state=book.state)
    opened = chain.open_authorization(approve(plan, ["mori"]))
    assert opened.plan == plan
    assert [one.person.id for one in quorum.tally(plan, opened.signed.signers, make_roster()).approved] == ["mori"]
