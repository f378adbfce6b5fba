"""A roster change: the present quorum and the new one agree, each by its own certificates and thresholds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest
from foldkit import altered, effects, forbidden, refused
from ledgerkit import (
    B1,
    MINUTE,
    NOW,
    OFFICERS,
    SERIAL,
    Book,
    SoftSigner,
    approve,
    make_plan,
    make_roster,
    make_signer,
    person,
    signer,
    token_signer,
)

from appliance.ledger import chain, cms, plan, quorum
from appliance.ledger.actions import ChangeRoster, Suspend
from appliance.ledger.errors import (
    ApprovedTwice,
    CertificateInvalid,
    IllegalAction,
    LedgerError,
    OutcomeMismatch,
    QuorumShort,
    RosterInvalid,
    StrangeSigner,
)
from appliance.ledger.quorum import Ballot
from appliance.ledger.roster import Person, Roster, Threshold

STOP = Suspend(generation="sspin.E.1")


@cache
def renewed(name: str, *, same_key: bool) -> SoftSigner:
    """The person's new certificate, over a new key or over the one they have."""
    return make_signer(name, signer(name).key if same_key else None)


def people(**changes: Person | None) -> list[Person]:
    """The kit's people, with some replaced (None: gone) or added."""
    there = {one.id: one for one in make_roster().people}
    return [one for one in {**there, **changes}.values() if one is not None]


@cache
def new_roster() -> Roster:
    """Mori leaves, Nagai joins, Ueda has a new certificate and key, Kato a new certificate of the same key."""
    return make_roster(
        people(
            mori=None,
            nagai=person("nagai", "officer"),
            ueda=person("ueda", "oversight", renewed("ueda", same_key=False)),
            kato=person("kato", "oversight", renewed("kato", same_key=True)),
        )
    )


CHANGE = ChangeRoster(roster=new_roster())
ENOUGH = ("ito", "sato", "mori", "nagai", "ueda", renewed("ueda", same_key=False))
SHORT_NEW = (
    "quorum of the new roster: 2 of 3 officer approvals (still can: nagai);"
    " 0 of 1 oversight approvals (still can: ueda, kato)"
)
SHORT_PRESENT = (
    "quorum of the present roster: 2 of 3 officer approvals (still can: mori);"
    " 0 of 1 oversight approvals (still can: ueda, kato)"
)


def counted(book: Book, who: Iterable[str | SoftSigner], action: ChangeRoster = CHANGE) -> Ballot:
    made = make_plan([action], state=book.state)
    return quorum.require(made, cms.verify(approve(made, who)).signers, book.state.roster)


def not_enough(error: type[LedgerError], book: Book, who: Iterable[str | SoftSigner]) -> str:
    """The reason, which `check_next` must give as well."""
    with pytest.raises(error) as refusal:
        counted(book, who)
    with pytest.raises(error) as stopped:
        authorization = approve(make_plan([CHANGE], state=book.state), who)
        chain.check_next(book.state, authorization, book.anchor, NOW + 2 * MINUTE)
    assert stopped.value.reason == refusal.value.reason
    return refusal.value.reason


def test_with_both_quorums_it_is_in_force_from_the_next_plan_on(book: Book) -> None:
    grown = book.fork()
    state = grown.add([CHANGE], ENOUGH)
    assert state.roster == new_roster()
    assert chain.verify(grown.files, grown.anchor).roster == new_roster()
    entry = chain.verify_entries(grown.files, grown.anchor)[-1]
    assert sorted(one.person.id for one in entry.approvals) == ["ito", "mori", "nagai", "sato", "ueda", "ueda"]


def test_who_left_decides_no_more_and_who_joined_does(book: Book) -> None:
    grown = book.fork()
    grown.add([CHANGE], ENOUGH)
    with pytest.raises(StrangeSigner, match="signed by CN=mori, who is not in the roster"):
        grown.add([STOP], ("mori", renewed("ueda", same_key=False)))
    with pytest.raises(StrangeSigner, match="signed by CN=ueda, who is not in the roster"):
        grown.add([STOP], ("nagai", "ueda"))
    with pytest.raises(StrangeSigner, match="with the key of kato, but under another certificate than the roster's"):
        grown.add([STOP], ("nagai", "kato"))
    grown.add([STOP], ("nagai", renewed("kato", same_key=True)))


def test_the_present_roster_alone_is_not_enough(book: Book) -> None:
    assert not_enough(QuorumShort, book, ("ito", "sato", "mori", "ueda", "kato")) == SHORT_NEW


def test_the_new_roster_alone_is_not_enough(book: Book) -> None:
    who = ("ito", "sato", "nagai", renewed("ueda", same_key=False), renewed("kato", same_key=True))
    assert not_enough(QuorumShort, book, who) == SHORT_PRESENT


def test_both_may_be_short_at_once(book: Book) -> None:
    assert not_enough(QuorumShort, book, ("ito", "sato")) == f"{SHORT_PRESENT}; {SHORT_NEW}"


def test_a_renewed_certificate_counts_for_the_roster_it_is_in_only(book: Book) -> None:
    """Even if it is over the same key: the old one for the present roster, the new one for the new."""
    both = counted(book, ("ito", "sato", "mori", "nagai", "kato", renewed("kato", same_key=True)))
    assert both.complete
    assert [one.body for one in both.tallies] == ["present roster", "new roster"]
    assert not_enough(QuorumShort, book, ("ito", "sato", "mori", "nagai", "kato")).startswith(
        "quorum of the new roster: 0 of 1 oversight"
    )
    only_new = ("ito", "sato", "mori", "nagai", renewed("kato", same_key=True))
    assert not_enough(QuorumShort, book, only_new).startswith("quorum of the present roster: 0 of 1 oversight")


def test_the_ballot_says_for_each_body_who_still_can(book: Book) -> None:
    made = make_plan([CHANGE], state=book.state)
    ballot = quorum.ballot(made, cms.verify(approve(made, ["ito", "mori"])).signers, book.state.roster)
    told = {one.body: {role: [p.id for p in who] for role, who in one.remaining.items()} for one in ballot.tallies}
    assert told == {
        "present roster": {"officer": ["sato"], "oversight": ["ueda", "kato"]},
        "new roster": {"officer": ["sato", "nagai"], "oversight": ["ueda", "kato"]},
    }
    assert sorted(one.person.id for one in ballot.approved) == ["ito", "mori"]
    assert not ballot.complete and not any(one.complete for one in ballot.tallies)
    for who in (("ito", "sato", "mori", "ueda"), ("ito", "sato", "nagai", renewed("ueda", same_key=False))):
        half = quorum.ballot(made, cms.verify(approve(made, who)).signers, book.state.roster)
        assert sorted(one.complete for one in half.tallies) == [False, True] and not half.complete


def test_somebody_of_neither_roster(book: Book) -> None:
    assert not_enough(StrangeSigner, book, (*ENOUGH, "eve")) == "signed by CN=eve, who is in neither roster"
    third = make_signer("ito", signer("ito").key)  # ito's key under a certificate of nobody's roster
    assert not_enough(StrangeSigner, book, (*ENOUGH, third)) == "signed by CN=ito, who is in neither roster"


def test_nobody_approves_a_change_twice(book: Book) -> None:
    made = make_plan([CHANGE], state=book.state)
    twice = cms.verify(approve(made, ENOUGH)).signers + cms.verify(approve(made, ["ito"])).signers
    with pytest.raises(ApprovedTwice, match="ito approved twice"):
        quorum.require(made, twice, book.state.roster)
    joined = cms.verify(approve(made, ENOUGH)).signers + cms.verify(approve(made, ["nagai"])).signers
    with pytest.raises(ApprovedTwice, match="nagai approved twice"):
        quorum.require(made, joined, book.state.roster)


def test_each_roster_s_own_thresholds_count(book: Book) -> None:
    lighter = make_roster(people(), {"roster": Threshold(officers=1, oversight=1)})
    heavier = make_roster(people(), {"roster": Threshold(officers=3, oversight=2)})
    assert counted(book, (*OFFICERS, "ueda"), ChangeRoster(roster=lighter)).complete
    with pytest.raises(QuorumShort, match=r"quorum of the present roster: 1 of 3 officer .*"):
        counted(book, ("ito", "ueda"), ChangeRoster(roster=lighter))
    with pytest.raises(QuorumShort, match=r"^quorum of the new roster: 1 of 2 oversight approvals \(still can: kato\)"):
        counted(book, (*OFFICERS, "ueda"), ChangeRoster(roster=heavier))


def test_a_change_of_thresholds_alone_is_a_roster_change(book: Book) -> None:
    lighter = make_roster(people(), {"destroy": Threshold(officers=2, oversight=1)})
    assert book.fork().add([ChangeRoster(roster=lighter)]).roster.thresholds["destroy"].officers == 2


def invalid(roster: Roster) -> str:
    with pytest.raises(RosterInvalid) as refusal:
        plan.validate(make_plan([ChangeRoster(roster=roster)], sequence=4, previous="ab" * 32))
    return refusal.value.reason


def test_thresholds_of_zero_or_above_the_head_count() -> None:
    zero = {"emergency": Threshold(officers=1, oversight=0)}
    assert invalid(make_roster(people(), zero)) == (
        "roster: thresholds: emergency: 0 oversight approvals; at least 1 is needed"
    )
    reason = "roster: thresholds: destroy: 3 officer approvals, but the roster has 2"
    assert invalid(make_roster(people(mori=None))) == reason
    everybody = {"tokens": Threshold(officers=4, oversight=1)}
    assert invalid(make_roster(people(), everybody)).startswith("roster: thresholds: tokens: 4 officer approvals, but")


def test_nobody_becomes_officer_and_oversight_at_once() -> None:
    again = person("ito-2", "oversight", make_signer("other"))
    both = Person(id="ito-2", name="伊藤　一郎", role="oversight", certificate=again.certificate)
    assert "is both officer and oversight" in invalid(make_roster(people(ito2=both)))
    same_key = person("ito-2", "oversight", renewed("ito", same_key=True))
    assert invalid(make_roster(people(ito2=same_key))) == "roster: ito and ito-2 have the same public key"


@pytest.mark.parametrize("serial", [SERIAL, B1])
def test_nobody_signs_with_a_token_s_own_key(backed: Book, serial: str) -> None:
    """Else whoever carries out plans would approve them as well; another certificate of the key is no way round."""
    identity = token_signer(serial)
    for certificate in (identity, make_signer("nagai", identity.key)):
        roster = make_roster(people(nagai=person("nagai", "officer", certificate)))
        assert forbidden(CertificateInvalid, backed.state, ChangeRoster(roster=roster)) == (
            "action 1: roster: nagai: the key is a token's own identity key"
        )


def test_the_present_roster_again_is_no_change(book: Book) -> None:
    assert forbidden(IllegalAction, book.state, ChangeRoster(roster=book.state.roster)) == (
        "action 1: change-roster: it is the present roster; nothing would change"
    )


def test_what_it_says_of_itself(book: Book) -> None:
    (effect,) = effects(book.state, ChangeRoster(roster=make_roster(people(nagai=person("nagai", "officer")))))
    assert (effect.action, effect.subject, effect.before, effect.after) == (
        "change-roster",
        "roster",
        "5 people",
        "6 people",
    )


def test_the_outcome_names_the_very_roster(book: Book) -> None:
    for changes in ({"digest": "ab" * 32}, {"subject": "policy"}):
        reason = refused(OutcomeMismatch, book.state, [CHANGE], altered(book.state, CHANGE, **changes))
        assert reason == "action 1: change-roster roster: the outcome tells of something else"
