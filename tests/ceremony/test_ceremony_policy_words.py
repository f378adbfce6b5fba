"""A policy in words: its pairs and nothing else, every field of its TOML file, and how a change of each is shown."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgerkit import make_domains, make_policy
from rich.console import Console

from appliance.ledger import genesis, policy
from appliance.ledger.policy import DisclosureRules, KeyRules, LogRules, Policy, RoleRule
from keyceremony.errors import SetupRefused
from keyceremony.plans import policy_file, setup_file
from keyceremony.sheets.rules import rule_tables
from keyceremony.sheets.wording import Wording
from keyceremony.showing import show_policy
from keyceremony.showing.pair_words import names, pairs_in_words
from keyceremony.showing.show_policy import rule_row

DOMAINS = ("resident", "common", "spin", *(f"sspin.{letter}" for letter in "ABCDEFG"), "sspin.Tax", "sspin.a")
Pair = tuple[str, str]


def expand_names(text: str) -> list[str]:
    found = []
    for part in text.split(", "):
        first, dash, last = part.partition("–")
        if dash:
            found += [f"{first[:-1]}{chr(code)}" for code in range(ord(first[-1]), ord(last) + 1)]
        else:
            found.append(first)
    return found


def expand(sentence: str) -> list[Pair]:
    group, among, _ = sentence.partition(": each to each other one (")
    if among:
        return list(permutations(expand_names(group), 2))
    sources, _, targets = sentence.partition(" → ")
    return [(source, target) for source in expand_names(sources) for target in expand_names(targets)]


@given(st.sets(st.tuples(st.sampled_from(DOMAINS), st.sampled_from(DOMAINS))))
def test_the_sentences_are_exactly_the_pairs(pairs: set[Pair]) -> None:
    told = [pair for sentence in pairs_in_words(sorted(pairs)) for pair in expand(sentence)]
    assert sorted(told) == sorted(pairs)


@given(st.sets(st.sampled_from("ABCDEFG"), min_size=3))
def test_a_complete_group_is_one_sentence(letters: set[str]) -> None:
    group = [f"sspin.{letter}" for letter in sorted(letters)]
    count = len(group) * (len(group) - 1)
    assert pairs_in_words(permutations(group, 2)) == [f"{names(group)}: each to each other one ({count} pairs)"]


def test_examples() -> None:
    assert names(["common", "sspin.A", "sspin.B", "sspin.C", "sspin.E", "sspin.F"]) == (
        "common, sspin.A–C, sspin.E, sspin.F"
    )
    assert pairs_in_words([("resident", "sspin.A"), ("resident", "common")]) == ["resident → common, sspin.A"]
    assert pairs_in_words([("sspin.B", "sspin.E"), ("sspin.E", "sspin.B")]) == [
        "sspin.B → sspin.E",
        "sspin.E → sspin.B",
    ]
    assert pairs_in_words([("sspin.C", "sspin.C")]) == ["sspin.C → sspin.C"]
    assert pairs_in_words([]) == []


def test_a_pair_that_shows_the_root_number_is_marked() -> None:
    rule = RoleRule(
        pairs=(("sspin.A", "spin"),),
        purposes=("inquiry",),
        values_per_request=1,
        values_per_stream=0,
        values_per_minute=2000,
    )
    row = rule_row("odd", rule, frozenset({"spin", "resident"}))
    mark = "!! answers show spin itself; each request needs a disclosure order"
    assert row == ["odd", f"sspin.A → spin\n{mark}", "inquiry", "1 / 0 / 2,000"]
    assert rule_row("portal", NOTHING, frozenset()) == ["portal", "nothing", "–", "0 / 0 / 0"]


NOTHING = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
_MATERIAL = b"\x04" + b"\x07" * 32
_KEY_ID = hashlib.sha256(b"kanshi.example/w1\n" + _MATERIAL).digest()[:4].hex()
VKEY = f"kanshi.example/w1+{_KEY_ID}+{b64encode(_MATERIAL).decode()}"

WHOLE = f"""
[policy.hub]
among = ["sspin.B", "sspin.E"]
purposes = ["exchange", "linking"]
values_per_request = 1000
values_per_stream = 5000
values_per_minute = 100000
values_per_day = 200000
values_without_order = 500
[policy.hub.purpose_values_per_day]
linking = 7

[policy.oversight]
log = true

[policy.portal]
history = ["common"]
values_per_minute = 600

[keys]
cryptoperiod_days = 400

[log]
witnesses = ["{VKEY}"]
warn_seconds = 3600
refuse_seconds = 86400

[disclosure]
officers = 2
longest_days = 30
"""
HUB = RoleRule(
    pairs=(("sspin.B", "sspin.E"), ("sspin.E", "sspin.B")),
    purposes=("exchange", "linking"),
    values_per_request=1000,
    values_per_stream=5000,
    values_per_minute=100_000,
    values_per_day=200_000,
    values_without_order=500,
    purpose_values_per_day={"linking": 7},
)


def read(text: str, folder: Path, present: Policy) -> Policy:
    """The policy after a change by that file."""
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return policy_file.changed(present, policy_file.load(path), make_domains())


def test_every_word_of_the_file(tmp_path: Path) -> None:
    made = read(WHOLE, tmp_path, make_policy())
    assert made.roles == {
        "hub": HUB,
        "oversight": msgspec.structs.replace(NOTHING, log=True),
        "portal": msgspec.structs.replace(NOTHING, history=("common",), values_per_minute=600),
    }
    assert made.log == LogRules(witnesses=(VKEY,), warn_seconds=3600, refuse_seconds=86_400)
    assert made.disclosure == DisclosureRules(officers=2, oversight=1, longest_days=30)
    named = {"common", "spin", *(f"sspin.{letter}" for letter in "ABCDEF"), "log", "tag"}
    assert made.keys.cryptoperiod_days == dict.fromkeys(named, 400)
    policy.validate(made, genesis.tree_of(make_domains()))


def test_what_a_file_leaves_out_stays_and_log_is_taken_as_a_whole(tmp_path: Path) -> None:
    before = read(WHOLE, tmp_path, make_policy())
    assert read("", tmp_path, before) == before
    after = read("[keys]\ndrill_days = 9\n[disclosure]\noversight = 2\n", tmp_path, before)
    assert (after.roles, after.log) == (before.roles, before.log)
    assert after.disclosure == DisclosureRules(officers=2, oversight=2, longest_days=30)
    assert read("[disclosure]\nofficers = 0\n", tmp_path, before).disclosure.officers == 0
    freed = read(f'[log]\nwitnesses = ["{VKEY}"]\n', tmp_path, before).log
    assert freed == LogRules(witnesses=(VKEY,), warn_seconds=None, refuse_seconds=None)
    assert read("[log]\n", tmp_path, before).log == LogRules()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[log]\nwarn = 3\n", "Object contains unknown field `warn` - at `$.log`"),
        ("[log]\nwarn_seconds = 0\n", "Expected `int` >= 1 - at `$.log.warn_seconds`"),
        ("[disclosure]\nofficer = 3\n", "Object contains unknown field `officer` - at `$.disclosure`"),
        ("[policy.hub]\nhistories = []\n", "Object contains unknown field `histories` - at `$.policy[...]`"),
        ("[policy.hub]\nlog = 1\n", "Expected `bool`, got `int` - at `$.policy[...].log`"),
    ],
)
def test_a_file_is_read_strictly(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SetupRefused) as refusal:
        read(text, tmp_path, make_policy())
    assert refusal.value.message == f"{tmp_path / 'policy.toml'}: {reason}"


def test_the_set_up_file_has_the_same_tables(tmp_path: Path) -> None:
    head = 'participants = []\n[token]\nlabel = "kagimori"\nserial = "0123456789abcdef"\n'
    path = tmp_path / "setup.toml"
    path.write_text(head + WHOLE, encoding="utf-8")
    founded = setup_file.found(path, setup_file.load(path)).policy
    assert founded == msgspec.structs.replace(
        read(WHOLE, tmp_path, make_policy()),
        keys=KeyRules(cryptoperiod_days=founded.keys.cryptoperiod_days),
    )
    path.write_text(head, encoding="utf-8")
    bare = setup_file.found(path, setup_file.load(path)).policy
    assert (bare.roles, bare.log, bare.disclosure) == ({}, LogRules(), DisclosureRules())
    assert bare.keys.cryptoperiod_days["log"] == bare.keys.cryptoperiod_days["tag"] == 730


def shown(before: Policy | None, after: Policy) -> str:
    """What a person is shown of a policy, or of its change."""
    out = Console(file=io.StringIO(), width=200, markup=False, emoji=False, highlight=False)
    invisible = policy.disclosing(genesis.tree_of(make_domains()))
    if before is None:
        show_policy.whole(out, after, invisible)
    else:
        show_policy.change(out, before, after, invisible)
    assert isinstance(out.file, io.StringIO)
    return "\n".join(" ".join(line.split()) for line in out.file.getvalue().splitlines())


def test_the_whole_of_a_policy_in_words(tmp_path: Path) -> None:
    told = shown(None, read(WHOLE, tmp_path, make_policy()))
    digest = hashlib.sha256(VKEY.encode()).hexdigest()
    for line in (
        "hub sspin.B → sspin.E exchange, linking 1,000 / 5,000 / 100,000",
        "sspin.E → sspin.B a day: 200,000",
        "a day for linking: 7",
        "without an order: 500",
        "oversight read the log, and hand in cosignatures – 0 / 0 / 0",
        "portal ask for one person's conversions by: common – 0 / 0 / 600",
        "rotation of log due after 400 days",
        "witnesses 1",
        f"witness kanshi.example/w1, Ed25519 verifier key with SHA-256 {digest}",
        "a warning when a witness has not co-signed for 3,600 seconds",
        "nothing is converted when one has not for 86,400 seconds",
        "an order is signed by 2 officers, 1 oversight",
        "an order is valid for at most 30 days",
    ):
        assert line in told.splitlines(), told
    bare = shown(None, make_policy()).splitlines()
    assert "witnesses none" in bare and "nothing is converted when one has not for no demand" in bare


CHANGED = {
    "history": (("common",), "one person's conversions, asked by – common"),
    "log": (True, "reads the log, hands in cosignatures no yes"),
    "values_per_day": (5000, "values_per_day no quota 5,000"),
    "values_without_order": (0, "values_without_order no limit 0"),
    "purpose_values_per_day": ({"linking": 3}, "values_per_day for linking no quota 3"),
    "values_per_request": (7, "values_per_request 100 7"),
    "values_per_stream": (7, "values_per_stream 1,000,000 7"),
    "values_per_minute": (7, "values_per_minute 10,000 7"),
    "purposes": (("exchange",), "purposes exchange, linking exchange"),
    "pairs": ((), "pairs removed resident → sspin.C refused"),
}


@pytest.mark.parametrize("field", RoleRule.__struct_fields__)
def test_a_change_of_each_field_of_a_rule_is_shown(field: str) -> None:
    value, line = CHANGED[field]
    before = make_policy()
    hub = msgspec.structs.replace(before.roles["hub"], **{field: value})
    told = shown(before, Policy(roles={"hub": hub}))
    assert f"hub {line}" in told.splitlines(), told
    assert told.count("\nhub ") == 1, "and nothing else"
    assert "rules about keys as before" in told and "rules about disclosure orders as before" in told


def test_roles_that_only_read_are_added_and_removed_in_words() -> None:
    reading = Policy(roles={"portal": msgspec.structs.replace(NOTHING, log=True)})
    empty = Policy(roles={"portal": NOTHING})
    assert "portal ROLE ADDED – may do what follows" in shown(Policy(roles={}), reading)
    assert "portal ROLE ADDED – may convert nothing" in shown(Policy(roles={}), empty)
    assert "portal ROLE REMOVED could do what follows –" in shown(reading, Policy(roles={}))
    assert "portal ROLE REMOVED could convert nothing –" in shown(empty, Policy(roles={}))


RULES = {
    "log": (LogRules(witnesses=(VKEY,), warn_seconds=9), "a warning when a witness has not co-signed for"),
    "disclosure": (DisclosureRules(officers=1, longest_days=7), "an order is valid for at most"),
    "keys": (KeyRules(backups=1, cryptoperiod_days={"tag": 9}), "rotation of tag due after"),
}


@pytest.mark.parametrize("group", RULES)
def test_a_change_of_the_other_rules_is_shown_and_the_rest_is_said_to_stay(group: str) -> None:
    value, rule = RULES[group]
    before = make_policy()
    told = shown(before, msgspec.structs.replace(before, **{group: value}))
    assert f"\n{rule} " in told
    assert told.count("rules about ") == 2
    assert "roles as before: hub" in told


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_sheets_have_the_same_rules_in_both_languages(language: str, tmp_path: Path) -> None:
    t = Wording(language)  # type: ignore[arg-type]
    after = read(WHOLE, tmp_path, make_policy())
    new = [row for table in rule_tables(t, None, after) for row in table.rows]
    assert all(len(row) == 2 for row in new)
    changes = rule_tables(t, make_policy(), after)
    changed = {row[1]: row[2] for table in changes for row in table.rows if row[0] == t("change.changed")}
    digest = hashlib.sha256(VKEY.encode()).hexdigest()
    witness = t("change.rule_witness", name="kanshi.example/w1", kind="Ed25519")
    nothing, seconds = t("change.nothing"), t("change.seconds", count="3,600")
    assert changed[witness] == f"{nothing} → {digest}"
    assert changed[t("change.rule_warn")] == f"{nothing} → {seconds}"
    assert t("change.days", count=30) in changed[t("change.rule_order_longest")]
    assert t("change.order_signers", officers=2, oversight=1) in changed[t("change.rule_order_signed")]
