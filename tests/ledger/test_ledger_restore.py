"""Recovery: a new appliance token from a backup token, whose own identity key vouches for it; and its rehearsal."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from foldkit import altered, applied, effects, forbidden, refused
from ledgerkit import (
    B1,
    B2,
    B3,
    MINUTE,
    NEW_TOKEN,
    NOW,
    OFFICERS,
    RESTORED_ATTRIBUTES,
    SCRATCH,
    SERIAL,
    Book,
    SoftSigner,
    approve,
    backup_signer,
    drill,
    enroll,
    facts,
    key_id_of,
    make_outcome,
    make_plan,
    make_signer,
    restore,
    results_for,
    seal,
    signer,
    token_signer,
)

from appliance.ledger import chain
from appliance.ledger.actions import Destroy, Drill, Generate, RemoveBackup, Restore, Retire, Suspend
from appliance.ledger.errors import (
    AttributesRefused,
    CertificateInvalid,
    IllegalAction,
    KeyReused,
    LedgerError,
    OutcomeMismatch,
    StrangeSigner,
    WrongToken,
)
from appliance.ledger.roster import encode_certificate
from appliance.numbers.domains import Generation

RESTORE, DRILL = restore(B1), drill(B1)
O5 = "000005.outcome.cms"


def sealed(backed: Book, who: SoftSigner, action: Restore = RESTORE, at: object = NOW + 4 * MINUTE) -> Book:
    """The ledger with a restore whose outcome somebody signed."""
    grown = backed.fork()
    plan = make_plan([action], state=backed.state)
    authorization = approve(plan, (*OFFICERS, "ueda"))
    made = make_outcome(plan, authorization, results_for(backed.state, plan), token=facts(NEW_TOKEN))
    grown.files["000005.authorization.cms"] = authorization
    grown.files[O5] = seal(made, who, at)  # type: ignore[arg-type]
    return grown


def test_the_new_token_takes_the_old_one_s_place(backed: Book) -> None:
    grown = backed.fork()
    grown.add([RESTORE])
    state = chain.verify(grown.files, grown.anchor)
    assert (state.token_label, state.token_serial) == ("kagimori-2", NEW_TOKEN)
    assert (backed.state.restored, state.restored) == (0, 5)
    assert state.identity_certificate == token_signer(NEW_TOKEN).certificate != signer("appliance").certificate
    assert state.identity_key_id.hex() == key_id_of(f"identity {NEW_TOKEN}")
    assert state.keys == backed.state.keys and state.current == backed.state.current
    trusted = {serial: backup.trusted_id.hex() for serial, backup in state.backups.items()}
    assert trusted == {serial: key_id_of(f"trusted {serial} on {NEW_TOKEN}") for serial in (B1, B2)}


def test_the_next_outcome_is_signed_by_the_new_identity(backed: Book) -> None:
    grown = backed.fork()
    grown.add([RESTORE])
    grown.add([Suspend(generation="sspin.E.1")], ("ito", "kato"))
    assert chain.verify(grown.files, grown.anchor).sequence == 6
    plan = make_plan([Suspend(generation="sspin.B.1")], state=grown.state)
    authorization = approve(plan, ("ito", "kato"))
    made = make_outcome(plan, authorization, results_for(grown.state, plan), token=facts(NEW_TOKEN))
    for old in (signer("appliance"), backup_signer(B1)):
        with pytest.raises(StrangeSigner, match="not signed by the appliance's identity key"):
            chain.verify_entry(grown.state, authorization, seal(made, old), grown.anchor)
    elsewhere = msgspec.structs.replace(made, token=facts(SERIAL))
    with pytest.raises(WrongToken, match=f"serial '{SERIAL}'; the ledger says '{NEW_TOKEN}'"):
        chain.verify_entry(grown.state, authorization, seal(elsewhere, token_signer(NEW_TOKEN)), grown.anchor)


@pytest.mark.parametrize(
    "who",
    [
        signer("appliance"),
        token_signer(NEW_TOKEN),
        backup_signer(B2),
        backup_signer(B3),
        signer("ito"),
        make_signer("backup-1", backup_signer(B1).key),
    ],
    ids=["the old identity", "the new identity", "another backup", "a stranger", "an officer", "another certificate"],
)
def test_nobody_but_the_source_vouches_for_it(backed: Book, who: SoftSigner) -> None:
    spoilt = sealed(backed, who)
    with pytest.raises(StrangeSigner) as refusal:
        chain.verify(spoilt.files, spoilt.anchor)
    assert refusal.value.message == f"{O5}: not signed by the appliance's identity key"


def test_the_source_itself_does(backed: Book) -> None:
    good = sealed(backed, backup_signer(B1))
    assert chain.verify(good.files, good.anchor).token_serial == NEW_TOKEN
    other = sealed(backed, backup_signer(B2), restore(B2))
    assert chain.verify(other.files, other.anchor).token_serial == NEW_TOKEN


def test_within_its_certificate_s_validity(backed: Book) -> None:
    late = sealed(backed, backup_signer(B1), at=NOW + timedelta(days=4000))
    with pytest.raises(CertificateInvalid, match="signed outside the validity of the identity certificate"):
        chain.verify(late.files, late.anchor)


def test_a_backup_token_signs_no_other_outcome(backed: Book) -> None:
    plan = make_plan([DRILL], state=backed.state)
    authorization = approve(plan, (*OFFICERS, "ueda"))
    made = make_outcome(plan, authorization, results_for(backed.state, plan))
    with pytest.raises(StrangeSigner):
        chain.verify_entry(backed.state, authorization, seal(made, backup_signer(B1)), backed.anchor)
    chain.verify_entry(backed.state, authorization, seal(made), backed.anchor)


def test_every_key_must_be_on_the_source(backed: Book) -> None:
    made = [Generate(generation=f"sspin.E.{n}", parent="spin.1", backups=b) for n, b in ((2, (B2,)), (3, ()))]
    state = applied(backed.state, made)
    assert forbidden(IllegalAction, state, restore(B1)) == (
        f"action 1: restore: backup token {B1} has no copy of sspin.E.2; restore from one that has: {B2}"
    )
    assert forbidden(IllegalAction, state, restore(B2)) == (
        "action 1: restore: no backup token has a copy of sspin.E.3;"
        " name what is given up as lost, so that the others can be restored"
    )
    effects(applied(backed.state, made[:1]), restore(B2))


def test_destroyed_keys_are_not_restored(backed: Book) -> None:
    gone = [kind(generation="sspin.E.1") for kind in (Suspend, Retire, Destroy)]
    state = applied(backed.state, gone)
    (good,) = altered(state, RESTORE)
    assert [one.generation for one in good.keys] == ["common.1", "spin.1", "sspin.B.1"]  # type: ignore[union-attr]
    assert str(applied(state, [RESTORE]).keys[Generation.parse("sspin.E.1")].state) == "destroyed"


def test_sources_and_targets_that_cannot_be(backed: Book) -> None:
    assert forbidden(IllegalAction, backed.state, restore(B3)) == (
        f"action 1: restore: token {B3} is no backup token of this ledger; it has: {B1}, {B2}"
    )
    for serial in (SERIAL, B1, B2):
        assert forbidden(IllegalAction, backed.state, restore(B1, serial)) == (
            f"action 1: restore: token {serial} has a part in this ledger already"
        )


def test_what_it_says_of_itself(backed: Book) -> None:
    (effect,) = effects(backed.state, RESTORE)
    assert (effect.subject, effect.before, effect.after) == (
        "kagimori-2",
        f"kagimori, serial {SERIAL}",
        f"kagimori-2, serial {NEW_TOKEN}",
    )


def trusted(**changes: str) -> dict[str, str]:
    return {**{serial: key_id_of(f"trusted {serial} on {NEW_TOKEN}") for serial in (B1, B2)}, **changes}


@pytest.mark.parametrize(
    ("error", "changes", "reason"),
    [
        (OutcomeMismatch, {"keys": ()}, "the keys copied are not those of the ledger, one by one"),
        (OutcomeMismatch, {"trusted": {B1: trusted()[B1]}}, "each backup token's transport key is trusted"),
        (OutcomeMismatch, {"trusted": trusted(**{B3: key_id_of("x")})}, "each backup token's transport key is trusted"),
        (KeyReused, {"trusted": trusted(**{B2: trusted()[B1]})}, "is taken already"),
        (KeyReused, {"trusted": trusted(**{B2: key_id_of(f"trusted {B2} on {SERIAL}")})}, "is taken already"),
        (KeyReused, {"trusted": trusted(**{B2: "00" * 16})}, "is not random"),
        (KeyReused, {"key_id": key_id_of("identity")}, "is taken already"),
        (KeyReused, {"key_id": key_id_of("spin.1")}, "is taken already"),
        (KeyReused, {"key_id": trusted()[B1]}, "is taken already"),
        (KeyReused, {"key_id": "00" * 16}, "is not random"),
        (KeyReused, {"certificate": encode_certificate(signer("appliance").certificate)}, "has this identity key"),
        (KeyReused, {"certificate": encode_certificate(backup_signer(B1).certificate)}, "has this identity key"),
        (CertificateInvalid, {"certificate": encode_certificate(signer("kato").certificate)}, "is kato's own key"),
    ],
)
def test_what_a_restore_must_not_tell(
    backed: Book, error: type[LedgerError], changes: dict[str, object], reason: str
) -> None:
    assert reason in refused(error, backed.state, [RESTORE], altered(backed.state, RESTORE, **changes))


@pytest.mark.parametrize(
    "changes", [{"origin": 2}, {"origin": 4}, {"check_value": "ab" * 6}, {"key_id": key_id_of("x")}]
)
@pytest.mark.parametrize("action", [RESTORE, DRILL], ids=["restore", "drill"])
def test_each_key_is_that_of_the_ledger_with_its_origin(
    backed: Book, action: Restore | Drill, changes: dict[str, object]
) -> None:
    """The origin is the entry whose outcome tells that the key was made inside a token; an unwrap cannot show it."""
    (good,) = altered(backed.state, action)
    *rest, last = good.keys  # type: ignore[union-attr]
    assert {one.origin for one in (*rest, last)} == {3}
    told = altered(backed.state, action, keys=(*rest, msgspec.structs.replace(last, **changes)))
    assert "are not those of the ledger, one by one" in refused(OutcomeMismatch, backed.state, [action], told)


@pytest.mark.parametrize("action", [RESTORE, DRILL], ids=["restore", "drill"])
def test_restored_keys_are_sealed(backed: Book, action: Restore | Drill) -> None:
    (good,) = altered(backed.state, action)
    *rest, last = good.keys  # type: ignore[union-attr]
    for name in ("extractable", "decrypt", "wrap", "derive"):
        bad = msgspec.structs.replace(last, attributes={**RESTORED_ATTRIBUTES, name: True})
        reason = refused(AttributesRefused, backed.state, [action], altered(backed.state, action, keys=(*rest, bad)))
        assert reason == f"action 1: sspin.E.1 copied: attribute {name} must be false, the outcome says true"


def test_it_is_carried_out_on_the_new_token(backed: Book) -> None:
    plan = make_plan([RESTORE], state=backed.state)
    with pytest.raises(WrongToken, match=f"serial '{SERIAL}'; the ledger says '{NEW_TOKEN}'"):
        applied(backed.state, [RESTORE], results_for(backed.state, plan), token=facts(SERIAL))


def test_a_second_restore_and_backups_after_it(backed: Book) -> None:
    grown = backed.fork()
    grown.add([RESTORE])
    grown.add([enroll(B3, copy_from=B2)])
    grown.add([RemoveBackup(token_serial=B1, lost=True)])
    grown.add([Generate(generation="sspin.E.2", parent="spin.1", backups=(B2, B3))])
    assert forbidden(IllegalAction, grown.state, restore(B1, SERIAL)).startswith("action 1: restore: token b1b1")
    effects(grown.state, restore(B3, SERIAL))
    assert chain.verify(grown.files, grown.anchor).sequence == 8


# --- its rehearsal ----------------------------------------------------------------------------------------------------


def test_a_drill_is_dated_and_changes_no_key(backed: Book) -> None:
    grown = backed.fork()
    state = grown.add([DRILL], ("ito", "sato", "ueda"))
    assert dict(state.drills) == {B1: "2026-04-01T09:03:00Z"}
    assert state.keys == backed.state.keys and state.token_serial == SERIAL
    assert state.backups == backed.state.backups
    (effect,) = effects(state, DRILL)
    assert (effect.subject, effect.before, effect.after) == (
        "scratch",
        "2026-04-01T09:03:00Z",
        "rehearsed and emptied again",
    )
    assert effects(state, drill(B2))[0].before is None


def test_a_drill_tells_of_every_key_the_source_has(backed: Book) -> None:
    (good,) = altered(backed.state, DRILL)
    keys = good.keys  # type: ignore[union-attr]
    assert [one.generation for one in keys] == ["common.1", "spin.1", "sspin.B.1", "sspin.E.1"]
    for wrong in (keys[1:], keys[::-1], ()):
        told = altered(backed.state, DRILL, keys=wrong)
        assert "one by one" in refused(OutcomeMismatch, backed.state, [DRILL], told)
    state = applied(backed.state, [Generate(generation="sspin.E.2", parent="spin.1", backups=(B2,))])
    assert applied(state, [DRILL]).drills[B1], "what it does not have is not rehearsed"


def test_a_drill_without_a_key_would_rehearse_nothing(backed: Book) -> None:
    state = applied(backed.state, [enroll(B3)])
    assert forbidden(IllegalAction, state, drill(B3)) == (
        f"action 1: drill: backup token {B3} has no copy of any key to rehearse with"
    )


def test_a_drill_is_on_a_scratch_token(backed: Book) -> None:
    for serial in (SERIAL, B1, B2):
        wrong = Drill(token_label="x", token_serial=serial, source=B1)
        assert forbidden(IllegalAction, backed.state, wrong) == (
            f"action 1: drill: token {serial} has a part in this ledger already"
        )
    assert "it has: b1" in forbidden(IllegalAction, backed.state, drill(B3))
    for scratch in (facts(NEW_TOKEN, "scratch"), facts(SCRATCH, "other")):
        told = altered(backed.state, DRILL, scratch=scratch)
        assert refused(OutcomeMismatch, backed.state, [DRILL], told) == (
            "action 1: drill scratch: the outcome tells of something else"
        )
