"""The policy in few lines: thirty pairs among six sectors read as one sentence; and what a change does to it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console

from appliance.ledger.policy import KeyRules, Policy, RoleRule
from keyceremony import screen

_NOTHING = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=0)
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


def rule_row(role: str, rule: RoleRule, invisible: frozenset[str]) -> list[str]:
    """A table row; pairs whose answer shows an invisible root number are marked."""
    sentences = _sentences(rule.pairs, invisible) or ["nothing"]
    limits = f"{rule.values_per_request:,} / {rule.values_per_stream:,} / {rule.values_per_minute:,}"
    return [role, "\n".join(sentences), _listed(rule.purposes), limits]


def whole(out: Console, policy: Policy, invisible: frozenset[str]) -> None:
    """Print every role's rule and the rules about keys. ``invisible``: numbers that nobody should be shown."""
    rows = [rule_row(role, rule, invisible) for role, rule in sorted(policy.roles.items())]
    limits = "values a request / stream / minute"
    out.print(screen.table("Who may convert what (all else is refused)", ["role", "may", "for", limits], rows))
    out.print(screen.table("How keys are kept", ["rule", "value"], [[name, text] for name, text in _keys(policy.keys)]))


def change(out: Console, before: Policy, after: Policy, invisible: frozenset[str]) -> None:
    """Print what a policy change adds, takes away and alters: role by role, and each rule about keys."""
    roles = sorted({*before.roles, *after.roles})
    rows = [row for role in roles for row in _role_change(role, before, after, invisible)]
    if rows:
        heading = "Who may convert what: what changes"
        out.print(screen.table(heading, ["role", "what", "before", "after"], rows))
    told = {row[0] for row in rows}
    same = [role for role in roles if role not in told]
    screen.line(out, f"   roles as before: {', '.join(same) or 'none'}")
    old, new = dict(_keys(before.keys)), dict(_keys(after.keys))
    keys = [[name, old.get(name, "–"), new.get(name, "–")] for name in sorted({*old, *new})]
    if changed := [row for row in keys if row[1] != row[2]]:
        out.print(screen.table("How keys are kept: what changes", ["rule", "before", "after"], changed))
    else:
        screen.line(out, "   rules about keys as before")


def _role_change(role: str, before: Policy, after: Policy, invisible: frozenset[str]) -> Iterator[list[str]]:
    old, new = before.roles.get(role, _NOTHING), after.roles.get(role, _NOTHING)
    if role not in before.roles:
        yield [role, "ROLE ADDED", "–", "may do what follows" if new.pairs else "may convert nothing"]
    if role not in after.roles:
        yield [role, "ROLE REMOVED", "could do what follows" if old.pairs else "could convert nothing", "–"]
    if added := set(new.pairs) - set(old.pairs):
        yield [role, "pairs added", "refused", "\n".join(_sentences(sorted(added), invisible))]
    if removed := set(old.pairs) - set(new.pairs):
        yield [role, "pairs removed", "\n".join(pairs_in_words(sorted(removed))), "refused"]
    if set(old.purposes) != set(new.purposes):
        yield [role, "purposes", _listed(old.purposes), _listed(new.purposes)]
    for name in ("values_per_request", "values_per_stream", "values_per_minute"):
        was, becomes = getattr(old, name), getattr(new, name)
        if was != becomes:
            yield [role, name, f"{was:,}", f"{becomes:,}"]


def _keys(rules: KeyRules) -> Iterator[tuple[str, str]]:
    yield "backup tokens with a copy before activate", str(rules.backups)
    yield "recovery rehearsed every", f"{rules.drill_days} days"
    yield "suspension ratified within", f"{rules.ratify_days} days"
    for name, days in sorted(rules.cryptoperiod_days.items()):
        yield f"rotation of {name} due after", f"{days} days"


def _sentences(pairs: Sequence[tuple[str, str]], invisible: frozenset[str]) -> list[str]:
    bare = sorted({target for _, target in pairs} & invisible)
    return pairs_in_words(pairs) + ([f"!! answers show {', '.join(bare)} itself"] if bare else [])


def _listed(purposes: Sequence[str]) -> str:
    return ", ".join(purposes) or "–"
