"""The tree of domains and the names of key generations."""

from __future__ import annotations

import pytest

from appliance.numbers.domains import Domain, DomainError, DomainTree, Generation, default_domains
from appliance.numbers.formats import BASE36, DECIMAL, Format

ROOT = Domain("resident", Format(DECIMAL, 11), None)
SPIN = Domain("spin", Format(BASE36, 11), "resident")


@pytest.mark.parametrize("text", ["spin.1", "sspin.C.2", "sspin.Tax2.99999", "common.10"])
def test_generations_are_read_and_written(text: str) -> None:
    assert str(Generation.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "spin", "spin.0", "spin.01", "spin.-1", "spin.100000", "Spin.1", "sspin.c.1", "sspin..1"),
        *("spin.1 ", "spin.1\n", "spin.１", "sspin.C.2.3", "sspin.C"),
    ],
)
def test_anything_else_is_no_generation(text: str) -> None:
    with pytest.raises(DomainError, match="is not a key generation such as sspin.C.2"):
        Generation.parse(text)


def test_generations_are_ordered_by_number() -> None:
    assert Generation("spin", 10) > Generation("spin", 9)


def test_the_default_tree_is_the_schemes() -> None:
    tree = DomainTree(default_domains())
    assert tree.root.name == "resident"
    assert {domain.name: domain.parent for domain in tree} == {
        "resident": None,
        "common": "resident",
        "spin": "resident",
        **{f"sspin.{sector}": "spin" for sector in "ABCDEF"},
    }
    assert tree["common"].format.text_length == 12
    assert "sspin.G" not in tree
    with pytest.raises(DomainError, match=r"'sspin.G' is no domain of this ledger"):
        tree["sspin.G"]


def test_a_sector_is_added_as_data() -> None:
    tree = DomainTree(default_domains()).with_domain(Domain("sspin.G", Format(DECIMAL, 18), "spin"))
    assert tree["sspin.G"].parent == "spin"


@pytest.mark.parametrize(
    ("domains", "reason"),
    [
        ([], "exactly one root"),
        ([SPIN], "exactly one root"),
        ([ROOT, Domain("other", Format(DECIMAL, 11), None)], "exactly one root"),
        ([ROOT, SPIN, SPIN], "named twice"),
        ([ROOT, Domain("sspin.A", Format(BASE36, 11), "spin")], "sspin.A: its parent spin is no domain"),
        (
            [ROOT, SPIN, Domain("sspin.A", Format(DECIMAL, 17), "spin")],
            "sspin.A: its format is smaller than that of spin",
        ),
        (
            [ROOT, Domain("x", Format(BASE36, 11), "y"), Domain("y", Format(BASE36, 11), "x")],
            "its parents run in a loop",
        ),
    ],
)
def test_impossible_trees_are_refused(domains: list[Domain], reason: str) -> None:
    with pytest.raises(DomainError, match=reason):
        DomainTree(domains)


@pytest.mark.parametrize("name", ["", "Spin", "sspin.a", "sspin.", "sspin.A.1", "a" * 33, "spin\n"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(DomainError, match="is not a domain name"):
        Domain(name, Format(DECIMAL, 11), None)


def test_a_small_domain_is_refused() -> None:
    with pytest.raises(DomainError, match="fewer than a million numbers"):
        Domain("spin", Format(DECIMAL, 5), None)
