"""Plans in themselves: times, text, genesis, domains and policy."""

from __future__ import annotations

import msgspec
import pytest
from ledgerkit import Book, make_domains, make_found, make_plan, make_policy, make_roster

from appliance.ledger import canonical, plan
from appliance.ledger.actions import Action, Activate, DomainSpec, FormatSpec, Generate
from appliance.ledger.errors import (
    DomainsInvalid,
    LedgerError,
    MalformedPlan,
    NotCanonical,
    PolicyInvalid,
    RosterInvalid,
)
from appliance.ledger.plan import Plan
from appliance.ledger.policy import Policy, RoleRule
from appliance.ledger.roster import Threshold

BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FIELDS = {"sequence": 2, "previous": "ab" * 32}
KEYS = (Generate(generation="spin.1", parent=None),)


def refused(error: type[LedgerError], made: Plan) -> str:
    """The reason, which must be the same when the plan comes as bytes."""
    with pytest.raises(error) as direct:
        plan.validate(made)
    with pytest.raises(error) as parsed:
        plan.parse(canonical.encode(made))
    assert parsed.value.reason == direct.value.reason
    return direct.value.reason


def test_good_plans_pass() -> None:
    for made in (make_plan([make_found()]), make_plan(KEYS, **FIELDS)):
        assert plan.parse(canonical.encode(made)) == made


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("two\nlines", "title: U+000A is not printable text on one line"),
        ("tab\there", "title: U+0009 is not printable text on one line"),
        ("approve \u202edesrever", "title: U+202E is not printable text on one line"),
        ("zero\u200bwidth", "title: U+200B is not printable text on one line"),
        ("isolate \u2066x\u2069", "title: U+2066 is not printable text on one line"),
        ("no\u00a0break", "title: U+00A0 is not printable text on one line"),
        ("line\u2028separator", "title: U+2028 is not printable text on one line"),
        ("escape\x1b[31m", "title: U+001B is not printable text on one line"),
        ("private \ue000", "title: U+E000 is not printable text on one line"),
        ("unassigned \U000e0080", "title: U+E0080 is not printable text on one line"),
        (" leading", "title: must not begin or end with a space"),
        ("trailing\u3000", "title: must not begin or end with a space"),
    ],
)
def test_titles_that_could_mislead_a_reader(title: str, reason: str) -> None:
    assert refused(MalformedPlan, make_plan(KEYS, title=title, **FIELDS)) == reason


@pytest.mark.parametrize("title", ["鍵の生成", "葛\U000e0100城市", "第１回　更新 (x)", "é"])
def test_titles_in_the_users_words(title: str) -> None:
    plan.validate(make_plan(KEYS, title=title, **FIELDS))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expires": "2026-04-01T09:00:00Z"}, "expires: must be later than created"),
        ({"expires": "2026-04-01T08:59:59Z"}, "expires: must be later than created"),
        ({"created": "2026-02-30T00:00:00Z"}, "created: '2026-02-30T00:00:00Z' is not an instant"),
        ({"expires": "2026-13-01T00:00:00Z"}, "expires: '2026-13-01T00:00:00Z' is not an instant"),
        ({"expires": "2026-12-31T23:59:60Z"}, "expires: '2026-12-31T23:59:60Z' is not an instant"),
        ({"expires": "0000-01-01T00:00:00Z"}, "expires: '0000-01-01T00:00:00Z' is not an instant"),
    ],
)
def test_times(changes: dict[str, object], reason: str) -> None:
    assert refused(MalformedPlan, make_plan(KEYS, **{**FIELDS, **changes})).startswith(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "kagimori/plan/v2"}, "Invalid enum value 'kagimori/plan/v2'"),
        ({"sequence": 0}, "Expected `int` >= 1"),
        ({"sequence": 1_000_000}, "Expected `int` <= 999999"),
        ({"sequence": "2"}, "Expected `int`, got `str`"),
        ({"previous": "AB" * 32}, "Expected `str` matching regex"),
        ({"previous": "ab" * 32 + "\n"}, "Expected `str` matching regex"),
        ({"created": "2026-04-01T09:00:00+09:00"}, "Expected `str` matching regex"),
        ({"created": "2026-04-01 09:00:00Z"}, "Expected `str` matching regex"),
        ({"title": ""}, "Expected `str` of length >= 1"),
        ({"title": "x" * 201}, "Expected `str` of length <= 200"),
        ({"rehearsal": 0}, "Expected `bool`, got `int`"),
        ({"actions": []}, "Expected `array` of length >= 1"),
        ({"actions": [{"action": "activate", "generation": "spin.1"}] * 257}, "Expected `array` of length <= 256"),
        ({"actions": [{"action": "explode", "generation": "spin.1"}]}, "Invalid value 'explode'"),
        ({"actions": [{"generation": "spin.1"}]}, "missing required field `action`"),
        ({"actions": [{"action": "activate", "generation": "spin.1", "force": True}]}, "unknown field `force`"),
        ({"actions": [{"action": "generate", "generation": "spin.1"}]}, "missing required field `parent`"),
        ({"comment": "x"}, "unknown field `comment`"),
    ],
)
def test_shapes(changes: dict[str, object], reason: str) -> None:
    raw = {**msgspec.to_builtins(make_plan(KEYS, **FIELDS)), **changes}
    with pytest.raises(MalformedPlan) as refusal:
        plan.parse(canonical.encode(raw))
    assert reason in refusal.value.reason


def test_other_bytes_of_the_same_plan() -> None:
    data = canonical.encode(make_plan(KEYS, **FIELDS))
    with pytest.raises(NotCanonical, match="not in its canonical form"):
        plan.parse(data.replace(b'"sequence":2', b'"sequence": 2'))


@pytest.mark.parametrize(
    "text", ["spin", "spin.0", "spin.01", "SPIN.1", "spin.1.1", "sspin.c.1", "spin.-1", "", "spin.100000", "鍵.1"]
)
def test_names_of_generations(text: str) -> None:
    assert refused(MalformedPlan, make_plan([Activate(generation=text)], **FIELDS)) == (
        f"actions: 1: generation: {text!r} is not a key generation such as sspin.C.2"
    )
    generate = Generate(generation=text, parent=None)
    assert "actions: 1: generation:" in refused(MalformedPlan, make_plan([generate], **FIELDS))
    generate = Generate(generation="sspin.C.1", parent=text)
    assert "actions: 1: parent:" in refused(MalformedPlan, make_plan([generate], **FIELDS))


@pytest.mark.parametrize(
    ("actions", "changes", "reason"),
    [
        (KEYS, {}, "actions: genesis (sequence 1) has exactly one action, found"),
        ((make_found(), *KEYS), {}, "actions: genesis (sequence 1) has exactly one action, found"),
        ((make_found(), make_found()), {}, "actions: genesis (sequence 1) has exactly one action, found"),
        ((make_found(),), {"previous": "ab" * 32}, "previous: genesis has nothing before it; 64 zeros"),
        ((make_found(),), FIELDS, "actions: found belongs to genesis (sequence 1) only"),
        ((*KEYS, make_found()), FIELDS, "actions: found belongs to genesis (sequence 1) only"),
    ],
)
def test_genesis_stands_alone(actions: tuple[Action, ...], changes: dict[str, object], reason: str) -> None:
    assert refused(MalformedPlan, make_plan(actions, **changes)) == reason


def test_a_bad_roster_spoils_genesis() -> None:
    bad = make_roster(thresholds={"keys": Threshold(officers=0, oversight=1)})
    reason = refused(RosterInvalid, make_plan([make_found(roster=bad)]))
    assert reason == "roster: thresholds: keys: 0 officer approvals; at least 1 is needed"


def test_the_token_is_named_readably() -> None:
    reason = refused(MalformedPlan, make_plan([make_found(token_label="a\x00b")]))
    assert reason == "token_label: U+0000 is not printable text on one line"
    reason = refused(MalformedPlan, make_plan([make_found(token_serial="")]))
    assert reason == "token_serial: must have 1 to 16 characters, has 0"


def spec(name: str, parent: str | None, alphabet: str = BASE36, length: int = 11, check: str = "none") -> DomainSpec:
    shape = FormatSpec(alphabet=alphabet, length=length, check=check)
    return DomainSpec(name=name, title=name, parent=parent, format=shape)


ROOT = spec("resident", None, "0123456789")
SPIN = spec("spin", "resident")


@pytest.mark.parametrize(
    ("domains", "reason"),
    [
        ((), "domains: the tree needs exactly one root"),
        ((ROOT, spec("other", None)), "domains: the tree needs exactly one root"),
        ((spec("citizen", None, "0123456789"),), "domains: the root is citizen; it must be resident"),
        ((ROOT, SPIN, SPIN), "domains: a domain is named twice"),
        ((ROOT, spec("spin", "nowhere")), "domains: spin: its parent nowhere is no domain"),
        ((ROOT, spec("a", "b"), spec("b", "a")), "domains: a: its parents run in a loop"),
        ((ROOT, SPIN, spec("sspin.A", "spin", length=10)), "domains: sspin.A: its format is smaller than that of spin"),
        ((spec("resident", None, "0123456789", 5),), "domains: resident: fewer than a million numbers"),
        ((ROOT, spec("spin", "resident", "AA")), "domains: spin: format: alphabet: needs at least two characters"),
        ((ROOT, spec("spin", "resident", "ab!")), "domains: spin: format: alphabet: only printable ASCII"),
        ((ROOT, spec("spin", "resident", check="luhn")), "domains: spin: format: check: unknown rule 'luhn'"),
        ((ROOT, spec("spin", "resident", length=13)), "domains: spin: its format has 2**63 numbers or more"),
        ((spec("resident", None, length=13),), "domains: resident: its format has 2**63 numbers or more"),
        (
            (ROOT, SPIN, spec("sspin.A", "spin", length=13), spec("sspin.B", "sspin.A", length=13)),
            "domains: sspin.A: its format has 2**63 numbers or more; only a leaf may",
        ),
        ((ROOT, spec("Spin", "resident")), "domains: 'Spin' is not a domain name such as spin or sspin.C"),
        (tuple(spec(f"d{n}", "resident") for n in range(201)), "domains: 201; at most 200"),
    ],
)
def test_trees_that_cannot_be(domains: tuple[DomainSpec, ...], reason: str) -> None:
    made = make_found(domains=domains, policy=Policy(roles={}))
    assert refused(DomainsInvalid, make_plan([made])).startswith(reason)


def test_the_limit_of_63_bits_to_the_number() -> None:
    most, too_many = (spec("resident", None, "01", length) for length in (62, 63))
    plan.validate(make_plan([make_found(domains=(most,), policy=Policy(roles={}))]))
    reason = refused(DomainsInvalid, make_plan([make_found(domains=(too_many,), policy=Policy(roles={}))]))
    assert reason == "domains: resident: its format has 2**63 numbers or more; only a leaf may"


def test_a_leaf_may_be_larger_than_63_bits() -> None:
    domains = (ROOT, SPIN, spec("sspin.A", "spin", length=24))
    plan.validate(make_plan([make_found(domains=domains, policy=Policy(roles={}))]))


def test_a_huge_length_is_refused_before_anything_is_computed_of_it() -> None:
    raw = msgspec.to_builtins(make_plan([make_found()]))
    raw["actions"][0]["domains"][0]["format"]["length"] = 2**53 - 1
    with pytest.raises(MalformedPlan, match="Expected `int` <= 256"):
        plan.parse(canonical.encode(raw))


def test_titles_of_domains_are_read_by_people_too() -> None:
    odd = msgspec.structs.replace(make_domains()[1], title="x\u202ey")
    reason = refused(DomainsInvalid, make_plan([make_found(domains=(make_domains()[0], odd), policy=Policy(roles={}))]))
    assert reason == "domains: common: title: U+202E is not printable text on one line"


def rule(**changes: object) -> Policy:
    return Policy(roles={"hub": msgspec.structs.replace(make_policy().roles["hub"], **changes)})


PAIR = ("sspin.B", "sspin.E")
NOTHING = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
ONLY_0 = "policy: hub: no pairs, so it must have no purposes and all limits 0"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (rule(pairs=(("sspin.B", "sspin.Z"),)), "policy: hub: 'sspin.Z' is no domain of this ledger"),
        (rule(pairs=(("sspin.Z", "sspin.B"),)), "policy: hub: 'sspin.Z' is no domain of this ledger"),
        (rule(pairs=(PAIR, PAIR)), "policy: hub: a pair is listed twice"),
        (rule(pairs=(("resident", "resident"),)), "policy: hub: resident to itself converts nothing"),
        (rule(purposes=()), "policy: hub: no purposes; nobody could say what for"),
        (rule(purposes=("a", "a")), "policy: hub: a purpose is listed twice"),
        (rule(values_per_request=0), "policy: hub: values_per_request must be at least 1"),
        (rule(values_per_minute=99), "policy: hub: values_per_minute is less than values_per_request"),
        *(
            (Policy(roles={"hub": msgspec.structs.replace(NOTHING, **one)}), ONLY_0)
            for one in (
                {"purposes": ("a",)},
                {"values_per_request": 1},
                {"values_per_stream": 1},
                {"values_per_minute": 1},
            )
        ),
    ],
)
def test_policies_that_make_no_sense(policy: Policy, reason: str) -> None:
    assert refused(PolicyInvalid, make_plan([make_found(policy=policy)])) == reason


def test_policies_that_do() -> None:
    rekeying = rule(pairs=(("sspin.C", "sspin.C"),), values_per_stream=0)
    least = rule(values_per_request=1, values_per_minute=1)
    for policy in (Policy(roles={}), Policy(roles={"portal": NOTHING}), rekeying, least):
        plan.validate(make_plan([make_found(policy=policy)]))


def test_the_anchor_is_the_digest_of_the_bytes(book: Book) -> None:
    import hashlib

    data = canonical.encode(make_plan([make_found()]))
    assert plan.digest(data) == hashlib.sha256(data).hexdigest() == book.anchor
