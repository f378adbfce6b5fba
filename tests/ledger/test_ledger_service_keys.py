"""The keys `log` and `tag`: made and moved like others, never copied or converted with, and what is known of them."""

from __future__ import annotations

from base64 import b64encode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from foldkit import applied, effects, forbidden, refused
from ledgerkit import (
    B1,
    COPY_ATTRIBUTES,
    GOOD_ATTRIBUTES,
    LOG_ATTRIBUTES,
    NEW_TOKEN,
    Book,
    check_value_of,
    drill,
    generated_pair,
    key_id_of,
    log_public_key,
    make_domains,
    make_found,
    make_policy,
    results_for,
    service_keys,
)
from ledgerkit import make_plan as planned
from ledgerkit import restore as restoring

from appliance.ledger import attributes, chain, genesis, publickey, servicekeys, services
from appliance.ledger.actions import (
    Activate,
    AddDomain,
    ChangePolicy,
    Destroy,
    DomainSpec,
    Generate,
    Restrict,
    Retire,
    Suspend,
)
from appliance.ledger.errors import (
    AttributesRefused,
    CertificateInvalid,
    DomainsInvalid,
    IllegalAction,
    KeyReused,
    OutcomeMismatch,
    PolicyInvalid,
)
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import Destroyed, Generated, GeneratedPair, Restored
from appliance.ledger.policy import RoleRule
from appliance.ledger.publickey import decode_log_key, encode_log_key
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation

LOG_2, TAG_2 = Generate(generation="log.2", parent=None), Generate(generation="tag.2", parent=None)
RAW = log_public_key("log.1")[-32:]


@pytest.fixture(scope="module")
def serving(book: Book) -> Book:
    """The three entries, then both service keys active; nobody changes it."""
    grown = book.fork()
    grown.add(service_keys())
    return grown


@pytest.fixture(scope="module")
def guarded(backed: Book) -> Book:
    """Two backup tokens, one copy demanded, both service keys active."""
    grown = backed.fork()
    grown.add(service_keys((B1,)))
    return grown


def key(state: LedgerState, text: str) -> KeyState:
    return state.keys[Generation.parse(text)].state


# --- made, and what is known of them ----------------------------------------------------------------------------------


def test_both_are_made_and_known(serving: Book) -> None:
    state = chain.verify(serving.files, serving.anchor)
    log, tag = servicekeys.current_log(state), servicekeys.current_tag(state)
    assert log is not None and tag is not None
    assert (str(log.generation), log.parent, log.state, log.backed_up) == ("log.1", None, KeyState.ACTIVE, False)
    assert log.public_key == log_public_key("log.1")
    assert (str(tag.generation), tag.parent, tag.public_key) == ("tag.1", None, b"")
    assert servicekeys.log_keys(state) == {Generation("log", 1): RAW}
    assert servicekeys.readable_tags(state) == (tag,)
    assert servicekeys.current_log(serving.states[3]) is None is servicekeys.current_tag(serving.states[3])  # type: ignore[arg-type]


def test_a_log_key_s_public_key_is_an_ordinary_one(serving: Book) -> None:
    record = servicekeys.current_log(serving.state)
    assert record is not None
    assert isinstance(load_der_public_key(record.public_key), Ed25519PublicKey)
    assert publickey.info_of(publickey.raw_of(record.public_key)) == record.public_key


def test_the_newest_tag_key_leads_and_the_unreadable_are_left_out(serving: Book) -> None:
    state = applied(serving.state, [TAG_2, Activate(generation="tag.2")])
    assert [str(one.generation) for one in servicekeys.readable_tags(state)] == ["tag.2", "tag.1"]
    state = applied(state, [Restrict(generation="tag.1"), Generate(generation="tag.3", parent=None)])
    assert [str(one.generation) for one in servicekeys.readable_tags(state)] == ["tag.2", "tag.1"]
    state = applied(state, [Retire(generation="tag.1")])
    assert [str(one.generation) for one in servicekeys.readable_tags(state)] == ["tag.2"]
    stopped = applied(state, [Suspend(generation="tag.2")])
    assert servicekeys.readable_tags(stopped) == ()
    assert servicekeys.current_tag(stopped) is None


def test_two_log_keys_are_active_side_by_side_and_the_newest_signs(serving: Book) -> None:
    state = applied(serving.state, [LOG_2, Activate(generation="log.2")])
    assert (key(state, "log.1"), str(state.current["log"])) == (KeyState.ACTIVE, "log.2")
    assert "the key is its domain's current one" in forbidden(IllegalAction, state, Restrict(generation="log.2"))
    stopped = applied(state, [Suspend(generation="log.2")])
    assert str(stopped.current["log"]) == "log.1", "an emergency stop falls back on the one before"
    assert "log" not in applied(serving.state, [Suspend(generation="log.1")]).current


def test_what_a_log_key_signed_can_be_verified_when_it_is_gone(serving: Book) -> None:
    moves = [kind(generation="log.1") for kind in (Restrict, Retire, Destroy)]
    state = applied(
        serving.state, [LOG_2, Activate(generation="log.2"), Generate(generation="log.3", parent=None), *moves]
    )
    assert key(state, "log.1") is KeyState.DESTROYED
    assert servicekeys.log_keys(state) == {
        Generation("log", 1): RAW,
        Generation("log", 2): log_public_key("log.2")[-32:],
    }, "log.3 was never active, so nothing that it signed counts"


def test_destroying_a_log_key_proves_its_absence_on_the_one_token(guarded: Book) -> None:
    moves = [Suspend(generation="log.1"), Retire(generation="log.1"), Destroy(generation="log.1")]
    plan = planned(moves, state=guarded.state)
    *first, last = results_for(guarded.state, plan)
    assert isinstance(last, Destroyed) and last.absent_from == (guarded.state.token_serial,)
    too_few = msgspec.structs.replace(last, absent_from=())
    assert "absence must be proven on" in refused(OutcomeMismatch, guarded.state, moves, [*first, too_few])


# --- results ----------------------------------------------------------------------------------------------------------


def secret(generation: str, **changes: object) -> Generated:
    good = {
        "generation": generation,
        "key_id": key_id_of("new"),
        "check_value": check_value_of("new"),
        "attributes": GOOD_ATTRIBUTES,
    }
    return Generated(**{**good, **changes})  # type: ignore[arg-type]


def test_a_log_key_is_a_pair_and_no_other_key_is(serving: Book) -> None:
    why = "a log key is a pair, and no other key is"
    assert why in refused(OutcomeMismatch, serving.state, [LOG_2], [secret("log.2")])
    assert why in refused(OutcomeMismatch, serving.state, [TAG_2], [generated_pair("tag.2")])
    number = Generate(generation="sspin.E.2", parent="spin.1")
    assert why in refused(OutcomeMismatch, serving.state, [number], [generated_pair("sspin.E.2")])
    assert applied(serving.state, [TAG_2], [secret("tag.2")]).keys[Generation("tag", 2)].check_value.hex() == (
        check_value_of("new")
    )


@pytest.mark.parametrize("name", sorted(attributes.LOG_KEY))
def test_every_attribute_of_a_log_key_must_be_told_and_right(serving: Book, name: str) -> None:
    wrong = "nothing of the kind" if isinstance(LOG_ATTRIBUTES[name], str) else not LOG_ATTRIBUTES[name]
    for told in ({**LOG_ATTRIBUTES, name: wrong}, {k: v for k, v in LOG_ATTRIBUTES.items() if k != name}):
        why = refused(AttributesRefused, serving.state, [LOG_2], [generated_pair("log.2", attributes=told)])
        assert why.startswith(f"action 1: log.2: attribute {name} must be ")


@pytest.mark.parametrize(("name", "wrong"), [("copyable", True), ("key_gen_mechanism", "ec_key_pair_gen")])
def test_what_not_every_token_knows_must_not_be_wrong(serving: Book, name: str, wrong: object) -> None:
    told = [generated_pair("log.2", attributes={**LOG_ATTRIBUTES, name: wrong})]
    assert f"attribute {name} must be" in refused(AttributesRefused, serving.state, [LOG_2], told)


def test_a_tag_key_has_the_attributes_of_a_conversion_key(serving: Book) -> None:
    told = [secret("tag.2", attributes={**GOOD_ATTRIBUTES, "decrypt": True})]
    assert "tag.2: attribute decrypt must be false" in refused(AttributesRefused, serving.state, [TAG_2], told)


def other_key(form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    encoding = Encoding.Raw if form is PublicFormat.Raw else Encoding.DER
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes(encoding, form)


def x25519() -> bytes:
    public = X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


GOOD_TEXT = encode_log_key(other_key())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not base64 of an Ed25519 public key"),
        ("no base64!", "not base64 of an Ed25519 public key"),
        (GOOD_TEXT[:-4], "not base64 of an Ed25519 public key"),
        (b64encode(other_key(PublicFormat.Raw)).decode(), "not base64 of an Ed25519 public key"),
        (b64encode(x25519()).decode(), "not base64 of an Ed25519 public key"),
        (b64encode(other_key() + b"\0").decode(), "not base64 of an Ed25519 public key"),
        (GOOD_TEXT + "\n", "not base64 of an Ed25519 public key"),
    ],
)
def test_a_public_key_in_any_other_form(serving: Book, text: str, why: str) -> None:
    told = [generated_pair("log.2", public_key=text)]
    reason = refused(CertificateInvalid, serving.state, [LOG_2], told)
    assert reason == f"action 1: results: log.2: public_key: {why}"
    with pytest.raises(CertificateInvalid, match=f"a field: {why}"):
        decode_log_key("a field", text)


def test_base64_has_one_form(serving: Book) -> None:
    """44 bytes leave two bits in the last character that say nothing."""
    assert GOOD_TEXT.endswith("=") and len(GOOD_TEXT) == 60
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = GOOD_TEXT[:-2] + alphabet[alphabet.index(GOOD_TEXT[-2]) ^ 1] + "="
    reason = refused(CertificateInvalid, serving.state, [LOG_2], [generated_pair("log.2", public_key=other)])
    assert reason.endswith("public_key: not the one encoding of its key")


def test_the_check_value_is_that_of_the_public_key(serving: Book) -> None:
    told = [generated_pair("log.2", check_value=check_value_of("x"))]
    expected = generated_pair("log.2").check_value
    reason = refused(OutcomeMismatch, serving.state, [LOG_2], told)
    assert reason == f"action 1: generate log.2: its public key has the check value {expected}"


def test_one_key_is_not_two_generations(serving: Book) -> None:
    first = generated_pair("log.1")
    again = generated_pair("log.2", public_key=first.public_key, check_value=first.check_value)
    assert "the same key twice" in refused(KeyReused, serving.state, [LOG_2], [again])
    taken = generated_pair("log.2", key_id=first.key_id)
    assert "is taken already" in refused(KeyReused, serving.state, [LOG_2], [taken])


# --- copies: of the tag key, never of the log key ---------------------------------------------------------------------


def test_a_log_key_never_has_a_copy(guarded: Book) -> None:
    copied = Generate(generation="log.2", parent=None, backups=(B1,))
    reason = forbidden(IllegalAction, guarded.state, copied)
    assert reason == ("action 1: generate: log.2: a log key is never copied, so that nobody else can sign; no backups")
    assert reason == refused(IllegalAction, guarded.state, [copied], [generated_pair("log.2")])


def test_the_policy_s_demand_for_copies_is_for_the_tag_key_and_not_for_the_log_key(guarded: Book) -> None:
    assert guarded.state.policy.keys.backups == 1
    assert effects(guarded.state, LOG_2, Activate(generation="log.2"))[1].after == "active"
    bare = forbidden(IllegalAction, guarded.state, TAG_2, Activate(generation="tag.2"))
    assert bare.endswith("tag.2: the policy demands copies on 1 backup tokens; it has 0")


def test_a_tag_key_s_copies_are_those_of_the_plan(guarded: Book) -> None:
    action = Generate(generation="tag.2", parent=None, backups=(B1,))
    told = results_for(guarded.state, planned([action], state=guarded.state))
    made = applied(guarded.state, [action], told).keys[Generation("tag", 2)]
    assert (made.copies, made.backed_up) == ({B1}, True)
    none = [msgspec.structs.replace(told[0], copies={})]
    assert "other tokens got a copy" in refused(OutcomeMismatch, guarded.state, [action], none)
    worse = [msgspec.structs.replace(told[0], copies={B1: {**COPY_ATTRIBUTES, "wrap_with_trusted": False}})]
    assert "wrap_with_trusted must be true" in refused(AttributesRefused, guarded.state, [action], worse)


def test_a_restore_gives_up_every_live_log_key_and_brings_the_tag_key_back(guarded: Book) -> None:
    more = guarded.fork()
    more.add([LOG_2])
    reason = forbidden(IllegalAction, more.state, restoring(B1, lost=("log.2",)))
    assert "no backup token has a copy of log.1; name what is given up as lost" in reason
    tag = forbidden(IllegalAction, more.state, restoring(B1, lost=("log.1", "log.2", "tag.1")))
    assert tag.endswith(f"restore: lost: tag.1 must not be given up: restore from a token that has it: {B1}")
    state = more.add([restoring(B1, lost=("log.1", "log.2"))])
    assert (key(state, "log.1"), key(state, "log.2"), key(state, "tag.1")) == (
        KeyState.LOST,
        KeyState.LOST,
        KeyState.ACTIVE,
    )
    assert servicekeys.current_log(state) is None
    assert servicekeys.log_keys(state) == {Generation("log", 1): RAW}, "log.2 was never active"
    state = more.add([Generate(generation="log.3", parent=None), Activate(generation="log.3")])
    assert (state.token_serial, str(state.current["log"])) == (NEW_TOKEN, "log.3")


def test_a_restore_that_claims_to_have_brought_the_log_key_back(guarded: Book) -> None:
    action = restoring(B1, lost=("log.1",))
    (told,) = results_for(guarded.state, planned([action], state=guarded.state))
    assert isinstance(told, Restored)
    log = msgspec.structs.replace(
        told.keys[0],
        generation="log.1",
        key_id=key_id_of("log.1"),
        check_value=generated_pair("log.1").check_value,
        attributes=LOG_ATTRIBUTES,
    )
    more = msgspec.structs.replace(told, keys=(*told.keys, log))
    assert "the keys copied are not those of the ledger" in refused(OutcomeMismatch, guarded.state, [action], [more])


def test_a_drill_rehearses_the_tag_key_and_not_the_log_key(guarded: Book) -> None:
    (told,) = results_for(guarded.state, planned([drill(B1)], state=guarded.state))
    assert [one.generation for one in told.keys] == ["common.1", "spin.1", "sspin.B.1", "sspin.E.1", "tag.1"]  # type: ignore[union-attr]
    assert applied(guarded.state, [drill(B1)], [told]).drills[B1]


# --- no domains, and nothing converts with them ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log", "tag", "log.A", "tag.X"])
def test_no_domain_can_be_called_so(book: Book, name: str) -> None:
    form = make_domains()[2].format
    spec = DomainSpec(name=name, title="記録", parent="resident", format=form)
    why = f"domains: {name}: the names log and tag are kept for keys that convert nothing; take another name"
    assert forbidden(DomainsInvalid, book.state, AddDomain(domain=spec)).endswith(why)
    with pytest.raises(DomainsInvalid) as refusal:
        genesis.validate(make_found(domains=(*make_domains(), spec)))
    assert refusal.value.reason == why


@pytest.mark.parametrize("name", ["logs", "tags.A", "spin.Log"])
def test_names_that_only_look_alike_are_free(name: str) -> None:
    assert not services.is_reserved(name)


@pytest.mark.parametrize("pair", [("resident", "tag"), ("tag", "resident"), ("log", "sspin.B"), ("tag", "tag")])
def test_no_role_can_be_given_them(serving: Book, pair: tuple[str, str]) -> None:
    rule = RoleRule(pairs=(pair,), purposes=("x",), values_per_request=1, values_per_stream=0, values_per_minute=1)
    policy = make_policy()
    changed = ChangePolicy(policy=msgspec.structs.replace(policy, roles={**policy.roles, "x": rule}))
    name = pair[0] if pair[0] in services.SERVICE else pair[1]
    assert f"policy: x: {name!r} is no domain of this ledger" in forbidden(PolicyInvalid, serving.state, changed)


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (Generate(generation="log.2", parent="log.1"), "it converts nothing and stands on no key; parent: null"),
        (Generate(generation="tag.2", parent="spin.1"), "it converts nothing and stands on no key; parent: null"),
        (Generate(generation="sspin.E.2", parent="tag.1"), "its parent must be a generation of spin"),
        (Generate(generation="spin.2", parent="tag.1"), "its parent resident has no keys; parent: null"),
        (Generate(generation="log.3", parent=None), "the next generation is log.2"),
        (Generate(generation="tag.1", parent=None), "tag.1: generate: the key is active"),
        (Generate(generation="log.A.1", parent=None), "'log.A' is no domain of this ledger"),
    ],
)
def test_they_stand_on_nothing_and_nothing_stands_on_them(serving: Book, action: Generate, why: str) -> None:
    assert why in forbidden(IllegalAction, serving.state, action)


# --- names ----------------------------------------------------------------------------------------------------------


def test_raw_and_der_of_a_public_key() -> None:
    with pytest.raises(ValueError, match="has 32 bytes, not 31"):
        publickey.info_of(bytes(31))
    with pytest.raises(ValueError, match="not the SubjectPublicKeyInfo of an Ed25519 key"):
        publickey.raw_of(x25519())
    assert publickey.raw_of(other_key()) == other_key(PublicFormat.Raw)


def test_a_pair_is_told_under_a_name_of_its_own() -> None:
    told = msgspec.to_builtins(generated_pair("log.1"))
    assert told["action"] == "generate-pair"
    assert isinstance(msgspec.convert(told, GeneratedPair), GeneratedPair)
