"""Folding: results must be those of the actions, keys must be fit for use, generations must follow."""

from __future__ import annotations

import msgspec
import pytest
from foldkit import HEAD, applied, effects, forbidden, refused
from ledgerkit import (
    GOOD_ATTRIBUTES,
    Book,
    SoftSigner,
    check_value_of,
    key_id_of,
    make_found,
    make_outcome,
    make_plan,
    make_signer,
    signer,
)

from appliance.ledger import fold
from appliance.ledger.actions import Activate, Destroy, Generate, Restrict, Resume, Retire, Suspend
from appliance.ledger.attributes import NEVER_EXTRACTABLE as REQUIRED
from appliance.ledger.errors import (
    AttributesRefused,
    CertificateInvalid,
    IllegalAction,
    KeyReused,
    OutcomeMismatch,
    RehearsalMixed,
    WrongToken,
)
from appliance.ledger.outcome import ActionResult, Founded, Generated, StateChanged, TokenFacts
from appliance.ledger.roster import encode_certificate

NEXT = Generate(generation="sspin.E.2", parent="spin.1")
EXPECTED = {"copyable": False, "key_gen_mechanism": "aes_key_gen"}  # not every token knows these


def generated(**changes: object) -> Generated:
    good = Generated(
        generation="sspin.E.2",
        key_id=key_id_of("new"),
        check_value=check_value_of("new"),
        attributes=GOOD_ATTRIBUTES,
    )
    return msgspec.structs.replace(good, **changes)


def test_a_key_s_record(book: Book) -> None:
    after = applied(book.state, [NEXT], [generated()])
    record = next(one for one in after.keys.values() if str(one.generation) == "sspin.E.2")
    assert (str(record.parent), record.key_id.hex(), record.check_value.hex(), record.state.value) == (
        "spin.1",
        key_id_of("new"),
        check_value_of("new"),
        "generated",
    )
    assert (record.origin, record.since, record.activated_at) == (4, "2026-04-01T09:03:00Z", "")
    assert (after.sequence, after.head, after.anchor) == (4, HEAD, book.anchor)


def test_a_state_cannot_be_changed_by_its_holder(book: Book) -> None:
    with pytest.raises(TypeError):
        book.state.keys[next(iter(book.state.keys))] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        book.state.sequence = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([], "results: 0, but the plan has 1 actions"),
        ([generated(), generated()], "results: 2, but the plan has 1 actions"),
        ([generated(generation="sspin.E.3")], "action 1: generate sspin.E.2: the outcome tells of something else"),
        ([StateChanged(generation="sspin.E.2", state="generated")], "tells of something else"),
        ([Founded(key_id=key_id_of("x"), certificate="")], "tells of something else"),
    ],
)
def test_results_that_are_not_of_the_action(book: Book, results: list[ActionResult], reason: str) -> None:
    assert reason in refused(OutcomeMismatch, book.state, [NEXT], results)


def test_a_state_other_than_the_table_s(book: Book) -> None:
    told = [StateChanged(generation="sspin.B.1", state="retired")]
    reason = refused(OutcomeMismatch, book.state, [Restrict(generation="sspin.B.1")], told)
    assert reason == "action 1: restrict sspin.B.1: the outcome says 'retired'"
    told = [StateChanged(generation="sspin.B.2", state="decrypt-only")]
    reason = refused(OutcomeMismatch, book.state, [Restrict(generation="sspin.B.1")], told)
    assert reason == "action 1: restrict sspin.B.1: the outcome tells of something else"


def test_a_result_of_another_kind(book: Book) -> None:
    reason = refused(
        OutcomeMismatch, book.state, [Restrict(generation="sspin.B.1")], [generated(generation="sspin.B.1")]
    )
    assert reason == "action 1: restrict sspin.B.1: the outcome tells of something else"


def test_results_in_another_order(book: Book) -> None:
    actions = [Suspend(generation="sspin.B.1"), Suspend(generation="sspin.E.1")]
    told = [StateChanged(generation=f"sspin.{sector}.1", state="suspended") for sector in "EB"]
    assert "action 1: suspend sspin.B.1" in refused(OutcomeMismatch, book.state, actions, told)


def test_another_token(book: Book) -> None:
    other = TokenFacts(label="kagimori", serial="fedcba9876543210", manufacturer="SoftHSM project", model="x")
    with pytest.raises(WrongToken, match=r"serial 'fedcba9876543210'; the ledger says '0123456789abcdef'"):
        applied(book.state, [NEXT], [generated()], token=other)
    with pytest.raises(WrongToken, match="the ledger says"):
        applied(None, [make_found()], token=other)


WRONG: dict[object, tuple[object, ...]] = {
    True: (False, 1, "true"),
    False: (True, 0, "false"),
    "secret_key": ("private_key", 4, True),
    "aes": ("AES", "des3", 31),
    32: (16, "32", True, 33),
    "aes_key_gen": ("des3_key_gen", "unknown"),
}


@pytest.mark.parametrize("name", [*REQUIRED, *EXPECTED])
def test_every_attribute_of_the_rule(book: Book, name: str) -> None:
    right = {**REQUIRED, **EXPECTED}[name]
    for wrong in WRONG[right]:
        told = [generated(attributes={**GOOD_ATTRIBUTES, name: wrong})]
        reason = refused(AttributesRefused, book.state, [NEXT], told)
        assert reason.startswith(f"action 1: sspin.E.2: attribute {name} must be ")
        assert reason.endswith(f"the outcome says {str(wrong).lower() if isinstance(wrong, bool) else repr(wrong)}")
    missing = [generated(attributes={one: value for one, value in GOOD_ATTRIBUTES.items() if one != name})]
    if name in REQUIRED:
        reason = refused(AttributesRefused, book.state, [NEXT], missing)
        assert reason.startswith(f"action 1: sspin.E.2: attribute {name} must be ") and reason.endswith("says nothing")
    else:
        applied(book.state, [NEXT], missing)


def test_the_rule_is_that_of_the_design() -> None:
    """Written out once more, so that nobody loosens the rule by the way."""
    on = {name for name, value in REQUIRED.items() if value is True}
    off = {name for name, value in REQUIRED.items() if value is False}
    assert on == {"token", "private", "sensitive", "always_sensitive", "never_extractable", "local", "encrypt"}
    assert off == {"extractable", "decrypt", "sign", "verify", "wrap", "unwrap", "derive"}
    assert {name: REQUIRED[name] for name in set(REQUIRED) - on - off} == {
        "class": "secret_key",
        "key_type": "aes",
        "value_len": 32,
    }


def test_other_attributes_may_be_told(book: Book) -> None:
    applied(book.state, [NEXT], [generated(attributes={**GOOD_ATTRIBUTES, "label": "sspin.E.2", "modifiable": False})])


def test_identifiers_never_come_back(book: Book) -> None:
    for taken in ("sspin.B.1", "spin.1", "identity"):
        told = [generated(key_id=key_id_of(taken))]
        reason = refused(KeyReused, book.state, [NEXT], told)
        assert reason == f"action 1: sspin.E.2: key_id {key_id_of(taken)} is taken already"


def test_identifiers_of_destroyed_keys_do_not_come_back_either(book: Book) -> None:
    ended = [kind(generation="sspin.B.1") for kind in (Restrict, Retire, Destroy)]
    after = applied(book.state, ended)
    assert {str(one): record.state.value for one, record in after.keys.items()}["sspin.B.1"] == "destroyed"
    assert "is taken already" in refused(KeyReused, after, [NEXT], [generated(key_id=key_id_of("sspin.B.1"))])


def test_one_key_cannot_serve_as_two(book: Book) -> None:
    told = [generated(check_value=check_value_of("spin.1"))]
    assert "is another key's: the same key twice" in refused(KeyReused, book.state, [NEXT], told)
    both = [NEXT, Generate(generation="sspin.E.3", parent="spin.1")]
    twins = [generated(), generated(generation="sspin.E.3", key_id=key_id_of("third"))]
    assert refused(KeyReused, book.state, both, twins).startswith("action 2: sspin.E.3: check_value")
    twins = [generated(), generated(generation="sspin.E.3", check_value=check_value_of("third"))]
    assert refused(KeyReused, book.state, both, twins).startswith("action 2: sspin.E.3: key_id")


@pytest.mark.parametrize("key_id", ["00" * 16, "ff" * 16, "00" * 15 + "01", "01020304" + "00" * 12])
def test_identifiers_must_look_random(book: Book, key_id: str) -> None:
    assert "is not random" in refused(KeyReused, book.state, [NEXT], [generated(key_id=key_id)])


def test_six_different_bytes_are_just_enough(book: Book) -> None:
    applied(book.state, [NEXT], [generated(key_id="0102030405" + "00" * 11)])


@pytest.mark.parametrize(
    ("generation", "parent", "reason"),
    [
        ("sspin.E.3", "spin.1", "generate: sspin.E.3: the next generation is sspin.E.2"),
        ("sspin.E.9", "spin.1", "generate: sspin.E.9: the next generation is sspin.E.2"),
        ("sspin.C.2", "spin.1", "generate: sspin.C.2: the next generation is sspin.C.1"),
        ("sspin.E.1", "spin.1", "generate: the key is active; needs: no key yet"),
        ("resident.1", None, "generate: resident is the root; it has no keys"),
        ("sspin.Z.1", "spin.1", "generate: 'sspin.Z' is no domain of this ledger"),
        ("spin.2", "resident.1", "its parent resident has no keys; parent: null"),
        ("common.2", "spin.1", "its parent resident has no keys; parent: null"),
        ("sspin.E.2", None, "name the generation of spin it stands on"),
        ("sspin.E.2", "sspin.B.1", "its parent must be a generation of spin"),
        ("sspin.E.2", "common.1", "its parent must be a generation of spin"),
        ("sspin.E.2", "spin.2", "its parent spin.2 is not there"),
    ],
)
def test_generations_follow_one_another(book: Book, generation: str, parent: str | None, reason: str) -> None:
    plan = make_plan([Generate(generation=generation, parent=parent)], state=book.state)
    with pytest.raises(IllegalAction) as refusal:
        fold.plan_effects(book.state, plan)
    assert reason in refusal.value.reason and refusal.value.reason.startswith("action 1: ")


def test_parents_may_be_made_in_the_same_plan_but_not_after(book: Book) -> None:
    parent, child = Generate(generation="spin.2", parent=None), Generate(generation="sspin.E.2", parent="spin.2")
    effects = fold.plan_effects(book.state, make_plan([parent, child], state=book.state))
    assert [one.subject for one in effects] == ["spin.2", "sspin.E.2"]
    with pytest.raises(IllegalAction, match=r"action 1: generate: sspin.E.2: its parent spin.2 is not there"):
        fold.plan_effects(book.state, make_plan([child, parent], state=book.state))


def test_no_child_on_a_retired_or_destroyed_parent(book: Book) -> None:
    rotation = [Generate(generation="spin.2", parent=None), Activate(generation="spin.2")]
    state = applied(book.state, [*rotation, Restrict(generation="spin.1")])
    effects(state, NEXT)  # what decrypt-only allows, the engine decides
    children = ("sspin.B.1", "sspin.B.2", "sspin.E.1")
    state = applied(state, [kind(generation=text) for text in children for kind in (Suspend, Retire)])
    for ending, word in ((Retire, "retired"), (Destroy, "destroyed")):
        state = applied(state, [ending(generation="spin.1")])
        reason = forbidden(IllegalAction, state, NEXT)
        assert reason == f"action 1: generate: sspin.E.2: its parent spin.1 is {word}"


def test_actions_take_effect_in_order(book: Book) -> None:
    """Restricting the current key is illegal before, and legal after, a newer one is activated."""
    new, activate, restrict = NEXT, Activate(generation="sspin.E.2"), Restrict(generation="sspin.E.1")
    effects = fold.plan_effects(book.state, make_plan([new, activate, restrict], state=book.state))
    told = [(one.action, one.subject, one.before, one.after) for one in effects]
    assert told == [
        ("generate", "sspin.E.2", None, "generated"),
        ("activate", "sspin.E.2", "generated", "active"),
        ("restrict", "sspin.E.1", "active", "decrypt-only"),
    ]
    with pytest.raises(IllegalAction, match=r"action 2: sspin.E.1: restrict: the key is its domain's current one"):
        fold.plan_effects(book.state, make_plan([new, restrict, activate], state=book.state))


def test_a_whole_life(book: Book) -> None:
    life = [Restrict, Suspend, Resume, Suspend, Retire, Destroy]
    effects = fold.plan_effects(
        book.state, make_plan([kind(generation="sspin.B.1") for kind in life], state=book.state)
    )
    assert [one.after for one in effects] == [
        "decrypt-only",
        "suspended",
        "decrypt-only",
        "suspended",
        "retired",
        "destroyed",
    ]


def test_a_key_generated_twice_in_one_plan(book: Book) -> None:
    with pytest.raises(IllegalAction, match=r"action 2: sspin.E.2: generate: the key is generated; needs: no key yet"):
        fold.plan_effects(book.state, make_plan([NEXT, NEXT], state=book.state))


def test_rehearsals_and_real_ledgers_do_not_mix(book: Book) -> None:
    plan = make_plan([NEXT], state=book.state, rehearsal=True)
    with pytest.raises(RehearsalMixed, match="rehearsal: the plan is a rehearsal, the ledger real"):
        fold.plan_effects(book.state, plan)
    with pytest.raises(RehearsalMixed, match="rehearsal: the plan is a rehearsal, the ledger real"):
        fold.apply(book.state, plan, make_outcome(plan, b"", [generated()]), HEAD, book.anchor)


def test_genesis_effects_and_state() -> None:
    plan = make_plan([make_found()], rehearsal=True)
    assert [(one.action, one.subject) for one in fold.plan_effects(None, plan)] == [("found", "kagimori")]
    state = applied(None, [make_found()])
    assert (state.sequence, dict(state.keys), dict(state.current)) == (1, {}, {})
    assert state.titles["spin"] == "番号 spin"
    assert state.identity_certificate == signer("appliance").certificate


def test_a_ledger_begins_with_genesis_and_has_one_only(book: Book) -> None:
    with pytest.raises(IllegalAction, match="a ledger begins with one action, found"):
        fold.plan_effects(None, make_plan([NEXT]))
    with pytest.raises(IllegalAction, match="a ledger begins with one action, found"):
        fold.plan_effects(None, make_plan([make_found(), NEXT]))
    with pytest.raises(IllegalAction, match="action 1: found belongs to genesis only"):
        fold.plan_effects(book.state, make_plan([make_found()], state=book.state))


def founded(who: SoftSigner, key_id: str | None = None) -> list[ActionResult]:
    return [Founded(key_id=key_id or key_id_of("identity"), certificate=encode_certificate(who.certificate))]


def test_the_identity_key(book: Book) -> None:
    told = [StateChanged(generation="spin.1", state="active")]
    assert refused(OutcomeMismatch, None, [make_found()], told) == (
        "results: 1: genesis must result in the identity key"
    )
    told_id = founded(signer("appliance"), "00" * 16)
    assert "is not random" in refused(KeyReused, None, [make_found()], told_id)
    own = founded(make_signer("appliance", signer("sato").key))
    assert refused(CertificateInvalid, None, [make_found()], own) == (
        "results: 1: certificate: the identity key is sato's own key"
    )
    odd = [Founded(key_id=key_id_of("identity"), certificate="AAAA")]
    assert refused(CertificateInvalid, None, [make_found()], odd).startswith(
        "results: 1: certificate: a certificate cannot be read"
    )


def test_the_identity_certificate_is_signed_by_its_own_key() -> None:
    der = bytearray(signer("appliance").certificate)
    der[-1] ^= 1
    told = [Founded(key_id=key_id_of("identity"), certificate=encode_certificate(bytes(der)))]
    assert "is not signed by its own key" in refused(CertificateInvalid, None, [make_found()], told)
