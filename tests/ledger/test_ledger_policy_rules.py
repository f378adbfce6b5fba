"""What a policy may say of histories, the log, quotas, witnesses and orders; and which conversions need an order."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import msgspec
import pytest
from foldkit import applied, forbidden
from hypothesis import given
from hypothesis import strategies as st
from ledgerkit import Book, make_domains, make_found, make_plan, make_policy, make_roster, person

from appliance.ledger import canonical, genesis, plan, policy, witnesses
from appliance.ledger.actions import AddDomain, ChangePolicy, ChangeRoster, DomainSpec, FormatSpec
from appliance.ledger.errors import MalformedPlan, PolicyInvalid
from appliance.ledger.policy import DisclosureRules, LogRules, Policy, RoleRule

TREE = genesis.tree_of(make_domains())
NOTHING = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
HUB = make_policy().roles["hub"]
MOST = 2**53 - 1


def vkey(name: str, kind: int = 0x04, seed: int = 1) -> str:
    """A verifier key, made by hand as C2SP signed-note has it."""
    material = bytes((kind,)) + bytes((seed,)) * (1312 if kind == 0x06 else 32)
    key_id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex()
    return f"{name}+{key_id}+{b64encode(material).decode()}"


def hub(**changes: object) -> Policy:
    return Policy(roles={"hub": msgspec.structs.replace(HUB, **changes)})


def bare(**changes: object) -> Policy:
    return Policy(roles={"portal": msgspec.structs.replace(NOTHING, **changes)})


def log(*keys: str, warn: int | None = None, refuse: int | None = None) -> Policy:
    return Policy(roles={}, log=LogRules(witnesses=keys, warn_seconds=warn, refuse_seconds=refuse))


W1, W2 = vkey("kanshi.example/w1"), vkey("kanshi.example/w2", seed=2)
W1_LATER, POST_QUANTUM = vkey("kanshi.example/w1", seed=3), vkey("kanshi.example/w1", 0x06)


@pytest.mark.parametrize(
    "good",
    [
        bare(history=("common", "resident", "sspin.A"), values_per_minute=60),
        bare(log=True),
        bare(log=True, history=("common",), values_per_minute=1),
        hub(history=("common",), log=True),
        hub(values_per_day=100, purpose_values_per_day={"exchange": 1, "linking": 100}),
        hub(purpose_values_per_day={"exchange": 1}, values_without_order=0),
        log(W1),
        log(W1, POST_QUANTUM, W2, warn=1),
        log(W1, warn=3600, refuse=3601),
        Policy(roles={}, disclosure=DisclosureRules(officers=3, oversight=2, longest_days=1)),
        make_policy(cryptoperiod_days={"log": 730, "tag": 365, "spin": 1}),
    ],
)
def test_policies_that_make_sense(good: Policy) -> None:
    policy.validate(good, TREE)
    data = canonical.encode(make_plan([make_found(policy=good)]))
    (found,) = plan.parse(data).actions
    assert found.policy == good  # type: ignore[union-attr]


PORTAL, OF_HUB = "policy: portal: ", "policy: hub: "
NO_PAIRS = PORTAL + "no pairs, so it must have no "


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (bare(history=("sspin.Z",), values_per_minute=1), PORTAL + "history: 'sspin.Z' is no domain of this ledger"),
        (bare(history=("log",), values_per_minute=1), PORTAL + "history: 'log' is no domain of this ledger"),
        (bare(history=("common.1",), values_per_minute=1), PORTAL + "history: 'common.1' is no domain of this ledger"),
        (bare(history=("common",) * 2, values_per_minute=1), PORTAL + "history: a domain is listed twice"),
        (
            bare(history=("common",)),
            PORTAL + "history: values_per_minute must be at least 1; a look-up counts as one",
        ),
        (bare(log=True, values_per_minute=1), NO_PAIRS + "purposes and all limits 0"),
        (
            bare(history=("common",), values_per_minute=1, values_per_request=1),
            NO_PAIRS + "purposes and all limits 0 but values_per_minute",
        ),
        (
            bare(history=("common",), values_per_minute=1, purposes=("a",)),
            NO_PAIRS + "purposes and all limits 0 but values_per_minute",
        ),
        (bare(values_per_day=1), NO_PAIRS + "quotas and no values_without_order"),
        (bare(purpose_values_per_day={"a": 1}), NO_PAIRS + "quotas and no values_without_order"),
        (bare(values_without_order=0), NO_PAIRS + "quotas and no values_without_order"),
        (hub(values_per_day=99), OF_HUB + "values_per_day is less than values_per_request"),
        (
            hub(purpose_values_per_day={"tax": 1}),
            OF_HUB + "purpose_values_per_day: tax: is no purpose of this role",
        ),
        (
            hub(purpose_values_per_day={"linking": 0}),
            OF_HUB + "purpose_values_per_day: linking: must be at least 1; take the purpose away instead",
        ),
        (
            hub(values_per_day=100, purpose_values_per_day={"linking": 101}),
            OF_HUB + "purpose_values_per_day: linking: is more than values_per_day, so it would never count",
        ),
        (
            log(warn=1),
            "policy: log: cosignatures are demanded, but there is no witness to give them",
        ),
        (log(W1, refuse=9), "policy: log: refuse_seconds needs warn_seconds, and must be more"),
        (log(W1, warn=9, refuse=9), "policy: log: refuse_seconds needs warn_seconds, and must be more"),
        (log("nonsense"), "policy: log: witness 1: a verifier key is <name>+<key ID>+<base64 of type and key>"),
        (log(W1, W2[:-2]), "policy: log: witness 2: a verifier key is <name>+<key ID>+<base64 of type and key>"),
        (
            log(W1.replace("w1", "w9")),
            "policy: log: witness 1: verifier key kanshi.example/w9: the key ID must be d241bb01; a part was changed",
        ),
        (
            log(vkey("kanshi.example/log", 0x01)),
            "policy: log: witness kanshi.example/log: a key of type Ed25519; a witness has a cosignature key",
        ),
        (log(vkey("a\u202eb")), "policy: log: witness 1: name: U+202E is not printable text on one line"),
        (log(W1, W1_LATER), "policy: log: witness kanshi.example/w1 is listed twice with an Ed25519 key"),
        (log(W1, vkey("other")), "policy: log: witness other is listed twice with the same key"),
        (log(*(vkey(f"w{n}", seed=n) for n in range(9))), "policy: log: 9 witnesses; at most 8"),
        (
            Policy(roles={}, disclosure=DisclosureRules(oversight=0)),
            "policy: disclosure: oversight must be at least 1; no order goes past the oversight body",
        ),
        (
            make_policy(cryptoperiod_days={"logs": 1}),
            "policy: keys: cryptoperiod_days: 'logs' is no domain of this ledger that has keys",
        ),
    ],
)
def test_policies_that_do_not(book: Book, wrong: Policy, reason: str) -> None:
    with pytest.raises(PolicyInvalid) as refusal:
        plan.validate(make_plan([make_found(policy=wrong)]))
    assert refusal.value.reason == reason
    assert forbidden(PolicyInvalid, book.state, ChangePolicy(policy=wrong)) == f"action 1: {reason}"


@pytest.mark.parametrize(
    ("where", "change", "reason"),
    [
        (("roles", "hub"), {"values_per_day": -1}, "Expected `int` >= 0"),
        (("roles", "hub"), {"log": 1}, "Expected `bool`, got `int`"),
        (("roles", "hub"), {"purpose_values_per_day": {"Tax": 1}}, "Expected `str` matching regex"),
        (("log",), {"warn_seconds": 0}, "Expected `int` >= 1"),
        (("log",), {"refuse_seconds": 367 * 86_400}, "Expected `int` <= 31622400"),
        (("disclosure",), {"officers": 61}, "Expected `int` <= 60"),
        (("disclosure",), {"longest_days": 0}, "Expected `int` >= 1"),
        (("disclosure",), {"quorum": 1}, "unknown field `quorum`"),
    ],
)
def test_the_limits_of_the_fields(where: tuple[str, ...], change: dict[str, object], reason: str) -> None:
    raw = msgspec.to_builtins(make_plan([ChangePolicy(policy=hub())], sequence=4, previous="ab" * 32))
    part = raw["actions"][0]["policy"]
    for name in where:
        part = part[name]
    part.update(change)
    with pytest.raises(MalformedPlan, match=reason.replace("`", ".")):
        plan.parse(canonical.encode(raw))


def test_what_holds_where_a_policy_says_nothing() -> None:
    made = Policy(roles={"portal": NOTHING})
    assert made.log == LogRules(witnesses=(), warn_seconds=None, refuse_seconds=None)
    assert made.disclosure == DisclosureRules(officers=0, oversight=1, longest_days=366)
    rule = made.roles["portal"]
    assert (rule.history, rule.log, rule.values_per_day, rule.values_without_order) == ((), False, None, None)
    assert rule.purpose_values_per_day == {}


def test_the_roster_must_be_able_to_sign_an_order(book: Book) -> None:
    many = Policy(roles={}, disclosure=DisclosureRules(officers=4))
    reason = "policy: disclosure: 4 officer signatures, but the roster has 3"
    assert forbidden(PolicyInvalid, book.state, ChangePolicy(policy=many)) == f"action 1: {reason}"
    with pytest.raises(PolicyInvalid) as refusal:
        plan.validate(make_plan([make_found(policy=many)]))
    assert refusal.value.reason == reason
    both = Policy(roles={}, disclosure=DisclosureRules(officers=3, oversight=2))
    after = applied(book.state, [ChangePolicy(policy=both)])
    people = [one for one in book.state.roster.people if one.id != "kato"]
    assert forbidden(PolicyInvalid, after, ChangeRoster(roster=make_roster(people))) == (
        "action 1: policy: disclosure: 2 oversight signatures, but the roster has 1"
    )
    grown = make_roster([*book.state.roster.people, person("suzuki", "officer")])
    applied(after, [ChangeRoster(roster=grown)])


def test_the_witnesses_of_a_policy_as_keys() -> None:
    first, second = witnesses.keys((W1, POST_QUANTUM))
    assert (str(first), str(second)) == (W1, POST_QUANTUM)
    assert [witnesses.kind_in_words(key) for key in (first, second)] == ["Ed25519", "ML-DSA-44"]


def test_who_may_ask_for_histories() -> None:
    made = bare(history=("common",), values_per_minute=1)
    assert made.history_for_anyone("common") and not made.history_for_anyone("resident")
    assert not make_policy().history_for_anyone("common")


def test_what_discloses_in_the_scheme_s_own_tree() -> None:
    assert policy.disclosing(TREE) == {"resident", "spin"}
    assert [domain.name for domain in TREE if policy.discloses(TREE, domain.name)] == ["resident", "spin"]
    assert policy.disclosing(genesis.tree_of(make_domains()[:1])) == {"resident"}, "even with nothing under it"


def test_a_domain_discloses_as_soon_as_another_stands_under_it(book: Book) -> None:
    shape = FormatSpec(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", length=12, check="none")
    below = AddDomain(domain=DomainSpec(name="sspin.Ab", title="枝", parent="sspin.A", format=shape))
    tree = applied(book.state, [below]).tree
    assert policy.discloses(tree, "sspin.A") and not policy.discloses(TREE, "sspin.A")
    assert not policy.discloses(tree, "sspin.Ab")


def needs(rule: RoleRule | None, source: str, target: str, count: int = 1, among: Policy | None = None) -> bool:
    return policy.needs_order(among or Policy(roles={}), TREE, rule, source, target, count)


@pytest.mark.parametrize("source", ["common", "spin", "sspin.B", "resident"])
@pytest.mark.parametrize("target", ["resident", "spin"])
def test_what_discloses_always_needs_an_order(source: str, target: str) -> None:
    for rule in (None, HUB, NOTHING):
        assert needs(rule, source, target, 1) and needs(rule, source, target, 0)


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_more_than_a_role_may_without_one(limit: int, count: int) -> None:
    assert needs(msgspec.structs.replace(HUB, values_without_order=limit), "sspin.B", "sspin.E", count) == (
        count > limit
    )
    assert not needs(HUB, "sspin.B", "sspin.E", count)


def test_without_knowing_who_asks_the_most_generous_role_decides() -> None:
    few, more = (msgspec.structs.replace(HUB, values_without_order=limit) for limit in (5, 9))
    pair = ("sspin.B", "sspin.E")
    for roles, counts in (((few, more), (9, 10)), ((few,), (5, 6))):
        made = Policy(roles={f"r{n}": rule for n, rule in enumerate(roles)})
        assert [needs(None, *pair, count, made) for count in counts] == [False, True]
    free = Policy(roles={"few": few, "free": HUB, "other": NOTHING})
    assert not needs(None, *pair, MOST, free)
    assert needs(None, "sspin.A", "sspin.F", 1, free), "nobody has the pair"
