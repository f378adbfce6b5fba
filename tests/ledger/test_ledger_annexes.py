"""Annexes: refusals and failed attempts are signed, in their place, listed by the outcome, and so kept for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from ledgerkit import (
    B1,
    HOUR,
    MINUTE,
    NOW,
    OFFICERS,
    Book,
    approve,
    backup_signer,
    make_attempt,
    make_found,
    make_outcome,
    make_plan,
    make_refusal,
    make_roster,
    make_signer,
    person,
    restore,
    results_for,
    seal,
    signer,
)

from appliance.ledger import annexes, canonical, chain, cms
from appliance.ledger.actions import ChangeRoster, Suspend
from appliance.ledger.annexes import Attempt, Refusal
from appliance.ledger.errors import (
    AnnexMismatch,
    CertificateInvalid,
    LedgerError,
    LedgerIncomplete,
    MalformedAnnex,
    MalformedCms,
    NotCanonical,
    SignatureInvalid,
    StrangeSigner,
)

STOP = Suspend(generation="sspin.E.1")
ATTEMPT, SECOND, REFUSAL = "000004.attempt.1.cms", "000004.attempt.2.cms", "000004.refusal.1.cms"
OUTCOME = "000004.outcome.cms"


def three(sequence: int = 4) -> dict[str, bytes]:
    """Two failed attempts and a refusal."""
    return {
        f"{sequence:06d}.attempt.1.cms": make_attempt(sequence),
        f"{sequence:06d}.attempt.2.cms": make_attempt(sequence, ended_by="abort", reason="中止"),
        f"{sequence:06d}.refusal.1.cms": make_refusal(sequence),
    }


@pytest.fixture(scope="module")
def annexed(book: Book) -> Book:
    """A fourth entry with three annexes; treat as read-only."""
    grown = book.fork()
    grown.add([STOP], ("ito", "kato"), three())
    return grown


def refused(error: type[LedgerError], files: dict[str, bytes], anchor: str) -> str:
    with pytest.raises(error) as refusal:
        chain.verify(files, anchor)
    assert refusal.value.exit_code == 4
    assert refusal.value.message.startswith(f"{refusal.value.file}: ")
    return refusal.value.message


def waiting(error: type[LedgerError], book: Book, name: str, data: bytes) -> str:
    """Why an annex of the entry to come is refused."""
    return refused(error, {**book.files, name: data}, book.anchor).removeprefix(f"{name}: ")


# --- kept -------------------------------------------------------------------------------------------------------------


def test_annexes_are_part_of_their_entry(annexed: Book) -> None:
    entry = chain.verify_entries(annexed.files, annexed.anchor)[-1]
    assert list(entry.annexes) == [ATTEMPT, SECOND, REFUSAL]
    attempt, abort, refusal = entry.annexes.values()
    assert isinstance(attempt, Attempt) and isinstance(abort, Attempt) and isinstance(refusal, Refusal)
    assert (attempt.ended_by, abort.ended_by) == ("failure", "abort")
    assert (refusal.person, refusal.reason) == ("kato", "二人目の立会人がいない")
    assert attempt.removed == (hashlib.sha256(b"id half made").hexdigest()[:32],)
    listed = tuple(hashlib.sha256(annexed.files[name]).hexdigest() for name in (ATTEMPT, SECOND, REFUSAL))
    assert entry.outcome.annexes == listed


def test_they_change_no_state(annexed: Book, book: Book) -> None:
    plain = book.fork()
    plain.add([STOP], ("ito", "kato"))
    assert annexed.state.keys == plain.state.keys
    assert annexed.state.head != plain.state.head, "but the head covers them by way of the outcome"


def test_genesis_may_have_them_too() -> None:
    """The identity key is not there yet: whoever set up signs an attempt with a key made for the record."""
    early = make_signer("set-up")
    beside = {
        "000001.attempt.1.cms": make_attempt(1, early),
        "000001.refusal.1.cms": make_refusal(1),
    }
    assert list(chain.open_annexes(beside, None)) == list(beside)
    book = Book()
    book.add([make_found()], beside=beside)
    assert list(chain.verify_entries(book.files, book.anchor)[0].annexes) == list(beside)
    with pytest.raises(StrangeSigner, match="signed by CN=eve, who is not in the roster"):
        Book().add([make_found()], beside={"000001.refusal.1.cms": make_refusal(1, "eve")})
    not_self_signed = bytearray(early.certificate)
    not_self_signed[-1] ^= 1
    attempt = make_attempt(1, type(early)(early.key, bytes(not_self_signed)))
    with pytest.raises(CertificateInvalid, match="is not signed by its own key"):
        Book().add([make_found()], beside={"000001.attempt.1.cms": attempt})


# --- listed, missing, extra, exchanged --------------------------------------------------------------------------------


def test_one_that_is_missing(annexed: Book) -> None:
    for name in (ATTEMPT, SECOND, REFUSAL):
        files = {other: data for other, data in annexed.files.items() if other != name}
        assert refused(AnnexMismatch, files, annexed.anchor) == (
            f"{OUTCOME}: annexes: the outcome lists 3; 2 are there, not these in this order"
        )


def test_one_that_is_too_many(annexed: Book) -> None:
    extra = "000004.refusal.2.cms"
    files = {**annexed.files, extra: make_refusal(4, "ueda")}
    assert refused(AnnexMismatch, files, annexed.anchor) == (
        f"{OUTCOME}: annexes: the outcome lists 3; {extra} is not one of them"
    )


def test_one_that_is_there_twice(annexed: Book) -> None:
    files = {**annexed.files, "000004.attempt.3.cms": annexed.files[SECOND]}
    assert refused(AnnexMismatch, files, annexed.anchor) == (
        f"{OUTCOME}: annexes: the outcome lists 3; 4 are there, not these in this order"
    )


def test_one_exchanged_for_another(annexed: Book) -> None:
    files = {**annexed.files, REFUSAL: make_refusal(4, reason="(別の理由)")}
    assert refused(AnnexMismatch, files, annexed.anchor) == (
        f"{OUTCOME}: annexes: the outcome lists 3; {REFUSAL} is not one of them"
    )


def test_two_that_swapped_places(annexed: Book) -> None:
    files = {**annexed.files, ATTEMPT: annexed.files[SECOND], SECOND: annexed.files[ATTEMPT]}
    assert refused(AnnexMismatch, files, annexed.anchor) == (
        f"{OUTCOME}: annexes: the outcome lists 3; 3 are there, not these in this order"
    )


def test_one_added_to_an_entry_without_any(book: Book) -> None:
    files = {**book.files, "000002.refusal.1.cms": make_refusal(2)}
    assert refused(AnnexMismatch, files, book.anchor) == (
        "000002.outcome.cms: annexes: the outcome lists 0; 000002.refusal.1.cms is not one of them"
    )


def test_one_listed_and_never_there(book: Book) -> None:
    plan = make_plan([STOP], state=book.state)
    authorization = approve(plan, ("ito", "kato"))
    made = make_outcome(plan, authorization, results_for(book.state, plan), annexes=("ab" * 32,))
    with pytest.raises(AnnexMismatch, match="the outcome lists 1; 0 are there"):
        chain.verify_entry(book.state, authorization, seal(made), book.anchor)


@pytest.mark.parametrize("name", ["000005.refusal.1.cms", "000000.attempt.1.cms", "000099.attempt.1.cms"])
def test_one_of_no_entry(book: Book, name: str) -> None:
    data = make_refusal(5) if "refusal" in name else make_attempt(5)
    assert waiting(LedgerIncomplete, book, name, data) == "is an annex of no entry of this ledger"


@pytest.mark.parametrize(
    "name",
    [
        "000004.attempt.0.cms",
        "000004.attempt.01.cms",
        "000004.attempt.10000.cms",
        "000004.attempt.cms",
        "000004.objection.1.cms",
        "4.attempt.1.cms",
        "000004.attempt.1.cms~",
        "000004.attempt.１.cms",
    ],
)
def test_names_that_are_no_annex_s(book: Book, name: str) -> None:
    assert "does not belong into a ledger" in waiting(LedgerIncomplete, book, name, make_attempt(4))


def test_annexes_alone_are_no_ledger(book: Book) -> None:
    assert refused(LedgerIncomplete, {"000001.refusal.1.cms": make_refusal(1)}, book.anchor) == (
        "000001.authorization.cms: the ledger is empty"
    )


# --- of the entry that is to come -------------------------------------------------------------------------------------


def test_annexes_of_the_next_entry_may_wait_for_it(book: Book) -> None:
    files = {**book.files, **three()}
    assert chain.verify(files, book.anchor).head == book.state.head
    assert list(chain.open_annexes(files, book.state)) == [ATTEMPT, SECOND, REFUSAL]
    assert chain.length_of(files) == chain.length_of(book.files) == 3


def test_waiting_for_it_they_are_verified_already(book: Book) -> None:
    assert waiting(StrangeSigner, book, REFUSAL, make_refusal(4, "eve")) == (
        "signed by CN=eve, who is not in the roster"
    )


def test_a_torn_annex(book: Book) -> None:
    for name, data in three().items():
        for length in (0, 1, 100, len(data) - 1):
            with pytest.raises(LedgerError) as refusal:
                chain.verify({**book.files, name: data[:length]}, book.anchor)
            assert refusal.value.file == name
            assert isinstance(refusal.value, MalformedCms | NotCanonical)


def test_a_changed_annex(book: Book) -> None:
    data = make_refusal(4, reason="no quorum of witnesses")
    assert waiting(SignatureInvalid, book, REFUSAL, data.replace(b"no quorum", b"my quorum")).startswith("the content")


# --- place and kind ---------------------------------------------------------------------------------------------------


def test_one_of_another_entry(book: Book) -> None:
    for name, data in ((REFUSAL, make_refusal(3)), (ATTEMPT, make_attempt(3))):
        assert waiting(AnnexMismatch, book, name, data) == "sequence: it is of entry 3, and lies with entry 4"


def test_one_under_the_other_kind_s_name(book: Book) -> None:
    assert "unknown field `at`" in waiting(MalformedAnnex, book, ATTEMPT, make_refusal(4))
    assert "unknown field `ended`" in waiting(MalformedAnnex, book, REFUSAL, make_attempt(4))


def test_a_plan_or_an_outcome_is_no_annex(book: Book) -> None:
    for name in ("000003.authorization.cms", "000003.outcome.cms"):
        with pytest.raises(LedgerError) as refusal:
            annexes.verify(ATTEMPT, book.files[name], 4, book.state, book.state.roster)
        assert isinstance(refusal.value, MalformedAnnex | StrangeSigner)


def test_a_name_that_is_none(book: Book) -> None:
    with pytest.raises(LedgerIncomplete, match=r"^000004.outcome.cms: does not belong into a ledger\n"):
        annexes.verify("000004.outcome.cms", make_attempt(4), 4, book.state, book.state.roster)


def test_annexes_are_no_outcome_and_no_approval(book: Book) -> None:
    with pytest.raises(LedgerError):
        chain.verify_entry(book.state, make_refusal(4, "ito"), book.files["000003.outcome.cms"], book.anchor)
    authorization = approve(make_plan([STOP], state=book.state), ("ito", "kato"))
    with pytest.raises(LedgerError, match=r"000004.outcome.cms: Object contains unknown field `ended`"):
        chain.verify_entry(book.state, authorization, make_attempt(4), book.anchor)


# --- who signed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: make_refusal(4, "kato", signer("ueda")), "says that kato refused, but ueda signed it"),
        (lambda: make_refusal(4, "nobody", signer("ueda")), "says that nobody refused, but ueda signed it"),
        (lambda: make_refusal(4, "kato", signer("eve")), "signed by CN=eve, who is not in the roster"),
        (lambda: make_refusal(4, "kato", signer("appliance")), "signed by CN=appliance, who is not in the roster"),
        (
            lambda: make_refusal(4, "kato", make_signer("kato", signer("kato").key)),
            "signed by CN=kato, who is not in the roster",
        ),
    ],
)
def test_a_refusal_is_signed_under_one_s_own_name(book: Book, make: Callable[[], bytes], reason: str) -> None:
    assert waiting(StrangeSigner, book, REFUSAL, make()) == reason


def test_an_attempt_is_signed_by_a_token_s_identity_key(backed: Book) -> None:
    name = "000005.attempt.1.cms"
    for who in (signer("appliance"), backup_signer(B1)):
        chain.verify({**backed.files, name: make_attempt(5, who)}, backed.anchor)
    for stranger in (signer("ito"), signer("eve"), make_signer("appliance", signer("appliance").key)):
        assert waiting(StrangeSigner, backed, name, make_attempt(5, stranger)) == (
            "not signed by the identity key of the appliance or of a backup token"
        )


def test_two_signatures(book: Book) -> None:
    content = cms.verify(make_refusal(4)).content
    both = cms.merge([cms.sign(content, signer(one), NOW) for one in ("kato", "ueda")])
    assert waiting(StrangeSigner, book, REFUSAL, both) == "2 signatures; an annex has one"


def test_signed_outside_the_validity_of_the_certificate(book: Book) -> None:
    content = cms.verify(make_attempt(4)).content
    late = cms.sign(content, signer("appliance"), NOW + timedelta(days=4000))
    assert waiting(CertificateInvalid, book, ATTEMPT, late) == "signed outside the validity of its certificate"


def test_of_a_roster_change_the_present_roster_refuses(book: Book) -> None:
    joining = make_roster([*make_roster().people, person("nagai", "officer")])
    change = [ChangeRoster(roster=joining)]
    grown = book.fork()
    grown.add(change, (*OFFICERS, "ueda", "kato"), {REFUSAL: make_refusal(4)})
    with pytest.raises(StrangeSigner, match="signed by CN=nagai, who is not in the roster"):
        book.fork().add(change, (*OFFICERS, "ueda"), {REFUSAL: make_refusal(4, "nagai")})
    grown.add([STOP], ("ito", "kato"), {"000005.refusal.1.cms": make_refusal(5, "nagai")})


def test_of_a_restore_the_roster_and_tokens_before_it(backed: Book) -> None:
    beside = {
        "000005.attempt.1.cms": make_attempt(5),
        "000005.attempt.2.cms": make_attempt(5, backup_signer(B1)),
        "000005.refusal.1.cms": make_refusal(5),
    }
    grown = backed.fork()
    grown.add([restore(B1)], beside=beside)
    assert list(chain.verify_entries(grown.files, grown.anchor)[-1].annexes) == list(beside)
    old = make_attempt(6, signer("appliance"))
    with pytest.raises(StrangeSigner):
        chain.verify({**grown.files, "000006.attempt.1.cms": old}, grown.anchor)


# --- what they say ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ended": "2026-04-01T08:59:59Z"}, "ended: must not be earlier than started"),
        ({"started": "2026-02-30T00:00:00Z"}, "started: '2026-02-30T00:00:00Z' is not an instant"),
        ({"operator": ""}, "operator: must have 1 to 200 characters, has 0"),
        ({"tool": "a\u202eb"}, "tool: U+202E is not printable text on one line"),
        ({"step": "a\nb"}, "step: U+000A is not printable text on one line"),
        ({"reason": "x" * 2001}, "reason: must have 1 to 2000 characters, has 2001"),
        ({"ended_by": "boredom"}, "Invalid enum value 'boredom'"),
        ({"removed": ["ab"]}, "Expected `str` matching regex"),
        ({"left": ["AB" * 16]}, "Expected `str` matching regex"),
        ({"plan": ""}, "Expected `str` matching regex"),
        ({"pin": "1234"}, "unknown field `pin`"),
        ({"token": {"label": "", "serial": "1", "manufacturer": "", "model": ""}}, "token: label: must have 1 to 200"),
        ({"sequence": 0}, "Expected `int` >= 1"),
    ],
)
def test_attempts_in_themselves(changes: dict[str, object], reason: str) -> None:
    raw = {**msgspec.json.decode(cms.verify(make_attempt(4)).content), **changes}
    with pytest.raises(MalformedAnnex) as refusal:
        annexes.parse_attempt(canonical.encode(raw))
    assert reason in refusal.value.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"at": "2026-02-30T00:00:00Z"}, "at: '2026-02-30T00:00:00Z' is not an instant"),
        ({"reason": ""}, "reason: must have 1 to 1000 characters, has 0"),
        ({"reason": "a\x1b[2Jb"}, "reason: U+001B is not printable text on one line"),
        ({"person": "Kato"}, "Expected `str` matching regex"),
        ({"approves": False}, "unknown field `approves`"),
    ],
)
def test_refusals_in_themselves(changes: dict[str, object], reason: str) -> None:
    raw = {**msgspec.json.decode(cms.verify(make_refusal(4)).content), **changes}
    with pytest.raises(MalformedAnnex) as refusal:
        annexes.parse_refusal(canonical.encode(raw))
    assert reason in refusal.value.reason


def test_other_bytes_of_the_same_annex() -> None:
    for data, parse in ((make_attempt(4), annexes.parse_attempt), (make_refusal(4), annexes.parse_refusal)):
        with pytest.raises(NotCanonical):
            parse(cms.verify(data).content + b" ")


def test_at_the_limits() -> None:
    for changes in ({"ended": "2026-04-01T09:00:00Z"}, {"reason": "x" * 2000}, {"removed": [], "left": ["ab" * 16]}):
        raw = {**msgspec.json.decode(cms.verify(make_attempt(4)).content), **changes}
        annexes.parse_attempt(canonical.encode(raw))


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_next_free_name() -> None:
    names = ["000004.attempt.1.cms", "000004.attempt.12.cms", "000004.refusal.3.cms", "000005.attempt.20.cms", "x"]
    assert annexes.next_name(names, 4, "attempt") == "000004.attempt.13.cms"
    assert annexes.next_name(names, 4, "refusal") == "000004.refusal.4.cms"
    assert annexes.next_name(names, 6, "refusal") == "000006.refusal.1.cms"


def test_more_than_nine_keep_one_order(book: Book) -> None:
    """That of their names, character by character: 10 comes before 2."""
    beside = {annexes.name_of(4, "attempt", n): make_attempt(4, reason=f"no. {n}") for n in range(1, 12)}
    grown = book.fork()
    grown.add([STOP], ("ito", "kato"), beside)
    assert chain.verify(grown.files, grown.anchor).sequence == 4
    outcome = chain.verify_entries(grown.files, grown.anchor)[-1].outcome
    assert outcome.annexes[1] == hashlib.sha256(beside["000004.attempt.10.cms"]).hexdigest()


def test_an_approval_of_the_same_plan_stays_possible_after_a_refusal(book: Book) -> None:
    """A refusal is kept; whether enough people approve all the same is the quorum's matter."""
    grown = book.fork()
    grown.add([STOP], ("ito", "kato"), {REFUSAL: make_refusal(4)})
    assert chain.check_next(
        grown.state,
        approve(make_plan([Suspend(generation="sspin.B.1")], state=grown.state), ("ito", "kato")),
        grown.anchor,
        NOW + HOUR - 58 * MINUTE,
    )
