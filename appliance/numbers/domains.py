"""The tree of domains, the generations on its edges, and the way from one to another.

Every edge of the tree is a keyed permutation; the root (``resident``) has no key. A number of
a child domain is the parent's number *as an integer*, written in the child's format and
enciphered there; so a child's format must be at least as large as its parent's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from appliance.numbers.ff1 import MINIMUM_DOMAIN
from appliance.numbers.formats import BASE36, DECIMAL, Format

_NAME = re.compile(r"[a-z]+(\.[A-Z][A-Za-z0-9]*)?", re.ASCII)
_GENERATION = re.compile(r"(?P<domain>[a-z]+(?:\.[A-Z][A-Za-z0-9]*)?)\.(?P<number>[1-9][0-9]{0,4})", re.ASCII)


class DomainError(ValueError):
    """A domain, generation or tree that cannot be."""


@dataclass(frozen=True, order=True)
class Generation:
    """One key of a domain, numbered from 1; written ``sspin.C.2``."""

    domain: str
    number: int

    @classmethod
    def parse(cls, text: str) -> Generation:
        """Raises DomainError when the text is not ``domain.number``."""
        match = _GENERATION.fullmatch(text)
        if match is None:
            raise DomainError(f"{text!r} is not a key generation such as sspin.C.2")
        return cls(match["domain"], int(match["number"]))

    def __str__(self) -> str:
        return f"{self.domain}.{self.number}"


@dataclass(frozen=True)
class Domain:
    """One kind of number. ``parent`` is None only for the root."""

    name: str
    format: Format
    parent: str | None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None or len(self.name) > 32:
            raise DomainError(f"{self.name!r} is not a domain name such as spin or sspin.C")
        if self.format.size < MINIMUM_DOMAIN:
            raise DomainError(f"{self.name}: fewer than a million numbers (SP 800-38G r1)")


class DomainTree:
    """An immutable tree of domains.

    Raises:
        DomainError: no root or two, a name twice, an unknown parent, a loop, or a child
            whose format is smaller than its parent's.
    """

    def __init__(self, domains: Iterable[Domain]) -> None:
        listed = tuple(domains)
        self._domains = {domain.name: domain for domain in listed}
        if len(self._domains) != len(listed):
            raise DomainError("a domain is named twice")
        roots = [domain for domain in listed if domain.parent is None]
        if len(roots) != 1:
            raise DomainError("the tree needs exactly one root")
        self.root = roots[0]
        for domain in listed:
            self._check(domain)

    def _check(self, domain: Domain) -> None:
        if domain.parent is None:
            return
        if domain.parent not in self._domains:
            raise DomainError(f"{domain.name}: its parent {domain.parent} is no domain")
        if domain.format.size < self._domains[domain.parent].format.size:
            raise DomainError(f"{domain.name}: its format is smaller than that of {domain.parent}")
        seen = {domain.name}
        parent: str | None = domain.parent
        while parent is not None:
            if parent in seen:
                raise DomainError(f"{domain.name}: its parents run in a loop")
            seen.add(parent)
            parent = self._domains[parent].parent if parent in self._domains else None

    def __getitem__(self, name: str) -> Domain:
        try:
            return self._domains[name]
        except KeyError:
            raise DomainError(f"{name!r} is no domain of this ledger") from None

    def __contains__(self, name: object) -> bool:
        return name in self._domains

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._domains.values())

    def with_domain(self, domain: Domain) -> DomainTree:
        """The tree with one domain more."""
        return DomainTree([*self, domain])


DEFAULT_SECTORS = {
    "A": "税 (tax)",
    "B": "共通番号を利用する社会保障分野 (social security using the common number)",
    "C": "共通番号を利用しない社会保障分野 (social security not using it)",
    "D": "その他 (other)",
    "E": "地方 (local government)",
    "F": "民間 (private)",
}


def default_domains() -> tuple[Domain, ...]:
    """The scheme's own tree: resident, common, spin and one sspin for each default sector."""
    spin = Format(BASE36, 11)
    return (
        Domain("resident", Format(DECIMAL, 11), None),
        Domain("common", Format(DECIMAL, 11, "individual-number"), "resident"),
        Domain("spin", spin, "resident"),
        *(Domain(f"sspin.{sector}", spin, "spin") for sector in DEFAULT_SECTORS),
    )
