"""Another policy, one domain more: what they may say, in which order, and that the outcome names the very content."""

from __future__ import annotations

import msgspec
import pytest
from foldkit import altered, applied, effects, forbidden, refused
from ledgerkit import B1, Book, make_domains, make_found, make_plan, make_policy

from appliance.ledger import plan
from appliance.ledger.actions import Activate, AddDomain, ChangePolicy, DomainSpec, FormatSpec, Generate
from appliance.ledger.errors import DomainsInvalid, IllegalAction, MalformedPlan, OutcomeMismatch, PolicyInvalid
from appliance.ledger.policy import KeyRules, Policy

BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NEXT = {"sequence": 4, "previous": "ab" * 32}


def sector(name: str = "sspin.G", parent: str | None = "spin", length: int = 11, title: str = "教育") -> AddDomain:
    shape = FormatSpec(alphabet=BASE36, length=length, check="none")
    return AddDomain(domain=DomainSpec(name=name, title=title, parent=parent, format=shape))


def policy(*pairs: tuple[str, str], **keys: object) -> ChangePolicy:
    made = make_policy(**keys)
    hub = msgspec.structs.replace(made.roles["hub"], pairs=pairs or made.roles["hub"].pairs)
    return ChangePolicy(policy=msgspec.structs.replace(made, roles={"hub": hub}))


def test_another_policy_is_in_force_from_the_entry_on(book: Book) -> None:
    change = policy(("sspin.B", "sspin.B"), drill_days=30, cryptoperiod_days={"sspin.B": 365})
    after = applied(book.state, [change])
    assert after.policy == change.policy
    assert after.policy.grants_anyone("sspin.B", "sspin.B") and not after.policy.grants_anyone("sspin.B", "sspin.E")
    (effect,) = effects(book.state, change)
    assert (effect.action, effect.subject, effect.before, effect.after) == (
        "change-policy",
        "policy",
        "1 roles",
        "1 roles",
    )


def test_a_new_sector_stands_at_its_place_in_the_tree(book: Book) -> None:
    after = applied(book.state, [sector()])
    assert after.tree["sspin.G"].parent == "spin"
    assert after.titles["sspin.G"] == "教育"
    assert [one.name for one in after.domains] == [*(one.name for one in make_domains()), "sspin.G"]
    (effect,) = effects(book.state, sector())
    assert (effect.subject, effect.before, effect.after) == ("sspin.G", None, "under spin")


def test_a_sector_with_its_policy_and_first_key_in_one_plan(book: Book) -> None:
    key = Generate(generation="sspin.G.1", parent="spin.1")
    steps = [sector(), policy(("sspin.G", "sspin.B")), key, Activate(generation="sspin.G.1")]
    after = applied(book.state, steps)
    assert str(after.current["sspin.G"]) == "sspin.G.1"
    assert after.policy.grants_anyone("sspin.G", "sspin.B")
    assert forbidden(PolicyInvalid, book.state, steps[1], steps[0]) == (
        "action 1: policy: hub: 'sspin.G' is no domain of this ledger"
    )
    assert forbidden(IllegalAction, book.state, key) == "action 1: generate: 'sspin.G' is no domain of this ledger"


def test_a_policy_s_key_rules_hold_within_its_own_plan(backed: Book) -> None:
    key, use = Generate(generation="sspin.E.2", parent="spin.1", backups=(B1,)), Activate(generation="sspin.E.2")
    assert forbidden(IllegalAction, backed.state, key, policy(backups=2), use) == (
        "action 3: activate: sspin.E.2: the policy demands copies on 2 backup tokens; it has 1"
    )
    applied(backed.state, [key, use, policy(backups=2)])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (policy(("sspin.B", "sspin.Z")), "policy: hub: 'sspin.Z' is no domain of this ledger"),
        (policy(("resident", "resident")), "policy: hub: resident to itself converts nothing"),
        (
            policy(cryptoperiod_days={"sspin.Z": 365}),
            "policy: keys: cryptoperiod_days: 'sspin.Z' is no domain of this ledger that has keys",
        ),
        (
            policy(cryptoperiod_days={"resident": 365}),
            "policy: keys: cryptoperiod_days: 'resident' is no domain of this ledger that has keys",
        ),
    ],
)
def test_policies_that_do_not_fit_the_domains(book: Book, change: ChangePolicy, reason: str) -> None:
    assert forbidden(PolicyInvalid, book.state, change) == f"action 1: {reason}"
    with pytest.raises(PolicyInvalid) as refusal:
        plan.validate(make_plan([make_found(policy=change.policy)]))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"backups": 17}, "Expected `int` <= 16"),
        ({"backups": -1}, "Expected `int` >= 0"),
        ({"drill_days": 0}, "Expected `int` >= 1"),
        ({"ratify_days": 36_501}, "Expected `int` <= 36500"),
        ({"cryptoperiod_days": {"spin": 0}}, "Expected `int` >= 1"),
        ({"retention": 1}, "unknown field `retention`"),
    ],
)
def test_the_limits_of_the_key_rules(rules: dict[str, object], reason: str) -> None:
    raw = msgspec.to_builtins(make_plan([policy()], **NEXT))
    raw["actions"][0]["policy"]["keys"].update(rules)
    with pytest.raises(MalformedPlan) as refusal:
        plan.parse(plan.canonical.encode(raw))
    assert reason in refusal.value.reason


def test_the_rules_where_a_policy_names_none() -> None:
    rules = Policy(roles={}).keys
    assert rules == KeyRules(backups=0, cryptoperiod_days={}, drill_days=365, ratify_days=3)


def test_the_present_policy_again_is_no_change(book: Book) -> None:
    assert forbidden(IllegalAction, book.state, ChangePolicy(policy=book.state.policy)) == (
        "action 1: change-policy: it is the present policy; nothing would change"
    )


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (sector("sspin.G", "sspin.Z"), "domains: sspin.G: its parent sspin.Z is no domain"),
        (sector("sspin.G", "sspin.G"), "domains: sspin.G: its parents run in a loop"),
        (sector("other", None), "domains: the tree needs exactly one root"),
        (sector(length=10), "domains: sspin.G: its format is smaller than that of spin"),
    ],
)
def test_domains_that_do_not_fit_the_tree(book: Book, action: AddDomain, reason: str) -> None:
    assert forbidden(DomainsInvalid, book.state, action) == f"action 1: {reason}"


def test_a_domain_that_exists(book: Book) -> None:
    assert forbidden(IllegalAction, book.state, sector("sspin.E")) == (
        "action 1: add-domain: sspin.E is a domain already"
    )
    assert forbidden(IllegalAction, book.state, sector(), sector()) == (
        "action 2: add-domain: sspin.G is a domain already"
    )


def test_nothing_is_put_under_a_domain_too_large_for_an_inner_one(book: Book) -> None:
    large = sector(length=24)
    below = sector("sspin.H", "sspin.G", length=24)
    assert forbidden(DomainsInvalid, book.state, large, below) == (
        "action 2: domains: sspin.G: its format has 2**63 numbers or more; only a leaf may"
    )


def test_a_domain_s_own_form_is_checked_in_the_plan_already() -> None:
    for action, reason in {
        sector("Sspin"): "domains: 'Sspin' is not a domain name such as spin or sspin.C",
        sector(title="a\u202eb"): "domains: sspin.G: title: U+202E is not printable text on one line",
        sector(length=2): "domains: sspin.G: fewer than a million numbers (SP 800-38G r1)",
    }.items():
        with pytest.raises(DomainsInvalid) as refusal:
            plan.validate(make_plan([action], **NEXT))
        assert refusal.value.reason == reason


@pytest.mark.parametrize("action", [policy(("sspin.B", "sspin.B")), sector()], ids=["policy", "domain"])
def test_the_outcome_names_the_very_content(book: Book, action: AddDomain | ChangePolicy) -> None:
    for changes in ({"digest": "ab" * 32}, {"subject": "roster"}):
        reason = refused(OutcomeMismatch, book.state, [action], altered(book.state, action, **changes))
        assert reason.endswith(": the outcome tells of something else")
