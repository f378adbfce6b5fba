"""Backup tokens: enrolled with keys of their own, given copies, demanded by the policy, and removed."""

from __future__ import annotations

import msgspec
import pytest
from foldkit import altered, applied, effects, forbidden, refused
from ledgerkit import (
    B1,
    B2,
    B3,
    BACKED_UP_ATTRIBUTES,
    COPY_ATTRIBUTES,
    GOOD_ATTRIBUTES,
    LABELS,
    NEW_TOKEN,
    RESTORED_ATTRIBUTES,
    SERIAL,
    TRANSPORT_ATTRIBUTES,
    Book,
    SoftSigner,
    backup_signer,
    drill,
    enroll,
    facts,
    key_id_of,
    make_signer,
    restore,
    signer,
    token_signer,
    transport_key,
)

from appliance.ledger import chain
from appliance.ledger.actions import Activate, Destroy, Generate, RemoveBackup, Retire, Suspend
from appliance.ledger.book import Book as StateBook
from appliance.ledger.errors import (
    AttributesRefused,
    CertificateInvalid,
    IllegalAction,
    KeyReused,
    LedgerError,
    OutcomeMismatch,
)
from appliance.ledger.fold import LedgerState
from appliance.ledger.publickey import encode_transport_key
from appliance.ledger.roster import encode_certificate
from appliance.numbers.domains import Generation

KEY = Generate(generation="sspin.E.2", parent="spin.1", backups=(B1, B2))
USE = Activate(generation="sspin.E.2")
THIRD = enroll(B3, copy_from=B1)
KEYS = ("common.1", "spin.1", "sspin.B.1", "sspin.E.1")


def copies(state: LedgerState) -> dict[str, set[str]]:
    return {str(generation): set(key.copies) for generation, key in state.keys.items()}


def on(*serials: str) -> dict[str, frozenset[str]]:
    """The first keys, each with copies on these tokens."""
    return dict.fromkeys(KEYS, frozenset(serials))


def certified(who: SoftSigner) -> str:
    return encode_certificate(who.certificate)


# --- enrolling --------------------------------------------------------------------------------------------------------


def test_the_ledger_verifies_and_knows_its_backup_tokens(backed: Book) -> None:
    state = chain.verify(backed.files, backed.anchor)
    assert list(state.backups) == [B1, B2]
    first = state.backups[B1]
    assert (first.label, first.serial, first.enrolled) == ("backup-1", B1, 2)
    assert (first.transport_id.hex(), first.trusted_id.hex(), first.identity_key_id.hex()) == (
        key_id_of(f"transport {B1}"),
        key_id_of(f"trusted {B1} on {SERIAL}"),
        key_id_of(f"identity {B1}"),
    )
    assert first.transport_key == transport_key(B1)
    assert first.identity_certificate == backup_signer(B1).certificate
    assert state.identity_certificate == signer("appliance").certificate, "the appliance's own stays what it was"


def test_copies_come_with_generation_and_from_another_backup_token(backed: Book) -> None:
    assert copies(backed.state) == on(B1, B2)
    assert copies(backed.states[3]) == on(B1)  # type: ignore[arg-type]


def test_without_a_source_a_backup_token_begins_empty(backed: Book) -> None:
    assert copies(applied(backed.state, [enroll(B3)])) == on(B1, B2)
    (effect,) = effects(backed.state, enroll(B3))
    assert (effect.subject, effect.before, effect.after) == ("backup-3", None, "backup token")


def test_only_what_the_source_has_is_copied(backed: Book) -> None:
    state = applied(backed.state, [msgspec.structs.replace(KEY, backups=(B2,))])
    assert copies(applied(state, [THIRD])) == {**on(B1, B2, B3), "sspin.E.2": {B2}}


def test_retired_keys_are_copied_and_destroyed_ones_not(backed: Book) -> None:
    ended = [kind(generation=text) for text in ("sspin.B.1", "sspin.E.1") for kind in (Suspend, Retire)]
    state = applied(backed.state, [*ended, Destroy(generation="sspin.E.1")])
    assert copies(applied(state, [THIRD])) == {**on(B1, B2, B3), "sspin.E.1": set()}


@pytest.mark.parametrize("serial", [SERIAL, B1])
def test_a_token_with_a_part_in_the_ledger_is_not_enrolled(backed: Book, serial: str) -> None:
    assert forbidden(IllegalAction, backed.state, enroll(serial)) == (
        f"action 1: enroll-backup: token {serial} has a part in this ledger already"
    )


def test_a_source_that_is_no_backup_token(backed: Book) -> None:
    for source in (SERIAL, B3, "unknown"):
        assert forbidden(IllegalAction, backed.state, enroll(B3, copy_from=source)) == (
            f"action 1: enroll-backup: token {source} is no backup token of this ledger; it has: {B1}, {B2}"
        )


def test_where_there_is_none(book: Book) -> None:
    assert forbidden(IllegalAction, book.state, enroll(B3, copy_from=B1)).endswith("it has: none")


@pytest.mark.parametrize(
    ("error", "changes", "reason"),
    [
        (OutcomeMismatch, {"token": facts(B2)}, "the outcome tells of something else"),
        (OutcomeMismatch, {"token": facts(B3, "backup-9")}, "the outcome tells of something else"),
        (OutcomeMismatch, {"copies": ()}, "the keys copied are not those of the ledger, one by one"),
        (OutcomeMismatch, {"key_id": key_id_of(f"transport {B3}")}, "its two keys have one identifier"),
        (KeyReused, {"key_id": "00" * 16}, "is not random"),
        (KeyReused, {"transport_id": "00" * 15 + "01"}, "is not random"),
        (KeyReused, {"trusted_id": "ff" * 16}, "is not random"),
        (KeyReused, {"trusted_id": key_id_of(f"trusted {B1} on {SERIAL}")}, "is taken already"),
        (KeyReused, {"transport_id": key_id_of(f"transport {B1}")}, "is taken already"),
        (KeyReused, {"key_id": key_id_of(f"identity {B1}")}, "is taken already"),
        (KeyReused, {"key_id": key_id_of("identity")}, "is taken already"),
        (KeyReused, {"transport_id": key_id_of("spin.1")}, "is taken already"),
        (KeyReused, {"transport_key": encode_transport_key(transport_key(B1))}, "has this transport key already"),
        (KeyReused, {"certificate": certified(backup_signer(B1))}, "another token has this identity key already"),
        (KeyReused, {"certificate": certified(signer("appliance"))}, "another token has this identity key already"),
        (CertificateInvalid, {"certificate": certified(signer("ito"))}, "the identity key is ito's own key"),
        (CertificateInvalid, {"certificate": "AAAA"}, "results: certificate: a certificate cannot be read"),
        (CertificateInvalid, {"transport_key": "AAAA"}, "results: transport_key: not base64 of a public key"),
    ],
)
def test_what_an_enrolment_must_not_tell(
    backed: Book, error: type[LedgerError], changes: dict[str, object], reason: str
) -> None:
    told = refused(error, backed.state, [THIRD], altered(backed.state, THIRD, **changes))
    assert reason in told and told.startswith("action 1: ")


def test_an_identity_under_a_second_certificate_is_the_same(backed: Book) -> None:
    for owner, error in ((token_signer(B1), KeyReused), (signer("sato"), CertificateInvalid)):
        again = certified(make_signer("backup-3", owner.key))
        refused(error, backed.state, [THIRD], altered(backed.state, THIRD, certificate=again))


def test_an_identity_certificate_is_signed_by_its_own_key(backed: Book) -> None:
    der = bytearray(backup_signer(B3).certificate)
    der[-1] ^= 1
    told = altered(backed.state, THIRD, certificate=encode_certificate(bytes(der)))
    assert "is not signed by its own key" in refused(CertificateInvalid, backed.state, [THIRD], told)


@pytest.mark.parametrize("name", TRANSPORT_ATTRIBUTES)
def test_every_attribute_of_a_transport_key(backed: Book, name: str) -> None:
    right = TRANSPORT_ATTRIBUTES[name]
    rest = {one: value for one, value in TRANSPORT_ATTRIBUTES.items() if one != name}
    for wrong in ({}, {name: (not right) if isinstance(right, bool) else "other"}, {name: 1}):
        told = altered(backed.state, THIRD, attributes={**rest, **wrong})
        reason = refused(AttributesRefused, backed.state, [THIRD], told)
        assert reason.startswith(f"action 1: transport key of backup-3: attribute {name} must be ")


def test_the_rule_for_transport_keys_is_that_of_the_design() -> None:
    """Written out once more: made there, never to leave, and good for unwrapping alone."""
    on = {name for name, value in TRANSPORT_ATTRIBUTES.items() if value is True}
    made = {"sensitive", "always_sensitive", "never_extractable", "local"}
    assert on == {"token", "private", *made, "unwrap"}
    assert {name for name, value in TRANSPORT_ATTRIBUTES.items() if value is False} == {
        "extractable",
        "decrypt",
        "sign",
        "derive",
    }


# --- copies -----------------------------------------------------------------------------------------------------------


def copy_changed(backed: Book, **changes: object) -> list[object]:
    """The enrolment's result with one field of its second copy changed."""
    (result,) = altered(backed.state, THIRD)
    first, second, *rest = result.copies  # type: ignore[union-attr]
    return altered(backed.state, THIRD, copies=(first, msgspec.structs.replace(second, **changes), *rest))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": "spin.2"},
        {"key_id": key_id_of("other")},
        {"check_value": "ab" * 6},
        {"origin": 2},
    ],
)
def test_a_copy_is_the_very_key_of_the_ledger(backed: Book, changes: dict[str, object]) -> None:
    assert refused(OutcomeMismatch, backed.state, [THIRD], copy_changed(backed, **changes)) == (
        "action 1: enroll-backup backup-3: the keys copied are not those of the ledger, one by one"
    )


def test_copies_one_by_one_in_order(backed: Book) -> None:
    (result,) = altered(backed.state, THIRD)
    good = result.copies  # type: ignore[union-attr]
    for wrong in (good[:-1], good[::-1], (*good, good[0]), (good[0], *good)):
        told = altered(backed.state, THIRD, copies=wrong)
        assert "one by one" in refused(OutcomeMismatch, backed.state, [THIRD], told)


@pytest.mark.parametrize("name", [one for one in COPY_ATTRIBUTES if one not in ("local", "always_sensitive")])
def test_every_attribute_of_a_copy(backed: Book, name: str) -> None:
    right = COPY_ATTRIBUTES[name]
    wrong = {**COPY_ATTRIBUTES, name: (not right) if isinstance(right, bool) else "other"}
    if name == "never_extractable":  # an unwrap loses it; whatever a token says of it
        applied(backed.state, [THIRD], copy_changed(backed, attributes=wrong))
        return
    reason = refused(AttributesRefused, backed.state, [THIRD], copy_changed(backed, attributes=wrong))
    assert reason.startswith(f"action 1: spin.1 copied: attribute {name} must be ")


def test_what_a_sealed_key_looks_like_is_no_copy(backed: Book) -> None:
    told = copy_changed(backed, attributes=RESTORED_ATTRIBUTES)
    assert "attribute extractable must be true" in refused(AttributesRefused, backed.state, [THIRD], told)


def test_a_copyable_copy(backed: Book) -> None:
    told = copy_changed(backed, attributes={**COPY_ATTRIBUTES, "copyable": True})
    assert "attribute copyable must be false" in refused(AttributesRefused, backed.state, [THIRD], told)


# --- generating -------------------------------------------------------------------------------------------------------


def test_a_key_with_copies_is_sealed_after_it_was_wrapped(backed: Book) -> None:
    applied(backed.state, [KEY])
    for attributes, name in (
        ({**BACKED_UP_ATTRIBUTES, "extractable": True}, "extractable must be false"),
        ({**BACKED_UP_ATTRIBUTES, "wrap_with_trusted": False}, "wrap_with_trusted must be true"),
        ({**BACKED_UP_ATTRIBUTES, "local": False}, "local must be true"),
        ({**BACKED_UP_ATTRIBUTES, "always_sensitive": False}, "always_sensitive must be true"),
        ({**BACKED_UP_ATTRIBUTES, "value_len": 16}, "value_len must be 32"),
        (GOOD_ATTRIBUTES, "wrap_with_trusted must be true"),
    ):
        told = altered(backed.state, KEY, attributes=attributes)
        assert name in refused(AttributesRefused, backed.state, [KEY], told)


def test_a_key_without_copies_never_could_leave(backed: Book) -> None:
    bare = msgspec.structs.replace(KEY, backups=())
    applied(backed.state, [bare])
    told = altered(backed.state, bare, attributes=BACKED_UP_ATTRIBUTES)
    assert "never_extractable must be true" in refused(AttributesRefused, backed.state, [bare], told)


@pytest.mark.parametrize("serials", [(), (B1,), (B1, B2, B3), (B1, B3)])
def test_the_tokens_of_the_plan_and_no_others_get_copies(backed: Book, serials: tuple[str, ...]) -> None:
    told = altered(backed.state, KEY, copies=dict.fromkeys(serials, COPY_ATTRIBUTES))
    assert refused(OutcomeMismatch, backed.state, [KEY], told) == (
        "action 1: generate sspin.E.2: other tokens got a copy than those of the plan"
    )


def test_each_copy_s_attributes_as_read_back_on_its_token(backed: Book) -> None:
    bad = {**COPY_ATTRIBUTES, "decrypt": True}
    told = altered(backed.state, KEY, copies={B1: COPY_ATTRIBUTES, B2: bad})
    assert refused(AttributesRefused, backed.state, [KEY], told) == (
        f"action 1: sspin.E.2 on token {B2}: attribute decrypt must be false, the outcome says true"
    )


def test_a_copy_on_a_token_that_is_no_backup_token(backed: Book) -> None:
    for serial in (B3, SERIAL):
        wrong = msgspec.structs.replace(KEY, backups=(serial,))
        assert forbidden(IllegalAction, backed.state, wrong) == (
            f"action 1: generate: sspin.E.2: token {serial} is no backup token of this ledger"
        )


def test_the_policy_s_copies_before_a_key_is_used(backed: Book) -> None:
    for serials in ((B1,), (B2,), (B1, B2)):
        effects(backed.state, msgspec.structs.replace(KEY, backups=serials), USE)
    assert forbidden(IllegalAction, backed.state, msgspec.structs.replace(KEY, backups=()), USE) == (
        "action 2: activate: sspin.E.2: the policy demands copies on 1 backup tokens; it has 0"
    )


def test_a_copy_on_a_token_that_left_does_not_count(backed: Book) -> None:
    state = applied(backed.state, [msgspec.structs.replace(KEY, backups=(B2,))])
    state = applied(state, [RemoveBackup(token_serial=B2, lost=True)])
    assert forbidden(IllegalAction, state, USE).endswith("the policy demands copies on 1 backup tokens; it has 0")


def test_what_is_active_already_stays_so_when_backups_leave(backed: Book) -> None:
    state = applied(backed.state, [RemoveBackup(token_serial=B1, lost=False)])
    state = applied(state, [RemoveBackup(token_serial=B2, lost=True)])
    assert str(state.current["sspin.E"]) == "sspin.E.1"
    assert state.keys[Generation.parse("sspin.E.1")].copies == frozenset()


# --- removing ---------------------------------------------------------------------------------------------------------

EMPTIED, LOST = RemoveBackup(token_serial=B2, lost=False), RemoveBackup(token_serial=B2, lost=True)


def test_a_removed_token_takes_its_copies_and_its_drill_along(backed: Book) -> None:
    drilled = applied(backed.state, [drill(B2)])
    for action, word in ((EMPTIED, "emptied"), (LOST, "lost")):
        state = applied(drilled, [action])
        assert list(state.backups) == [B1] and dict(state.drills) == {}
        assert copies(state) == on(B1)
        (effect,) = effects(drilled, action)
        assert (effect.subject, effect.before, effect.after) == ("backup-2", "backup token", word)


def test_emptied_means_every_key_of_it_proven_gone(backed: Book) -> None:
    (good,) = altered(backed.state, EMPTIED)
    removed = good.removed  # type: ignore[union-attr]
    assert set(removed) == {key_id_of(text) for text in (f"transport {B2}", f"identity {B2}", *KEYS)}
    applied(backed.state, [EMPTIED], altered(backed.state, EMPTIED, removed=removed[::-1]))
    for wrong in (removed[1:], removed[:-1], (*removed, key_id_of("x")), (*removed, removed[0]), ()):
        told = altered(backed.state, EMPTIED, removed=wrong)
        assert refused(OutcomeMismatch, backed.state, [EMPTIED], told) == (
            f"action 1: remove-backup {B2}: other keys are gone than it held"
        )


def test_of_a_lost_token_nothing_is_claimed(backed: Book) -> None:
    told = altered(backed.state, LOST, removed=(key_id_of("spin.1"),))
    assert "other keys are gone than it held" in refused(OutcomeMismatch, backed.state, [LOST], told)


@pytest.mark.parametrize("changes", [{"serial": B1}, {"trusted_id": key_id_of(f"trusted {B1} on {SERIAL}")}])
def test_the_appliance_trusts_its_transport_key_no_more(backed: Book, changes: dict[str, object]) -> None:
    for action in (EMPTIED, LOST):
        told = altered(backed.state, action, **changes)
        assert refused(OutcomeMismatch, backed.state, [action], told) == (
            f"action 1: remove-backup {B2}: the outcome tells of something else"
        )


def test_what_is_no_backup_token_is_not_removed(backed: Book) -> None:
    for serial in (SERIAL, B3, NEW_TOKEN):
        assert forbidden(IllegalAction, backed.state, RemoveBackup(token_serial=serial, lost=True)) == (
            f"action 1: remove-backup: token {serial} is no backup token of this ledger; it has: {B1}, {B2}"
        )


def test_a_removed_token_comes_back_as_a_new_one(backed: Book) -> None:
    """Found again or used again: its serial number is free, its copies do not count until they are made anew."""
    state = applied(backed.state, [LOST])
    again = enroll(B2)
    state = applied(state, [again], altered(state, again, trusted_id=key_id_of("trusted anew")))
    assert copies(state) == on(B1)
    assert LABELS[B2] == state.backups[B2].label


def test_restored_and_removed_backups_do_not_mix(backed: Book) -> None:
    """After a restore the appliance trusts the backup tokens under new identifiers; those are told at removal."""
    state = applied(backed.state, [restore(B1)])
    applied(state, [EMPTIED], altered(state, EMPTIED, trusted_id=key_id_of(f"trusted {B2} on {NEW_TOKEN}")))
    old = altered(state, EMPTIED, trusted_id=key_id_of(f"trusted {B2} on {SERIAL}"))
    refused(OutcomeMismatch, state, [EMPTIED], old)


def test_a_working_copy_of_the_state_sees_each_step_at_once(backed: Book) -> None:
    """Even where a plan could not have the next one: what is enrolled can hold copies, what left cannot."""
    walk = StateBook(backed.state)
    walk.carry_out(enroll(B3))
    walk.carry_out(msgspec.structs.replace(KEY, backups=(B3,)))
    walk.carry_out(RemoveBackup(token_serial=B3, lost=True))
    with pytest.raises(IllegalAction, match=f"token {B3} is no backup token of this ledger"):
        walk.carry_out(Generate(generation="sspin.E.3", parent="spin.1", backups=(B3,)))
    assert backed.state.backups.keys() == {B1, B2}, "the state itself is untouched"
