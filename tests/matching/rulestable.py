"""The decision table in Markdown, for docs/matching.md: ``python -m tests.matching.rulestable`` prints it."""

from __future__ import annotations

from collections.abc import Set
from enum import IntEnum

from appliance.matching.evidence import AddressIs, BirthIs, NameIs, SexIs
from appliance.matching.rules import RULES, Worth

WORTHS = {
    Worth.SURE: "**match**, if there is one such",
    Worth.ALONE: "**match**, if nobody else comes near",
    Worth.RARE: "**match**, if the name is rare and nobody else comes near",
    Worth.ASK: "candidate",
    Worth.FAINT: "candidate, if the given name is rare",
    Worth.NOTHING: "nothing",
}
_LEVELS: dict[type[IntEnum], tuple[str, ...]] = {
    NameIs: ("same", "same, written otherwise", "surname one letter off", "other surname", "one letter off", "other"),
    AddressIs: ("same", "same, written otherwise", "building or room not said", "same town", "other"),
    BirthIs: ("same", "one slip off", "other"),
    SexIs: ("same", "other"),
}


def markdown() -> str:
    """Each row of the table."""
    heads = ["name", "address", "birth date", "sex", "the resident is worth", "because"]
    rows = [[*(_told(level) for level in row[:4]), WORTHS[row.worth], row.why] for row in RULES]
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, ["---"] * len(heads), *rows])


def _told(levels: Set[IntEnum]) -> str:
    """Named one by one, unless it is all there are."""
    kind = type(next(iter(levels)))
    return "any" if len(levels) == len(kind) else "; ".join(_LEVELS[kind][level] for level in sorted(levels))


if __name__ == "__main__":
    print(markdown(), end="")
