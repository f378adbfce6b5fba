"""Pairs of domains in few lines: thirty pairs among six sectors read as one sentence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

_LETTER = re.compile(r"(?P<stem>[a-z]+\.)(?P<letter>[A-Z])", re.ASCII)


def pairs_in_words(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Sentences that together name exactly the pairs: groups of all-with-all first, then what is left."""
    targets: dict[str, set[str]] = defaultdict(set)
    for source, target in pairs:
        targets[source].add(target)
    sentences = []
    for group in _complete_groups(targets):
        sentences.append(f"{names(sorted(group))}: each to each other one ({len(group) * (len(group) - 1)} pairs)")
        for source in group:
            targets[source] -= group - {source}
    return sentences + _grouped(targets)


def _complete_groups(targets: dict[str, set[str]]) -> list[set[str]]:
    """Disjoint groups of three or more sources whose members all convert to one another."""
    by_reach: dict[frozenset[str], set[str]] = defaultdict(set)
    for source, reached in targets.items():
        by_reach[frozenset(reached | {source})].add(source)
    return [set(group) for reach, group in by_reach.items() if len(group) > 2 and group <= reach]


def _grouped(targets: dict[str, set[str]]) -> list[str]:
    by_targets: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for source, reached in targets.items():
        if reached:
            by_targets[tuple(sorted(reached))].append(source)
    return [f"{names(sorted(sources))} → {names(reached)}" for reached, sources in by_targets.items()]


def names(domains: Sequence[str]) -> str:
    """Domain names with runs of sector letters drawn together: ``sspin.A–F``."""
    parts: list[list[str]] = []
    for name in domains:
        if parts and _follows(parts[-1][-1], name):
            parts[-1].append(name)
        else:
            parts.append([name])
    return ", ".join(_run(part) for part in parts)


def _follows(before: str, name: str) -> bool:
    first, second = _LETTER.fullmatch(before), _LETTER.fullmatch(name)
    if first is None or second is None or first["stem"] != second["stem"]:
        return False
    return ord(second["letter"]) == ord(first["letter"]) + 1


def _run(part: list[str]) -> str:
    return f"{part[0]}–{part[-1][-1]}" if len(part) > 2 else ", ".join(part)
