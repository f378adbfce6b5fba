"""What `status` nags about: each rule on its last quiet day, and on the day after."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import ledgerkit
import paperkit
import pytest
from ledgerkit import B1, B2, NOW, drill

from appliance.ledger.actions import ChangePolicy, Ratify, Suspend
from appliance.ledger.fold import LedgerState
from appliance.ledger.policy import KeyRules
from appliance.ledger.roster import encode_certificate
from appliance.ledger.states import KeyState
from keyceremony.looking.reminders import Reminder, reminders

DAY = timedelta(days=1)
FINISHED = NOW + 3 * ledgerkit.MINUTE
RULES = KeyRules(backups=1, cryptoperiod_days={"sspin.B": 365}, drill_days=100, ratify_days=3)


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    """One backup token, rehearsed; rules that ask for little."""
    made = paperkit.with_backup()
    made.add([drill(B1)])
    made.add([ChangePolicy(policy=ledgerkit.Policy(roles=made.state.policy.roles, keys=RULES))])
    return made


def told(state: LedgerState, when: datetime) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.subject, one.urgent) for one in reminders(state, when)]


def test_nothing_is_due_after_a_good_ceremony(book: ledgerkit.Book) -> None:
    assert reminders(book.state, FINISHED + DAY) == []


def test_a_suspension_is_told_of_at_once_and_loud_when_its_time_is_over(book: ledgerkit.Book) -> None:
    stopped = book.fork()
    stopped.add([Suspend(generation="sspin.B.1")])
    assert told(stopped.state, FINISHED + 3 * DAY) == [("ratify", "sspin.B.1", False)]
    (late,) = reminders(stopped.state, FINISHED + 3 * DAY + timedelta(seconds=1))
    assert late == Reminder(
        "ratify",
        "sspin.B.1",
        "suspended since 2026-04-01T09:03:00Z by the lighter quorum and not ratified; "
        "OVERDUE: the policy allows 3 days",
        True,
    )
    stopped.add([Ratify(generation="sspin.B.1")])
    assert told(stopped.state, FINISHED + 30 * DAY) == []


def test_a_rotation_is_due_at_the_end_of_the_cryptoperiod_and_told_of_sixty_days_ahead(book: ledgerkit.Book) -> None:
    rehearsed = replace(book.state, drills={B1: "2027-03-20T00:00:00Z"})
    assert told(rehearsed, FINISHED + 304 * DAY) == []
    assert told(rehearsed, FINISHED + 305 * DAY) == [("rotation", "sspin.B.1", False)]
    assert reminders(rehearsed, FINISHED + 365 * DAY)[0].urgent
    (late,) = reminders(rehearsed, FINISHED + 370 * DAY)
    assert late.text == "active for 370 days of its 365; rotation is due since 5 days"


def test_a_drill_is_due_at_the_policys_age_and_at_once_if_there_was_none(book: ledgerkit.Book) -> None:
    assert told(book.state, FINISHED + 89 * DAY) == []
    assert told(book.state, FINISHED + 90 * DAY) == [("drill", "backup-1", False)]
    assert told(book.state, FINISHED + 100 * DAY) == [("drill", "backup-1", False)]
    assert told(book.state, FINISHED + 101 * DAY) == [("drill", "backup-1", True)]
    more = book.fork()
    more.add([ledgerkit.enroll(B2, B1)])
    (never,) = reminders(more.state, FINISHED)
    assert never == Reminder("drill", "backup-2", "recovery from it was never rehearsed", True)


def test_copies_that_the_policy_demands_are_missed(book: ledgerkit.Book) -> None:
    rules = ledgerkit.Policy(roles=book.state.policy.roles, keys=KeyRules(backups=2))
    found = reminders(replace(book.state, policy=rules), FINISHED)
    assert [(one.subject, one.text) for one in found] == [
        ("backup tokens", "enrolled: 1; the policy demands 2"),
        *(
            (name, "copies on backup tokens: 1; the policy demands 2")
            for name in ("common.1", "spin.1", "sspin.B.1", "sspin.E.1", "tag.1")
        ),
    ]
    assert all(one.urgent for one in found)


@pytest.mark.parametrize(("left", "expected"), [(61, None), (60, False), (0, False), (-1, True)])
def test_certificates_about_to_expire(book: ledgerkit.Book, left: int, expected: bool | None) -> None:
    ends = FINISHED + left * DAY
    who = ledgerkit.make_signer("sato", not_after=ends)
    sato = replace_certificate(book.state, "sato", who.certificate)
    found = told(sato, FINISHED)
    assert found == ([] if expected is None else [("certificate", "sato", expected)])


def test_certificates_of_tokens_count_as_well(book: ledgerkit.Book) -> None:
    short = ledgerkit.make_signer("appliance", not_after=FINISHED + DAY).certificate
    state = replace(book.state, identity_certificate=short)
    assert told(state, FINISHED) == [("certificate", "kagimori", False)]


def test_the_urgent_comes_first(book: ledgerkit.Book) -> None:
    stopped = book.fork()
    stopped.add([Suspend(generation="sspin.B.1")])
    found = told(stopped.state, FINISHED + 95 * DAY)
    assert found == [("ratify", "sspin.B.1", True), ("drill", "backup-1", False)]


def replace_certificate(state: LedgerState, name: str, der: bytes) -> LedgerState:
    people = tuple(
        ledgerkit.person(one.id, one.role, None)
        if one.id != name
        else type(one)(id=one.id, name=one.name, role=one.role, certificate=encode_certificate(der))
        for one in state.roster.people
    )
    return replace(state, roster=ledgerkit.make_roster(people))


def test_keys_that_no_single_backup_token_could_bring_back_are_named() -> None:
    """A restore takes its keys from one backup token."""
    book = paperkit.with_backup()
    book.add([drill(B1)])
    bare = {generation: replace(key, copies=frozenset()) for generation, key in book.state.keys.items()}
    one = next(iter(bare))
    missing = [text for kind, _, text in _texts(replace(book.state, keys=bare)) if kind == "recovery"]
    assert len(missing) == 1 and missing[0].startswith("none has a copy of every key; ")
    named = {str(generation) for generation in bare if str(generation) in missing[0]}
    assert named == {str(generation) for generation in bare} - {"log.1"}, "of a log key nobody expects a copy"
    held = {generation: replace(key, copies=frozenset({B1})) for generation, key in bare.items()}
    assert not [kind for kind, _, _ in _texts(replace(book.state, keys=held)) if kind == "recovery"]
    gone = {**held, one: replace(bare[one], state=KeyState.LOST)}
    assert not [kind for kind, _, _ in _texts(replace(book.state, keys=gone)) if kind == "recovery"]


def test_without_an_active_log_or_tag_key_no_daemon_starts(book: ledgerkit.Book) -> None:
    stopped = book.fork()
    stopped.add([Suspend(generation="log.1")])
    assert told(stopped.state, FINISHED + DAY) == [("service", "log", True), ("ratify", "log.1", False)]
    restored = book.fork()
    restored.add([ledgerkit.restore(B1, lost=("log.1",))])
    (missing,) = reminders(restored.state, FINISHED + DAY)
    assert missing == Reminder("service", "log", "no active key, so nothing signs the log: no daemon starts", True)
    restored.add([Suspend(generation="tag.1")])
    assert ("service", "tag", True) in told(restored.state, FINISHED + DAY)


def test_a_ledger_without_any_key_is_not_told_which_ones_it_lacks() -> None:
    founded = ledgerkit.Book()
    founded.add([ledgerkit.make_found()])
    assert reminders(founded.state, FINISHED) == []


def test_a_service_key_is_due_for_rotation_like_any_other(book: ledgerkit.Book) -> None:
    ruled = book.fork()
    ruled.add([ChangePolicy(policy=ledgerkit.make_policy(cryptoperiod_days={"log": 10, "tag": 365}))])
    assert ("rotation", "log.1", True) in told(ruled.state, FINISHED + 10 * DAY)
    assert ("rotation", "tag.1", True) in told(ruled.state, FINISHED + 366 * DAY)


def _texts(state: LedgerState) -> list[tuple[str, str, str]]:
    return [(one.kind, one.subject, one.text) for one in reminders(state, FINISHED + DAY)]
