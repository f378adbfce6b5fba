"""The chain as a whole: a good ledger gives the right state; whatever was done to it is refused by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations

import msgspec
import pytest
from ledgerkit import (
    HOUR,
    MINUTE,
    NOW,
    Book,
    approve,
    first_keys,
    make_found,
    make_outcome,
    make_plan,
    make_signer,
    results_for,
    seal,
    signer,
)

from appliance.ledger import canonical, chain, cms
from appliance.ledger.actions import Action, Activate, Generate, Suspend
from appliance.ledger.errors import (
    ApprovalUntimely,
    ApprovedTwice,
    CertificateInvalid,
    IllegalAction,
    LedgerError,
    LedgerIncomplete,
    MalformedOutcome,
    MalformedPlan,
    NotYetValid,
    OutcomeMismatch,
    PlanExpired,
    QuorumShort,
    SignatureInvalid,
    StrangeSigner,
    WrongAnchor,
    WrongPrevious,
    WrongSequence,
)
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import StateChanged
from appliance.ledger.text import render_instant

QUORUM = ("ito", "sato", "ueda")
ACTIONS: list[Action] = [Generate(generation="sspin.E.2", parent="spin.1")]
A4, O4 = "000004.authorization.cms", "000004.outcome.cms"


def refused(error: type[LedgerError], files: dict[str, bytes], anchor: str) -> str:
    """The message, which must begin with the file concerned."""
    with pytest.raises(error) as refusal:
        chain.verify(files, anchor)
    assert refusal.value.exit_code == 4
    assert refusal.value.file is not None
    assert refusal.value.message.startswith(f"{refusal.value.file}: ")
    return refusal.value.message


def fourth(book: Book, **changes: object) -> dict[str, bytes]:
    """The ledger with a fourth entry, made with some things changed from what they should be."""
    plan = changes.pop("plan", None) or make_plan(ACTIONS, state=book.state)
    authorization = changes.pop("authorization", None) or approve(plan, QUORUM)  # type: ignore[arg-type]
    identity = changes.pop("identity", signer("appliance"))
    at = changes.pop("at", NOW + 4 * MINUTE)
    good = make_plan(ACTIONS, state=book.state)
    told = changes.pop("results", results_for(book.state, good))
    outcome = make_outcome(plan, authorization, told, **changes)  # type: ignore[arg-type]
    return {**book.files, A4: authorization, O4: seal(outcome, identity, at)}  # type: ignore[arg-type, dict-item]


def same(one: LedgerState, other: LedgerState | None) -> bool:
    """Equal in everything; trees are compared by their domains, as they know no equality."""
    assert other is not None
    return list(one.tree) == list(other.tree) and replace(one, tree=other.tree) == other


# --- good ledgers -----------------------------------------------------------------------------------------------------


def test_a_good_ledger_gives_its_state(book: Book) -> None:
    state = chain.verify(book.files, book.anchor)
    assert same(state, book.state)
    assert (state.sequence, state.anchor, state.rehearsal) == (3, book.anchor, False)
    assert {str(generation): record.state.value for generation, record in state.keys.items()} == {
        "common.1": "active",
        "spin.1": "active",
        "sspin.B.1": "active",
        "sspin.E.1": "active",
        "sspin.B.2": "active",
    }
    assert {name: str(generation) for name, generation in state.current.items()} == {
        "common": "common.1",
        "spin": "spin.1",
        "sspin.B": "sspin.B.2",
        "sspin.E": "sspin.E.1",
    }


def test_entries_say_who_agreed_to_what_and_when(book: Book) -> None:
    entries = chain.verify_entries(book.files, book.anchor)
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    people = [{approval.person.id for approval in entry.approvals} for entry in entries]
    assert people == [{"ito", "sato", "mori", "ueda"}, {"ito", "sato", "ueda"}, {"sato", "mori", "kato"}]
    assert {approval.signing_time for entry in entries for approval in entry.approvals} == {NOW + MINUTE}
    assert [entry.state.head for entry in entries] == [entry.head for entry in entries]
    assert entries[1].plan.previous == entries[0].head


def test_the_head_is_what_the_documents_say(book: Book) -> None:
    digests = [hashlib.sha256(book.files[name]).digest() for name in ("000003.authorization.cms", "000003.outcome.cms")]
    assert book.state.head == hashlib.sha256(b"kagimori/head/v1\n" + b"".join(digests)).hexdigest()


def test_the_beginning_of_a_ledger_is_a_ledger(book: Book) -> None:
    """Which is why the engine remembers what it has seen."""
    for length in (1, 2):
        part = {name: data for name, data in book.files.items() if int(name[:6]) <= length}
        assert same(chain.verify(part, book.anchor), book.states[length])


def test_a_fourth_entry_as_it_should_be(book: Book) -> None:
    assert chain.verify(fourth(book), book.anchor).sequence == 4


# --- files missing, swapped, added ------------------------------------------------------------------------------------


def test_an_empty_ledger(book: Book) -> None:
    assert refused(LedgerIncomplete, {}, book.anchor) == "000001.authorization.cms: the ledger is empty"


def test_dropping_any_file(book: Book) -> None:
    for name in book.files:
        rest = {other: data for other, data in book.files.items() if other != name}
        message = refused(LedgerIncomplete, rest, book.anchor)
        if name == "000003.authorization.cms":
            assert message == "000003.authorization.cms: is missing"
        assert "is missing" in message or "files before it are missing" in message


def test_dropping_an_entry_from_the_middle_or_the_front(book: Book) -> None:
    for sequence in ("000001", "000002"):
        rest = {name: data for name, data in book.files.items() if not name.startswith(sequence)}
        assert "files before it are missing" in refused(LedgerIncomplete, rest, book.anchor)


def test_dropping_an_entry_and_renaming_the_rest(book: Book) -> None:
    renamed = {name.replace("000003", "000002"): data for name, data in book.files.items() if "000002" not in name}
    message = refused(WrongSequence, renamed, book.anchor)
    assert message == "000002.authorization.cms: sequence: the plan is number 3; its place is 2"


@pytest.mark.parametrize(
    "name",
    [
        "000005.authorization.cms",
        "000000.authorization.cms",
        "4.outcome.cms",
        "000004.outcome.cms.bak",
        "notes.txt",
        "000004.OUTCOME.cms",
        "pending",
        "",
    ],
)
def test_a_file_that_does_not_belong(book: Book, name: str) -> None:
    message = refused(LedgerIncomplete, {**book.files, name: b"x"}, book.anchor)
    assert message == f"{name}: does not belong into a ledger, or files before it are missing"


def test_an_authorization_without_its_outcome(book: Book) -> None:
    files = {**book.files, A4: fourth(book)[A4]}
    assert refused(LedgerIncomplete, files, book.anchor) == "000004.outcome.cms: is missing"


def test_swapping_any_two_files(book: Book) -> None:
    for first, second in combinations(book.files, 2):
        swapped = {**book.files, first: book.files[second], second: book.files[first]}
        assert refused(LedgerError, swapped, book.anchor).startswith(min(first, second))


def test_every_truncation_of_every_file(book: Book) -> None:
    for name, data in book.files.items():
        for length in (0, 1, 2, 10, len(data) // 2, len(data) - 1):
            assert refused(LedgerError, {**book.files, name: data[:length]}, book.anchor).startswith(name)


# --- another ledger ---------------------------------------------------------------------------------------------------


def test_another_anchor(book: Book) -> None:
    message = refused(WrongAnchor, book.files, "ab" * 32)
    assert message == f"000001.authorization.cms: genesis is {book.anchor}; the trust anchor is {'ab' * 32}"


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: text + "\n", lambda text: ""])
def test_an_anchor_that_is_none(book: Book, change: Callable[[str], str]) -> None:
    message = refused(WrongAnchor, book.files, change(book.anchor))
    assert "the trust anchor must be 64 lower-case hexadecimal digits" in message


def test_an_entry_cannot_be_verified_under_another_anchor(book: Book) -> None:
    with pytest.raises(WrongAnchor, match=f"the ledger was verified against {book.anchor}"):
        chain.check_next(book.state, approve(make_plan(ACTIONS, state=book.state), QUORUM), "ab" * 32, NOW + MINUTE)


def test_a_plan_of_another_ledger(book: Book) -> None:
    """Same people, same sequence, but forked after the second entry."""
    fork = Book(dict(book.files), book.states[:3], book.anchor)
    fork.add([Suspend(generation="sspin.B.1")], ("ito", "kato"))
    fork.add([Suspend(generation="spin.1")], ("ito", "kato"))
    files = {**book.files, A4: fork.files[A4], O4: fork.files[O4]}
    message = refused(WrongPrevious, files, book.anchor)
    assert message.startswith(f"{A4}: previous: ") and book.state.head in message


def test_an_outcome_of_a_fork(book: Book) -> None:
    fork = Book(dict(book.files), book.states[:3], book.anchor)
    fork.add([Suspend(generation="sspin.B.1")], ("ito", "kato"))
    name = "000003.outcome.cms"
    message = refused(OutcomeMismatch, {**book.files, name: fork.files[name]}, book.anchor)
    assert message == f"{name}: plan: the outcome is of another plan"


def test_an_authorization_with_other_approvals_of_the_same_plan(book: Book) -> None:
    """Even with a full quorum of its own: the outcome has bound the file that was carried out."""
    name = "000003.authorization.cms"
    other = approve(cms.verify(book.files[name]).content, ("ito", "sato", "ueda"))
    message = refused(OutcomeMismatch, {**book.files, name: other}, book.anchor)
    assert message == "000003.outcome.cms: authorization: the outcome is of another authorization file"


# --- who agreed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "error", "reason"),
    [
        (("ito", "ueda"), QuorumShort, "quorum: 1 of 2 officer approvals (still can: sato, mori)"),
        (("ito", "sato"), QuorumShort, "quorum: 0 of 1 oversight approvals (still can: ueda, kato)"),
        (("ito", "sato", "mori"), QuorumShort, "quorum: 0 of 1 oversight approvals (still can: ueda, kato)"),
        (("ito", "sato", "ueda", "eve"), StrangeSigner, "signed by CN=eve, who is not in the roster"),
        (("appliance",), StrangeSigner, "signed by CN=appliance, who is not in the roster"),
    ],
)
def test_the_wrong_people(book: Book, who: tuple[str, ...], error: type[LedgerError], reason: str) -> None:
    files = fourth(book, authorization=approve(make_plan(ACTIONS, state=book.state), who))
    assert refused(error, files, book.anchor) == f"{A4}: {reason}"


def test_genesis_one_officer_short_and_without_oversight() -> None:
    plan = make_plan([make_found()])
    anchor = chain.anchor_of(canonical.encode(plan))
    for who, reason in {
        ("ito", "sato", "ueda"): "quorum: 2 of 3 officer approvals (still can: mori)",
        ("ito", "sato", "mori"): "quorum: 0 of 1 oversight approvals (still can: ueda, kato)",
    }.items():
        authorization = approve(plan, who)
        outcome = seal(make_outcome(plan, authorization, results_for(None, plan)))
        files = {"000001.authorization.cms": authorization, "000001.outcome.cms": outcome}
        assert refused(QuorumShort, files, anchor) == f"000001.authorization.cms: {reason}"


def test_the_same_person_twice(book: Book) -> None:
    content = canonical.encode(make_plan(ACTIONS, state=book.state))
    times = [("ito", NOW + MINUTE), ("ito", NOW + MINUTE + timedelta(seconds=1)), ("ueda", NOW + MINUTE)]
    twice = cms.merge([cms.sign(content, signer(name), at) for name, at in times])
    message = refused(ApprovedTwice, fourth(book, authorization=twice), book.anchor)
    assert message == f"{A4}: ito approved twice; each person counts once"


def test_the_same_person_under_two_certificates_of_one_key(book: Book) -> None:
    second = make_signer("somebody else", signer("ito").key)
    both = approve(make_plan(ACTIONS, state=book.state), ["ito", second, "ueda"])
    message = refused(StrangeSigner, fourth(book, authorization=both), book.anchor)
    assert message == f"{A4}: signed with the key of ito, but under another certificate than the roster's"


def test_a_plan_altered_after_approval(book: Book) -> None:
    good = approve(make_plan(ACTIONS, state=book.state), QUORUM)
    altered = good.replace(b"sspin.E.2", b"sspin.C.1")
    assert len(altered) == len(good) and altered != good
    message = refused(SignatureInvalid, fourth(book, authorization=altered), book.anchor)
    assert message.startswith(f"{A4}: the content is not what CN=")


def test_approvals_taken_over_to_an_altered_plan(book: Book) -> None:
    """Cut off one plan's signatures and put them under another plan's content."""
    other = make_plan([Suspend(generation="spin.1")], state=book.state)
    good, target = approve(make_plan(ACTIONS, state=book.state), QUORUM), approve(other, QUORUM)
    content, _ = cms._take_apart(target)
    _, parts = cms._take_apart(good)
    message = refused(SignatureInvalid, fourth(book, authorization=cms._assemble(content, parts)), book.anchor)
    assert message.startswith(f"{A4}: the signature of CN=") and message.splitlines()[0].endswith("does not verify")


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "error", "reason"),
    [
        (NOW - MINUTE, NotYetValid, "started 2026-04-01T08:59:00Z, before the plan was created"),
        (NOW + 25 * HOUR, PlanExpired, "started 2026-04-02T10:00:00Z, after the plan expired (2026-04-02T09:00:00Z)"),
        (NOW, ApprovalUntimely, " approved at 2026-04-01T09:01:00Z, after the plan was carried out"),
    ],
)
def test_when_a_plan_was_carried_out(book: Book, started: datetime, error: type[LedgerError], reason: str) -> None:
    moment = render_instant(started)
    message = refused(error, fourth(book, started=moment, finished=moment), book.anchor)
    assert message.startswith(f"{O4}: ") and reason in message


def test_an_outcome_that_ends_before_it_begins(book: Book) -> None:
    changes = {"started": render_instant(NOW + 3 * MINUTE), "finished": render_instant(NOW + 2 * MINUTE)}
    message = refused(MalformedOutcome, fourth(book, **changes), book.anchor)
    assert message == f"{O4}: finished: must not be earlier than started"


def test_at_the_very_limits_of_the_plan_s_time(book: Book) -> None:
    at_once = approve(make_plan(ACTIONS, state=book.state), QUORUM, NOW)
    chain.verify(fourth(book, authorization=at_once, started=render_instant(NOW)), book.anchor)
    last = render_instant(NOW + 24 * HOUR)
    chain.verify(fourth(book, started=last, finished=last), book.anchor)


def test_carrying_out_may_last_beyond_the_expiry(book: Book) -> None:
    chain.verify(fourth(book, finished=render_instant(NOW + 25 * HOUR)), book.anchor)


def test_approvals_signed_before_and_after_the_plan_s_time(book: Book) -> None:
    plan = make_plan(ACTIONS, state=book.state)
    for moment, word in ((NOW - MINUTE, "before the plan was created"), (NOW + 25 * HOUR, "after the plan expired")):
        message = refused(ApprovalUntimely, fourth(book, authorization=approve(plan, QUORUM, moment)), book.anchor)
        assert message.startswith(f"{A4}: ") and word in message


# --- what happened ----------------------------------------------------------------------------------------------------


def test_an_outcome_signed_by_somebody_else(book: Book) -> None:
    for name in ("ito", "eve"):
        message = refused(StrangeSigner, fourth(book, identity=signer(name)), book.anchor)
        assert message == f"{O4}: not signed by the appliance's identity key"
    again = make_signer("appliance", signer("appliance").key)
    message = refused(StrangeSigner, fourth(book, identity=again), book.anchor)
    assert message == f"{O4}: not signed by the appliance's identity key"


def test_an_outcome_with_two_signatures(book: Book) -> None:
    files = fourth(book)
    content = cms.verify(files[O4]).content
    files[O4] = cms.merge([files[O4], cms.sign(content, signer("ito"), NOW + 4 * MINUTE)])
    assert refused(StrangeSigner, files, book.anchor) == f"{O4}: 2 signatures; an outcome has one, the appliance's"


def test_an_outcome_signed_after_the_identity_certificate_s_end(book: Book) -> None:
    message = refused(CertificateInvalid, fourth(book, at=NOW + timedelta(days=4000)), book.anchor)
    assert message == f"{O4}: signed outside the validity of the identity certificate"


def test_an_outcome_of_another_sequence(book: Book) -> None:
    message = refused(WrongSequence, fourth(book, sequence=5), book.anchor)
    assert message == f"{O4}: sequence: the outcome is number 5; its place is 4"


def test_an_outcome_of_another_plan_or_authorization(book: Book) -> None:
    assert refused(OutcomeMismatch, fourth_with(book, plan="ab" * 32), book.anchor) == (
        f"{O4}: plan: the outcome is of another plan"
    )
    assert refused(OutcomeMismatch, fourth_with(book, authorization="ab" * 32), book.anchor) == (
        f"{O4}: authorization: the outcome is of another authorization file"
    )


def fourth_with(book: Book, **digests: str) -> dict[str, bytes]:
    """A fourth entry whose outcome names other digests."""
    files = fourth(book)
    raw = msgspec.json.decode(cms.verify(files[O4]).content)
    sealed = cms.sign(canonical.encode({**raw, **digests}), signer("appliance"), NOW + 4 * MINUTE)
    return {**files, O4: sealed}


def test_genesis_with_another_identity_than_its_signer() -> None:
    plan = make_plan([make_found()])
    authorization = approve(plan, ("ito", "sato", "mori", "ueda"))
    outcome = seal(make_outcome(plan, authorization, results_for(None, plan)), signer("eve"))
    files = {"000001.authorization.cms": authorization, "000001.outcome.cms": outcome}
    message = refused(StrangeSigner, files, chain.anchor_of(canonical.encode(plan)))
    assert message == "000001.outcome.cms: not signed by the appliance's identity key"


def test_an_outcome_in_the_place_of_an_authorization_and_the_other_way_round(book: Book) -> None:
    files = fourth(book)
    assert refused(MalformedPlan, {**files, A4: files[O4]}, book.anchor).startswith(f"{A4}: ")
    assert refused(MalformedOutcome, {**files, O4: files[A4]}, book.anchor).startswith(f"{O4}: ")


def test_an_illegal_action_agreed_by_everybody(book: Book) -> None:
    plan = make_plan([Activate(generation="sspin.B.1")], state=book.state)
    files = fourth(book, plan=plan, results=[StateChanged(generation="sspin.B.1", state="active")])
    message = refused(IllegalAction, files, book.anchor)
    assert message == f"{O4}: action 1: sspin.B.1: activate: the key is active; needs: generated"


# --- what may be carried out next -------------------------------------------------------------------------------------


def next_refused(error: type[LedgerError], book: Book, authorization: bytes, now: datetime = NOW + 2 * MINUTE) -> str:
    with pytest.raises(error) as refusal:
        chain.check_next(book.state, authorization, book.anchor, now)
    assert refusal.value.message.startswith(f"{A4}: ")
    return refusal.value.reason


def test_the_next_plan_is_given_back(book: Book) -> None:
    plan = make_plan(ACTIONS, state=book.state)
    assert chain.check_next(book.state, approve(plan, QUORUM), book.anchor, NOW + 2 * MINUTE) == plan


def test_genesis_is_the_next_plan_where_there_is_none() -> None:
    plan = make_plan([make_found()])
    anchor = chain.anchor_of(canonical.encode(plan))
    authorization = approve(plan, ("ito", "sato", "mori", "ueda"))
    assert chain.check_next(None, authorization, anchor, NOW + 2 * MINUTE) == plan
    with pytest.raises(WrongAnchor, match="genesis is"):
        chain.check_next(None, authorization, "ab" * 32, NOW + 2 * MINUTE)


@pytest.mark.parametrize(
    ("now", "error", "reason"),
    [
        (NOW - MINUTE, NotYetValid, "created 2026-04-01T09:00:00Z, but it is 2026-04-01T08:59:00Z"),
        (NOW + 25 * HOUR, PlanExpired, "expired 2026-04-02T09:00:00Z; it is 2026-04-02T10:00:00Z"),
        (NOW + timedelta(seconds=30), NotYetValid, "approved at 2026-04-01T09:01:00Z, but it is 2026-04-01T09:00:30Z"),
    ],
)
def test_when_a_plan_may_be_carried_out(book: Book, now: datetime, error: type[LedgerError], reason: str) -> None:
    assert reason in next_refused(error, book, approve(make_plan(ACTIONS, state=book.state), QUORUM), now)


def test_at_the_very_first_and_last_second_it_may(book: Book) -> None:
    plan = make_plan(ACTIONS, state=book.state)
    chain.check_next(book.state, approve(plan, QUORUM, NOW), book.anchor, NOW)
    chain.check_next(book.state, approve(plan, QUORUM), book.anchor, NOW + 24 * HOUR)


def test_what_else_forbids_the_next_plan(book: Book) -> None:
    ahead = make_plan(ACTIONS, state=book.state, sequence=5)
    elsewhere = make_plan(ACTIONS, state=book.state, previous="ab" * 32)
    illegal = make_plan([Activate(generation="spin.1")], state=book.state)
    good = make_plan(ACTIONS, state=book.state)
    assert "the plan is number 5; its place is 4" in next_refused(WrongSequence, book, approve(ahead, QUORUM))
    assert "but the head before it is" in next_refused(WrongPrevious, book, approve(elsewhere, QUORUM))
    assert "the key is active; needs: generated" in next_refused(IllegalAction, book, approve(illegal, QUORUM))
    assert "1 of 2 officer" in next_refused(QuorumShort, book, approve(good, ("mori", "kato")))


def test_a_plan_can_be_carried_out_once(book: Book) -> None:
    reason = next_refused(WrongSequence, book, book.files["000003.authorization.cms"])
    assert reason == "sequence: the plan is number 3; its place is 4"


def test_first_keys_need_genesis_first() -> None:
    with pytest.raises(MalformedPlan, match=r"genesis \(sequence 1\) has exactly one action, found"):
        chain.check_next(None, approve(make_plan(first_keys()), QUORUM), "ab" * 32, NOW)
