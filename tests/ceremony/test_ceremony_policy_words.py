"""The policy table names exactly the pairs that the policy has: expanding its sentences gives them back."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from appliance.ledger.policy import RoleRule
from keyceremony.showing.show_policy import names, pairs_in_words, rule_row

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
    assert row == ["odd", "sspin.A → spin\n!! answers show spin itself", "inquiry", "1 / 0 / 2,000"]
    nothing = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
    assert rule_row("portal", nothing, frozenset()) == ["portal", "nothing", "–", "0 / 0 / 0"]
